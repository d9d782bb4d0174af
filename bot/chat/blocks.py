"""Announcements as Slack messages: a full sentence for notifications and screen readers, blocks for the eye. Pure.

A message says what, where, since when, who, and what to press or type next. The state is a word first, an icon
second. Everything that people or clusters wrote is escaped; what is too long is a file in the thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bot.chat import folded, kit, rollout
from bot.chat.buttons import buttons
from bot.chat.kit import Block, code, cut, escape, many, person, took, when
from bot.chat.sentence import WHAT_LIMIT, WORDS, placed, sentence
from bot.model.announcement import Announcement, ChangeLine, News, TroubleLine
from bot.model.source import Revision

BLOCKS_LIMIT: Final = 12_000  # bytes of all blocks: Slack refuses messages from about 13,200 on
_DETAIL_BLOCKS: Final = 30
_LINES: Final = 15  # changed objects in a message; the file in the thread has all
_FIELDS: Final = 4  # changed fields of an object
_WIDTH: Final = 200  # characters of one line of a diff
_TROUBLES: Final = 8
_CAUSE_LINES: Final = 5
_MESSAGE: Final = 1_200  # characters of an error in a message

_LOUD: Final = frozenset(
    {
        News.DIFF,
        News.FAILED,
        News.REFUSED,
        News.APPROVAL,
        News.REJECTED,
        News.PAUSED,
        News.ROLLED_BACK,
        News.DRIFT,
        News.FIGHT,
        News.DEGRADED,
    }
)
_WITH_CHANGES: Final = frozenset(
    {News.DIFF, News.DRIFT, News.PROPOSED, News.REFUSED, News.APPROVAL, News.REJECTED, News.WAITING}
)
_OF_SOMEBODY: Final = frozenset(
    {News.PAUSED, News.ROLLED_BACK, News.MUTED, News.REJECTED, News.REMINDER, News.PROPOSED}
)
_ALARMS: Final = {
    News.DEGRADED: "is degraded",
    News.APPROVAL: "waits for approval",
    News.REFUSED: "waits for a yes",
    News.PAUSED: "is paused",
}
TROUBLED: Final = frozenset({News.FAILED, News.DEGRADED})
_GOOD: Final = frozenset({News.CONVERGED, News.ROLLED_BACK, News.RECOVERED, News.SETTLED})
_ENDED: Final = frozenset({News.CONVERGED, News.ROLLED_BACK})
_SIGNS: Final = {
    "create": "+",
    "restore": "+",
    "update": "~",
    "recreate": "!",
    "delete": "-",
    "blocked": "x",
    "unchanged": "=",
}

_WHYS: Final = {  # a sign alone is read out as "plus" or "tilde"
    "create": "   (new)",
    "blocked": "   (blocked)",
    "delete": "   (will be deleted)",
    "recreate": "   (deleted and created again)",
    "restore": "   (was deleted by hand)",
}


@dataclass(frozen=True, slots=True)
class Message:
    """`text` is a whole sentence; it is what notifications and screen readers have."""

    text: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file for the thread: what a message has no room for."""

    name: str
    title: str
    content: str


def render(news: Announcement, *, author: str = "") -> Message:
    """Return the message of one announcement; `author` is the Slack id of the commit's author, where known."""
    before = [*_head(news), *kit.fields(list(_facts(news, author))), *_paragraph(_unsaid(news)), *_progress(news)]
    detail = [
        *_troubles(news.troubles),
        *(rollout.blocks(news) if news.is_rollout else folded.apps(news)),
        *_changes(news),
        *kit.bullets("In short" if news.news in {News.DIGEST, News.UNMUTED} else "Impact", news.impact),
        *kit.bullets("Warning", news.warnings),
    ]
    next_step = f"*Next:* {escape(cut(news.next_step, 400))}" if news.next_step else ""
    after = [*_section(next_step), *kit.actions(list(buttons(news))), kit.context(_context(news))]
    room = BLOCKS_LIMIT - sum(map(kit.weight, [*before, *after]))
    return Message(text=sentence(news), blocks=(*before, *_fitting(detail, room, news), *after))


def alarm(news: Announcement, *, author: str = "") -> Message:
    """Return the line that rings for what only edits a message: who, what and what next, in one section."""
    what = _ALARMS.get(news.news, "could not be synced")
    at = f" at {news.revision.blamed.short}" if news.revision else ""
    blamed = f"<@{author}> " if author and news.news in TROUBLED and not news.undone else ""
    words = kit.one_line(f"{news.app} / {news.cluster} {what}{at}. {cut(news.message, WHAT_LIMIT)}")
    following = f" Next: {kit.one_line(news.next_step)}" if news.next_step else ""
    text = f"{blamed}{kit.spoken(words)}{kit.spoken(cut(following, 400))}"
    return Message(text=text, blocks=(kit.section(text),))


def attachment(news: Announcement) -> Attachment | None:
    """Return the file that goes into the thread beside the message; None when the message says it all."""
    revision = news.revision.short if news.revision else "unknown"
    if news.in_thread and news.news in _WITH_CHANGES and _is_long(news.changes):
        lines = [line for change in news.changes for line in (*_change(change, width=None, most=None), *_hands(change))]
        title = f"Changes of {news.app} / {news.cluster} at {revision}"
        return Attachment(f"{news.app}-{revision}.diff", title, "\n".join([title, "", *lines, ""]))
    if not news.in_thread and news.news in TROUBLED and _is_much(news.troubles):
        lines = [line for trouble in news.troubles for line in _whole(trouble)]
        title = f"Errors of {news.app} / {news.cluster} at {revision}"
        return Attachment(f"{news.app}-{revision}-errors.txt", title, "\n".join([title, "", *lines, ""]))
    return None


def _unsaid(news: Announcement) -> str:
    """Return the sentence of the news where headline and fields do not say it already."""
    short = news.revision.short if news.revision else ""
    said = {f"The cluster is equal to {short}.", f"{news.summary}.", f"{news.summary} at {news.ref}."}
    return "" if news.message in said else placed(news)


def _head(news: Announcement) -> Iterator[Block]:
    icon, word = WORDS[news.news]
    if news.news in _LOUD and not news.in_thread:
        yield kit.header(f"{word}: {news.app} / {news.cluster}")
        return
    at = f" at {_commit(news)}" if news.revision and news.news in _GOOD else ""
    at = f" to {_commit(news)}" if news.revision and news.news is News.SYNCING else at
    count = f"   `{news.done} / {news.total}`" if news.news is News.SYNCING and news.total else ""
    yield kit.section(f"*{word}*: {escape(news.app)} / {escape(news.cluster)}{at}{count} {icon}")


def _commit(news: Announcement) -> str:
    """Return the commit that the cluster is or will be equal to; what links is the one that changed something."""
    short = news.revision.short if news.revision else ""
    linked = news.revision_url and not (news.revision and news.revision.cause)
    return f"<{news.revision_url}|{short}>" if linked else f"`{short}`"


def _blamed(news: Announcement, revision: Revision) -> str:
    """Return the commit that changed something, and the one it is deployed with where that is another."""
    blamed = revision.blamed
    short = f"<{news.revision_url}|{blamed.short}>" if news.revision_url else f"`{blamed.short}`"
    subject = escape(cut(blamed.subject or "(no subject)", 120))
    return f"{short}  {subject}" + (f" (at `{revision.short}`)" if revision.cause else "")


def _facts(news: Announcement, author: str) -> Iterator[tuple[str, str]]:
    """Yield title and text of what is known, in the order people ask for it."""
    revision = news.revision
    if news.news is News.SYNCING and not news.is_rollout:
        return
    if revision is not None:
        yield "Commit", _blamed(news, revision)
        if revision.blamed.author and not (news.undone or news.outage):
            yield "Author", _author(news, author)
    did = news.news in _GOOD
    # Who tries again finds applied what the first try has applied: that is no news.
    if news.summary is not None and (news.summary.total or news.news not in TROUBLED | _GOOD):
        yield "Applied" if did else "Changes", news.summary.done if did else str(news.summary)
    if revision is not None and news.previous and news.previous != revision.commit:
        if news.news in _GOOD:
            yield "Was", f"`{news.previous[:7]}`"
        else:
            text = f"{news.previous[:7]}...{revision.short}"
            yield "From", f"<{news.compare_url}|{text}>" if news.compare_url else f"`{text}`"
    if news.news in _GOOD and news.objects:
        yield "Health", f"{news.ready} of {news.objects} ready"
    if news.news is News.FAILED and news.total:
        yield "State", f"{news.done} of {news.total} applied"
    if news.started_at is not None and news.news in _ENDED:
        new = revision is not None and not news.undone and news.previous  # an app's first commit may be years old
        live = revision.blamed.committed_at if revision is not None and new else None
        whole = f" (commit to live {took(news.at - live)})" if live is not None and news.news is News.CONVERGED else ""
        yield "Took", f"{took(news.at - news.started_at)}{whole}"
    if news.failures == 1 and news.since is not None:
        yield "Failing since", when(news.since)
    elif news.failures:
        since = f" since {when(news.since)}" if news.since is not None else ""
        yield "Failures", f"{news.failures} in a row{since}"
    elif news.since is not None:
        yield "Since", when(news.since)
    yield from _orders(news)


def _orders(news: Announcement) -> Iterator[tuple[str, str]]:
    """Yield what people decided or have to decide."""
    if news.page:
        by = f", acknowledged by {person(news.acknowledged_by)}" if news.acknowledged_by else ""
        yield "On-call", f"paged {escape(news.page)}{by}"
    if news.needed:
        given = f" by {', '.join(map(person, news.given))}" if news.given else ""
        yield "Approvals", f"{len(news.given)} of {news.needed}{given}"
    elif news.given:
        yield "Approved by", ", ".join(map(person, news.given))
    if news.news in _OF_SOMEBODY and news.by:
        yield "By", person(news.by)
    if news.reason:
        yield "Reason", escape(cut(news.reason, 300))
    if news.until is not None:
        yield (
            {News.PAUSED: "Resumes", News.REFUSED: "Expires", News.APPROVAL: "Expires"}.get(news.news, "Until"),
            when(news.until),
        )
    elif news.holds:
        yield "Resumes", "when someone says so (reminder every 4 h)"
    if news.behind:
        yield "Waiting", many(news.behind, "commit")
    if news.next_at is not None and news.news is News.FAILED:
        yield "Next retry", when(news.next_at)


def _author(news: Announcement, author: str) -> str:
    """Return the author; whoever broke something is mentioned, success pings nobody."""
    name = escape(cut(news.revision.blamed.author, 120)) if news.revision else ""
    return f"<@{author}> ({name})" if author and news.news in TROUBLED else name


def _progress(news: Announcement) -> Iterator[Block]:
    if news.progress is None:
        return
    parts = (("Done", news.progress.done), ("Now", news.progress.now), ("Left", news.progress.left))
    yield from _section("\n".join(f"*{title}*  {escape(cut(text, 500))}" for title, text in parts if text))


def _troubles(troubles: Sequence[TroubleLine]) -> Iterator[Block]:
    for one in troubles[:_TROUBLES]:
        where = f"  `{escape(kit.plain(one.where))}`" if one.where else ""
        words = code(one.message, _MESSAGE)
        yield from _section(f"*{escape(one.subject)}*{where}\n{words}" if one.subject else words)
        if one.cause is not None:
            cause = one.cause
            new = [part for part in (cause.pod, cause.reason, cause.message, cause.event) if part not in one.message]
            named = [f"pod {part}" if part == cause.pod else part for part in new]
            lines = [" - ".join(part for part in named if part), *cause.log[-_CAUSE_LINES:]]
            told = code("\n".join(line for line in lines if line), _MESSAGE)
            yield from _section(f"*Cause*\n{told}" if told else "")
    if len(troubles) > _TROUBLES:
        yield kit.section(f"and {len(troubles) - _TROUBLES} more: the file in the thread has all of them")


def _whole(trouble: TroubleLine) -> Iterator[str]:
    """Yield the lines of one trouble for the file, with nothing left out."""
    yield " ".join(part for part in (trouble.subject, trouble.where) if part)
    yield from (f"    {line}" for line in kit.plain(trouble.message).splitlines())
    if trouble.cause is not None:
        cause = trouble.cause
        parts = [cause.pod, cause.reason, cause.message, cause.event, *cause.log]
        yield from (f"    cause: {kit.plain(part)}" for part in parts if part)


def _changes(news: Announcement) -> Iterator[Block]:
    if (news.news not in _WITH_CHANGES and not news.undone) or not news.changes:
        return
    lines = [text for change in news.changes[:_LINES] for text in _change(change, width=_WIDTH, most=_FIELDS)]
    if len(news.changes) > _LINES:
        lines.append(f"and {len(news.changes) - _LINES} more: the file in the thread has all of them")
    yield from _section(code("\n".join(lines)))
    yield from kit.hands((one.object, one.hands) for one in news.changes)


def _change(change: ChangeLine, *, width: int | None, most: int | None) -> Iterator[str]:
    """Yield an object and its changed fields, each on a line of its own: phones are narrow."""
    why = _WHYS.get(change.action, "")
    yield f"{_SIGNS.get(change.action, '?')} {_line(change.object, width)}{why}"
    yield from (f"    {_line(field, width)}" for field in change.fields[:most])
    if most is not None and len(change.fields) > most:
        yield f"    and {many(len(change.fields) - most, 'more field')}"


def _hands(change: ChangeLine) -> Iterator[str]:
    """Yield who changed an object, for the file, which knows no reader's zone."""
    yield from (f"    changed by {kit.one_line(hand)}" for hand in change.hands)


def _line(text: str, width: int | None) -> str:
    return kit.one_line(text) if width is None else cut(kit.one_line(text), width)


def _is_long(changes: Sequence[ChangeLine]) -> bool:
    shown = "\n".join(text for one in changes for text in _change(one, width=None, most=None))
    wide = any(len(text) > _WIDTH for one in changes for text in (one.object, *one.fields))
    many_fields = any(len(one.fields) > _FIELDS for one in changes)
    many_hands = sum(bool(one.hands) for one in changes) > kit.HANDS_LISTED
    return len(changes) > _LINES or many_fields or many_hands or wide or len(shown) > kit.CODE_LIMIT


def _is_much(troubles: Sequence[TroubleLine]) -> bool:
    return len(troubles) > _TROUBLES or any(len(one.message) > _MESSAGE for one in troubles)


def _context(news: Announcement) -> Iterator[str]:
    yield f"Cluster *{escape(news.cluster)}*"
    if news.env:
        yield f"env *{escape(news.env)}*"
    if news.news in {News.DIFF, News.REFUSED, News.APPROVAL}:
        yield f"prune *{'on' if news.prune else 'off'}*"
        yield f"found {when(news.at)}"
    else:
        yield when(news.at)
    if news.every is not None and news.news in _GOOD | {News.DIFF}:
        yield f"Git looked at every {took(news.every)}"
    yield f"by {person(news.by)} ({news.via})" if news.by else f"by {news.via or 'schedule'}"
    yield f"`{news.operation}`"


def _fitting(detail: Sequence[Block], room: int, news: Announcement) -> Iterator[Block]:
    """Yield the blocks there is room for, and say where the rest is."""
    where = "`/gitops status` shows" if news.apps else f"`/gitops plan {news.app}` and `/gitops status {news.app}` show"
    more = kit.section(f"There is more: {where} it.")
    room -= kit.weight(more)
    for number, block in enumerate(detail):
        room -= kit.weight(block)
        if room < 0 or number == _DETAIL_BLOCKS:
            yield more
            return
        yield block


def _paragraph(text: str) -> Iterator[Block]:
    yield from _section(kit.spoken(cut(text, 800)))


def _section(text: str) -> Iterator[Block]:
    if text:
        yield kit.section(text)
