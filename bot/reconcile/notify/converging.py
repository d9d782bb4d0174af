"""What is said and remembered of a pass that converged: its own message, and how older ones end. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.model.agreed import Agreed
from bot.model.announcement import Announcement, News, Verdict
from bot.model.app import AppSpec, Rollback
from bot.model.outcome import Deed, HealthState, PassKind, SyncReport
from bot.model.record import AppMemory, SyncState
from bot.model.resource import names
from bot.plan import agreement
from bot.reconcile.notify import asking, failing, fights, holding
from bot.reconcile.notify.telling import Target, Told, Waits, failures, write_backs


def converged(
    app: AppSpec,
    report: SyncReport,
    memory: AppMemory,
    base: Announcement,
    targets: Sequence[Target],
    waits: Waits,
) -> Told:
    """Return what is remembered and said when the cluster is equal to Git, healthy or not yet."""
    assert report.revision is not None  # a pass that converged had a commit
    commit = report.revision.commit
    after = _remembered(memory, report, commit)
    if report.worst_health in {HealthState.DEGRADED, HealthState.PROGRESSING} and report.health:
        return failing.degraded(report, after, base)
    plan = report.plan
    fought = report.kind is PassKind.DRIFT and plan is not None and fights.is_known(memory, plan, report.finished_at)
    worked = plan is not None and bool(plan.writes) and not fought  # the message about the fight says it
    trouble = memory.consecutive_failures > 0 or memory.failing_since is not None
    # A pass that was cut short left its message at "syncing": the next one, which finds nothing to do, ends it. What
    # people had been asked about before is answered by what was begun.
    open_still = not memory.said or memory.planned is not None
    unfinished = open_still and not fought and bool(memory.operation) and memory.operation == base.operation
    rolled_back = report.kind is PassKind.ROLLBACK
    said: list[Announcement] = []
    if worked or unfinished or rolled_back or (trouble and memory.said):
        said.append(_equal(app, report, memory, base, commit, recovered=trouble))
    said += _endings(report, memory, base, but=base.operation if said else "")
    waiting, after = holding.waiting(report, after, base, waits)
    after = replace(after, operation="", said="", degraded_since=None, overtaken=())
    if not (worked or trouble or memory.revision == "" or report.previous != commit):
        return Told(memory=after, announcements=(*said, *waiting))
    event, summary = "rolled-back" if rolled_back else "converged", base.summary or report.summary
    backs = write_backs(app, base, commit, event, Verdict.SUCCESS, "converged", targets, summary, report.digest)
    return Told(memory=after, announcements=(*said, *waiting), writebacks=backs)


def _remembered(memory: AppMemory, report: SyncReport, commit: str) -> AppMemory:
    return replace(
        memory,
        sync=SyncState.SYNCED,
        revision=commit,
        digest=report.digest,
        begun="",
        agreed=_left_leaving(memory.agreed, report),
        live_digest=report.live_digest,
        last_sync_at=report.finished_at,
        last_error="",
        consecutive_failures=0,
        failing_since=None,
        failing_commit="",
        waiting_commit=memory.waiting_commit if report.target and report.target.commit != commit else "",
    )


def _equal(
    app: AppSpec, report: SyncReport, memory: AppMemory, base: Announcement, commit: str, *, recovered: bool
) -> Announcement:
    """Return the message of the pass itself."""
    assert report.revision is not None  # a pass that converged had a commit
    rolled_back, undone = report.kind is PassKind.ROLLBACK, report.kind is PassKind.DRIFT
    what = "What was changed by hand is undone: the cluster" if undone else "The cluster"
    message = f"{what} is equal to {report.revision.short}."
    if recovered:
        message += f" It recovered after {failures(memory.consecutive_failures)}."
    return replace(
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


def _endings(report: SyncReport, memory: AppMemory, base: Announcement, *, but: str) -> list[Announcement]:
    """Return how older messages end, each once; not that of the operation `but`, which has ended by itself."""
    over = dict.fromkeys([*memory.overtaken, *([memory.operation] if memory.said else [])])
    return [_over(report, memory, replace(base, operation=one)) for one in over if one not in {"", but}]


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


def partly(report: SyncReport, before: AppMemory, base: Announcement) -> Told:
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
