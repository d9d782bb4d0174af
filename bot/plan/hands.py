"""Who changed a field by hand, and when, as the server's managedFields say. Pure.

`fieldsV1` is a tree: `f:name` a field, `k:{json}` a list item by its keys. The paths of a diff are walked down that
tree; a manager that owns a field we are about to set is the one that set it last. See KEP-555.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from bot.model.marks import FIELD_MANAGER
from bot.model.plan import FieldChange
from bot.model.resource import Body

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def hands(live: Body | None, fields: Sequence[FieldChange]) -> tuple[str, ...]:
    """Return `kubectl-edit at 2026-03-01 12:00 UTC` for each manager but us that owns a changed field, newest first.

    Of who scaled the server knows no time: the subresource's entries are merged into the object's without one.
    """
    if not fields:
        return ()
    newest: dict[str, datetime] = {}
    for entry in ((live or {}).get("metadata") or {}).get("managedFields") or ():
        manager = str(entry.get("manager") or "")
        if manager == FIELD_MANAGER or entry.get("subresource") == "status" or not manager:
            continue
        tree = entry.get("fieldsV1") or {}
        at = _time(entry.get("time"))
        if any(_owns(tree, field.path) for field in fields):
            newest[manager] = max(at, newest.get(manager, _LONG_AGO))
    ordered = sorted(newest.items(), key=lambda one: one[1], reverse=True)
    return tuple(manager if at is _LONG_AGO else f"{manager} at {at:%Y-%m-%d %H:%M} UTC" for manager, at in ordered)


def manager_of(hand: str) -> str:
    """Return the manager that one of `hands` names, with or without a time."""
    manager, at, _ = hand.rpartition(" at ")
    return manager if at else hand


def _owns(tree: Mapping[str, Any], path: str) -> bool:
    """Return whether a tree holds a field, something below it, or something it is a part of."""
    for key, below in tree.items():
        kind, _, name = key.partition(":")
        rest = after_name(path, name) if kind == "f" else after_item(path, name) if kind == "k" else None
        if rest is not None and (not rest or not below or _owns(below, rest)):
            return True
    return False


def after_name(path: str, name: str) -> str | None:
    """Return what follows a field's name, which may have dots or stand in brackets; None for another field."""
    for form in (name, f"[{name}]"):
        if path == form:
            return ""
        if path.startswith((f"{form}.", f"{form}[")):
            return path[len(form) :].removeprefix(".")
    return None


def after_item(path: str, name: str) -> str | None:
    """Return what follows `[name=api]` when that is the list item with these keys."""
    if not path.startswith("[") or "]" not in path:
        return None
    item, _, rest = path[1:].partition("]")
    keys = json.loads(name)
    wanted = dict(part.partition("=")[::2] for part in item.split(","))
    if not all(str(keys.get(key)) == value for key, value in wanted.items()):
        return None
    return rest.removeprefix(".")


def _time(text: object) -> datetime:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return _LONG_AGO
