"""Answers to one person about an order of many apps: what it would change, what it has changed, what it left. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bot.chat import folded, kit
from bot.chat.kit import Block, many, took
from bot.chat.replies import ROOM, Answer
from bot.chat.verbs import deed
from bot.model.announcement import AppLine
from bot.model.app import AppSpec
from bot.model.bulk import BulkOrder, Foreseen, Kept, Swept, reasons

_NAMED: Final = 10
_LISTED: Final = 8  # reasons for which apps stay as they are
_STARTS: Final = frozenset({"sync", "resume"})  # ask in red: what they do to a cluster is not undone by a word


@dataclass(frozen=True, slots=True)
class Denied:
    """An app that somebody may not order, and why; the reason is Slack's text already."""

    app: AppSpec
    why: str


def asked(order: BulkOrder, foreseen: Foreseen, denied: Sequence[Denied]) -> Answer:
    """Ask whether so many apps are meant, with Confirm and Cancel."""
    count = many(len(foreseen.changes), "app")
    span = f" for {took(order.span)}" if order.span is not None else ""
    reason = f" ({order.reason})" if order.reason else ""
    title = kit.escape(f"{order.verb.capitalize()} {count}{span}{reason}? That is what {order.words} means now.")
    value = {
        "verb": order.verb,
        "words": order.words,
        "seconds": str(int(order.span.total_seconds())) if order.span is not None else "",
        "reason": order.reason,
        "seen": foreseen.digest,
    }
    says = f"Confirm: {order.verb} {count}"
    style = "danger" if order.verb in _STARTS else "primary"
    row = kit.actions(
        [
            kit.button("gitops.bulk_go", "Confirm", value, style=style, says=says),
            kit.button("gitops.cancel", "Cancel", {}, says="Cancel: change nothing"),
        ]
    )
    shown = _fitting([kit.section(title), *_listing("Would change", foreseen.changes)], order)
    return title, (*shown, *_left(order, foreseen.kept, denied), *row)


def swept(order: BulkOrder, done: Swept, denied: Sequence[Denied]) -> Answer:
    """Return what was done, and every app of which it was not, with the reason."""
    heard = ", ".join(f"<#{one}>" for one in done.channels[:_NAMED])
    rest = f" and {len(done.channels) - _NAMED} more" if len(done.channels) > _NAMED else ""
    text = kit.spoken(done.done.text) + (f" It is said in {heard}{rest}." if heard else "")
    head = _fitting([kit.section(text), *(_listing("Done", done.apps) if done.apps else ())], order)
    told = [text, *_sentences(order, done.kept, denied)]
    return " ".join(told), (*head, *_left(order, done.kept, denied))


def refused(order: BulkOrder, denied: Sequence[Denied]) -> Answer:
    """Say that somebody may order none of the apps."""
    return f"{_may_not(order, denied)} {denied[0].why}", ()


def _sentences(order: BulkOrder, kept: Sequence[Kept], denied: Sequence[Denied]) -> Iterator[str]:
    if kept:
        lines = reasons(kept)
        rest = f"; and {len(lines) - _LISTED} more" if len(lines) > _LISTED else ""
        shown = "; ".join(lines[:_LISTED])
        yield kit.spoken(f"{many(len(kept), 'app')} {_stays(kept)}: {shown}{rest}.")
    if denied:
        yield f"{_may_not(order, denied)} {denied[0].why}"


def _left(order: BulkOrder, kept: Sequence[Kept], denied: Sequence[Denied]) -> Iterator[Block]:
    title = f"{many(len(kept), 'app')} {_stays(kept)}"
    yield from kit.bullets(title, reasons(kept), most=_LISTED)
    if denied:
        yield kit.section(f"{_may_not(order, denied)} {denied[0].why}")


def _stays(kept: Sequence[Kept]) -> str:
    return "stays as it is" if len(kept) == 1 else "stay as they are"


def _may_not(order: BulkOrder, denied: Sequence[Denied]) -> str:
    names = ", ".join(one.app.title for one in denied[:_NAMED])
    rest = f" and {len(denied) - _NAMED} more" if len(denied) > _NAMED else ""
    return f"You may not {deed(order.verb, many(len(denied), 'app'))}: {kit.escape(names)}{rest}."


def _listing(title: str, apps: Iterable[AppSpec]) -> Iterator[Block]:
    return folded.listed(title, [AppLine(key=app.key, name=app.name, cluster=app.cluster) for app in apps])


def _fitting(blocks: Iterable[Block], order: BulkOrder) -> Iterator[Block]:
    """Yield the blocks there is room for beside what follows them."""
    room = ROOM * 2 // 3
    for block in blocks:
        room -= kit.weight(block)
        if room < 0:
            yield kit.section(f"There are more: `/gitops status {kit.escape(order.words)}` shows them.")
            return
        yield block
