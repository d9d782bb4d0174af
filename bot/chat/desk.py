"""What the chat room needs of the engine: where orders are taken. All raise `OrderRefused` with the text to show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bot.model.app import AppSpec
from bot.model.control import Trigger, Via
from bot.model.plan import Plan, PlanFailure
from bot.model.record import AuditEntry, HistoryEntry
from bot.model.status import AppStatus


class Desk(Protocol):
    """Answers are sentences for the person who ordered. App arguments are keys, `cluster/name`."""

    def apps(self) -> tuple[AppSpec, ...]: ...
    def find(self, text: str) -> AppSpec: ...
    def status(self, apps: Sequence[str]) -> tuple[AppStatus, ...]: ...
    def history(self, app: str, limit: int) -> tuple[HistoryEntry, ...]: ...
    def sync(self, app: str, *, trigger: Trigger) -> str: ...
    def pause(self, app: str, *, by: str, until: datetime | None, reason: str, via: Via) -> str: ...
    def resume(self, app: str, *, by: str, via: Via) -> str: ...

    def rollback(self, app: str, commit: str, *, by: str, reason: str, via: Via) -> str:
        """Slow: asks Git."""

    def preview_rollback(self, app: str, commit: str) -> Plan | PlanFailure:
        """Slow: asks Git and the cluster."""

    def plan(self, app: str, ref: str) -> Plan | PlanFailure:
        """Slow: asks Git and the cluster."""

    def audit(self, entry: AuditEntry) -> None: ...

    def first_time(self, key: str) -> bool:
        """True exactly once per key, across restarts."""
