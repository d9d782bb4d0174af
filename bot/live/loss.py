"""The merge patch (RFC 7396) that makes one body another: how the server is asked what a loss comes to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.model.resource import Body

_NOT_OURS: Final = ("managedFields", "resourceVersion", "generation")


def loss(live: Body, wanted: Body) -> dict[str, Any]:
    """Return the patch from `live` to `wanted`, but for status and what the server keeps for itself."""
    return _patch(_plain(live), _plain(wanted))


def _plain(body: Body) -> dict[str, Any]:
    metadata = {key: value for key, value in (body.get("metadata") or {}).items() if key not in _NOT_OURS}
    return {**{key: value for key, value in body.items() if key != "status"}, "metadata": metadata}


def _patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        was = before.get(key)
        if isinstance(was, Mapping) and isinstance(value, Mapping):
            if below := _patch(was, value):
                patch[key] = below
        elif key not in before or was != value:
            patch[key] = value
    return patch
