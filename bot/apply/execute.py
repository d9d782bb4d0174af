"""Carries a plan out: inventory first, stage by stage, then deletes in reverse, then a shorter inventory.

Trouble with one object is an outcome; what was to come after its stage is skipped. Killed at any point, the next
pass finds every object this one made in the inventory and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

from bot.apply.inventory import narrowed, widened
from bot.model.app import AppSpec
from bot.model.outcome import Deed, Health, HealthState, Outcome
from bot.model.plan import Action, Change, Plan, Rejected
from bot.model.record import Inventory
from bot.model.resource import ResourceId, ResourceRef
from bot.plan.order import Stage, prune_stages, stages
from bot.ports import Cluster

IN_FLIGHT: Final = 16  # as many requests as the API server answers without queueing
_GOOD: Final = frozenset({HealthState.HEALTHY, HealthState.SUSPENDED})


class Waited(Protocol):
    @property
    def health(self) -> tuple[tuple[ResourceId, Health], ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What became of each object. `health` is set when a wave did not become healthy: it holds the next ones."""

    outcomes: tuple[Outcome, ...]
    inventory: Inventory
    health: tuple[tuple[ResourceId, Health], ...] = ()


def execute(
    plan: Plan,
    *,
    app: AppSpec,
    inventory: Inventory,
    cluster: Cluster,
    wait: Callable[[Sequence[ResourceRef]], Waited],
    progress: Callable[[Outcome], None],
    stop: Callable[[], bool],
) -> Execution:
    """Write what the plan says. Idempotent. Raises `ClusterError` when the API server goes away meanwhile."""
    if not plan.writes:
        current = narrowed(inventory, plan, ())
        saved = cluster.save_inventory(app, current) if current.refs != inventory.refs else inventory
        return Execution(outcomes=(), inventory=saved)
    listed = widened(inventory, plan)
    saved = cluster.save_inventory(app, listed) if listed.refs != inventory.refs else inventory
    outcomes: list[Outcome] = []
    bad: tuple[tuple[ResourceId, Health], ...] = ()
    todo = stages(plan)
    with ThreadPoolExecutor(max_workers=IN_FLIGHT, thread_name_prefix="apply") as pool:
        for number, stage in enumerate(todo):
            for outcome in pool.map(lambda change: _write(change, app, cluster), stage.changes):
                outcomes.append(outcome)
                progress(outcome)
            failed = any(one.deed is Deed.FAILED for one in outcomes)
            if not failed and stage.wait:
                bad = tuple((id, one) for id, one in wait(stage.objects).health if one.state not in _GOOD)
            if failed or bad or (number < len(todo) - 1 and stop()):
                outcomes += _skipped(todo[number + 1 :], plan)
                return Execution(outcomes=tuple(outcomes), inventory=saved, health=bad)
        for stage in prune_stages(plan):
            for outcome in pool.map(lambda change: _delete(change, app, cluster), stage.changes):
                outcomes.append(outcome)
                progress(outcome)
            if any(one.deed is Deed.FAILED for one in outcomes):
                break
    remaining = narrowed(saved, plan, outcomes)
    if remaining.refs != saved.refs:
        saved = cluster.save_inventory(app, remaining)
    return Execution(outcomes=tuple(outcomes), inventory=saved)


def _write(change: Change, app: AppSpec, cluster: Cluster) -> Outcome:
    """Apply one object; what could not be asked before is asked now, so that its refusal is said in full."""
    assert change.manifest is not None  # stages hold no deletes
    id = change.id
    if not change.verified:
        (seen,) = cluster.observe(app, [change.manifest])
        if seen.owner is not None:
            return Outcome(id=id, deed=Deed.FAILED, message=f"it belongs to {seen.owner}")
        if isinstance(seen.answer, Rejected):
            return Outcome(id=id, deed=Deed.FAILED, message=seen.answer.message)
    if change.action is Action.RECREATE:
        gone = cluster.delete(app, change.ref, change.uid)
        if isinstance(gone, Rejected):
            return Outcome(id=id, deed=Deed.FAILED, message=gone.message)
        if gone.kept:
            return Outcome(id=id, deed=Deed.FAILED, message=gone.kept)
        if not gone.gone and gone.finalizers:
            held = ", ".join(gone.finalizers)
            return Outcome(id=id, deed=Deed.FAILED, message=f"it is being deleted and waits for its finalizers: {held}")
    done = cluster.apply(app, change.manifest)
    if isinstance(done, Rejected):
        return Outcome(id=id, deed=Deed.FAILED, message=done.message)
    if change.action is Action.RECREATE:
        return Outcome(id=id, deed=Deed.RECREATED)
    return Outcome(id=id, deed=Deed.CREATED if done.created else Deed.UPDATED)


def _delete(change: Change, app: AppSpec, cluster: Cluster) -> Outcome:
    done = cluster.delete(app, change.ref, change.uid)
    if isinstance(done, Rejected):
        return Outcome(id=change.id, deed=Deed.FAILED, message=done.message)
    if done.kept:
        return Outcome(id=change.id, deed=Deed.KEPT, message=done.kept)
    if done.gone:
        return Outcome(id=change.id, deed=Deed.DELETED)
    held = f"it waits for its finalizers: {', '.join(done.finalizers)}" if done.finalizers else "it is on its way out"
    return Outcome(id=change.id, deed=Deed.DELETING, message=held)


def _skipped(later: Sequence[Stage], plan: Plan) -> Iterator[Outcome]:
    for stage in (*later, *prune_stages(plan)):
        for change in stage.changes:
            yield Outcome(id=change.id, deed=Deed.SKIPPED, message="an earlier stage did not succeed")
