"""News in one sentence: all that notifications, lock screens and screen readers have of a message. Pure.

The state comes first, with app and cluster; then what happened and why, what changed, who, and what to press or type
next. Nothing of it is markup but mentions and times in the reader's zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bot.chat import folded, kit, rollout
from bot.chat.kit import cut, escape, many, person, took
from bot.model.announcement import Announcement, ChangeLine, News

SENTENCE_LIMIT: Final = 1_000
WHAT_LIMIT: Final = 600  # characters of it that are about what happened: what follows matters too
_CHANGED: Final = 400  # characters about what changed
_LISTED: Final = 3  # changed objects, and fields of one
_SUBJECT: Final = 100

WORDS: Final[dict[News, tuple[str, str]]] = {
    News.DIFF: (":mag:", "Changes detected"),
    News.SYNCING: (":arrows_counterclockwise:", "Syncing"),
    News.CONVERGED: (":white_check_mark:", "Converged"),
    News.FAILED: (":x:", "Sync failed"),
    News.REFUSED: (":raised_hand:", "Waiting for a yes"),
    News.DELETED: (":wastebasket:", "Deleted"),
    News.APPROVAL: (":raised_hand:", "Waiting for approval"),
    News.APPROVED: (":white_check_mark:", "Approved"),
    News.REJECTED: (":no_entry:", "Rejected"),
    News.EXPIRED: (":hourglass:", "Request expired"),
    News.MUTED: (":no_bell:", "Muted"),
    News.UNMUTED: (":bell:", "No longer muted"),
    News.REMINDER: (":alarm_clock:", "Reminder"),
    News.DIGEST: (":memo:", "Digest"),
    News.PAUSED: (":double_vertical_bar:", "Paused"),
    News.RESUMED: (":arrow_forward:", "Resumed"),
    News.ROLLED_BACK: (":rewind:", "Rolled back"),
    News.WAITING: (":hourglass:", "New commit waits"),
    News.DRIFT: (":warning:", "Drift"),
    News.FIGHT: (":repeat:", "Changed again and again"),
    News.PROPOSED: (":seedling:", "Change proposed"),
    News.DEGRADED: (":warning:", "Degraded"),
    News.RECOVERED: (":white_check_mark:", "Recovered"),
    News.SETTLED: (":white_check_mark:", "Settled"),
    News.PAGED: (":rotating_light:", "On-call is paged"),
    News.PAGE_CLOSED: (":white_check_mark:", "Page closed"),
    News.PAGE_LATE: (":warning:", "Not paged yet"),
    News.ACKNOWLEDGED: (":eyes:", "Page acknowledged"),
    News.NOTICE: (":calendar:", "Notice"),
    News.UNDELIVERABLE: (":rotating_light:", "Could not page"),
}
_VERBS: Final = {"restore": "create again", "recreate": "delete and create again", "blocked": "cannot"}
_CHANGES: Final = {  # what the changes of a message are, as heard before them
    News.DIFF: "Changes: ",
    News.APPROVAL: "Changes: ",
    News.REFUSED: "Changes: ",
    News.WAITING: "Changes: ",
    News.DRIFT: "From what the cluster has to what Git has: ",
    News.PROPOSED: "",
    News.CONVERGED: "Undone: ",
}
_OF_A_COMMIT: Final = frozenset(
    {News.DIFF, News.APPROVAL, News.REFUSED, News.WAITING, News.FAILED, News.CONVERGED, News.ROLLED_BACK}
)
_ENDED: Final = frozenset({News.CONVERGED, News.ROLLED_BACK})


def sentence(news: Announcement) -> str:
    """Return the whole news in one line."""
    _, word = WORDS[news.news]
    count = f", {news.done} of {news.total} objects applied" if news.news is News.SYNCING and news.total else ""
    names = rollout.words(news) if news.is_rollout else folded.names(news)
    detail = " ".join(part for part in (cut(_what(news), WHAT_LIMIT), names, *_told(news)) if part)
    head = kit.one_line(f"{word}: {news.app} / {news.cluster}{_at(news)}{count}. {detail}")
    commit = escape(kit.one_line(_commit(news)))
    changed = kit.spoken(cut(kit.one_line(_changed(news)), _CHANGED))
    by = f" By {person(news.by)}." if news.by and f"by {news.by}" not in news.message else ""
    reason = f" Reason: {kit.one_line(news.reason)}." if news.reason else ""
    by += f" Approved by {', '.join(map(person, news.given))}." if news.given and not news.needed else ""
    by += f" Acknowledged by {person(news.acknowledged_by)}." if news.acknowledged_by else ""
    following = f" Next: {kit.one_line(news.next_step).removesuffix('.')}." if news.next_step else ""
    what = " ".join(part for part in (kit.spoken(cut(head, SENTENCE_LIMIT)), commit, changed) if part)
    return what + by + escape(cut(reason, 300)) + kit.spoken(cut(following, 400))


def placed(news: Announcement) -> str:
    """Return the message of the news without the app and the cluster at its beginning: they were said before it."""
    place, _, rest = news.message.partition(": ")
    return rest if rest and place.startswith(f"{news.app} / {news.cluster}") else news.message


def _is_to_blame(news: Announcement) -> bool:
    """Tell whether a failure is that of its commit: not of a neighbour, nor of what was live and well before."""
    return not news.outage and news.revision is not None and news.previous != news.revision.commit


def _at(news: Announcement) -> str:
    if news.revision is None or (news.news is News.FAILED and not _is_to_blame(news)):
        return ""
    return f" at {(news.revision.blamed if news.news is News.FAILED else news.revision).short}"


def _what(news: Announcement) -> str:
    """Return what happened, and what the first troubles are; an object that is named once is enough."""
    first, message = news.troubles[0] if len(news.troubles) == 1 else None, placed(news)
    if first is not None and first.subject and first.subject in message and first.message:
        return f"{message.removesuffix('.')}: {first.message}."
    lines = (f"{one.subject}: {one.message}" if one.subject else one.message for one in news.troubles[:3])
    return " ".join(part for part in (message, *(f"{line}." for line in lines)) if part)


def _told(news: Announcement) -> Iterator[str]:
    """Yield what the fields of a message say and nobody should miss."""
    if news.news in _ENDED and news.summary is not None and news.summary.total and news.started_at is not None:
        yield f"{news.summary.done} in {took(news.at - news.started_at)}."
    began = f"{news.since:%Y-%m-%d %H:%M} UTC" if news.since is not None else ""
    if news.news is News.FAILED and news.failures > 1:
        yield f"Failure {news.failures} in a row" + (f" since {began}." if began else ".")
    elif began and (news.outage or news.apps or news.news in {News.DEGRADED, News.REMINDER, News.RECOVERED}):
        yield f"It began at {began}."
    if news.page:
        yield f"Paged: {news.page}."
    if news.needed:
        until = f" until {news.until:%Y-%m-%d %H:%M} UTC" if news.until is not None else ""
        yield f"{len(news.given)} of {news.needed} approvals{until}."
    if news.news in {News.DIGEST, News.UNMUTED}:
        yield from (f"{line}." for line in news.impact[:_LISTED])


def _commit(news: Announcement) -> str:
    """Return the subject and the author of the commit that it is about; "" where it is about none."""
    if news.revision is None or news.news not in _OF_A_COMMIT or news.undone:
        return ""
    if news.news is News.FAILED and not _is_to_blame(news):
        return ""
    blamed = news.revision.blamed
    which = f"Commit {blamed.short}: " if news.revision.cause and news.news is not News.FAILED else ""
    by = f" by {cut(blamed.author, _SUBJECT)}" if blamed.author else ""
    return f'{which}"{cut(blamed.subject, _SUBJECT)}"{by}.' if blamed.subject else ""


def _changed(news: Announcement) -> str:
    """Return the first changes, and who made them by hand; "" where a message is not about changes."""
    if not news.changes or news.news not in _CHANGES or (news.news is News.CONVERGED and not news.undone):
        return ""
    rest = f" and {len(news.changes) - _LISTED} more" if len(news.changes) > _LISTED else ""
    return f"{_CHANGES[news.news]}{', '.join(map(_change, news.changes[:_LISTED]))}{rest}."


def _change(change: ChangeLine) -> str:
    fields = list(change.fields[:_LISTED])
    if len(change.fields) > _LISTED:
        fields.append(many(len(change.fields) - _LISTED, "more field"))
    hands = f" (changed by {', '.join(change.hands[:2])})" if change.hands else ""
    return f"{_VERBS.get(change.action, change.action)} {change.object} {', '.join(fields)}".rstrip() + hands
