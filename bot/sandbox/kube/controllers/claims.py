"""Which objects a controller manages: it adopts orphans that its selector chooses and lets go of the others.

Source: ControllerRefManager of k8s.io/kubernetes/pkg/controller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.sandbox.kube.controllers.decision import Update
from bot.sandbox.kube.controllers.objects import (
    controlled_by,
    controller_of,
    is_leaving,
    labels_of,
    metadata,
    namespace_of,
    selects,
    spec_of,
    uid_of,
    with_metadata,
)
from bot.sandbox.kube.controllers.view import View
from bot.sandbox.kube.ports import Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`mine` are the objects under control, in the order they were seen; `writes` adopt and release."""

    mine: tuple[Body, ...]
    writes: tuple[Update, ...]


def claim(owner: Body, resource: str, view: View) -> Claim:
    """Return what `owner` controls of a resource. A leaving owner adopts nothing."""
    selector: Mapping[str, Any] = spec_of(owner).get("selector") or {}
    owned = view.owned(resource, owner)
    mine = [one for one in owned if selects(selector, labels_of(one))]
    writes = [
        Update(resource=resource, body=_released(one, owner))
        for one in owned
        if one not in mine and not is_leaving(one)
    ]
    if not is_leaving(owner):
        for one in view.within(resource, namespace_of(owner)):
            if controller_of(one) is None and not is_leaving(one) and selects(selector, labels_of(one)):
                writes.append(Update(resource=resource, body=_adopted(one, owner)))
    return Claim(mine=tuple(mine), writes=tuple(writes))


def _adopted(body: Body, owner: Body) -> Body:
    owners = [*(metadata(body).get("ownerReferences") or ()), controlled_by(owner)]
    return with_metadata(body, ownerReferences=owners)


def _released(body: Body, owner: Body) -> Body:
    owners = [one for one in metadata(body).get("ownerReferences") or () if one.get("uid") != uid_of(owner)]
    return with_metadata(body, ownerReferences=owners or None)
