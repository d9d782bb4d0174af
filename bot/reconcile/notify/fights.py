"""Fields that are set back again and again, because a controller or a person keeps changing them. Pure.

Each undoing is a message of its own until it is plain that it will go on: from the fifth within an hour of the last one
people hear once who changes what, since when and what to do, and after that this message counts in place of new ones.
Undoing slows down meanwhile, so that two controllers do not wear the API server out. An hour of peace ends it. When it
goes on for as long as trouble may last, it is a page: `bot.reconcile.incidents.fight_pages`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from bot.model.announcement import Announcement, News
from bot.model.outcome import PassKind, SyncReport
from bot.model.plan import Change, Plan
from bot.model.record import AppMemory, Undone
from bot.plan.hands import manager_of

OVER_AFTER: Final = timedelta(hours=1)
_FIGHT_FROM: Final = 5  # times: a person tries twice or three times, and then asks
_SLOWEST: Final = timedelta(seconds=15)
_NAMED: Final = 5  # fields in a message
_KEPT: Final = 50  # fields of an app that are counted


def entered(report: SyncReport, memory: AppMemory, *, base: Announcement) -> tuple[AppMemory, tuple[Announcement, ...]]:
    """Count what a pass has set back; return the memory, and what is said when it is a fight."""
    if report.kind is not PassKind.DRIFT or report.plan is None or not report.did:
        return memory, ()
    now = report.finished_at
    counted = {one.what: one for one in memory.undone if not is_over(one, now)}
    fight = memory.fight if _fought(tuple(counted.values())) else ""
    for change in report.plan.writes:
        for what in _subjects(change):
            known = counted.pop(what, None) or Undone(what=what, since=now, last=now)
            counted[what] = replace(known, last=now, count=known.count + 1, by=_who(change) or known.by)
    memory = replace(memory, undone=tuple(counted.values())[-_KEPT:], fight=fight)
    fought = _fought(memory.undone)
    if not fought:
        return memory, ()
    news = replace(_told(fought, base), edits_only=bool(fight))
    fight = fight or f"{base.operation}:fight"
    times = max(one.count for one in fought)
    news = replace(news, operation=fight, id=f"{fight}:{times}:{now.timestamp():.0f}")
    return replace(memory, fight=fight), (news,)


def is_known(memory: AppMemory, plan: Plan, now: datetime) -> bool:
    """True when all that a plan sets back is fought over already: the message about that says it."""
    fought = {one.what for one in _fought(memory.undone) if not is_over(one, now)}
    return bool(memory.fight) and all(what in fought for change in plan.writes for what in _subjects(change))


def rest(memory: AppMemory) -> timedelta:
    """Return how long the next undoing waits: nothing before it is a fight, and never long."""
    over = max((one.count - _FIGHT_FROM for one in _fought(memory.undone)), default=-1)
    return min(timedelta(seconds=2.0 ** min(over, 10)), _SLOWEST) if over >= 0 else timedelta(0)


def ended(memory: AppMemory, now: datetime, *, base: Announcement) -> Announcement | None:
    """Return what is said when a fight is over; None while it is not."""
    fought = _fought(memory.undone)
    if not memory.fight or not fought or not all(is_over(one, now) for one in fought):
        return None
    return replace(
        base,
        operation=memory.fight,
        id=f"{memory.fight}:over",
        news=News.RECOVERED,
        edits_only=True,
        since=min(one.since for one in fought),
        message=f"Nobody has changed {_names(fought)} for an hour. It was set back {_times(fought)}.",
    )


def is_over(one: Undone, now: datetime) -> bool:
    return now - one.last >= OVER_AFTER


def _told(fought: Sequence[Undone], base: Announcement) -> Announcement:
    by = ", ".join(dict.fromkeys(name for one in fought for name in one.by)) or "somebody"
    return replace(
        base,
        news=News.FIGHT,
        revision=None,  # nobody's commit is to blame
        previous="",
        started_at=None,
        summary=None,
        changes=(),
        impact=(),
        warnings=(),
        since=min(one.since for one in fought),
        message=f"{by} keeps changing {_names(fought)}. It was set back {_times(fought)}, and goes on being set back.",
        next_step=f"Stop who changes it, or leave it to them: take it out of Git and name it in the annotation"
        f" gitops-bot/ignore. /gitops pause {base.app} stops the undoing meanwhile",
    )


def _fought(undone: Sequence[Undone]) -> tuple[Undone, ...]:
    return tuple(one for one in undone if one.count >= _FIGHT_FROM)


def _subjects(change: Change) -> Iterator[str]:
    """Yield what a change sets back: fields, or the object itself where it is there or gone."""
    if change.fields:
        yield from (f"{change.id} {field.path}" for field in change.fields)
    else:
        yield f"{change.id}"


def _who(change: Change) -> tuple[str, ...]:
    return tuple(dict.fromkeys(manager_of(hand) for hand in change.hands))


def _names(fought: Sequence[Undone]) -> str:
    more = f" and {len(fought) - _NAMED} more" if len(fought) > _NAMED else ""
    return ", ".join(one.what for one in fought[:_NAMED]) + more


def _times(fought: Sequence[Undone]) -> str:
    return f"{max(one.count for one in fought)} times"
