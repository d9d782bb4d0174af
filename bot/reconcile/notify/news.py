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

from bot.model.agreed import Agreed, Unfinished
from bot.model.announcement import Announcement, News, Progress, Verdict, WriteBack
from bot.model.app import AppSpec, Rollback
from bot.model.control import Via
from bot.model.outcome import Deed, HealthState, PassKind, Result, SyncReport
from bot.model.plan import Plan, Summary
from bot.model.record import AppMemory, SyncState
from bot.model.resource import ResourceId, names
from bot.plan import agreement
from bot.reconcile.notify import asking, failing, fights, holding, journal
from bot.reconcile.notify.telling import Target, Told, Waits, changed, failures, write_backs


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
    now = report.finished_at
    plan = report.plan
    summary = _summary(report, before, base)
    states = [health.state for _, health in report.health]
    memory = replace(
        _seen(before, report),
        target=report.target.commit if report.target else before.target,
        followed=app.followed if report.target else before.followed,
        objects=plan.wanted if plan else before.objects,
        waiting_hash="",
        waiting_since=None,
        requested_by=(),
    )
    filled = replace(
        base,
        at=now,
        revision=report.revision,
        previous=before.revision,
        summary=summary if plan else None,
        changes=changed(plan, report.kind) if plan else (),
        warnings=plan.warnings if plan else (),
        impact=plan.impact if plan else (),
        started_at=report.started_at,
        behind=waits.behind,
        ready=states.count(HealthState.HEALTHY) + states.count(HealthState.SUSPENDED),
        objects=len(report.health),
        plan_hash=plan.hash if plan else "",
        ref=plan.ref if plan else str(app.ref),
        total=plan.summary.total if plan else 0,
        done=sum(1 for one in report.outcomes if one.deed not in {Deed.SKIPPED, Deed.KEPT, Deed.FAILED}),
    )
    match report.result:
        case Result.CONVERGED if report.partial:
            told = _partial(report, before, filled)
        case Result.CONVERGED:
            told = _converged(app, report, memory, filled, targets, waits)
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


def _converged(
    app: AppSpec,
    report: SyncReport,
    memory: AppMemory,
    base: Announcement,
    targets: Sequence[Target],
    waits: Waits,
) -> Told:
    assert report.revision is not None  # a pass that converged had a commit
    now, commit = report.finished_at, report.revision.commit
    worked = report.plan is not None and bool(report.plan.writes)
    fought = report.kind is PassKind.DRIFT and report.plan is not None and fights.is_known(memory, report.plan, now)
    worked = worked and not fought  # the message about the fight says it
    degraded = report.worst_health in {HealthState.DEGRADED, HealthState.PROGRESSING} and bool(report.health)
    trouble = memory.consecutive_failures > 0 or memory.failing_since is not None
    said_before = bool(memory.said)
    after = replace(
        memory,
        sync=SyncState.SYNCED,
        revision=commit,
        digest=report.digest,
        begun="",
        agreed=_left_leaving(memory.agreed, report),
        live_digest=report.live_digest,
        last_sync_at=now,
        last_error="",
        consecutive_failures=0,
        failing_since=None,
        failing_commit="",
        waiting_commit=memory.waiting_commit if report.target and report.target.commit != commit else "",
    )
    if degraded:
        return failing.degraded(report, after, base)
    # A pass that was cut short left its message at "syncing": the next one, which finds nothing to do, ends it. What
    # people had been asked about before is answered by what was begun.
    open_still = not said_before or memory.planned is not None
    unfinished = open_still and not fought and bool(memory.operation) and memory.operation == base.operation
    news: list[Announcement] = []
    rolled_back = report.kind is PassKind.ROLLBACK
    if worked or unfinished or rolled_back or (trouble and said_before):
        undone = report.kind is PassKind.DRIFT
        what = "What was changed by hand is undone: the cluster" if undone else "The cluster"
        message = f"{what} is equal to {report.revision.short}."
        if trouble:
            message += f" It recovered after {failures(memory.consecutive_failures)}."
        news.append(
            replace(
                base,
                news=News.ROLLED_BACK if rolled_back else News.CONVERGED,
                id=f"{base.operation}:{report.result.value}:{commit[:12]}",
                message=message,
                ref=str(app.ref),  # to which it returns, where the plan is that of a rollback
                next_step=_way_back(app) if rolled_back else "",
                failures=memory.consecutive_failures,
                since=memory.failing_since,
                undone=undone,
            )
        )
    over = [*memory.overtaken, *([memory.operation] if said_before else [])]
    ended_here = base.operation if news else ""
    for operation in dict.fromkeys(over):
        if operation not in {"", ended_here}:
            news.append(_over(report, memory, replace(base, operation=operation)))
    waiting, after = holding.waiting(report, after, base, waits)
    after = replace(after, operation="", said="", degraded_since=None, overtaken=())
    event = "rolled-back" if report.kind is PassKind.ROLLBACK else "converged"
    changed = worked or trouble or memory.revision == "" or report.previous != commit
    backs = (
        write_backs(
            app,
            base,
            commit,
            event,
            Verdict.SUCCESS,
            "converged",
            targets,
            base.summary or report.summary,
            report.digest,
        )
        if changed
        else ()
    )
    return Told(memory=after, announcements=(*news, *waiting), writebacks=backs)


def _left_leaving(agreed: Agreed | None, report: SyncReport) -> Agreed | None:
    """Return what people agreed to as far as it is about objects that go later, when others have gone."""
    if agreed is None or report.plan is None:
        return None
    gone = {one.id for one in report.outcomes if one.deed in {Deed.DELETED, Deed.KEPT}}
    left = agreement.left_leaving(agreed, report.plan, gone)
    return replace(agreed, changes=left) if left else None


def _over(report: SyncReport, before: AppMemory, base: Announcement) -> Announcement:
    """Return how it ended what a message speaks of: trouble, drift that was left, or a plan that waited for people."""
    assert report.revision is not None  # a pass that converged had a commit
    commit, blamed = report.revision, report.revision.blamed
    equal = f"the cluster is equal to {commit.short}"
    ended = replace(base, news=News.SETTLED, id=f"{base.operation}:over:{commit.commit[:12]}")
    if report.kind is PassKind.ROLLBACK:
        words = f"The rollback to {commit.short} has ended it: {equal}."
        since = before.degraded_since or before.failing_since
        ended = replace(ended, message=words, since=since, in_thread=asking.is_over(before))
        return replace(ended, news=News.RECOVERED) if since is not None else ended
    if before.said.startswith(holding.DRIFT):
        # Nothing was written: it is Git that moved, or somebody took the edit back.
        by = f" by {blamed.author}" if blamed.author else ""
        if before.digest != report.digest:
            return replace(ended, message=f"What was changed by hand is in Git now, with {blamed.short}{by}: {equal}.")
        return replace(ended, message=f"Nothing differs any more, and nothing was applied: {equal}.")
    if before.said.startswith(asking.ASKED):
        words = f"Nothing waits for people any more, and nothing was applied: {equal}."
        return replace(ended, message=words, in_thread=asking.is_over(before))  # a no stays what the message says
    return replace(
        base,
        news=News.RECOVERED,
        id=f"{base.operation}:recovered:{commit.commit[:12]}",
        message=f"{equal[0].upper()}{equal[1:]} and healthy again.",
        since=before.degraded_since or before.failing_since,
    )


def _way_back(app: AppSpec) -> str:
    if app.rollback is Rollback.REVERT:
        return f"It is reverted in Git too; the app follows {app.ref} again when that says the same"
    return f"/gitops resume {app.name} returns to {app.ref}"


def _partial(report: SyncReport, before: AppMemory, base: Announcement) -> Told:
    """Some objects were synced by order: the app stands to Git as before, and the rest still waits."""
    chosen = [change.id for change in report.plan.writes] if report.plan is not None else []
    if not chosen:
        return Told(memory=before)
    news = replace(
        base,
        news=News.CONVERGED,
        id=f"{base.operation}:partial:{base.plan_hash[-12:]}",
        message=f"Only {names(chosen)} was synced; the rest of the app still differs.",
    )
    return Told(memory=replace(before, operation=""), announcements=(news,))


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
