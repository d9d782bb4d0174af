"""Pieces of Block Kit: safe texts and elements inside Slack's limits. Pure.

Whatever people or clusters wrote passes `escape` or `code`: no markup of theirs works, nobody is mentioned by it.
Limits are Slack's Block Kit reference, https://docs.slack.dev/reference/block-kit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from bot.model.people import SLACK_ID

Block = dict[str, Any]

TEXT_LIMIT: Final = 3_000  # characters of a section
FIELD_LIMIT: Final = 2_000
FIELDS_LIMIT: Final = 10
CODE_LIMIT: Final = 2_400
HANDS_LISTED: Final = 8
_CHANNEL: Final = re.compile(r"&lt;#([CG][A-Z0-9]{2,15})&gt;")
_TIME: Final = re.compile(r"(\bat )?(\d{4}-\d\d-\d\d \d\d:\d\d) UTC")
_HEADER_LIMIT: Final = 150
_LABEL_LIMIT: Final = 75
_OPTION_LIMIT: Final = 75
OPTIONS_LIMIT: Final = 100


def escape(text: str) -> str:
    """Make text safe: no markup of ours, no mass mentions (Slack API, "Escaping text")."""
    text = "".join(char if char.isprintable() or char == "\n" else " " for char in text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str) -> str:
    """Return text that cannot end a code block, without control and direction characters."""
    kept = "".join(char if char.isprintable() or char == "\n" else " " for char in text)
    return kept.replace("`", "'")


def one_line(text: str) -> str:
    """Return text as one line of single blanks."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def cut(text: str, limit: int) -> str:
    """Shorten a text without leaving half an escape at its end."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    start = head.rfind("&", len(head) - 5)
    return f"{head[:start] if start >= 0 and ';' not in head[start:] else head}…"


def code(text: str, limit: int = CODE_LIMIT) -> str:
    """Return a code block of at most `limit` characters and its fences; "" for blank text."""
    return f"```{cut(escape(cut(plain(text), limit)), limit)}```" if text.strip() else ""


def person(who: str) -> str:
    """Return how a person is shown: Slack users as mentions, others by name."""
    return f"<@{who}>" if SLACK_ID.fullmatch(who) else escape(who)


def spoken(text: str) -> str:
    """Return a sentence of the engine for Slack: escaped, ids as people and channels, UTC times in the reader's zone.

    Slack says "today" for a date: after "at" stands the time, as in "at 14:03 today".
    """
    return _TIME.sub(_local, SLACK_ID.sub(r"<@\1>", _CHANNEL.sub(r"<#\1>", escape(text))))


def _local(found: re.Match[str]) -> str:
    before, text = found[1] or "", found[2]
    at = datetime.strptime(f"{text} +0000", "%Y-%m-%d %H:%M %z")
    shown = "{time} {date_short_pretty}" if before else "{date_short_pretty} {time}"
    return f"{before}<!date^{int(at.timestamp())}^{shown}|{text} UTC>"


def when(at: datetime) -> str:
    """Return a time in the reader's zone, with UTC for clients that cannot."""
    fallback = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time_secs}}|{fallback}>"


def took(span: timedelta) -> str:
    """Return a span in words of two units: `1 min 40 s`, `3 h 5 min`, `2 d 4 h`."""
    seconds = max(int(span.total_seconds()), 0)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((index for index, (count, _) in enumerate(parts) if count), 3)
    said = [f"{count} {unit}" for count, unit in parts[first : first + 2] if count]
    return " ".join(said) or "0 s"


def many(count: int, noun: str) -> str:
    """Return `1 commit`, `3 commits`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": cut(one_line(text), _HEADER_LIMIT), "emoji": True}}


def section(text: str, *, accessory: Block | None = None) -> Block:
    block: Block = {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, TEXT_LIMIT)}}
    return {**block, "accessory": accessory} if accessory else block


def bullets(title: str, lines: Sequence[str], *, most: int = 8) -> list[Block]:
    """Return sentences of the engine under a title, and how many there are besides; nothing for none."""
    if not lines:
        return []
    shown = [f"• {spoken(cut(line, 300))}" for line in lines[:most]]
    rest = [f"and {len(lines) - most} more"] if len(lines) > most else []
    return [section("\n".join([f"*{title}*", *shown, *rest]))]


def hands(changed: Iterable[tuple[str, Sequence[str]]]) -> list[Block]:
    """Return who changed which object by hand, and when.

    Not in the code block of the diff: Slack would not show the times in the reader's zone there.
    """
    lines = [f"{cut(one_line(what), 100)}: {one_line(', '.join(by[:2]))}" for what, by in changed if by]
    return bullets("Changed by", lines, most=HANDS_LISTED)


def fields(facts: Sequence[tuple[str, str]]) -> list[Block]:
    """Return facts as title over text, ten to a section; the texts are safe already."""
    texts = [{"type": "mrkdwn", "text": cut(f"*{title}*\n{text}", FIELD_LIMIT)} for title, text in facts]
    return [
        {"type": "section", "fields": texts[first : first + FIELDS_LIMIT]}
        for first in range(0, len(texts), FIELDS_LIMIT)
    ]


def context(parts: Iterable[str]) -> Block:
    """Return one quiet line; the parts are safe already."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": cut("  |  ".join(parts), TEXT_LIMIT)}]}


def actions(elements: Sequence[Block], *, block_id: str = "") -> list[Block]:
    """Return a row of at most 25 elements; nothing for none."""
    if not elements:
        return []
    row: Block = {"type": "actions", "elements": list(elements[:25])}
    return [{**row, "block_id": block_id} if block_id else row]


def button(
    action: str,
    label: str,
    value: Mapping[str, str],
    *,
    style: str = "",
    says: str = "",
    asks: str = "",
) -> Block:
    """Return a button. `says` is what a screen reader reads, `asks` the text of a dialog to confirm.

    `says` begins with the label: who speaks to the computer says what they see (WCAG 2.2, 2.5.3).
    """
    assert not says or says.startswith(label), (label, says)
    made: Block = {
        "type": "button",
        "action_id": action,
        "text": _label(label),
        "value": orjson.dumps(value).decode(),
        "accessibility_label": cut(says or label, _LABEL_LIMIT),
    }
    if style:
        made["style"] = style
    if asks:
        made["confirm"] = confirm(f"{says or label}?", asks, yes=label, danger=style == "danger")
    return made


def confirm(title: str, text: str, *, yes: str, danger: bool = False) -> Block:
    dialog: Block = {
        "title": {"type": "plain_text", "text": cut(title, 100)},
        "text": {"type": "plain_text", "text": cut(text, 300)},
        "confirm": {"type": "plain_text", "text": cut(yes, 30)},
        "deny": {"type": "plain_text", "text": "Cancel"},
    }
    return {**dialog, "style": "danger"} if danger else dialog


def option(text: str, value: str, description: str = "") -> Block:
    """Return one choice; `value` has at most 150 characters, which the caller knows."""
    made: Block = {"text": {"type": "plain_text", "text": cut(one_line(text), _OPTION_LIMIT)}, "value": value}
    if description:
        made["description"] = {"type": "plain_text", "text": cut(one_line(description), _OPTION_LIMIT)}
    return made


def menu(action: str, placeholder: str, options: Sequence[Block], *, chosen: Block | None = None) -> Block:
    """Return a menu of at most 100 choices."""
    made: Block = {
        "type": "static_select",
        "action_id": action,
        "placeholder": {"type": "plain_text", "text": cut(placeholder, 150)},
        "options": list(options[:OPTIONS_LIMIT]),
    }
    return {**made, "initial_option": chosen} if chosen else made


def search_menu(action: str, placeholder: str) -> Block:
    """Return a menu whose choices Slack asks of us as the person types, from the first letter on or before it."""
    return {
        "type": "external_select",
        "action_id": action,
        "placeholder": {"type": "plain_text", "text": cut(placeholder, 150)},
        "min_query_length": 0,
    }


def weight(block: Block) -> int:
    """Return the size of a block as it goes over the wire, in bytes."""
    return len(orjson.dumps(block))


def _label(text: str) -> Block:
    return {"type": "plain_text", "text": cut(text, _LABEL_LIMIT), "emoji": True}
