"""Announcements as Slack messages: a full sentence for notifications and screen readers, blocks for the eye. Pure.

A message says what, where, since when, who, and what to press or type next. The state is a word first, an icon
second. Everything that people or clusters wrote is escaped; what is too long ends in a count of what is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from bot.model.announcement import Announcement, ChangeLine, News, TroubleLine

TEXT_LIMIT: Final = 3_000  # characters of a section, Block Kit reference
SENTENCE_LIMIT: Final = 1_000
BLOCKS_LIMIT: Final = 12_000  # bytes of all blocks: Slack refuses messages from about 13,200 on
DETAIL_BLOCKS: Final = 30
_LINES: Final = 15  # changed objects in a message; the plan command shows all
_CAUSE_LINES: Final = 5

_WORDS: Final[dict[News, tuple[str, str]]] = {
    News.DIFF: (":mag:", "Changes detected"),
    News.SYNCING: (":arrows_counterclockwise:", "Syncing"),
    News.CONVERGED: (":white_check_mark:", "Converged"),
    News.FAILED: (":x:", "Sync failed"),
    News.REFUSED: (":raised_hand:", "Waiting for a yes"),
    News.APPROVAL: (":raised_hand:", "Waiting for approval"),
    News.PAUSED: (":double_vertical_bar:", "Paused"),
    News.RESUMED: (":arrow_forward:", "Resumed"),
    News.ROLLED_BACK: (":rewind:", "Rolled back"),
    News.WAITING: (":hourglass:", "New commit waits"),
    News.DRIFT: (":warning:", "Drift"),
    News.DEGRADED: (":warning:", "Degraded"),
    News.RECOVERED: (":white_check_mark:", "Recovered"),
    News.PAGED: (":rotating_light:", "On-call is paged"),
    News.PAGE_CLOSED: (":white_check_mark:", "Page closed"),
    News.ACKNOWLEDGED: (":eyes:", "Page acknowledged"),
    News.UNDELIVERABLE: (":rotating_light:", "Could not page"),
}
_SIGNS: Final = {"create": "+", "update": "~", "recreate": "!", "delete": "-", "blocked": "x", "unchanged": "="}


@dataclass(frozen=True, slots=True)
class Message:
    """`text` is a whole sentence; it is what notifications and screen readers have."""

    text: str
    blocks: tuple[dict[str, Any], ...]


def render(news: Announcement) -> Message:
    """Return the message of one announcement."""
    before = [_header(news), *_facts(news), *_section(escape(_cut(news.message, 1_500)))]
    detail = [
        *_troubles(news.troubles),
        *_changes(news),
        *_list("*Impact*", news.impact),
        *_list("*Mind*", news.warnings),
    ]
    next_step = f"*Next:* {escape(_cut(news.next_step, 500))}" if news.next_step else ""
    after = [*_section(next_step), *_buttons(news), _context(news)]
    room = BLOCKS_LIMIT - sum(map(_weight, [*before, *after]))
    return Message(text=sentence(news), blocks=(*before, *_fitting(detail, room, news), *after))


def _fitting(detail: Sequence[dict[str, Any]], room: int, news: Announcement) -> Iterator[dict[str, Any]]:
    """Yield the blocks there is room for, and say where the rest is."""
    for number, block in enumerate(detail):
        room -= _weight(block)
        if room < 0 or number == DETAIL_BLOCKS:
            yield from _section(f"There is more: `/gitops plan {news.app}` and `/gitops status {news.app}` show it.")
            return
        yield block


def _weight(block: dict[str, Any]) -> int:
    return len(orjson.dumps(block))


def sentence(news: Announcement) -> str:
    """Return the whole news in one line, without markup."""
    _, word = _WORDS[news.news]
    at = f" at {news.revision.short}" if news.revision else ""
    detail = " ".join(
        part for part in (news.message, *(f"{t.subject}: {t.message}" for t in news.troubles[:3])) if part
    )
    by = f" By {news.by}." if news.by else ""
    line = " ".join(f"{word}: {news.app} / {news.cluster}{at}. {detail}{by}".split())
    return escape(_cut("".join(char for char in line if char.isprintable()), SENTENCE_LIMIT))


def escape(text: str) -> str:
    """Make text safe: no markup of ours, no mass mentions (Slack API, "Escaping text")."""
    text = "".join(char if char.isprintable() or char == "\n" else " " for char in text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def person(who: str) -> str:
    """Return how a person is shown: Slack users as mentions without a ping in a context, others by name."""
    return f"<@{who}>" if who.startswith(("U", "W")) and who.isalnum() else escape(who)


def when(at: datetime) -> str:
    """Return a time in the reader's zone, with UTC for clients that cannot."""
    fallback = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time_secs}}|{fallback}>"


def took(span: timedelta) -> str:
    seconds = max(int(span.total_seconds()), 0)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h" if hours else "", f"{minutes} min" if minutes else "", f"{seconds} s" if not hours else ""]
    return " ".join(part for part in parts if part)


def _header(news: Announcement) -> dict[str, Any]:
    icon, word = _WORDS[news.news]
    progress = f"  `{news.done} / {news.total}`" if news.news is News.SYNCING and news.total else ""
    return _mrkdwn(f"{icon} *{word}*: {escape(news.app)} / {escape(news.cluster)}{progress}")


def _facts(news: Announcement) -> Iterator[dict[str, Any]]:
    facts: list[str] = []
    if news.revision is not None:
        short = news.revision.short
        link = f"<{news.revision_url}|{short}>" if news.revision_url else f"`{short}`"
        facts.append(f"*Commit*\n{link}  {escape(_cut(news.revision.subject or '(no subject)', 120))}")
        if news.revision.author:
            facts.append(f"*Author*\n{escape(_cut(news.revision.author, 120))}")
    if news.summary is not None:
        facts.append(f"*Changes*\n{news.summary}")
    if news.previous and news.revision is not None and news.previous != news.revision.commit:
        text = f"{news.previous[:7]}...{news.revision.short}"
        facts.append(f"*From*\n<{news.compare_url}|{text}>" if news.compare_url else f"*From*\n`{text}`")
    if news.news in {News.CONVERGED, News.ROLLED_BACK} and news.objects:
        facts.append(f"*Health*\n{news.ready} of {news.objects} ready")
    if news.started_at is not None and news.news is not News.DIFF:
        facts.append(f"*Took*\n{took(news.at - news.started_at)}")
    if news.failures:
        facts.append(f"*Failures in a row*\n{news.failures}")
    if news.since is not None:
        facts.append(f"*Since*\n{when(news.since)}")
    if news.reason:
        facts.append(f"*Reason*\n{escape(_cut(news.reason, 500))}")
    if news.until is not None:
        facts.append(f"*Until*\n{when(news.until)}")
    if facts:
        yield {"type": "section", "fields": [{"type": "mrkdwn", "text": _cut(text, 2_000)} for text in facts[:10]]}


def _troubles(troubles: Sequence[TroubleLine]) -> Iterator[dict[str, Any]]:
    for one in troubles[:8]:
        where = f"  `{escape(_plain(one.where))}`" if one.where else ""
        yield from _section(
            f"*{escape(one.subject)}*{where}\n{_code(one.message)}" if one.subject else _code(one.message)
        )
        if one.cause is not None:
            cause = one.cause
            parts = [f"pod {cause.pod}" if cause.pod else "", cause.reason, cause.message, cause.event]
            lines = [" - ".join(part for part in parts if part), *cause.log[-_CAUSE_LINES:]]
            yield from _section(f"*Cause*\n{_code(chr(10).join(line for line in lines if line))}")
    if len(troubles) > 8:
        yield from _section(f"and {len(troubles) - 8} more")


def _changes(news: Announcement) -> Iterator[dict[str, Any]]:
    if news.news not in {News.DIFF, News.DRIFT, News.REFUSED, News.WAITING} or not news.changes:
        return
    lines = [text for change in news.changes[:_LINES] for text in _change(change)]
    if len(news.changes) > _LINES:
        lines.append(f"and {len(news.changes) - _LINES} more: /gitops plan {news.app}")
    yield from _section(_code("\n".join(lines)))


def _change(change: ChangeLine) -> Iterator[str]:
    first = f"   {_cut(change.fields[0], 200)}" if change.fields else ""
    yield f"{_SIGNS.get(change.action, '?')} {_cut(change.object, 200)}{first}"
    yield from (f"    {_cut(field, 200)}" for field in change.fields[1:4])
    if len(change.fields) > 4:
        yield f"    and {len(change.fields) - 4} more fields"


def _buttons(news: Announcement) -> Iterator[dict[str, Any]]:
    if news.in_thread:
        return
    value = {"app": f"{news.cluster}/{news.app}", "op": news.operation}
    buttons: list[dict[str, Any]] = []
    match news.news:
        case News.DIFF | News.SYNCING:
            buttons = [_button("gitops.diff", "View full diff", value), _button("gitops.pause", "Pause", value)]
        case News.CONVERGED if news.previous and news.revision and news.previous != news.revision.commit:
            label = f"Roll back to {news.previous[:7]}"
            buttons = [_button("gitops.rollback", label, {**value, "commit": news.previous}, style="danger")]
        case News.FAILED | News.DEGRADED:
            buttons = [_button("gitops.sync", "Sync now", value, style="primary")]
            if news.previous:
                label = f"Roll back to {news.previous[:7]}"
                buttons.append(_button("gitops.rollback", label, {**value, "commit": news.previous}, style="danger"))
            buttons.append(_button("gitops.pause", "Pause", value))
        case News.REFUSED:
            confirm = {**value, "plan": news.plan_hash}
            buttons = [
                _button(
                    "gitops.confirm", "Yes, do it", confirm, style="danger", asks="The plan above is applied as it is."
                ),
                _button("gitops.diff", "View full diff", value),
            ]
        case News.DRIFT:
            buttons = [_button("gitops.sync", "Undo the drift", value), _button("gitops.diff", "View full diff", value)]
        case News.PAUSED | News.ROLLED_BACK | News.WAITING:
            buttons = [_button("gitops.resume", "Resume", value, style="primary")]
        case _:
            pass
    if buttons:
        yield {"type": "actions", "elements": buttons}


def _button(action: str, label: str, value: dict[str, str], *, style: str = "", asks: str = "") -> dict[str, Any]:
    button: dict[str, Any] = {
        "type": "button",
        "action_id": action,
        "text": {"type": "plain_text", "text": _cut(label, 75), "emoji": True},
        "value": orjson.dumps(value).decode(),
        "accessibility_label": _cut(f"{label}: {value['app']}", 75),
    }
    if style:
        button["style"] = style
    if asks:
        button["confirm"] = {
            "title": {"type": "plain_text", "text": _cut(f"{label}?", 100)},
            "text": {"type": "plain_text", "text": _cut(asks, 300)},
            "confirm": {"type": "plain_text", "text": "Yes"},
            "deny": {"type": "plain_text", "text": "Cancel"},
        }
    return button


def _context(news: Announcement) -> dict[str, Any]:
    parts = [f"cluster *{escape(news.cluster)}*"]
    if news.env:
        parts.append(f"env *{escape(news.env)}*")
    parts.append(f"by {person(news.by)} ({news.via})" if news.by else f"by {news.via or 'schedule'}")
    parts += [when(news.at), f"`{news.operation}`"]
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": _cut("  |  ".join(parts), TEXT_LIMIT)}]}


def _list(title: str, lines: Sequence[str]) -> Iterator[dict[str, Any]]:
    if lines:
        shown = [f"• {escape(_cut(line, 300))}" for line in lines[:5]]
        rest = [f"and {len(lines) - 5} more"] if len(lines) > 5 else []
        yield from _section("\n".join([title, *shown, *rest]))


def _section(text: str) -> Iterator[dict[str, Any]]:
    if text:
        yield _mrkdwn(text)


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text, TEXT_LIMIT)}}


def _code(text: str) -> str:
    return f"```{_cut(escape(_cut(_plain(text), 1_200)), 2_400)}```" if text.strip() else ""


def _plain(text: str) -> str:
    """Return text that cannot end a code block, without control characters."""
    kept = "".join(char if char.isprintable() or char == "\n" else " " for char in text)
    return kept.replace("`", "'")


def _cut(text: str, limit: int) -> str:
    """Shorten a text without leaving half an escape at its end."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    start = head.rfind("&", len(head) - 5)
    return f"{head[:start] if start >= 0 and ';' not in head[start:] else head}…"
