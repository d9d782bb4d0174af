"""What the real server refuses in objects that have the right types: one file per family of kinds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from bot.sandbox.kube.checks.names import check_metadata
from bot.sandbox.kube.errors import Cause
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.ports import Body

Check = Callable[[Body, Body | None], Iterator[Cause]]

_CHECKS: Final[Mapping[str, Check]] = {}


def check(resource: Resource, body: Body, old: Body | None) -> Sequence[Cause]:
    """Return everything wrong with an object, in an order that is stable."""
    found = list(check_metadata(resource, body, old))
    inside = _CHECKS.get(resource.key)
    if inside is not None:
        found += inside(body, old)
    return list(dict.fromkeys(found))
