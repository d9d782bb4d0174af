"""The arithmetic of a Deployment's rollout: how many Pods its old and new ReplicaSets may have now.

Source: k8s.io/kubernetes/pkg/controller/deployment, rolling.go and util/deployment_util.go. Replica counts come in as
what the ReplicaSets ask for (`asked`) and have (`available`), and go out as what they should ask for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.sandbox.kube.controllers.objects import (
    annotations_of,
    metadata,
    name_of,
    scaled,
    spec_of,
    status_of,
)
from bot.sandbox.kube.ports import Body

DESIRED: Final = "deployment.kubernetes.io/desired-replicas"
MAXIMUM: Final = "deployment.kubernetes.io/max-replicas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a rolling update may do: `replicas` wanted, `surge` more and `unavailable` fewer in between."""

    replicas: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        return self.replicas + self.surge

    @property
    def fewest(self) -> int:
        return self.replicas - self.unavailable


def bounds_of(deployment: Body) -> Bounds:
    """Return a Deployment's bounds; both zero would never move, so one may then be unavailable."""
    replicas = asked(deployment)
    strategy = spec_of(deployment).get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return Bounds(replicas=replicas, surge=0, unavailable=0)
    rolling: Mapping[str, Any] = strategy.get("rollingUpdate") or {}
    surge = scaled(rolling.get("maxSurge"), replicas, up=True)
    unavailable = scaled(rolling.get("maxUnavailable"), replicas, up=False)
    if not surge and not unavailable:
        unavailable = 1
    return Bounds(replicas=replicas, surge=surge, unavailable=min(unavailable, replicas))


def asked(body: Body) -> int:
    """Return `spec.replicas`, 1 when it is not said."""
    replicas = spec_of(body).get("replicas")
    return 1 if replicas is None else int(replicas)


def available(replica_set: Body) -> int:
    return int(status_of(replica_set).get("availableReplicas") or 0)


def created_order(body: Body) -> tuple[str, str]:
    return str(metadata(body).get("creationTimestamp") or ""), name_of(body)


def size_of_new(bounds: Bounds, asked_by_all: int, asked_by_new: int) -> int:
    """Return what the new ReplicaSet may grow to while all together stay within the surge."""
    if asked_by_new >= bounds.replicas:
        return bounds.replicas
    room = max(bounds.most - asked_by_all, 0)
    return asked_by_new + min(room, bounds.replicas - asked_by_new)


def sizes_of_old(bounds: Bounds, new: Body, olds: Sequence[Body]) -> dict[str, int]:
    """Return the smaller sizes of old ReplicaSets, by name: what cannot run goes first, then what may be missed."""
    sizes = {name_of(old): asked(old) for old in sorted(olds, key=created_order) if asked(old)}
    by_name = {name_of(old): old for old in olds}
    total = sum(sizes.values()) + asked(new)
    left = total - bounds.fewest - (asked(new) - available(new))
    if left <= 0:
        return {}
    for name in sizes:
        drop = min(left, max(sizes[name] - available(by_name[name]), 0))
        sizes[name] -= drop
        left -= drop
    spare = sum(available(old) for old in olds) + available(new) - bounds.fewest
    for name in sizes:
        drop = min(max(spare, 0), sizes[name])
        sizes[name] -= drop
        spare -= drop
    return {name: size for name, size in sizes.items() if size != asked(by_name[name])}


def proportional_sizes(bounds: Bounds, active: Sequence[Body]) -> dict[str, int]:
    """Spread a change of the Deployment's size over its active ReplicaSets, the largest taking what is left over."""
    to_add = (bounds.most if bounds.replicas else 0) - sum(asked(one) for one in active)
    newest_first = sorted(active, key=created_order, reverse=to_add > 0)
    ordered = sorted(newest_first, key=asked, reverse=True)
    sizes, added = {name_of(one): asked(one) for one in ordered}, 0
    for one in ordered:
        share = _share(bounds, one)
        left = to_add - added
        part = min(share, left) if to_add > 0 else max(share, left)
        sizes[name_of(one)] += part
        added += part
    if ordered:
        largest = name_of(ordered[0])
        sizes[largest] = max(sizes[largest] + to_add - added, 0)
    return sizes


def _share(bounds: Bounds, replica_set: Body) -> int:
    if not bounds.replicas:
        return -asked(replica_set)
    before = int(annotations_of(replica_set).get(MAXIMUM) or 0)
    if not before:
        return 0
    return math.floor(asked(replica_set) * bounds.most / before + 0.5) - asked(replica_set)
