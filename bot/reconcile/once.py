"""One pass of one app, on one screen: pull, render, observe, plan, apply, wait.

In go the app, why the pass runs, what people have ordered and what the last pass left; out comes the whole story as
a `SyncReport`. The pass changes the cluster and nothing else: it saves nothing and tells nobody but its listener.
A neighbour's trouble is part of the report; what raises is a bug.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from bot.apply.execute import execute
from bot.apply.hooks import HookRun, run_hooks
from bot.apply.inventory import narrowed, widened
from bot.errors import ClusterError, PassError, Problem
from bot.health.wait import HealthWait, await_health, survey
from bot.model.app import AppSpec, Mode
from bot.model.outcome import Deed, Failure, Health, Outcome, PassKind, Result, SyncReport
from bot.model.plan import Plan
from bot.model.record import AppMemory, Inventory, SyncState
from bot.model.resource import Body, ResourceId, ResourceRef, names
from bot.model.source import RefKind, Revision
from bot.plan.order import Phase
from bot.plan.planner import select
from bot.ports import Cluster, Repository
from bot.reconcile import windows
from bot.reconcile.consent import Consent, consent
from bot.reconcile.orders import Order
from bot.reconcile.planning import Planned, plan_of, wanted_refs
from bot.reconcile.rest import Rest, are_good
from bot.reconcile.trouble import failure_of
from bot.reconcile.world import World, rendered


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


@dataclass(slots=True, kw_only=True)
class _Story:
    """What is known so far; a failure at any point reports all of it."""

    kind: PassKind = PassKind.SYNC
    revision: Revision | None = None
    target: Revision | None = None
    plan: Plan | None = None
    digest: str = ""
    outcomes: tuple[Outcome, ...] = ()
    health: tuple[tuple[ResourceId, Health], ...] = ()
    failure: Failure | None = None
    reason: str = ""
    partial: bool = False
    made: Planned | None = None
    rest: Rest | None = None  # the one that held, as it is now
    consent: Consent = field(default_factory=Consent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A pass that has ended: what is told of it, what it planned, and the rest it found the app in."""

    report: SyncReport
    made: Planned | None
    rest: Rest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What ends a pass before its time. Orders and newer commits end what it waits for, and never its writes."""

    waiting: Callable[[str], bool]  # asked with the commit: True when shutting down, or an order or newer commit waits
    writing: Callable[[], bool]  # True when shutting down, or people have paused the app or sent it elsewhere


def run_pass(order: Order, *, world: World, listener: Listener, ends: Ends) -> Ran:
    """Run the pass to its end, or to the first safe point at which it `ends`."""
    started = world.clock()
    story = _Story()
    try:
        result = _run(order, story, world, listener, ends, started)
    except PassError as error:
        result, story.failure = Result.FAILED, failure_of(error)
        if story.revision is not None and story.plan is None:
            with suppress(PassError):  # that Git is away as well is not what failed first
                story.revision = _caused(order, story.revision, world)
        if story.plan is None and not isinstance(error, ClusterError):
            with suppress(PassError):
                story.health = _standing(order.app, world.clusters[order.app.cluster])
    live = ""
    if result is Result.CONVERGED and story.plan is not None and not story.partial:
        cluster = world.clusters[order.app.cluster]
        live = story.rest.proof if story.rest is not None else cluster.proof(wanted_refs(story.plan))
    report = SyncReport(
        operation=order.operation,
        app=order.app.key,
        kind=story.kind,
        trigger=order.trigger,
        started_at=started,
        finished_at=world.clock(),
        result=result,
        revision=story.revision,
        target=story.target,
        previous=order.memory.revision,
        plan=story.plan,
        digest=story.digest,
        live_digest=live,
        outcomes=story.outcomes,
        health=story.health,
        failure=story.failure,
        reason=story.reason,
        partial=story.partial,
        agreed=story.consent.agreed,
        unfinished=story.consent.unfinished,
    )
    return Ran(report=report, made=story.made, rest=story.rest)


def _run(order: Order, story: _Story, world: World, listener: Listener, ends: Ends, started: datetime) -> Result:
    app, cluster = order.app, world.clusters[order.app.cluster]
    if order.waits_for:
        story.reason = f"waits for {order.waits_for}, which is not ready"
        return Result.SKIPPED
    made = story.made = _plan(order, story, world, started)
    if story.rest is not None and order.control.pause is None:
        now = story.rest.surveyed(cluster)
        story.health = now.health
        if now is story.rest or are_good(now.health):
            story.rest = now
            return Result.CONVERGED
        story.rest = None
    whole = made.plan  # what people decide on, whatever is chosen of it
    if order.only is not None:
        chosen = select(made.plan, order.only)
        story.partial = bool(set(made.plan.writes) - set(chosen.writes)) or bool(made.plan.blocked)
        made = replace(made, plan=chosen, runs_hooks=False)
        story.plan = chosen
    plan, inventory = made.plan, made.inventory
    if plan.blocked:
        story.failure = Failure(
            message=f"{names([change.id for change in plan.blocked])} cannot be applied",
            problems=tuple(
                Problem(message=one.why, where=str(one.origin or ""), subject=str(one.id)) for one in plan.blocked
            ),
        )
        return Result.FAILED
    if order.control.pause is not None:
        story.health = survey(cluster, wanted_refs(plan))
        story.reason = str(order.control.pause)
        return Result.PAUSED
    if plan.writes and (why := windows.closed(app.windows, started, manual=order.trigger.manual)):
        story.health = survey(cluster, wanted_refs(plan))
        story.reason = why
        return Result.SKIPPED
    given = story.consent = consent(order, made, key=world.key)
    if given.held is not None:
        story.plan, story.reason = whole, given.reason
        return given.held
    if given.agreed is not None and story.kind is PassKind.DRIFT and given.unfinished is not None:
        story.kind = PassKind.SYNC  # what was to go later goes now: nobody has changed anything by hand
    if story.kind is PassKind.DRIFT and not app.self_heal and not order.trigger.manual:
        story.health = survey(cluster, wanted_refs(plan))
        story.reason = "self_heal is off"
        return Result.SKIPPED
    # Something that was leaving may have left, and somebody may have deleted the list.
    listed = narrowed(inventory, plan, ()).refs == inventory.refs == widened(inventory, plan).refs
    known = order.memory.sync is SyncState.SYNCED and order.memory.revision == _commit(story)
    settled = known and listed and not plan.writes and made.former is None
    if settled:
        story.health = survey(cluster, wanted_refs(plan))
        return Result.CONVERGED
    return _carry_out(order, story, made, cluster, world, listener, ends)


def _plan(order: Order, story: _Story, world: World, asked_at: datetime) -> Planned:
    """Pull, render, observe and plan; the story learns each step."""
    app, repo = order.app, world.repos[order.app.repo]
    pin = order.control.pin
    head = repo.head(app.ref, newer_than=order.since)
    story.target = repo.revision(head)
    story.revision = repo.revision(pin.commit) if pin is not None else story.target
    if pin is not None and not order.memory.has_reached(pin):
        story.kind = PassKind.ROLLBACK
    ref = pin.commit[:7] if pin is not None else str(app.ref)
    desired = rendered(app, story.revision.commit, world)
    rest = order.rest
    if rest is not None and not order.asks and order.only is None and order.memory.digest == desired.digest:
        plan = rest.plan_of(app, desired, world.clusters[app.cluster])
        if plan is not None:
            if (plan.revision, plan.ref) != (story.revision, ref):
                plan = replace(plan, revision=story.revision, ref=ref)
            story.plan, story.digest = plan, desired.digest
            story.rest = rest if plan is rest.plan else replace(rest, plan=plan)
            return Planned(plan=plan, inventory=rest.inventory, desired=desired, runs_hooks=False)
    story.revision = _caused(order, story.revision, world)
    made = plan_of(
        app,
        desired,
        story.revision,
        ref=ref,
        world=world,
        deployed=order.memory.digest,
        since=order.since,
        newer_than=asked_at if order.asks else None,
        attends=True,
    )
    if made.plan.writes and pin is None and (note := _rewritten(order, repo, story.target)):
        made = replace(made, plan=replace(made.plan, warnings=(note, *made.plan.warnings)))
    story.plan, story.digest = made.plan, made.desired.digest
    if (
        made.plan.writes
        and story.kind is PassKind.SYNC
        and _is_drift(order.memory, story.revision, made.desired.digest)
    ):
        story.kind = PassKind.DRIFT
    return made


def _standing(app: AppSpec, cluster: Cluster) -> tuple[tuple[ResourceId, Health], ...]:
    """Return how the objects of an app are while Git does not say what they should be; () where no watch tells."""
    return survey(cluster, cluster.load_inventory(app).refs) if cluster.is_followed(app) else ()


def _caused(order: Order, revision: Revision, world: World) -> Revision:
    """Return a revision with the commit that changed the app's files, where the newest is about something else.

    Of a first sync only where people are asked about it: all of the history is looked through. So it is for a
    rollback, which goes back beyond what is deployed, or to that very commit.
    """
    app, deployed, pin = order.app, order.memory.revision, order.control.pin
    back = pin is not None and not order.memory.has_reached(pin)
    if not back and (deployed == revision.commit or not (deployed or app.mode is Mode.APPROVE)):
        return revision
    roots, repo = world.renderer.roots(app), world.repos[app.repo]
    if deployed and not back:
        cause = repo.last_touching(roots, after=deployed, upto=revision.commit)
    else:
        cause = next(iter(repo.log(revision.commit, limit=1, paths=roots)), None)
    return revision.caused_by(cause)


def _rewritten(order: Order, repo: Repository, head: Revision) -> str:
    """Return what people must know of a branch that has lost the commit it was at; "" for one that went on."""
    ref, last = order.app.ref, order.memory.target
    if ref.kind is not RefKind.BRANCH or order.memory.followed != order.app.followed:
        return ""
    if last in {"", head.commit} or repo.descends(head.commit, last):
        return ""
    by = f" by {head.author}" if head.author else ""
    return f"The history of {ref} was rewritten: {last[:7]} is no longer in it, {head.short}{by} is in its place."


def _is_drift(memory: AppMemory, revision: Revision, digest: str) -> bool:
    """Tell whether the cluster alone has moved: a commit that changes nothing of the app is no reason for a change.

    What failed since the last convergence does not matter, unless it had begun to apply another rendering.
    """
    untouched = memory.begun in {"", memory.digest}
    return untouched and (memory.revision == revision.commit or memory.digest == digest)


def _carry_out(
    order: Order,
    story: _Story,
    made: Planned,
    cluster: Cluster,
    world: World,
    listener: Listener,
    ends: Ends,
) -> Result:
    app, plan, inventory, commit = order.app, made.plan, made.inventory, made.plan.revision.commit

    def wait(refs: Sequence[ResourceRef]) -> HealthWait:
        return await_health(
            cluster,
            refs,
            timeout=app.timeout,
            stop=lambda: ends.waiting(commit),
            progress=listener.waiting,
            clock=world.clock,
        )

    def hooks(phase: Phase) -> HookRun:
        run = run_hooks(plan, phase, app=app, cluster=cluster, wait=wait, progress=listener.applied)
        story.outcomes = (*story.outcomes, *run.outcomes)
        return run

    cluster.hold(world.holder)
    if plan.writes:
        listener.planned(plan, story.kind, story.digest, story.consent)
    if made.former is not None:  # from here on both parents list the objects: whoever dies, nothing is leaked
        inventory = cluster.save_inventory(app, inventory)
    result = _apply(plan, inventory, app, story, cluster, wait, listener, ends)
    if result is Result.CONVERGED:
        result = _hooked(story, plan, hooks(Phase.POST_SYNC), Result.UNHEALTHY)
    if result in {Result.FAILED, Result.UNHEALTHY} and made.runs_hooks:
        hooks(Phase.SYNC_FAILED)
    if result is Result.CONVERGED and made.former is not None:
        cluster.forget(made.former)
    return result


def _hooked(story: _Story, plan: Plan, run: HookRun, otherwise: Result) -> Result:
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
    plan: Plan,
    inventory: Inventory,
    app: AppSpec,
    story: _Story,
    cluster: Cluster,
    wait: Callable[[Sequence[ResourceRef]], HealthWait],
    listener: Listener,
    ends: Ends,
) -> Result:
    """Run the pre-sync hooks, write, prune and wait for health."""
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
        waited = wait(wanted_refs(plan))
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


def _commit(story: _Story) -> str:
    return story.revision.commit if story.revision is not None else ""


def _origin(plan: Plan, id: ResourceId) -> str:
    return next((str(change.origin) for change in plan.changes if change.id == id and change.origin), "")
