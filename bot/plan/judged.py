"""A change beside the bodies it was judged by, and what is read of bodies. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.model.plan import Change
from bot.model.resource import Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """`predicted` is None where the server predicted nothing; `warnings` are the server's."""

    change: Change
    live: Body | None = None
    predicted: Body | None = None
    warnings: tuple[str, ...] = ()


def at(body: Any, *path: str) -> Any:
    """Return the value at a path of keys, None where it leads nowhere."""
    for key in path:
        if not isinstance(body, Mapping):
            return None
        body = body.get(key)
    return body


def metadata_of(body: Body) -> Mapping[str, Any]:
    return body.get("metadata") or {}


def uid_of(body: Body | None) -> str:
    """Return the uid of a live object, "" where there is none."""
    return str(metadata_of(body).get("uid") or "") if body is not None else ""
