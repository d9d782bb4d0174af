"""Lines as people look at them, of one app: of its history, and of how it stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bot.model.control import ControlState, Via
from bot.model.outcome import HealthState, PassKind, Result
from bot.model.plan import Summary
from bot.model.record import HistoryEntry, SyncState
from bot.model.status import AppStatus


def entry(at: datetime, **fields: Any) -> HistoryEntry:
    """Return a pass of prod/shop that the schedule began, and that ended at once."""
    given: dict[str, Any] = {"result": Result.FAILED, "summary": Summary(update=1), "revision": "b" * 40, **fields}
    common: dict[str, Any] = {"operation": "op", "app": "prod/shop", "ref": "main", "by": "", "via": Via.SCHEDULE}
    return HistoryEntry(**{**common, "kind": PassKind.SYNC, "started_at": at, "finished_at": at, **given})


def standing(app: str = "shop", cluster: str = "prod", env: str = "", **fields: Any) -> AppStatus:
    """Return the line of an app that is synced, healthy and running."""
    given: dict[str, Any] = {"sync": SyncState.SYNCED, "health": HealthState.HEALTHY, **fields}
    return AppStatus(app=app, cluster=cluster, env=env, **{"control": ControlState.RUNNING, **given})
