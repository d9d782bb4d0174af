"""One line of `status`: how an app stands, for people and machines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.model.control import ControlState
from bot.model.outcome import HealthState
from bot.model.record import SyncState


@dataclass(frozen=True, slots=True, kw_only=True)
class AppStatus:
    """`control_*` say who paused or pinned the app, why, and until when; "" and None while it runs."""

    app: str  # name
    cluster: str
    env: str
    sync: SyncState
    health: HealthState
    control: ControlState
    control_by: str = ""
    control_reason: str = ""
    control_until: datetime | None = None
    revision: str = ""
    target_revision: str = ""
    last_sync_at: datetime | None = None
    last_error: str = ""
    consecutive_failures: int = 0
    objects: int = 0
