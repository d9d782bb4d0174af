"""What is said of trouble: a pass that failed, and a workload that turned bad with no pass before it. Pure.

The same trouble is said once: its text without numbers and hashes is its fingerprint. After that its message counts on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from bot.model.announcement import Announcement, Fault, News, TroubleLine, Verdict
from bot.model.app import AppSpec
from bot.model.outcome import Failure, HealthState, SyncReport
from bot.model.record import AppMemory, SyncState
from bot.reconcile.notify.fingerprint import fingerprint
from bot.reconcile.notify.telling import Target, Told, write_backs

OUTAGE_IS_NEWS_AFTER: Final = timedelta(minutes=1)  # shorter ones heal before a person could act
_TROUBLES_SHOWN: Final = 20  # the rest is counted: a message has room for so many


def failed(app: AppSpec, report: SyncReport, memory: AppMemory, base: Announcement, targets: Sequence[Target]) -> Told:
    assert report.failure is not None  # a failed pass says why
    failure, now = report.failure, report.finished_at
    commit = report.revision.commit if report.revision else ""
    count = memory.consecutive_failures if failure.transient else memory.consecutive_failures + 1
    since = memory.failing_since or now
    texts = [failure.message, *(f"{one.subject}{one.where}{one.message}" for one in failure.problems)]
    said = fingerprint(*([failure.neighbour] if failure.neighbour else texts))
    detail = "; ".join(str(one) for one in failure.problems[:3])
    after = replace(
        memory,
        sync=SyncState.FAILED,
        last_error=f"{failure.message}: {detail}" if detail else failure.message,
        consecutive_failures=count,
        failing_since=since,
        failing_commit=report.revision.blamed.commit if report.revision else "",
    )
    ordered = report.trigger.manual  # somebody waits for an answer
    if failure.transient and now - since < OUTAGE_IS_NEWS_AFTER and not ordered:
        return Told(memory=after)
    known = said == memory.said
    after = replace(after, said=said, operation=memory.operation if known else base.operation)
    news = replace(
        base,
        news=News.FAILED,
        id=f"{base.operation}:failed:{said[:12]}:{now.timestamp():.3f}",  # it may fail so, otherwise, and so again
        message=f"{failure.message}.",
        troubles=troubles(report),
        failures=count,
        since=since,
        outage=failure.transient,
        next_step=_next_step(app, report),
        edits_only=known,  # how often it failed, and when it is tried again, is to be true
    )
    if known:
        answer = replace(news, id=f"{news.id}:answer", operation=after.operation, in_thread=True, edits_only=False)
        return Told(memory=after, announcements=(news, answer) if ordered else (news,))
    backs = write_backs(
        app, base, commit, "failed", Verdict.FAILURE, failure.message, targets, report.summary, fault=_fault(failure)
    )
    return Told(memory=after, announcements=(news,), writebacks=backs if commit else ())


def _fault(failure: Failure) -> Fault:
    if failure.transient:
        return Fault.OUTAGE
    return Fault.ACCESS if failure.neighbour else Fault.COMMIT


def _next_step(app: AppSpec, report: SyncReport) -> str:
    if report.failure is not None and report.failure.transient:
        return f"It is tried again by itself until {report.failure.neighbour or 'it'} answers."
    good = f", or roll back: /gitops rollback {app.name} {report.previous[:7]}" if report.previous else ""
    return f"Push a fix{good}. It is tried again by itself."


def troubles(report: SyncReport) -> tuple[TroubleLine, ...]:
    assert report.failure is not None
    causes = {str(id): health.cause for id, health in report.health}
    lines = [
        TroubleLine(subject=one.subject, message=one.message, where=one.where, cause=causes.get(one.subject))
        for one in report.failure.problems
    ]
    shown, rest = lines[:_TROUBLES_SHOWN], len(lines) - _TROUBLES_SHOWN
    return (*shown, TroubleLine(subject=f"{rest} more", message="")) if rest > 0 else tuple(shown)


def degraded(report: SyncReport, memory: AppMemory, base: Announcement) -> Told:
    """A workload that was healthy is not any more, with no commit to blame."""
    bad = [(id, health) for id, health in report.health if health.state is HealthState.DEGRADED]
    since = memory.degraded_since or report.finished_at
    if not bad:
        return Told(memory=memory)  # on its way: the next pass sees where it arrives
    said = fingerprint("degraded", *(f"{id}" for id, _ in bad))
    after = replace(memory, degraded_since=since, said=said, operation=memory.operation or base.operation)
    if said == memory.said:
        return Told(memory=after)
    return Told(
        memory=after,
        announcements=(
            replace(
                base,
                operation=after.operation,
                news=News.DEGRADED,
                id=f"{after.operation}:degraded:{said[:12]}",
                message="No commit and no sync came before it.",
                since=since,
                troubles=tuple(
                    TroubleLine(subject=str(id), message=health.message, cause=health.cause) for id, health in bad
                ),
                next_step="/gitops history shows what was deployed; roll back if the last commit is to blame",
            ),
        ),
    )
