"""Waits for health on watch events, and surveys it with one read.

A wait ends when everything is healthy, at the first failure that no waiting mends, at the timeout, or when `stop`
says that a newer commit or order makes it pointless. It polls nothing: the API server says when something changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bot.health.rules import assess
from bot.model.outcome import Health, HealthState
from bot.model.resource import Body, ResourceId, ResourceRef, owned_pods
from bot.ports import Cluster, Watch

_LOOK_UP: Final = timedelta(seconds=1)  # how often `stop` is asked while nothing changes
_GOOD: Final = frozenset({HealthState.HEALTHY, HealthState.SUSPENDED})
_NEED_PODS: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthWait:
    """How the objects are at the end; `stopped` when `stop` ended it."""

    health: tuple[tuple[ResourceId, Health], ...]
    stopped: bool = False


def await_health(
    cluster: Cluster,
    refs: Collection[ResourceRef],
    *,
    timeout: timedelta,
    stop: Callable[[], bool],
    progress: Callable[[Mapping[ResourceId, Health]], None],
    clock: Callable[[], datetime],
) -> HealthWait:
    """Block until the wait ends. Raises `ClusterError` when the watch cannot be started."""
    if not refs:
        return HealthWait(health=())
    deadline = clock() + timeout
    seen: dict[ResourceRef, Body] = {}
    with cluster.watch(refs) as watch:
        while True:
            health = {ref.id: _look(watch, ref, seen) for ref in refs}
            if all(one.state in _GOOD for one in health.values()):
                return HealthWait(health=tuple(health.items()))
            progress(health)
            over = any(one.terminal for one in health.values()) or clock() >= deadline
            stopped = not over and stop()
            if over or stopped:
                return HealthWait(health=tuple(_explained(cluster, watch, refs, health)), stopped=stopped)
            watch.wait(min(_LOOK_UP, max(deadline - clock(), timedelta(0))))


def survey(cluster: Cluster, refs: Collection[ResourceRef]) -> tuple[tuple[ResourceId, Health], ...]:
    """Return how objects are now. Costs one read per kind and namespace. Raises `ClusterError`."""
    live = cluster.read(refs)
    spaces = {ref.id.namespace for ref in refs if ref.id.kind in _NEED_PODS}
    below = cluster.pods(spaces) if spaces else ()
    found: list[tuple[ResourceId, Health]] = []
    for ref in refs:
        body = live.get(ref.id)
        if body is None:
            found.append((ref.id, Health(state=HealthState.PROGRESSING, message="it does not exist")))
            continue
        own = owned_pods(body, below)
        health = assess(body, own)
        if health.state is HealthState.DEGRADED:
            health = replace(health, cause=cluster.explain(body, own))
        found.append((ref.id, health))
    return tuple(found)


def _look(watch: Watch, ref: ResourceRef, seen: dict[ResourceRef, Body]) -> Health:
    body = watch.current(ref)
    if body is None:
        before = seen.get(ref)
        if before is not None and ref.id.kind == "Job" and "ttlSecondsAfterFinished" in (before.get("spec") or {}):
            return Health(state=HealthState.HEALTHY, message="it finished and was removed by its TTL")
        return Health(state=HealthState.PROGRESSING, message="it does not exist yet")
    seen[ref] = body
    return assess(body, watch.pods(ref) if ref.id.kind in _NEED_PODS else ())


def _explained(
    cluster: Cluster, watch: Watch, refs: Collection[ResourceRef], health: Mapping[ResourceId, Health]
) -> list[tuple[ResourceId, Health]]:
    explained: list[tuple[ResourceId, Health]] = []
    for ref in refs:
        one, body = health[ref.id], watch.current(ref)
        if one.state not in _GOOD and body is not None:
            one = replace(one, cause=cluster.explain(body, watch.pods(ref)))
        explained.append((ref.id, one))
    return explained
