"""Applies the plan of a pass: hooks, writes, deletes, and the wait until all is healthy.

What becomes of it is told to the story as it happens, so that a neighbour that goes away in the middle loses nothing of
it. People's orders end it between two steps, and newer commits end what it waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.apply.context import ApplyContext
from bot.apply.execute import execute
from bot.apply.hooks import HookRun, run_hooks
from bot.errors import Problem
from bot.health.wait import HealthWait, await_health
from bot.model.app import AppSpec
from bot.model.outcome import Deed, Failure, Health, Outcome, PassKind, Result
from bot.model.plan import Plan
from bot.model.record import Inventory
from bot.model.resource import Body, ResourceId, ResourceRef, names
from bot.plan.order import Phase
from bot.ports.live import Cluster
from bot.reconcile.passes.consent import Consent
from bot.reconcile.passes.inputs import PassInput
from bot.reconcile.passes.story import Story
from bot.reconcile.planning.plans import Planned, wanted_refs
from bot.reconcile.planning.rest import are_good
from bot.reconcile.planning.world import World


class Listener(Protocol):
    """Hears of a pass while it runs. Must not raise and must not block on a neighbour."""

    def planned(self, plan: Plan, kind: PassKind, digest: str, consent: Consent) -> None:
        """The plan is about to be applied; `digest` is that of the rendering it comes of."""

    def applied(self, outcome: Outcome) -> None:
        """One object is done."""

    def pruning(self, bodies: list[Body]) -> None:
        """These objects are about to be deleted."""

    def waiting(self, health: Mapping[ResourceId, Health]) -> None:
        """The objects are applied; this is how they are by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What ends a pass before its time. Newer commits end what it waits for and never its writes; some orders both."""

    waiting: Callable[[str], bool]  # asked with the commit: True when shutting down, or an order or newer commit waits
    writing: Callable[[], bool]  # True when shutting down, or people have paused the app, sent it elsewhere, or said no


def carry_out(given: PassInput, story: Story, made: Planned, *, world: World, listener: Listener, ends: Ends) -> Result:
    """Make the cluster equal to Git; the story learns what becomes of each object. Raises `ClusterError`."""
    app, cluster, plan, inventory = given.app, world.clusters[given.app.cluster], made.plan, made.inventory
    with story.steps.step("prepare"):
        cluster.hold(world.holder)
        if plan.writes:
            listener.planned(plan, story.kind, story.digest, story.consent)
        if made.former is not None:  # from here on both parents list the objects: whoever dies, nothing is leaked
            inventory = cluster.save_inventory(app, inventory)
    context = _context(app, cluster, plan.revision.commit, story, listener=listener, ends=ends, clock=world.clock)
    result = _apply(made, inventory, story, context)
    if result is Result.CONVERGED:
        result = _hooked(story, plan, _run_hooks(plan, Phase.POST_SYNC, story, context), Result.UNHEALTHY)
    if result in {Result.FAILED, Result.UNHEALTHY} and made.runs_hooks:
        _run_hooks(plan, Phase.SYNC_FAILED, story, context)
    if result is Result.CONVERGED and made.former is not None:
        cluster.forget(made.former)
    return result


def _context(
    app: AppSpec,
    cluster: Cluster,
    commit: str,
    story: Story,
    *,
    listener: Listener,
    ends: Ends,
    clock: Callable[[], datetime],
) -> ApplyContext:
    def ends_waiting() -> bool:
        return ends.waiting(commit)

    def wait(refs: Sequence[ResourceRef]) -> HealthWait:
        with story.steps.step("health wait", objects=len(refs)):
            return await_health(
                cluster, refs, timeout=app.timeout, stop=ends_waiting, progress=listener.waiting, clock=clock
            )

    return ApplyContext(
        app=app,
        cluster=cluster,
        wait=wait,
        applied=listener.applied,
        pruning=listener.pruning,
        ends_waiting=ends_waiting,
        ends_writing=ends.writing,
        steps=story.steps,
    )


def _run_hooks(plan: Plan, phase: Phase, story: Story, context: ApplyContext) -> HookRun:
    run = run_hooks(plan, phase, context)
    story.outcomes = (*story.outcomes, *run.outcomes)
    return run


def _hooked(story: Story, plan: Plan, run: HookRun, otherwise: Result) -> Result:
    """Return how the pass goes on after its hooks; `otherwise` when one of them failed."""
    if run.stopped:
        return Result.SUPERSEDED
    if run.succeeded:
        return Result.CONVERGED
    failed = {one.id: one.message for one in run.outcomes if one.deed is Deed.FAILED}
    failed |= {id: health.message or health.state.value for id, health in run.bad}
    story.health = (*story.health, *run.bad)
    story.failure = _failure(f"the hook {names(tuple(failed))} did not succeed", plan, failed)
    return otherwise


def _apply(made: Planned, inventory: Inventory, story: Story, context: ApplyContext) -> Result:
    """Run the pre-sync hooks, write, prune and wait for health."""
    plan = made.plan
    with story.steps.step("apply"):
        done = execute(plan, inventory, context)
    story.outcomes, story.health = done.outcomes, done.health
    if (hooked := _hooked(story, plan, done.hooks, Result.FAILED)) is not Result.CONVERGED:
        return hooked
    if failed := {one.id: one.message for one in done.outcomes if one.deed is Deed.FAILED}:
        story.failure = _failure(f"{names(tuple(failed))} could not be applied", plan, failed)
        return Result.FAILED
    if done.stopped:
        return Result.SUPERSEDED
    unhealthy = _unhealthy(done.health)
    skipped = any(outcome.deed is Deed.SKIPPED for outcome in done.outcomes)
    if skipped and not unhealthy:
        return Result.SUPERSEDED
    if not unhealthy:
        waited = _healthy_at_once(made, context) or context.wait(wanted_refs(plan))
        story.health = waited.health
        unhealthy = _unhealthy(waited.health)
        if waited.stopped and unhealthy:
            return Result.SUPERSEDED
    if unhealthy:
        story.failure = _failure(f"{names(tuple(unhealthy))} did not become healthy", plan, unhealthy)
        return Result.UNHEALTHY
    return Result.CONVERGED


def _unhealthy(health: Iterable[tuple[ResourceId, Health]]) -> dict[ResourceId, str]:
    """Return what is wrong with the objects that are not well."""
    bad = ((id, one) for id, one in health if not one.state.is_good)
    return {id: f"{one.state.value}: {one.message}" if one.message else one.state.value for id, one in bad}


def _failure(message: str, plan: Plan, messages: Mapping[ResourceId, str]) -> Failure:
    """Return what went wrong with some objects, each with its own message and its place in Git."""
    origins = {change.id: str(change.origin) for change in reversed(plan.changes) if change.origin}
    return Failure(
        message=message,
        problems=tuple(
            Problem(message=why, where=origins.get(id, ""), subject=str(id)) for id, why in messages.items()
        ),
    )


def _healthy_at_once(made: Planned, context: ApplyContext) -> HealthWait | None:
    """Return the health where nothing has to be waited for, and what is known of most objects still holds."""
    if made.rest is None or not context.cluster.is_followed(context.app):
        return None
    written = {change.ref for change in made.plan.writes}
    health = made.rest.health_of(wanted_refs(made.plan), context.cluster, written=written)
    return HealthWait(health=health) if are_good(health) else None
