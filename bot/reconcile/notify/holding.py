"""What is said while nothing is applied: drift that is left alone, commits behind a pause or a pin. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

from bot.model.announcement import Announcement, News
from bot.model.outcome import PassKind, Result, SyncReport
from bot.model.record import AppMemory, SyncState
from bot.reconcile.notify.asking import ASKED
from bot.reconcile.notify.telling import Told, Waits, changed

DRIFT: Final = "drift:"  # begins what is remembered of drift that was said and left
_PAUSED: Final = "paused:"  # begins what is remembered of a failure whose message says that nothing is retried


def held(report: SyncReport, memory: AppMemory, base: Announcement, waits: Waits) -> Told:
    """Paused, or drift that is not to be undone: said once per commit and once per drift."""
    plan = report.plan
    if plan is None and report.failure is None:
        return Told(memory=replace(memory, last_error=report.reason))
    if memory.failing_since is not None and not memory.consecutive_failures:  # a neighbour was away, and that was all
        told = held(report, replace(memory, failing_since=None, failing_commit="", last_error=""), base, waits)
        return _recovered(report, memory, told, base)
    if report.result is Result.PAUSED and memory.failing_since is not None and _is_failure(memory.said):
        told = held(report, replace(memory, said=_PAUSED + memory.said), base, waits)
        return replace(told, announcements=(_resting(report, memory, base, waits), *told.announcements))
    if plan is None or plan.blocked:
        commits, after = waiting(report, memory, base, waits)
        failing = memory.failing_since is not None
        return Told(
            memory=replace(after, sync=SyncState.FAILED if failing else SyncState.BEHIND), announcements=commits
        )
    # A newer commit that only finds drift changes nothing of the app; of one that is pinned it is what waits.
    drifted = report.kind is PassKind.DRIFT
    behind = report.target is not None and report.target.commit != memory.revision and not drifted
    if not plan.writes:
        return Told(memory=replace(memory, sync=SyncState.BEHIND if behind else SyncState.SYNCED))
    sync = SyncState.BEHIND if behind else SyncState.DRIFTED
    after = replace(memory, sync=sync)
    pinned = report.revision != report.target
    commits, after = waiting(report, after, base, waits) if pinned or not drifted else ((), after)
    if not drifted:
        return Told(memory=after, announcements=commits)
    # Not the plan's hash: a commit that changes nothing of the app would open again what people have decided.
    said = DRIFT + hashlib.sha256(repr(changed(plan, report.kind)).encode()).hexdigest()
    if said == memory.said:
        return Told(memory=after, announcements=commits)
    news = replace(
        base,
        news=News.DRIFT,
        id=f"{base.operation}:{said[:18]}",
        message=f"The cluster differs from Git and is left so: {report.reason}.",
        next_step=_choices(report, base.app),
    )
    return Told(memory=replace(after, said=said, operation=base.operation), announcements=(news, *commits))


def _choices(report: SyncReport, app: str) -> str:
    undo = f"/gitops {'resume' if report.result is Result.PAUSED else 'sync'} {app} undoes it"
    return f"{undo}, /gitops keep {app} proposes it to Git, /gitops ignore {app} leaves a field alone from now on"


def _is_failure(said: str) -> bool:
    return bool(said) and not said.startswith((DRIFT, ASKED, _PAUSED))


def _resting(report: SyncReport, before: AppMemory, base: Announcement, waits: Waits) -> Announcement:
    """Return how the message of a failure reads while the app is paused: its retry would never come."""
    return replace(
        base,
        operation=before.operation,
        news=News.PAUSED,
        id=f"{before.operation}:paused:{report.finished_at.timestamp():.0f}",
        message=f"The sync failed, and nothing is retried while the app is paused: {before.last_error}.",
        since=before.failing_since,
        until=waits.until,
        next_step=f"/gitops resume {base.app} tries it again",
        edits_only=True,
    )


def _recovered(report: SyncReport, before: AppMemory, told: Told, base: Announcement) -> Told:
    """Say that an outage is over for an app to which nothing is applied, where people were told of it."""
    if not before.said or told.memory.said != before.said or before.said.startswith((DRIFT, ASKED)):
        return told
    news = replace(
        base,
        operation=before.operation,
        news=News.RECOVERED,
        id=f"{before.operation}:recovered:{report.finished_at.timestamp():.0f}",
        message=f"It can be reached again. Nothing is applied: {report.reason}.",
        since=before.failing_since,
    )
    after = replace(told.memory, said="", operation="")
    return replace(told, memory=after, announcements=(news, *told.announcements))


def waiting(
    report: SyncReport, memory: AppMemory, base: Announcement, waits: Waits
) -> tuple[tuple[Announcement, ...], AppMemory]:
    """Say once of each newer commit that it waits behind a pause or a pin, in the thread of that order.

    Commits about other folders do not wait, unless the plan says that they change something here; nor is it news that
    what was just rolled back is in Git.
    """
    target, newest = report.target, waits.newest
    if newest is None and report.plan is not None and report.plan.writes:
        newest = target
    if target is None or newest is None or newest.commit in {memory.revision, memory.waiting_commit}:
        return (), memory
    known = newest.commit == memory.failing_commit  # the message of the failure says what it waits for
    if known or (report.result is Result.CONVERGED and report.kind is PassKind.ROLLBACK):
        return (), replace(memory, waiting_commit=newest.commit)
    pinned = report.revision is not None and report.revision.commit != target.commit
    why = "pinned" if pinned else "paused" if report.result is Result.PAUSED else report.reason
    count = f" {waits.behind} commits wait." if waits.behind > 1 else ""
    useless = f" It could not be applied: {report.failure.message}." if report.failure is not None else ""
    if pinned:  # the plan is that of the pin: it does not say what these commits would change
        base = replace(base, summary=None, changes=(), impact=(), warnings=())
    news = replace(
        base,
        news=News.WAITING,
        operation=waits.thread or base.operation,
        in_thread=bool(waits.thread),
        id=f"{base.operation}:waiting:{newest.commit[:12]}",
        revision=newest,
        revision_url=waits.links.commit,
        compare_url=waits.links.compare,
        previous=memory.revision,
        message=f"{newest.short} waiting ({why}).{count}{useless}",
        by="",  # who paused the app, or typed sync, has not made it wait
        next_step=f"/gitops resume {base.app} applies it" if pinned or report.result is Result.PAUSED else "",
    )
    return (news,), replace(memory, waiting_commit=newest.commit)
