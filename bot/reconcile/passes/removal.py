"""An app that is no longer wanted: its objects are pruned or released, then it is forgotten.

The same refusals hold as in a sync: deleting everything needs a person's yes to exactly that plan. An app that is
still in the configuration is paused afterwards, so that the next pass does not deploy it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.apply.context import ApplyContext
from bot.apply.execute import execute
from bot.apply.gone import await_gone
from bot.errors import OrderRefused, PassError, Problem
from bot.health.wait import HealthWait
from bot.model.app import AppSpec
from bot.model.control import Trigger
from bot.model.outcome import Deed, Failure, Outcome, PassKind, Result, SyncReport
from bot.model.plan import Action, Plan, RefusalKind
from bot.model.record import AppMemory
from bot.model.resource import Body, ResourceId, ResourceRef, names
from bot.model.source import MAIN, Revision
from bot.plan.planner import make_plan
from bot.ports.live import Cluster
from bot.ports.tracing import Steps
from bot.reconcile.planning.failures import failure_of
from bot.reconcile.planning.handover import heirs
from bot.reconcile.planning.world import World

_NEVER = Revision(commit="0" * 40)  # of an app that never converged


def released_app(key: str, memory: AppMemory) -> AppSpec:
    """Return as much of an app as is known after the configuration dropped it."""
    cluster, _, name = key.partition("/")
    return AppSpec(
        name=name,
        cluster=cluster,
        repo="",
        ref=MAIN,
        path=memory.path,
        namespace="default",
        env="",
        interval=timedelta(minutes=1),
        timeout=timedelta(minutes=5),
        prune=True,
        self_heal=True,
        allow_empty=False,
        max_delete_count=10,
        max_delete_share=0.66,
        ignore=(),
        depends_on=(),
        channel=memory.channel,
        oncall_team="",
        oncall_priority="P3",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What a person ordered: `keep_objects` takes the marks off the objects and deletes none."""

    app: AppSpec
    trigger: Trigger
    memory: AppMemory
    operation: str
    keep_objects: bool


def remove(order: Removal, *, world: World, keep: Callable[[list[Body]], None], steps: Steps) -> SyncReport:
    """Carry the order out. CONVERGED means that nothing of the app is left on the cluster but what was released.

    `keep` is given the objects before they are deleted; `steps` hears how long each thing takes.
    """
    started = world.clock()
    cluster = world.clusters.get(order.app.cluster)
    if cluster is None:
        raise OrderRefused(f"the cluster {order.app.cluster} is not in the configuration: add it to reach the objects")
    plan: Plan | None = None
    outcomes: tuple[Outcome, ...] = ()
    failure: Failure | None = None
    reason = ""
    try:
        with steps.step("plan"):
            plan = _plan(order, world, cluster)
        if plan.refusals and not order.keep_objects and order.trigger.confirm != plan.hash:
            result, reason = Result.REFUSED, " ".join(refusal.message for refusal in plan.refusals)
        else:
            outcomes = _carried_out(order, plan, cluster, keep=keep, steps=steps)
            failure = _left(outcomes)
            result = Result.CONVERGED if failure is None else Result.FAILED
            if failure is None:
                cluster.forget(order.app)
    except PassError as error:
        result, failure = Result.FAILED, failure_of(error)
    return SyncReport(
        operation=order.operation,
        app=order.app.key,
        kind=PassKind.DELETE,
        trigger=order.trigger,
        started_at=started,
        finished_at=world.clock(),
        result=result,
        revision=plan.revision if plan is not None else None,
        previous=order.memory.revision,
        plan=plan,
        outcomes=outcomes,
        failure=failure,
        reason=reason,
    )


def _plan(order: Removal, world: World, cluster: Cluster) -> Plan:
    cluster.hold(world.holder)
    inventory = cluster.load_inventory(order.app)
    revision = Revision(commit=order.memory.revision) if order.memory.revision else _NEVER
    plan = make_plan(
        app=replace(order.app, prune=True, allow_empty=False),
        revision=revision,
        ref="delete",
        observations=(),
        tracked=cluster.track(order.app, inventory.refs),
        inventory=inventory,
        key=world.key,
        rendered="",
        heirs=heirs(order.app, [ref.id for ref in inventory.refs], world=world, since=world.clock()),
    )
    deletes = [change.id for change in plan.changes if change.action is Action.DELETE]
    what = f"{names(deletes)} would be deleted, and {order.app.title} is forgotten"
    return replace(
        plan,
        refusals=tuple(replace(one, message=what) if one.kind is RefusalKind.EMPTY else one for one in plan.refusals),
    )


def _carried_out(
    order: Removal, plan: Plan, cluster: Cluster, *, keep: Callable[[list[Body]], None], steps: Steps
) -> tuple[Outcome, ...]:
    if order.keep_objects:
        with steps.step("release", objects=len(plan.changes)):
            return tuple(_released(order.app, change.ref, cluster) for change in plan.changes)
    context = ApplyContext(
        app=order.app,
        cluster=cluster,
        wait=lambda _: HealthWait(health=()),
        applied=lambda _: None,
        pruning=keep,
        ends_waiting=lambda: False,
        ends_writing=lambda: False,
        steps=steps,
    )
    with steps.step("apply"):
        return _prune(plan, context)


def _left(outcomes: Iterable[Outcome]) -> Failure | None:
    """Return what is to be said of objects that are there still; None where all are gone or released."""
    bad = [one for one in outcomes if one.deed in {Deed.FAILED, Deed.DELETING}]
    if not bad:
        return None
    return Failure(
        message=f"{names([one.id for one in bad])} could not be removed; say it again once it can go",
        problems=tuple(Problem(message=one.message, subject=str(one.id)) for one in bad),
    )


def _prune(plan: Plan, context: ApplyContext) -> tuple[Outcome, ...]:
    app, cluster = context.app, context.cluster
    done = execute(plan, cluster.load_inventory(app), context)
    refs = {change.id: change.ref for change in plan.changes}
    leaving = [refs[one.id] for one in done.outcomes if one.deed is Deed.DELETING]
    left: set[ResourceId] = set()
    if leaving:
        with context.steps.step("gone wait", objects=len(leaving)):
            left = {ref.id for ref in await_gone(cluster, leaving, stop=lambda: False)}
    settled = [
        Outcome(id=one.id, deed=Deed.DELETED) if one.deed is Deed.DELETING and one.id not in left else one
        for one in done.outcomes
    ]
    retained = [_released(app, change.ref, cluster) for change in plan.changes if change.retained]
    return (*settled, *retained)


def _released(app: AppSpec, ref: ResourceRef, cluster: Cluster) -> Outcome:
    refused = cluster.release(app, ref)
    if refused is not None:
        return Outcome(id=ref.id, deed=Deed.FAILED, message=refused.message)
    return Outcome(id=ref.id, deed=Deed.KEPT, message="it stays, and belongs to nobody")
