"""What people have ordered of one app: nothing (running), a pause, a pin, or both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum


class ControlState(Enum):
    RUNNING = "running"
    PAUSED = "paused"
    PINNED = "pinned"


class Via(Enum):
    """The door an order came through."""

    SCHEDULE = "schedule"
    WEBHOOK = "webhook"
    SLACK = "slack"
    CLI = "cli"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nothing is applied until someone resumes or `until` has passed."""

    by: str
    reason: str
    since: datetime
    until: datetime | None = None
    operation: str = ""  # whose thread hears of it
    order: str = ""  # about many apps, of which this is one

    @property
    def is_shared(self) -> bool:
        """Tell whether its message speaks of other apps too."""
        return bool(self.order) and self.operation.startswith(f"{self.order}@")

    def __str__(self) -> str:
        """`paused by U0ANA since 2026-11-25 21:45 UTC (migration)`."""
        why = f" ({self.reason})" if self.reason else ""
        return f"paused by {self.by} since {self.since:%Y-%m-%d %H:%M} UTC{why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """The app stays at `commit` whatever the branch says, until someone resumes."""

    commit: str
    by: str
    reason: str
    since: datetime
    operation: str = ""  # whose thread hears of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Pause and pin are independent: a paused app may be pinned; `resume` ends both."""

    pause: Pause | None = None
    pin: Pin | None = None

    @property
    def state(self) -> ControlState:
        if self.pause is not None:
            return ControlState.PAUSED
        return ControlState.RUNNING if self.pin is None else ControlState.PINNED

    @property
    def operation(self) -> str:
        """Name the operation of the order that holds the app, "" where none does or it is not known."""
        held = self.pause or self.pin
        return held.operation if held is not None else ""

    def at(self, now: datetime) -> Control:
        """Return the control that holds at `now`: a pause that has run out is gone."""
        expired = self.pause is not None and self.pause.until is not None and self.pause.until <= now
        return replace(self, pause=None) if expired else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Why a pass runs: the door, who (`U0ANA`, `os:ana`, `` for the schedule), and a human's yes to one plan.

    `confirm` is the hash of the plan that person has agreed to; a plan with another hash is refused again. Where it
    `follows` another order (a pause, a resume, a rollback), that one is what the audit knows. `trace` is the
    `traceparent` of the request that asked for it.
    """

    via: Via
    by: str = ""
    confirm: str | None = None
    follows: bool = False
    trace: str = ""

    @property
    def manual(self) -> bool:
        return self.via in {Via.SLACK, Via.CLI}

    @property
    def asks(self) -> bool:
        """Tell whether a person asked for a sync, whose own yes does not count then."""
        return self.manual and self.confirm is None and not self.follows
