"""Frozen values to JSON and back. Pure; the types are the schema, a value that does not fit raises `StateError`."""

from __future__ import annotations

from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from bot.errors import StateError
from bot.model.announcement import Announcement, Page, Parcel, Reply, WriteBack
from bot.model.control import Control, Trigger
from bot.model.incident import Incident
from bot.model.record import AppMemory, Approval, AuditEntry, HistoryEntry, Mute, Pruned

CONTROL: Final = TypeAdapter(Control)
MEMORY: Final = TypeAdapter(AppMemory)
HISTORY: Final = TypeAdapter(HistoryEntry)
AUDIT: Final = TypeAdapter(AuditEntry)
PRUNED: Final = TypeAdapter(Pruned)
APPROVAL: Final = TypeAdapter(Approval)
MUTE: Final = TypeAdapter(Mute)
INCIDENT: Final = TypeAdapter(Incident)
ANNOUNCEMENT: Final = TypeAdapter(Announcement)
TRIGGER: Final = TypeAdapter(Trigger)
_PARCELS: Final[dict[str, TypeAdapter[Any]]] = {
    "announcement": ANNOUNCEMENT,
    "page": TypeAdapter(Page),
    "writeback": TypeAdapter(WriteBack),
    "reply": TypeAdapter(Reply),
}
_NAMES: Final = {Announcement: "announcement", Page: "page", WriteBack: "writeback", Reply: "reply"}


def dump(adapter: TypeAdapter[Any], value: Any) -> str:
    return adapter.dump_json(value).decode()


def load(adapter: TypeAdapter[Any], text: str) -> Any:
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        raise StateError(f"the state store holds something this version cannot read: {error.title}") from error


def dump_parcel(parcel: Parcel) -> tuple[str, str]:
    """Return the parcel's kind and its JSON."""
    name = _NAMES[type(parcel)]
    return name, dump(_PARCELS[name], parcel)


def load_parcel(kind: str, text: str) -> Parcel:
    parcel: Parcel = load(_PARCELS[kind], text)
    return parcel
