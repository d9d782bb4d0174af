"""Pods made of a template: what every workload controller writes when it creates or deletes one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.sandbox.kube.controllers.decision import Create, Delete, Tell, Write
from bot.sandbox.kube.controllers.objects import (
    controlled_by,
    digest,
    metadata,
    name_of,
    namespace_of,
    spec_of,
    uid_of,
)
from bot.sandbox.kube.ports import Body

_MAX_BASE = 58  # of the 63 characters of a name, five are the suffix; apiserver/pkg/storage/names


def pod_of(owner: Body, name: str, **more: Any) -> dict[str, Any]:
    """Return a Pod of the owner's template; `more` goes over the metadata."""
    template: Mapping[str, Any] = spec_of(owner).get("template") or {}
    of_template = template.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace_of(owner),
            **{key: dict(of_template[key]) for key in ("labels", "annotations") if of_template.get(key)},
            "ownerReferences": [controlled_by(owner)],
            **more,
        },
        "spec": dict(template.get("spec") or {}),
    }


def generated(owner: Body, base: str, siblings: Sequence[Body], number: int) -> dict[str, str]:
    """Return `name` and `generateName` of the next object of an owner.

    The suffix follows from the owner's version and the names that are taken, so that the same state always gives the
    same name and another state another one.
    """
    taken = sorted(name_of(one) for one in siblings)
    suffix = digest([uid_of(owner), metadata(owner).get("resourceVersion"), taken, number], length=5)
    return {"name": f"{base[:_MAX_BASE]}{suffix}", "generateName": base}


def new_pods(owner: Body, siblings: Sequence[Body], count: int, component: str, **more: Any) -> list[Write]:
    """Create `count` Pods with generated names, and say so on the owner; none when it is negative."""
    writes: list[Write] = []
    for number in range(count):
        names = generated(owner, f"{name_of(owner)}-", siblings, number)
        writes += create_pod(pod_of(owner, **names, **more), owner, component)
    return writes


def create_pod(pod: Body, owner: Body, component: str) -> tuple[Write, ...]:
    message = f"Created pod: {name_of(pod)}"
    told = Tell(about=owner, reason="SuccessfulCreate", message=message, component=component)
    return Create(resource="pods", body=pod), told


def delete_pod(pod: Body, owner: Body, component: str) -> tuple[Write, ...]:
    message = f"Deleted pod: {name_of(pod)}"
    told = Tell(about=owner, reason="SuccessfulDelete", message=message, component=component)
    return Delete(resource="pods", namespace=namespace_of(pod), name=name_of(pod), uid=uid_of(pod)), told
