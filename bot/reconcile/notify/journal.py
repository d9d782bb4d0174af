"""The lines of history and audit about passes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from bot.model.app import AppSpec
from bot.model.control import Via
from bot.model.outcome import PassKind, Result, SyncReport
from bot.model.plan import Summary
from bot.model.record import AuditEntry, Decision, HistoryEntry

_DECIDED: Final[Mapping[Result, Decision]] = {
    Result.CONVERGED: Decision.DONE,
    Result.SUPERSEDED: Decision.DONE,  # it has written; a newer pass sees to the rest
    Result.PAUSED: Decision.DENIED,
    Result.REFUSED: Decision.DENIED,
    Result.SKIPPED: Decision.DENIED,
    Result.WAITING_APPROVAL: Decision.DENIED,
}


def line(app: AppSpec, report: SyncReport, summary: Summary) -> AuditEntry:
    """Return the line of a pass that somebody ordered, that touched the cluster, or that ended what another began.

    `summary` is what became of it; a pass that was cut short says how much of its plan it did.
    """
    detail = report.failure.message if report.failure is not None else report.reason or str(summary)
    decision = _DECIDED.get(report.result, Decision.FAILED)
    if report.result is Result.SUPERSEDED:
        if len(report.did) < report.summary.total:
            decision = Decision.FAILED
        detail = f"{len(report.did)} of {report.summary.total} objects done"
    if report.agreed is not None:
        detail += f"; approved by {', '.join(report.agreed.by)}"
    return AuditEntry(
        at=report.finished_at,
        who=report.cause.by or "gitops-bot",
        via=report.cause.via,
        verb=report.kind.value,
        app=app.key,
        arguments=report.revision.commit if report.revision else "",
        decision=decision,
        why=f"{report.result.value}: {detail}",
    )


def note(app: str, now: datetime, verb: str, why: str) -> AuditEntry:
    """Return the line of what the bot did by itself with an app, by its key."""
    return AuditEntry(
        at=now,
        who="gitops-bot",
        via=Via.SCHEDULE,
        verb=verb,
        app=app,
        arguments="",
        decision=Decision.DONE,
        why=why,
    )


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
        by=report.cause.by,
        via=report.cause.via,
        started_at=report.started_at,
        finished_at=report.finished_at,
        result=report.result,
        summary=summary,
        digest=report.digest,
        committed_at=report.revision.blamed.committed_at if report.kind is PassKind.SYNC else None,
        live_digest=report.live_digest,
        approved_by=report.agreed.by if report.agreed is not None else (),
    )
