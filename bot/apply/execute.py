"""Carries a plan out: inventory first, stage by stage, then deletes in reverse, then a shorter inventory.

Trouble with one object is an outcome; what was to come after its stage is skipped. Killed at any point, the next
pass finds every object this one made in the inventory and goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from bot.apply.context import ApplyContext
from bot.apply.gone import await_gone
from bot.apply.hooks import HookRun, run_hooks
from bot.apply.inventory import narrowed, widened
from bot.apply.write import delete, write
from bot.model.outcome import Deed, Health, Outcome
from bot.model.plan import Plan
from bot.model.record import Inventory
from bot.model.resource import ResourceId, ResourceRef, names
from bot.plan.order import Phase, Stage, prune_stages, stages
from bot.ports.tracing import Steps


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


def execute(plan: Plan, inventory: Inventory, context: ApplyContext) -> Execution:
    """Write what the plan says. Idempotent. Raises `ClusterError` when the API server goes away meanwhile."""
    app, cluster = context.app, context.cluster
    if not plan.writes:
        current = widened(narrowed(inventory, plan, ()), plan)  # somebody may have deleted the list
        saved = cluster.save_inventory(app, current) if current.refs != inventory.refs else inventory
        return Execution(outcomes=(), inventory=saved)
    listed = widened(inventory, plan)
    saved = cluster.save_inventory(app, listed) if listed.refs != inventory.refs else inventory
    todo, pruning = stages(plan), prune_stages(plan)
    hooks = run_hooks(plan, Phase.PRE_SYNC, context)
    if not hooks.succeeded:
        outcomes = (*hooks.outcomes, *_skipped((*todo, *pruning)))
        return Execution(outcomes=outcomes, inventory=saved, hooks=hooks)
    written = _write(todo, context, prunes=bool(pruning))
    outcomes = (*hooks.outcomes, *written.outcomes)
    if written.left is not None:
        outcomes = (*outcomes, *_skipped((*written.left, *pruning)))
        return Execution(outcomes=outcomes, inventory=saved, health=written.bad, stopped=written.stopped)
    outcomes = (*outcomes, *_prune(pruning, context))
    remaining = narrowed(saved, plan, outcomes)
    if remaining.refs != saved.refs:
        saved = cluster.save_inventory(app, remaining)
    return Execution(outcomes=outcomes, inventory=saved)


@dataclass(slots=True)
class _Written:
    """What became of the stages of writes; `left` are those after the one that ended them, None when all are done."""

    outcomes: list[Outcome] = field(default_factory=list)
    left: Sequence[Stage] | None = None
    bad: tuple[tuple[ResourceId, Health], ...] = ()
    stopped: bool = False


def _write(todo: Sequence[Stage], context: ApplyContext, *, prunes: bool) -> _Written:
    """Write stage by stage, each healthy before the next where that is asked for; `prunes` when deletes follow."""
    app, cluster, written = context.app, context.cluster, _Written()
    for number, stage in enumerate(todo):
        with _timed(context.steps, "stage", number, stage):
            for outcome in cluster.spread(lambda change: write(change, app, cluster), stage.changes):
                written.outcomes.append(outcome)
                context.applied(outcome)
        failed = any(one.deed is Deed.FAILED for one in written.outcomes)
        if not failed and stage.wait:
            waited = context.wait(stage.objects)
            written.bad = tuple((id, one) for id, one in waited.health if not one.state.is_good)
            written.stopped = waited.stopped and bool(written.bad)
        last = number == len(todo) - 1 and not prunes
        if failed or written.bad or (not last and context.ends_writing()):
            written.left = todo[number + 1 :]
            break
    return written


def _prune(pruning: Sequence[Stage], context: ApplyContext) -> list[Outcome]:
    """Delete stage by stage, each gone before the next where that is asked for."""
    app, cluster, outcomes = context.app, context.cluster, list[Outcome]()
    if pruning:
        context.pruning([*cluster.read([change.ref for stage in pruning for change in stage.changes]).values()])
    for number, stage in enumerate(pruning):
        if number and context.ends_writing():
            outcomes += _skipped(pruning[number:])
            break
        with _timed(context.steps, "prune", number, stage):
            deleted = list(cluster.spread(lambda change: delete(change, app, cluster), stage.changes))
            for outcome in deleted:
                context.applied(outcome)
            leaving = {one.id for one in deleted if one.deed is Deed.DELETING}
            left: tuple[ResourceRef, ...] = ()
            if leaving and stage.wait:
                awaited = [ref for ref in stage.objects if ref.id in leaving]
                left = await_gone(cluster, awaited, stop=context.ends_waiting)
                deleted = [_gone(one) if one.id in leaving - {ref.id for ref in left} else one for one in deleted]
        outcomes += deleted
        if left:
            outcomes += _deferred(pruning[number + 1 :], [ref.id for ref in left])
        if left or any(one.deed is Deed.FAILED for one in deleted):
            break
    return outcomes


def _gone(outcome: Outcome) -> Outcome:
    return Outcome(id=outcome.id, deed=Deed.DELETED)


def _deferred(later: Sequence[Stage], left: Sequence[ResourceId]) -> Iterator[Outcome]:
    for stage in later:
        for change in stage.changes:
            yield Outcome(id=change.id, deed=Deed.DELETING, message=f"its turn comes once {names(left)} is gone")


def _timed(steps: Steps, name: str, number: int, stage: Stage) -> AbstractContextManager[None]:
    """Time what is done in a stage; nothing is in one that was written before, and is only waited for."""
    if not stage.changes:
        return nullcontext()
    kinds = dict.fromkeys(change.id.kind for change in stage.changes)
    return steps.step(name, number=number + 1, objects=len(stage.changes), kinds=", ".join(kinds))


def _skipped(later: Sequence[Stage]) -> Iterator[Outcome]:
    for stage in later:
        for change in stage.changes:
            yield Outcome(id=change.id, deed=Deed.SKIPPED, message="an earlier stage did not succeed")
