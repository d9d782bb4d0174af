"""Applies the plan of a pass: hooks, writes, deletes, and the wait until all is healthy.

What becomes of it is told to the story as it happens, so that a neighbour that goes away in the middle loses nothing of
it. People's orders end it between two steps, and newer commits end what it waits for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

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
    app, plan, inventory, commit = given.app, made.plan, made.inventory, made.plan.revision.commit
    cluster = world.clusters[app.cluster]

    def wait(refs: Sequence[ResourceRef]) -> HealthWait:
        with story.steps.step("health wait", objects=len(refs)):
            return await_health(
                cluster,
                refs,
                timeout=app.timeout,
                stop=lambda: ends.waiting(commit),
                progress=listener.waiting,
                clock=world.clock,
            )

    def hooks(phase: Phase) -> HookRun:
        run = run_hooks(
            plan, phase, app=app, cluster=cluster, wait=wait, progress=listener.applied, step=story.steps.step
        )
        story.outcomes = (*story.outcomes, *run.outcomes)
        return run

    with story.steps.step("prepare"):
        cluster.hold(world.holder)
        if plan.writes:
            listener.planned(plan, story.kind, story.digest, story.consent)
        if made.former is not None:  # from here on both parents list the objects: whoever dies, nothing is leaked
            inventory = cluster.save_inventory(app, inventory)
    result = _apply(made, inventory, app, story, cluster, wait, listener, ends)
    if result is Result.CONVERGED:
        result = _hooked(story, plan, hooks(Phase.POST_SYNC), Result.UNHEALTHY)
    if result in {Result.FAILED, Result.UNHEALTHY} and made.runs_hooks:
        hooks(Phase.SYNC_FAILED)
    if result is Result.CONVERGED and made.former is not None:
        cluster.forget(made.former)
    return result


def _hooked(story: Story, plan: Plan, run: HookRun, otherwise: Result) -> Result:
    """Return how the pass goes on after its hooks; `otherwise` when one of them failed."""
    if run.stopped:
        return Result.SUPERSEDED
    if run.succeeded:
        return Result.CONVERGED
    failed = {one.id: one.message for one in run.outcomes if one.deed is Deed.FAILED}
    failed |= {id: health.message or health.state.value for id, health in run.bad}
    story.health = (*story.health, *run.bad)
    story.failure = Failure(
        message=f"the hook {names(tuple(failed))} did not succeed",
        problems=tuple(
            Problem(message=message, where=_origin(plan, id), subject=str(id)) for id, message in failed.items()
        ),
    )
    return otherwise


def _apply(
    made: Planned,
    inventory: Inventory,
    app: AppSpec,
    story: Story,
    cluster: Cluster,
    wait: Callable[[Sequence[ResourceRef]], HealthWait],
    listener: Listener,
    ends: Ends,
) -> Result:
    """Run the pre-sync hooks, write, prune and wait for health."""
    plan = made.plan
    with story.steps.step("apply"):
        done = execute(
            plan,
            app=app,
            inventory=inventory,
            cluster=cluster,
            wait=wait,
            progress=listener.applied,
            stop=lambda: ends.waiting(plan.revision.commit),
            leaves=ends.writing,
            keep=listener.pruning,
            step=story.steps.step,
        )
    story.outcomes, story.health = done.outcomes, done.health
    if (hooked := _hooked(story, plan, done.hooks, Result.FAILED)) is not Result.CONVERGED:
        return hooked
    failed = [outcome for outcome in done.outcomes if outcome.deed is Deed.FAILED]
    if failed:
        story.failure = Failure(
            message=f"{names([outcome.id for outcome in failed])} could not be applied",
            problems=tuple(
                Problem(message=one.message, where=_origin(plan, one.id), subject=str(one.id)) for one in failed
            ),
        )
        return Result.FAILED
    if done.stopped:
        return Result.SUPERSEDED
    unhealthy = [(id, health) for id, health in done.health if not health.state.is_good]
    skipped = [outcome for outcome in done.outcomes if outcome.deed is Deed.SKIPPED]
    if skipped and not unhealthy:
        return Result.SUPERSEDED
    if not unhealthy:
        waited = _healthy_at_once(made, app, cluster) or wait(wanted_refs(plan))
        story.health = waited.health
        unhealthy = [(id, health) for id, health in waited.health if not health.state.is_good]
        if waited.stopped and unhealthy:
            return Result.SUPERSEDED
    if unhealthy:
        story.failure = Failure(
            message=f"{names([id for id, _ in unhealthy])} did not become healthy",
            problems=tuple(
                Problem(
                    message=f"{health.state.value}: {health.message}" if health.message else health.state.value,
                    where=_origin(plan, id),
                    subject=str(id),
                )
                for id, health in unhealthy
            ),
        )
        return Result.UNHEALTHY
    return Result.CONVERGED


def _healthy_at_once(made: Planned, app: AppSpec, cluster: Cluster) -> HealthWait | None:
    """Return the health where nothing has to be waited for, and what is known of most objects still holds."""
    if made.rest is None or not cluster.is_followed(app):
        return None
    written = {change.ref for change in made.plan.writes}
    health = made.rest.health_of(wanted_refs(made.plan), cluster, written=written)
    return HealthWait(health=health) if are_good(health) else None


def _origin(plan: Plan, id: ResourceId) -> str:
    return next((str(change.origin) for change in plan.changes if change.id == id and change.origin), "")
