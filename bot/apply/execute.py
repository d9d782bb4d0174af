"""Carries a plan out: inventory first, stage by stage, then deletes in reverse, then a shorter inventory.

Trouble with one object is an outcome; what was to come after its stage is skipped. Killed at any point, the next
pass finds every object this one made in the inventory and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from bot.apply.gone import await_gone
from bot.apply.hooks import HookRun, Waited, run_hooks
from bot.apply.inventory import narrowed, widened
from bot.apply.write import delete, write
from bot.model.app import AppSpec
from bot.model.outcome import Deed, Health, Outcome
from bot.model.plan import Plan
from bot.model.record import Inventory
from bot.model.resource import Body, ResourceId, ResourceRef, names
from bot.plan.order import Phase, Stage, prune_stages, stages
from bot.ports.live import Cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What became of each object. `health` is set when a wave did not become healthy: it holds the next ones.

    `hooks` are the pre-sync hooks; nothing else was written when they did not succeed. `stopped` when a wave was no
    longer waited for.
    """

    outcomes: tuple[Outcome, ...]
    inventory: Inventory
    health: tuple[tuple[ResourceId, Health], ...] = ()
    hooks: HookRun = field(default_factory=HookRun)
    stopped: bool = False


def execute(
    plan: Plan,
    *,
    app: AppSpec,
    inventory: Inventory,
    cluster: Cluster,
    wait: Callable[[Sequence[ResourceRef]], Waited],
    progress: Callable[[Outcome], None],
    stop: Callable[[], bool],
    leaves: Callable[[], bool],
    keep: Callable[[list[Body]], None],
    step: Callable[..., AbstractContextManager[None]],
) -> Execution:
    """Write what the plan says. Idempotent; `keep` is given the objects that are about to be deleted.

    `stop` ends what is waited for, `leaves` the writing itself, after the stage it is at. What is done inside of a
    `step` is timed by its name and facts.

    Raises `ClusterError` when the API server goes away meanwhile."""
    if not plan.writes:
        current = widened(narrowed(inventory, plan, ()), plan)  # somebody may have deleted the list
        saved = cluster.save_inventory(app, current) if current.refs != inventory.refs else inventory
        return Execution(outcomes=(), inventory=saved)
    listed = widened(inventory, plan)
    saved = cluster.save_inventory(app, listed) if listed.refs != inventory.refs else inventory
    todo, pruning = stages(plan), prune_stages(plan)
    hooks = run_hooks(plan, Phase.PRE_SYNC, app=app, cluster=cluster, wait=wait, progress=progress, step=step)
    outcomes: list[Outcome] = [*hooks.outcomes]
    if not hooks.succeeded:
        outcomes += _skipped((*todo, *pruning))
        return Execution(outcomes=tuple(outcomes), inventory=saved, hooks=hooks)
    bad: tuple[tuple[ResourceId, Health], ...] = ()
    for number, stage in enumerate(todo):
        with _timed(step, "stage", number, stage):
            for outcome in cluster.spread(lambda change: write(change, app, cluster), stage.changes):
                outcomes.append(outcome)
                progress(outcome)
        failed = any(one.deed is Deed.FAILED for one in outcomes)
        stopped = False
        if not failed and stage.wait:
            waited = wait(stage.objects)
            bad = tuple((id, one) for id, one in waited.health if not one.state.is_good)
            stopped = waited.stopped and bool(bad)
        last = number == len(todo) - 1 and not pruning
        if failed or bad or (not last and leaves()):
            outcomes += _skipped((*todo[number + 1 :], *pruning))
            return Execution(outcomes=tuple(outcomes), inventory=saved, health=bad, stopped=stopped)
    if pruning:
        keep([*cluster.read([change.ref for stage in pruning for change in stage.changes]).values()])
    for number, stage in enumerate(pruning):
        if number and leaves():
            outcomes += _skipped(pruning[number:])
            break
        with _timed(step, "prune", number, stage):
            deleted = list(cluster.spread(lambda change: delete(change, app, cluster), stage.changes))
            for outcome in deleted:
                progress(outcome)
            leaving = {one.id for one in deleted if one.deed is Deed.DELETING}
            left: tuple[ResourceRef, ...] = ()
            if leaving and stage.wait:
                left = await_gone(cluster, [ref for ref in stage.objects if ref.id in leaving], stop=stop)
                deleted = [_gone(one) if one.id in leaving - {ref.id for ref in left} else one for one in deleted]
        outcomes += deleted
        if left:
            outcomes += _deferred(pruning[number + 1 :], [ref.id for ref in left])
        if left or any(one.deed is Deed.FAILED for one in deleted):
            break
    remaining = narrowed(saved, plan, outcomes)
    if remaining.refs != saved.refs:
        saved = cluster.save_inventory(app, remaining)
    return Execution(outcomes=tuple(outcomes), inventory=saved)


def _gone(outcome: Outcome) -> Outcome:
    return Outcome(id=outcome.id, deed=Deed.DELETED)


def _deferred(later: Sequence[Stage], left: Sequence[ResourceId]) -> Iterator[Outcome]:
    for stage in later:
        for change in stage.changes:
            yield Outcome(id=change.id, deed=Deed.DELETING, message=f"its turn comes once {names(left)} is gone")


def _timed(
    step: Callable[..., AbstractContextManager[None]], name: str, number: int, stage: Stage
) -> AbstractContextManager[None]:
    """Time what is done in a stage; nothing is in one that was written before, and is only waited for."""
    if not stage.changes:
        return nullcontext()
    return step(name, number=number + 1, objects=len(stage.changes), kind=stage.changes[0].id.kind)


def _skipped(later: Sequence[Stage]) -> Iterator[Outcome]:
    for stage in later:
        for change in stage.changes:
            yield Outcome(id=change.id, deed=Deed.SKIPPED, message="an earlier stage did not succeed")
