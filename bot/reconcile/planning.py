"""A plan and what it is made of: an app's files at a commit, rendered, placed, and compared with the live cluster.

Everything here asks and changes nothing. What keeps a plan from being made raises a `PassError`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bot.errors import PassError, Problem, RenderError
from bot.model.app import AppSpec
from bot.model.outcome import Failure
from bot.model.plan import Action, Plan, PlanFailure
from bot.model.record import Inventory
from bot.model.resource import DesiredState, ResourceRef
from bot.model.source import Revision
from bot.plan.placing import place
from bot.plan.planner import make_plan
from bot.ports import Cluster, Repository
from bot.reconcile.fingerprint import neighbour
from bot.render import CommitFiles, Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a pass works with; `key` keys digests of secrets, `labels` returns the marks of an app's objects."""

    repos: Mapping[str, Repository]
    clusters: Mapping[str, Cluster]
    renderer: Renderer
    labels: Callable[[AppSpec], Mapping[str, str]]
    key: bytes
    clock: Callable[[], datetime]

    @property
    def holder(self) -> str:
        """The name of this installation: whoever shares its state store has the same."""
        return f"gitops-bot-{hashlib.sha256(self.key).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan and what it was made of. `former` is the app that this one takes over, while its parent is there."""

    plan: Plan
    inventory: Inventory
    desired: DesiredState
    runs_hooks: bool
    former: AppSpec | None = None


def plan_at(
    app: AppSpec, revision: Revision, *, ref: str, world: World, deployed: str, newer_than: datetime | None
) -> Planned:
    """Return the plan of an app at a commit against the live cluster; changes nothing. Raises `PassError`."""
    desired = rendered(app, revision, world)
    return plan_of(app, desired, revision, ref=ref, world=world, deployed=deployed, newer_than=newer_than)


def rendered(app: AppSpec, revision: Revision, world: World) -> DesiredState:
    files = CommitFiles(world.repos[app.repo], revision.commit)
    return world.renderer.render(app, files, kinds=world.clusters[app.cluster].kinds)


def plan_of(
    app: AppSpec,
    desired: DesiredState,
    revision: Revision,
    *,
    ref: str,
    world: World,
    deployed: str,
    newer_than: datetime | None,
    attends: bool = False,
) -> Planned:
    """Return the plan of what was rendered.

    `deployed` is the digest of what was rendered at the last convergence: hooks run when this one is another.
    `newer_than` asks the API server for what watches may not have told yet; `attends` keeps an eye on the objects.
    """
    cluster = world.clusters[app.cluster]
    try:
        manifests, _ = place(desired, cluster.kinds(), app=app, labels=world.labels(app))
    except RenderError:
        # A kind that was just installed by someone else is unknown to a table from memory: look again, once.
        manifests, _ = place(desired, cluster.kinds(refresh=True), app=app, labels=world.labels(app))
    inventory = cluster.load_inventory(app)
    former = replace(app, name=app.moved_from, moved_from="") if app.moved_from else None
    if former is not None:
        theirs = cluster.load_inventory(former)
        former = former if theirs.version else None
        inventory = replace(inventory, refs=inventory.refs | theirs.refs)
    wanted = {manifest.id for manifest in manifests}
    dropped = [known for known in inventory.refs if known.id not in wanted]
    if attends:  # before anything is looked at: a change after the look must be seen
        cluster.attend(app, [*(manifest.ref for manifest in manifests), *dropped])
    runs_hooks = desired.digest != deployed
    plan = make_plan(
        app=app,
        revision=revision,
        ref=ref,
        observations=cluster.observe(app, manifests, newer_than=newer_than),
        tracked=cluster.track(app, dropped, newer_than=newer_than),
        inventory=inventory,
        key=world.key,
        runs_hooks=runs_hooks,
    )
    return Planned(plan=plan, inventory=inventory, desired=desired, runs_hooks=runs_hooks, former=former)


def plan_or_failure(
    app: AppSpec, *, ref: str, revision: Callable[[], Revision], world: World, deployed: str
) -> Plan | PlanFailure:
    """Return what `gitops-bot plan` shows: the plan, or every problem that keeps it from being made."""
    found: Revision | None = None
    try:
        found = revision()
        return plan_at(app, found, ref=ref, world=world, deployed=deployed, newer_than=world.clock()).plan
    except PassError as error:
        failure = failure_of(error)
        problems = failure.problems or (Problem(message=failure.message),)
        return PlanFailure(app=app.name, cluster=app.cluster, revision=found, ref=ref, problems=problems)


def failure_of(error: PassError) -> Failure:
    """Return a pass-level error as part of the story."""
    if isinstance(error, RenderError):
        count = len(error.problems)
        what = "1 problem" if count == 1 else f"{count} problems"
        return Failure(message=f"the commit cannot be used: {what}", problems=error.problems)
    return Failure(message=str(error), transient=error.transient, neighbour=neighbour(error))


def wanted_refs(plan: Plan) -> tuple[ResourceRef, ...]:
    """Return what must be healthy: all that Git wants but what an annotation tells us to leave alone."""
    return tuple(
        change.ref
        for change in plan.changes
        if change.manifest is not None and not change.hook and not (change.action is Action.UNCHANGED and change.why)
    )
