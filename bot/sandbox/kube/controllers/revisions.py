"""ControllerRevisions: the Pod templates that StatefulSets and DaemonSets had, so that Pods can name theirs.

Source: k8s.io/kubernetes/pkg/controller/history.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.sandbox.kube.controllers.decision import Create, Delete, Update, Write
from bot.sandbox.kube.controllers.objects import (
    annotations_of,
    controlled_by,
    digest,
    name_of,
    namespace_of,
    spec_of,
    uid_of,
)
from bot.sandbox.kube.controllers.view import View
from bot.sandbox.kube.ports import Body

RESOURCE: Final = "controllerrevisions.apps"
HASH: Final = "controller-revision-hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisions:
    """The revision of the template as it is now, those before it (oldest first), and what records that."""

    current: Body
    olds: tuple[Body, ...]
    writes: tuple[Write, ...]

    @property
    def hash(self) -> str:
        return hash_of(self.current)


def hash_of(revision: Body) -> str:
    return name_of(revision).rpartition("-")[2]


def revisions_of(owner: Body, view: View, label: str) -> Revisions:
    """Return the history of an owner with its present template on top; `label` carries the hash on the revision."""
    known = sorted(view.owned(RESOURCE, owner), key=number_of)
    template = spec_of(owner).get("template") or {}
    data = {"spec": {"template": {**template, "$patch": "replace"}}}
    same = next((one for one in reversed(known) if one.get("data") == data), None)
    olds = tuple(one for one in known if one is not same)
    number = max(map(number_of, olds), default=0) + 1
    if same is not None:
        if number_of(same) >= number:
            return Revisions(current=same, olds=olds, writes=())
        again = {**same, "revision": number}
        return Revisions(current=again, olds=olds, writes=(Update(resource=RESOURCE, body=again),))
    hash = digest(data)
    revision = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{name_of(owner)}-{hash}",
            "namespace": namespace_of(owner),
            "labels": {**((template.get("metadata") or {}).get("labels") or {}), label: hash},
            **({"annotations": dict(annotations_of(owner))} if annotations_of(owner) else {}),
            "ownerReferences": [controlled_by(owner)],
        },
        "data": data,
        "revision": number,
    }
    return Revisions(current=revision, olds=olds, writes=(Create(resource=RESOURCE, body=revision),))


def number_of(revision: Body) -> int:
    return int(revision.get("revision") or 0)


def template_at(owner: Body, revision: Body) -> Body:
    """Return the owner with the template it had at a revision."""
    template: dict[str, Any] = dict(((revision.get("data") or {}).get("spec") or {}).get("template") or {})
    template.pop("$patch", None)
    return {**owner, "spec": {**spec_of(owner), "template": template}}


def forgotten(owner: Body, olds: Sequence[Body], live: Collection[str]) -> list[Write]:
    """Delete the oldest revisions beyond the history limit that nothing (`live`, by name) is made of."""
    limit = spec_of(owner).get("revisionHistoryLimit")
    idle = [one for one in olds if name_of(one) not in live]
    return [
        Delete(resource=RESOURCE, namespace=namespace_of(one), name=name_of(one), uid=uid_of(one))
        for one in idle[: max(len(idle) - (10 if limit is None else int(limit)), 0)]
    ]
