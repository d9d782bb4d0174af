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
from bot.model.resource import Body, ResourceId, ResourceRef
from bot.ports.live import Cluster, Watch

_LOOK_UP: Final = timedelta(seconds=1)  # how often `stop` is asked while nothing changes
_EXPLAINED: Final = 20  # each costs a request or two; the others say what they wait for
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
    by_id = {ref.id: ref for ref in refs}
    with cluster.watch(refs) as watch:
        health = {ref.id: _look(watch, ref, seen) for ref in refs}
        late = {id for id, one in health.items() if not one.state.is_good}
        while late:
            progress(health)
            over = any(health[id].terminal for id in late) or clock() >= deadline
            stopped = not over and stop()
            if over or stopped:
                hurried = stopped or not timeout  # who did not let them come up need not ask why they are not
                return HealthWait(health=_explained(cluster, watch, refs, health, patient=hurried), stopped=stopped)
            for id in watch.wait(min(_LOOK_UP, max(deadline - clock(), timedelta(0)))):
                health[id] = _look(watch, by_id[id], seen)
                (late.discard if health[id].state.is_good else late.add)(id)
        return HealthWait(health=tuple(health.items()))


def look(cluster: Cluster, refs: Collection[ResourceRef]) -> Mapping[ResourceId, Health]:
    """Return how objects are now, as watches tell, without causes. Raises `ClusterError`."""
    if not refs:
        return {}
    with cluster.watch(refs) as watch:
        return {ref.id: _look(watch, ref, {}) for ref in refs}


def survey(cluster: Cluster, refs: Collection[ResourceRef]) -> tuple[tuple[ResourceId, Health], ...]:
    """Return how objects are now, as watches tell: costs no request but for causes. Raises `ClusterError`."""
    if not refs:
        return ()
    seen: dict[ResourceRef, Body] = {}
    with cluster.watch(refs) as watch:
        health = {ref.id: _look(watch, ref, seen) for ref in refs}
        return _explained(cluster, watch, refs, health, patient=True)


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
    cluster: Cluster,
    watch: Watch,
    refs: Collection[ResourceRef],
    health: Mapping[ResourceId, Health],
    *,
    patient: bool = False,
) -> tuple[tuple[ResourceId, Health], ...]:
    """Return the health of all, the worst with their causes; `patient` leaves those alone that are on their way."""
    bad = [ref for ref in refs if not health[ref.id].state.is_good]
    degraded = [ref for ref in bad if health[ref.id].state is HealthState.DEGRADED]
    others = [] if patient else [ref for ref in bad if health[ref.id].state is not HealthState.DEGRADED]
    found = dict(health)
    for ref in [*degraded, *others][:_EXPLAINED]:
        body = watch.current(ref)
        if body is not None:
            found[ref.id] = replace(found[ref.id], cause=cluster.explain(body, watch.pods(ref)))
    return tuple((ref.id, found[ref.id]) for ref in refs)
