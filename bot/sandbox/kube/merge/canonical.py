"""Objects as the server's Go types would print them; custom resources are printed as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.sandbox.kube.merge.schema import Schema

Body = Mapping[str, Any]


def canonical(schema: Schema, body: Body) -> dict[str, Any]:
    return dict(body)


def empty(schema: Schema, body: Body) -> dict[str, Any]:
    """Return what the server starts from when an object of this kind does not exist yet."""
    return {"apiVersion": body.get("apiVersion"), "kind": body.get("kind")}
