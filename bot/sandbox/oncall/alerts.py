"""Alerts and what happened to them. Changed by the service alone, under its condition."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of an alert's log: a note, an acknowledgement, its close."""

    at: datetime
    by: str
    text: str


@dataclass(slots=True, kw_only=True)
class Alert:
    """One alert; `count` counts creates that met it while it was open, `number` is what people call it by."""

    number: int
    alias: str
    message: str
    priority: str
    team: str
    key: str
    at: datetime
    description: str = ""
    tags: tuple[str, ...] = ()
    open: bool = True
    acknowledged: bool = False
    acknowledged_by: str = ""
    count: int = 1
    notes: list[str] = field(default_factory=list)
    log: list[Entry] = field(default_factory=list)
