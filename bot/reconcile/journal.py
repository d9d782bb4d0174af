"""The audit's lines about passes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from bot.model.app import AppSpec
from bot.model.control import Via
from bot.model.outcome import Result, SyncReport
from bot.model.record import AuditEntry, Decision

_DECIDED: Final[Mapping[Result, Decision]] = {
    Result.CONVERGED: Decision.DONE,
    Result.SUPERSEDED: Decision.DONE,  # it has written; a newer pass sees to the rest
    Result.PAUSED: Decision.DENIED,
    Result.REFUSED: Decision.DENIED,
    Result.SKIPPED: Decision.DENIED,
    Result.WAITING_APPROVAL: Decision.DENIED,
}


def line(app: AppSpec, report: SyncReport) -> AuditEntry:
    """Return the line of a pass that somebody ordered, or that touched the cluster."""
    detail = report.failure.message if report.failure is not None else report.reason or str(report.summary)
    return AuditEntry(
        at=report.finished_at,
        who=report.trigger.by or "gitops-bot",
        via=report.trigger.via,
        verb=report.kind.value,
        app=app.key,
        arguments=report.revision.commit if report.revision else "",
        decision=_DECIDED.get(report.result, Decision.FAILED),
        why=f"{report.result.value}: {detail}",
    )


def note(app: AppSpec, now: datetime, verb: str, why: str) -> AuditEntry:
    return AuditEntry(
        at=now,
        who="gitops-bot",
        via=Via.SCHEDULE,
        verb=verb,
        app=app.key,
        arguments="",
        decision=Decision.DONE,
        why=why,
    )
