"""Frozen values to JSON and back. Pure; the types are the schema, a value that does not fit raises `StateError`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from bot.errors import StateError
from bot.model.announcement import Announcement, Page, Parcel, Reply, WriteBack

T = TypeVar("T")

_PARCELS: Final[Mapping[str, type[Parcel]]] = {
    "announcement": Announcement,
    "page": Page,
    "writeback": WriteBack,
    "reply": Reply,
}
_NAMES: Final = {type: name for name, type in _PARCELS.items()}


_adapters: dict[type[Any], TypeAdapter[Any]] = {}  # made when first needed: a command needs few, each takes a while


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    known: TypeAdapter[T] | None = _adapters.get(kind)
    if known is None:
        known = _adapters[kind] = TypeAdapter(kind)
    return known


def dump(value: Any) -> str:
    return _adapter(type(value)).dump_json(value).decode()


def load(kind: type[T], text: str) -> T:
    try:
        return _adapter(kind).validate_json(text)
    except ValidationError as error:
        raise StateError(f"the state store holds something this version cannot read: {error.title}") from error


def dump_parcel(parcel: Parcel) -> tuple[str, str]:
    """Return the parcel's kind and its JSON."""
    return _NAMES[type(parcel)], dump(parcel)


def load_parcel(kind: str, text: str) -> Parcel:
    return load(_PARCELS[kind], text)
