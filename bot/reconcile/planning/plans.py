"""A plan and what it is made of: an app's files at a commit, rendered, placed, and compared with the live cluster.

Everything here asks and changes nothing. What keeps a plan from being made raises a `PassError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.errors import PassError, Problem
from bot.model.app import AppSpec
from bot.model.plan import Action, Observation, Plan, PlanFailure, Tracked
from bot.model.record import Inventory
from bot.model.resource import Body, DesiredState, ResourceId, ResourceRef
from bot.model.source import Revision
from bot.plan.placing import Placement
from bot.plan.planner import make_plan
from bot.reconcile.planning import handover
from bot.reconcile.planning.failures import failure_of
from bot.reconcile.planning.rest import Rest
from bot.reconcile.planning.world import World, placed, rendered


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan and what it was made of. `former` is the app that this one takes over, while its parent is there.

    Without `seen` and `tracked` where the plan of an app at rest holds. Where only a part of that `rest` holds, `seen`
    has the other part.
    """

    plan: Plan
    inventory: Inventory
    placement: Placement
    runs_hooks: bool
    former: AppSpec | None = None
    seen: Sequence[Observation] = ()
    tracked: Sequence[Tracked] = ()
    rest: Rest | None = None

    @property
    def desired(self) -> DesiredState:
        return self.placement.desired

    def live(self) -> Mapping[ResourceId, Body]:
        """Return the objects that were looked at, as the cluster has them."""
        found = [*((one.manifest.id, one.live) for one in self.seen), *((one.ref.id, one.live) for one in self.tracked)]
        return {id: body for id, body in found if body is not None}


def plan_at(app: AppSpec, revision: Revision, *, ref: str, world: World, deployed: str, now: datetime) -> Planned:
    """Return the plan of an app at a commit against the live cluster; changes nothing. Raises `PassError`."""
    desired = rendered(app, revision.commit, world)
    return plan_of(app, desired, revision, ref=ref, world=world, deployed=deployed, since=now, newer_than=now)


def plan_of(
    app: AppSpec,
    desired: DesiredState,
    revision: Revision,
    *,
    ref: str,
    world: World,
    deployed: str,
    since: datetime,
    newer_than: datetime | None,
    attends: bool = False,
    before: Rest | None = None,
) -> Planned:
    """Return the plan of what was rendered.

    `deployed` is the digest of what was rendered at the last convergence: hooks run when this one is another. What
    Git said of other apps at `since` or later is new enough. `newer_than` asks the API server for what watches may not
    have told yet; `attends` keeps an eye on the objects. What was placed at the rest `before` is not placed again, and
    what is equal since then is not looked at.
    """
    cluster = world.clusters[app.cluster]
    placement = placed(app, desired, world, before=before.placement if before is not None else None)
    manifests = placement.manifests
    inventory = cluster.load_inventory(app)
    former = replace(app, name=app.moved_from, moved_from="") if app.moved_from else None
    if former is not None:
        theirs = cluster.load_inventory(former)
        former = former if theirs.version else None
        inventory = replace(inventory, refs=inventory.refs | theirs.refs)
    wanted = {manifest.id for manifest in manifests}
    dropped = [known for known in inventory.refs if known.id not in wanted]
    equal = before.equal(placement, cluster) if before is not None and newer_than is None else ()
    if attends:  # before anything is looked at: a change after the look must be seen
        cluster.attend(app, [*(manifest.ref for manifest in manifests), *dropped])
    runs_hooks = desired.digest != deployed
    known = {id(change.manifest) for change in equal}
    seen = cluster.observe(app, [one for one in manifests if id(one) not in known], newer_than=newer_than)
    seen = handover.taken_over(app, seen, world=world, since=since, newer_than=newer_than)
    tracked = cluster.track(app, dropped, newer_than=newer_than)

    def planned(heirs: Mapping[ResourceId, str]) -> Plan:
        return make_plan(
            app=app,
            revision=revision,
            ref=ref,
            observations=seen,
            tracked=tracked,
            inventory=inventory,
            key=world.key,
            rendered=desired.digest,
            runs_hooks=runs_hooks,
            heirs=heirs,
            equal=equal,
        )

    plan = planned({})
    deletes = [change.id for change in plan.writes if change.action is Action.DELETE]
    if deletes and (heirs := handover.heirs(app, deletes, world=world, since=since)):
        plan = planned(heirs)
    return Planned(
        plan=plan,
        inventory=inventory,
        placement=placement,
        runs_hooks=runs_hooks,
        former=former,
        seen=seen,
        tracked=tracked,
        rest=before if equal else None,
    )


def plan_or_failure(
    app: AppSpec, *, ref: str, revision: Callable[[], Revision], world: World, deployed: str
) -> Plan | PlanFailure:
    """Return what `gitops-bot plan` shows: the plan, or every problem that keeps it from being made."""
    found: Revision | None = None
    try:
        found = revision()
        return plan_at(app, found, ref=ref, world=world, deployed=deployed, now=world.clock()).plan
    except PassError as error:
        failure = failure_of(error)
        problems = failure.problems or (Problem(message=failure.message),)
        return PlanFailure(app=app.name, cluster=app.cluster, revision=found, ref=ref, problems=problems)


def wanted_refs(plan: Plan) -> tuple[ResourceRef, ...]:
    """Return what must be healthy: all that Git wants but what an annotation tells us to leave alone."""
    return tuple(
        change.ref
        for change in plan.changes
        if change.manifest is not None and not change.hook and not (change.action is Action.UNCHANGED and change.why)
    )
