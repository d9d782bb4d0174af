"""What the world hears of a pass: edges, never states. Pure.

In goes what the last pass left and what this one did; out comes the new memory and everything to be said. The same
trouble is said once: its text without numbers and hashes is its fingerprint. An operation is the life of one root
message; trouble keeps its operation from the first failure to the recovery, so that all of it is in one thread.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bot.model.announcement import Announcement, ChangeLine, News, Progress, TroubleLine, Verdict, WriteBack
from bot.model.app import AppSpec, Rollback
from bot.model.outcome import Deed, HealthState, PassKind, Result, SyncReport
from bot.model.plan import Action, Plan, Summary
from bot.model.record import AppMemory, Approval, HistoryEntry, SyncState
from bot.model.resource import ResourceId, names
from bot.plan.explain import change_lines
from bot.reconcile import asking, fights
from bot.reconcile.fingerprint import fingerprint

OUTAGE_IS_NEWS_AFTER: Final = timedelta(minutes=1)  # shorter ones heal before a person could act
DRIFT: Final = "drift:"  # begins what is remembered of drift that was said and left
_TROUBLES_SHOWN: Final = 20  # the rest is counted: a message has room for so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Web addresses for people; "" where the host is not known."""

    commit: str = ""
    compare: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A write-back of the configuration: `index` names it, `repo` limits a commit status, `events` a webhook."""

    index: int
    repo: str = ""
    events: frozenset[str] = frozenset({"diff", "converged", "failed", "rolled-back"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """What waits for people: verdicts on this plan and who asked for it, commits behind, whose thread hears of them."""

    verdicts: Sequence[Approval] = ()
    requesters: tuple[str, ...] = ()
    behind: int = 0
    thread: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    memory: AppMemory
    announcements: tuple[Announcement, ...] = ()
    writebacks: tuple[WriteBack, ...] = ()
    history: HistoryEntry | None = None


def found(
    app: AppSpec,
    plan: Plan,
    kind: PassKind,
    *,
    base: Announcement,
    targets: Sequence[Target],
) -> tuple[tuple[Announcement, ...], tuple[WriteBack, ...]]:
    """Say what is about to change: the root message, the changes in its thread, and that the work has begun."""
    lines = changed(plan, kind)
    message = {
        PassKind.SYNC: f"{plan.summary} from {plan.revision.short}.",
        PassKind.DRIFT: f"The cluster was changed by hand: {plan.summary} to be equal to {plan.revision.short} again.",
        PassKind.ROLLBACK: f"Going back to {plan.revision.short}: {plan.summary}.",
    }[kind]
    root = replace(
        base,
        news=News.DIFF,
        id=f"{base.operation}:diff:{plan.hash[-12:]}",
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
    syncing = replace(root, news=News.SYNCING, id=f"{base.operation}:syncing:{plan.hash[-12:]}", next_step="")
    backs = _write_backs(app, base, plan.revision.commit, "diff", Verdict.PENDING, message, targets, plan.summary)
    return (root, thread, syncing), backs


def changed(plan: Plan, kind: PassKind) -> tuple[ChangeLine, ...]:
    """Return the changes of a plan. What an app lacks although it had converged was deleted by hand."""
    lines = change_lines(plan)
    if kind is not PassKind.DRIFT:
        return lines
    return tuple(replace(one, action="restore") if one.action == Action.CREATE.value else one for one in lines)


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
        before,
        target=report.target.commit if report.target else before.target,
        objects=len([one for one in plan.changes if one.manifest is not None]) if plan else before.objects,
        health=report.worst_health if report.health else before.health,
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
            told = _failed(app, report, memory, filled, targets)
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
            told = _held(report, memory, filled, waits)
        case Result.SUPERSEDED:
            told = Told(memory=memory)
    memory, fought = fights.entered(report, told.memory, base=filled)
    said = (*told.announcements, *fought)
    return replace(told, memory=memory, announcements=said, history=history(report, summary))


def _summary(report: SyncReport, before: AppMemory, base: Announcement) -> Summary:
    """Return what was done; by the pass before where its wait was cut short and this one found nothing left to do."""
    unfinished = before.planned if before.operation == base.operation else None
    if unfinished is not None and report.result is Result.CONVERGED and not report.summary.total:
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
        live_digest=report.live_digest,
        last_sync_at=now,
        last_error="",
        consecutive_failures=0,
        failing_since=None,
        failing_commit="",
        waiting_commit=memory.waiting_commit if report.target and report.target.commit != commit else "",
    )
    if degraded:
        return _degraded(report, after, base)
    # A pass whose wait was cut short left its message at "syncing": the next one, which finds nothing to do, ends it.
    unfinished = not (said_before or fought) and bool(memory.operation) and memory.operation == base.operation
    news: list[Announcement] = []
    rolled_back = report.kind is PassKind.ROLLBACK
    if worked or unfinished or rolled_back or (trouble and said_before):
        undone = report.kind is PassKind.DRIFT
        what = "What was changed by hand is undone: the cluster" if undone else "The cluster"
        message = f"{what} is equal to {report.revision.short}."
        if trouble:
            message += f" It recovered after {_failures(memory.consecutive_failures)}."
        news.append(
            replace(
                base,
                news=News.ROLLED_BACK if rolled_back else News.CONVERGED,
                id=f"{base.operation}:{report.result.value}:{commit[:12]}",
                message=message,
                next_step=_way_back(app) if rolled_back else "",
                failures=memory.consecutive_failures,
                since=memory.failing_since,
                undone=undone,
            )
        )
    if said_before and memory.operation and (memory.operation != base.operation or not news):
        since = memory.degraded_since or memory.failing_since
        news.append(
            replace(
                base,
                operation=memory.operation,
                news=News.RECOVERED,
                id=f"{memory.operation}:recovered:{commit[:12]}",
                message=f"The cluster is equal to {report.revision.short} and healthy again.",
                since=since,
            )
        )
    waiting, after = _waiting(report, after, base, waits)
    after = replace(after, operation="", said="", degraded_since=None)
    event = "rolled-back" if report.kind is PassKind.ROLLBACK else "converged"
    changed = worked or trouble or memory.revision == "" or report.previous != commit
    backs = (
        _write_backs(
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
        said = replace(said, news=News.FAILED, id=f"{base.operation}:failed", troubles=_troubles(report))
        return (replace(said, message=f"The app could not be deleted: {report.failure.message}."),)
    what = "Its objects stay, of nobody." if keep_objects else f"{report.summary.delete} objects were deleted."
    said = replace(said, news=News.DELETED, id=f"{base.operation}:deleted")
    return (replace(said, message=f"{what} The app is forgotten."),)


def _degraded(report: SyncReport, memory: AppMemory, base: Announcement) -> Told:
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


def _failed(app: AppSpec, report: SyncReport, memory: AppMemory, base: Announcement, targets: Sequence[Target]) -> Told:
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
        failing_commit=commit,
        last_sync_at=now,
    )
    if failure.transient and now - since < OUTAGE_IS_NEWS_AFTER:
        return Told(memory=after)
    known = said == memory.said
    after = replace(after, said=said, operation=memory.operation if known else base.operation)
    news = replace(
        base,
        news=News.FAILED,
        id=f"{base.operation}:failed:{said[:12]}:{now.timestamp():.0f}",  # it may fail so, otherwise, and so again
        message=f"{failure.message}.",
        troubles=_troubles(report),
        failures=count,
        since=since,
        next_step=_next_step(app, report),
        edits_only=known,  # how often it failed, and when it is tried again, is to be true
    )
    if known:
        return Told(memory=after, announcements=(news,))
    backs = _write_backs(app, base, commit, "failed", Verdict.FAILURE, failure.message, targets, report.summary)
    return Told(memory=after, announcements=(news,), writebacks=backs if commit else ())


def _next_step(app: AppSpec, report: SyncReport) -> str:
    if report.failure is not None and report.failure.transient:
        return "It is tried again by itself."
    good = f", or roll back: /gitops rollback {app.name} {report.previous[:7]}" if report.previous else ""
    return f"Push a fix{good}. It is tried again by itself."


def _troubles(report: SyncReport) -> tuple[TroubleLine, ...]:
    assert report.failure is not None
    causes = {str(id): health.cause for id, health in report.health}
    lines = [
        TroubleLine(subject=one.subject, message=one.message, where=one.where, cause=causes.get(one.subject))
        for one in report.failure.problems
    ]
    shown, rest = lines[:_TROUBLES_SHOWN], len(lines) - _TROUBLES_SHOWN
    return (*shown, TroubleLine(subject=f"{rest} more", message="")) if rest > 0 else tuple(shown)


def _held(report: SyncReport, memory: AppMemory, base: Announcement, waits: Waits) -> Told:
    """Paused, or drift that is not to be undone: said once per commit and once per drift."""
    plan = report.plan
    if plan is None:
        return Told(memory=replace(memory, last_error=report.reason))
    # A newer commit that only finds drift changes nothing of the app: it does not wait.
    idle = report.kind is PassKind.DRIFT and report.revision == report.target
    behind = report.target is not None and report.target.commit != memory.revision and not idle
    if not plan.writes:
        return Told(memory=replace(memory, sync=SyncState.BEHIND if behind else SyncState.SYNCED))
    sync = SyncState.BEHIND if behind else SyncState.DRIFTED
    after = replace(memory, sync=sync)
    if behind or report.kind is not PassKind.DRIFT:
        waiting, after = _waiting(report, after, base, waits)
        return Told(memory=after, announcements=waiting)
    # Not the plan's hash: a commit that changes nothing of the app would open again what people have decided.
    said = DRIFT + hashlib.sha256(repr(changed(plan, report.kind)).encode()).hexdigest()
    if said == memory.said:
        return Told(memory=after)
    news = replace(
        base,
        news=News.DRIFT,
        id=f"{base.operation}:{said[:18]}",
        message=f"The cluster differs from Git and is left so: {report.reason}.",
    )
    return Told(memory=replace(after, said=said, operation=base.operation), announcements=(news,))


def _waiting(
    report: SyncReport, memory: AppMemory, base: Announcement, waits: Waits
) -> tuple[tuple[Announcement, ...], AppMemory]:
    """Say once of each newer commit that it waits behind a pause or a pin, in the thread of that order."""
    target = report.target
    if target is None or target.commit in {memory.revision, memory.waiting_commit}:
        return (), memory
    pinned = report.revision is not None and report.revision.commit != target.commit
    why = "pinned" if pinned else "paused" if report.result is Result.PAUSED else report.reason
    count = f" {waits.behind} commits wait." if waits.behind > 1 else ""
    news = replace(
        base,
        news=News.WAITING,
        operation=waits.thread or base.operation,
        in_thread=bool(waits.thread),
        id=f"{base.operation}:waiting:{target.commit[:12]}",
        revision=target,
        message=f"{target.short} waiting ({why}).{count}",
        next_step=f"/gitops resume {base.app}" if pinned or report.result is Result.PAUSED else "",
    )
    return (news,), replace(memory, waiting_commit=target.commit)


def history(report: SyncReport, summary: Summary) -> HistoryEntry | None:
    """Return the line of a pass that changed the cluster, tried to, or ended what another had begun."""
    did = report.did or summary != report.summary
    tried = report.result in {Result.FAILED, Result.UNHEALTHY} and not (report.failure and report.failure.transient)
    if report.revision is None or report.result is Result.SUPERSEDED or not (did or tried):
        return None
    return HistoryEntry(
        operation=report.operation,
        app=report.app,
        revision=report.revision.commit,
        ref=report.plan.ref if report.plan else "",
        kind=report.kind,
        by=report.trigger.by,
        via=report.trigger.via,
        started_at=report.started_at,
        finished_at=report.finished_at,
        result=report.result,
        summary=summary,
        digest=report.digest,
        committed_at=report.revision.committed_at,
        live_digest=report.live_digest,
    )


def _write_backs(
    app: AppSpec,
    base: Announcement,
    commit: str,
    event: str,
    verdict: Verdict,
    description: str,
    targets: Sequence[Target],
    summary: Summary,
    digest: str = "",
) -> tuple[WriteBack, ...]:
    return tuple(
        WriteBack(
            id=f"{base.operation}:{event}:{commit[:12]}:{target.index}:{hashlib.sha256(description.encode()).hexdigest()[:8]}",
            target=target.index,
            event=event,
            verdict=verdict,
            app=app.name,
            cluster=app.cluster,
            env=app.env,
            operation=base.operation,
            commit=commit,
            at=base.at,
            description=description,
            url=base.revision_url,
            summary=summary,
            digest=digest,
        )
        for target in targets
        if event in target.events and target.repo in {"", app.repo}
    )


def _failures(count: int) -> str:
    return {0: "an outage", 1: "1 failure"}.get(count, f"{count} failures")


def operation_at(now: datetime, unique: str) -> str:
    """Return the name of an operation: sortable by time, and short enough to read out."""
    return f"op_{now:%Y%m%d%H%M%S}_{unique}"
