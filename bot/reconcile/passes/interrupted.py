"""A pass that was cut off between its writes, in history and audit: the cluster was changed, and a line says so. Pure.

What is begun is remembered as the line it would be. A pass that goes on with the same has a line of its own; where Git
or people want something else meanwhile, that of the begun one is entered, once.
"""

from __future__ import annotations

from dataclasses import replace

from bot.model.announcement import Announcement
from bot.model.control import Via
from bot.model.outcome import PassKind, Result, SyncReport
from bot.model.plan import Plan
from bot.model.record import AuditEntry, Decision, HistoryEntry
from bot.reconcile.passes.consent import Consent

_INTERRUPTS = frozenset({Result.PAUSED, Result.SKIPPED, Result.SUPERSEDED})


def begun(plan: Plan, kind: PassKind, digest: str, consent: Consent, *, app: str, base: Announcement) -> HistoryEntry:
    """Return the line of a pass that is about to write; it ends when it began until `left` says otherwise."""
    agreed = consent.agreed
    cause = agreed.trigger if agreed is not None and kind is not PassKind.ROLLBACK else None
    return HistoryEntry(
        operation=base.operation,
        app=app,
        revision=plan.revision.commit,
        ref=plan.ref,
        kind=kind,
        by=cause.by if cause is not None else base.by,
        via=cause.via if cause is not None else Via(base.via),
        started_at=base.at,
        finished_at=base.at,
        result=Result.SUPERSEDED,
        summary=agreed.summary if agreed is not None else plan.summary,
        digest=digest,
        committed_at=plan.revision.blamed.committed_at if kind is PassKind.SYNC else None,
        approved_by=agreed.by if agreed is not None else (),
    )


def left(cut: HistoryEntry | None, report: SyncReport) -> HistoryEntry | None:
    """Return what is to be remembered of what was begun, now that a pass has ended."""
    if cut is None or not _goes_on(report):
        return None
    return replace(cut, finished_at=report.finished_at) if report.result is Result.SUPERSEDED else cut


def is_lost(cut: HistoryEntry, report: SyncReport, own: HistoryEntry | None) -> bool:
    """Tell whether no line will speak of what another pass had begun; `own` is the one of the pass that has ended."""
    return not _goes_on(report) and (own is None or own.digest != cut.digest)


def _goes_on(report: SyncReport) -> bool:
    """Tell whether a later pass may still go on with what was begun."""
    return report.plan is None or report.result in _INTERRUPTS


def lines(cut: HistoryEntry) -> tuple[AuditEntry, ...]:
    """Return its lines in the audit: a process that ended by itself has written one."""
    if cut.finished_at != cut.started_at:
        return ()
    approved = f"; approved by {', '.join(cut.approved_by)}" if cut.approved_by else ""
    return (
        AuditEntry(
            at=cut.finished_at,
            who=cut.by or "gitops-bot",
            via=cut.via,
            verb=cut.kind.value,
            app=cut.app,
            arguments=cut.revision,
            decision=Decision.FAILED,
            why=f"cut off while it was applied: {cut.summary}{approved}",
        ),
    )
