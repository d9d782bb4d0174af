"""What the world hears of a pass: edges, never states. Pure.

In goes what the last pass left and what this one did; out comes the new memory and everything to be said. The same
trouble is said once: its text without numbers and hashes is its fingerprint. An operation is the life of one root
message; trouble keeps its operation from the first failure to the recovery, so that all of it is in one thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from bot.model.agreed import Unfinished
from bot.model.announcement import Announcement, News, Progress, Verdict, WriteBack
from bot.model.app import AppSpec
from bot.model.control import Via
from bot.model.outcome import Deed, HealthState, PassKind, Result, SyncReport
from bot.model.plan import Plan, Summary
from bot.model.record import AppMemory
from bot.model.resource import ResourceId
from bot.reconcile.notify import asking, converging, failing, fights, holding, journal
from bot.reconcile.notify.telling import Target, Told, Waits, changed, write_backs


def found(
    app: AppSpec,
    plan: Plan,
    kind: PassKind,
    *,
    base: Announcement,
    targets: Sequence[Target],
    unfinished: Unfinished | None = None,
) -> tuple[tuple[Announcement, ...], tuple[WriteBack, ...]]:
    """Say what is about to change: the root message, the changes in its thread, and that the work has begun."""
    lines = changed(plan, kind)
    which = f"{plan.revision.short}:{plan.hash[-12:]}"  # a later commit may bring the same change once more
    message = {
        PassKind.SYNC: f"{plan.summary}.",
        PassKind.DRIFT: f"The cluster was changed by hand: {plan.summary} to be equal to {plan.revision.short} again.",
        PassKind.ROLLBACK: f"Going back to {plan.revision.short}: {plan.summary}.",
    }[kind]
    if unfinished is not None and unfinished.live:
        message = f"It goes on with the rest: {unfinished.sentence}. {message}"
    root = replace(
        base,
        news=News.DIFF,
        id=f"{base.operation}:diff:{which}",
        revision=plan.revision,
        ref=plan.ref,
        summary=plan.summary,
        changes=lines,
        impact=plan.impact,
        warnings=plan.warnings,
        message=message,
        plan_hash=plan.hash,
        next_step="It is applied now.",
    )
    thread = replace(root, id=f"{root.id}:thread", in_thread=True)
    syncing = replace(root, news=News.SYNCING, id=f"{base.operation}:syncing:{which}", next_step="")
    backs = write_backs(app, base, plan.revision.commit, "diff", Verdict.PENDING, message, targets, plan.summary)
    return (root, thread, syncing), backs


def progress(plan: Plan, done: Collection[ResourceId], now: str) -> Progress:
    """Return how far a sync is: kinds with their counts, and the one object that is waited for."""
    writes = [change.id for change in plan.writes]
    return Progress(
        done=_tally(id for id in writes if id in done),
        now=now,
        left=_tally(id for id in writes if id not in done),
    )


def _tally(ids: Iterable[ResourceId]) -> str:
    """Return `Namespace, ConfigMap x3`."""
    counts = Counter(id.kind for id in ids)
    return ", ".join(kind if count == 1 else f"{kind} x{count}" for kind, count in counts.items())


def ended(
    app: AppSpec,
    report: SyncReport,
    before: AppMemory,
    *,
    base: Announcement,
    targets: Sequence[Target],
    waits: Waits,
) -> Told:
    """Return what is remembered and said when a pass has ended. `base` carries app, channel, operation and links."""
    plan, summary = report.plan, _summary(report, before, base)
    memory = replace(
        _seen(before, report),
        target=report.target.commit if report.target else before.target,
        followed=app.followed if report.target else before.followed,
        objects=plan.wanted if plan else before.objects,
        waiting_hash="",
        waiting_since=None,
        requested_by=(),
    )
    filled = _filled(base, app, report, summary, previous=before.revision, behind=waits.behind)
    match report.result:
        case Result.CONVERGED if report.partial:
            told = converging.partly(report, before, filled)
        case Result.CONVERGED:
            told = converging.converged(app, report, memory, filled, targets, waits)
        case Result.FAILED | Result.UNHEALTHY:
            told = failing.failed(app, report, memory, filled, targets)
        case Result.REFUSED | Result.WAITING_APPROVAL:
            asked = asking.asked(
                app,
                report,
                before,
                memory,
                base=filled,
                verdicts=waits.verdicts,
                requesters=waits.requesters,
            )
            told = Told(memory=asked.memory, announcements=asked.announcements)
        case Result.PAUSED | Result.SKIPPED:
            told = holding.held(report, memory, filled, waits)
        case Result.SUPERSEDED:
            told = Told(memory=memory)
    memory, fought = fights.entered(report, told.memory, base=filled)
    if plan is None:  # whatever people are asked about is as open as before, unless they hear of something else now
        stands = memory.said == before.said or (report.failure is not None and report.failure.transient)
        memory = replace(
            memory,
            waiting_hash=before.waiting_hash,
            waiting_since=before.waiting_since if stands else None,
            requested_by=before.requested_by,
        )
    said = (*told.announcements, *fought)
    return replace(told, memory=memory, announcements=said, history=journal.history(report, summary))


def _filled(
    base: Announcement, app: AppSpec, report: SyncReport, summary: Summary, *, previous: str, behind: int
) -> Announcement:
    """Return what all that is said of the end of a pass has in common."""
    plan, states = report.plan, [health.state for _, health in report.health]
    return replace(
        base,
        at=report.finished_at,
        revision=report.revision,
        previous=previous,
        summary=summary if plan else None,
        changes=changed(plan, report.kind) if plan else (),
        warnings=plan.warnings if plan else (),
        impact=plan.impact if plan else (),
        started_at=report.started_at,
        behind=behind,
        ready=states.count(HealthState.HEALTHY) + states.count(HealthState.SUSPENDED),
        objects=len(report.health),
        plan_hash=plan.hash if plan else "",
        ref=plan.ref if plan else str(app.ref),
        total=plan.summary.total if plan else 0,
        done=sum(1 for one in report.outcomes if one.deed not in {Deed.SKIPPED, Deed.KEPT, Deed.FAILED}),
    )


def _seen(before: AppMemory, report: SyncReport) -> AppMemory:
    """Return the memory with how the objects are, and with how they were while a neighbour is away."""
    if report.health:
        return replace(before, health=report.worst_health, seen_health=None, unseen_since=None)
    away = report.plan is None and report.failure is not None and report.failure.transient
    if away and before.unseen_since is None:
        known = before.health if before.health is not HealthState.UNKNOWN else None
        return replace(before, health=HealthState.UNKNOWN, seen_health=known, unseen_since=report.started_at)
    if report.plan is not None and before.unseen_since is not None:  # it answers, and nothing was waited for
        return replace(before, health=before.seen_health or before.health, seen_health=None, unseen_since=None)
    return before


def _summary(report: SyncReport, before: AppMemory, base: Announcement) -> Summary:
    """Return what was done: by the pass before too where this one ends what that one began."""
    unfinished = before.planned if before.operation == base.operation else None
    ends = not report.summary.total or report.agreed is not None
    if unfinished is not None and report.result is Result.CONVERGED and ends:
        return unfinished
    return report.summary


def removed(report: SyncReport, *, base: Announcement, keep_objects: bool) -> tuple[Announcement, ...]:
    """Say that an app was deleted, or that it could not be."""
    did = [one for one in report.outcomes if one.deed in {Deed.DELETED, Deed.DELETING, Deed.FAILED}]
    if report.result is not Result.CONVERGED and not did:
        return ()
    said = replace(base, summary=report.summary, started_at=report.started_at, objects=len(report.outcomes))
    if report.failure is not None:
        said = replace(said, news=News.FAILED, id=f"{base.operation}:failed", troubles=failing.troubles(report))
        return (replace(said, message=f"The app could not be deleted: {report.failure.message}."),)
    what = "Its objects stay, of nobody." if keep_objects else f"{report.summary.delete} objects were deleted."
    said = replace(said, news=News.DELETED, id=f"{base.operation}:deleted")
    return (replace(said, message=f"{what} The app is forgotten."),)


def notice(about: str, message: str, next_step: str, *, operation: str, channel: str, at: datetime) -> Announcement:
    """Say in a channel what concerns all clusters and no app."""
    return Announcement(
        id=operation,
        operation=operation,
        news=News.NOTICE,
        app=about,
        cluster="all clusters",
        env="",
        channel=channel,
        at=at,
        message=message,
        next_step=next_step,
        via=Via.SCHEDULE.value,
    )


def operation_at(now: datetime, unique: str) -> str:
    """Return the name of an operation: sortable by time, and short enough to read out."""
    return f"op_{now:%Y%m%d%H%M%S}_{unique}"
