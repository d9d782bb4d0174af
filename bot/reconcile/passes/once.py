"""One pass of one app: pull, render, observe, plan, and decide; then it is applied, or held.

In go the app, why the pass runs, what people have ordered and what the last pass left; out comes the whole story as
a `SyncReport`. The pass changes the cluster and nothing else: it saves nothing and tells nobody but its listener.
A neighbour's trouble is part of the report; what raises is a bug.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from bot.apply.inventory import narrowed, widened
from bot.errors import ClusterError, PassError, Problem
from bot.health.wait import survey
from bot.model.app import AppSpec, Mode
from bot.model.outcome import Failure, Health, PassKind, Result, SyncReport
from bot.model.plan import Action, Plan
from bot.model.record import AppMemory, Inventory, SyncState
from bot.model.resource import ResourceId, names
from bot.model.source import RefKind, Revision
from bot.plan.planner import select
from bot.ports.live import Cluster
from bot.ports.source import Repository
from bot.ports.tracing import Steps
from bot.reconcile.passes import windows
from bot.reconcile.passes.applying import Ends, Listener, carry_out
from bot.reconcile.passes.consent import consent
from bot.reconcile.passes.inputs import PassInput
from bot.reconcile.passes.story import Story
from bot.reconcile.planning.failures import failure_of
from bot.reconcile.planning.plans import Planned, plan_of, wanted_refs
from bot.reconcile.planning.rest import Rest, are_good
from bot.reconcile.planning.world import World, rendered


@dataclass(frozen=True, slots=True, kw_only=True)
class PassResult:
    """A pass that has ended: what is told of it, what it planned, and the rest it found the app in."""

    report: SyncReport
    made: Planned | None
    rest: Rest | None


def run_pass(given: PassInput, *, world: World, listener: Listener, ends: Ends, steps: Steps) -> PassResult:
    """Run the pass to its end, or to the first safe point at which it `ends`."""
    story = Story(steps=steps)
    try:
        result = _run(given, story, world, listener, ends)
    except PassError as error:
        story.failure = failure_of(error)
        result = _resting(given, story) or Result.FAILED
        if story.revision is not None and story.plan is None:
            with suppress(PassError):  # that Git is away as well is not what failed first
                story.revision = _caused(given, story.revision, world)
        if story.plan is None and not isinstance(error, ClusterError):
            with suppress(PassError):
                story.health = _standing(given.app, world.clusters[given.app.cluster])
    live = ""
    if result is Result.CONVERGED and story.plan is not None and not story.partial:
        cluster = world.clusters[given.app.cluster]
        live = story.rest.proof if story.rest is not None else cluster.proof(wanted_refs(story.plan))
    report = SyncReport(
        operation=given.operation,
        app=given.app.key,
        kind=story.kind,
        trigger=given.trigger,
        started_at=given.now,
        finished_at=world.clock(),
        result=result,
        revision=story.revision,
        target=story.target,
        previous=given.memory.revision,
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
        ordered_by=given.control.pin.by if story.kind is PassKind.ROLLBACK and given.control.pin is not None else "",
    )
    return PassResult(report=report, made=story.made, rest=story.rest)


def _run(given: PassInput, story: Story, world: World, listener: Listener, ends: Ends) -> Result:
    """Decide what becomes of the plan, and have it carried out where nothing holds it."""
    app, cluster = given.app, world.clusters[given.app.cluster]
    if given.waits_for:
        story.reason = f"waits for {given.waits_for}, which is not ready"
        return Result.SKIPPED
    made = story.made = _plan(given, story, world)
    if given.control.pause is None and _is_at_rest(story, cluster):
        return Result.CONVERGED
    whole = made.plan  # what people decide on, whatever is chosen of it
    if given.only is not None:
        made = _chosen(made, given.only, story)
    plan = made.plan

    def held(why: str, result: Result) -> Result:
        story.health, story.reason = survey(cluster, wanted_refs(plan)), why
        return result

    if plan.blocked:
        story.failure = _blocked(plan)
    if given.control.pause is not None:
        return held(str(given.control.pause), Result.PAUSED)
    if plan.blocked:
        return Result.FAILED
    if plan.writes and (why := windows.closed(app.windows, given.now, manual=given.trigger.manual)):
        return held(why, Result.SKIPPED)
    verdict = story.consent = consent(given, made, key=world.key)
    if verdict.held is not None:
        story.plan, story.reason = whole, verdict.reason
        return verdict.held
    if verdict.agreed is not None and story.kind is PassKind.DRIFT and verdict.unfinished is not None:
        story.kind = PassKind.SYNC  # what was to go later goes now: nobody has changed anything by hand
    if story.kind is PassKind.DRIFT and not app.self_heal and not given.trigger.manual:
        return held("self_heal is off", Result.SKIPPED)
    known = given.memory.sync is SyncState.SYNCED and given.memory.revision == _commit(story)
    if known and not plan.writes and made.former is None and _is_listed(made.inventory, plan):
        story.health = survey(cluster, wanted_refs(plan))
        return Result.CONVERGED
    return carry_out(given, story, made, world=world, listener=listener, ends=ends)


def _is_at_rest(story: Story, cluster: Cluster) -> bool:
    """Tell whether the rest that the app was found in still holds; the story has it as it is now, or loses it."""
    if story.rest is None:
        return False
    now = story.rest.surveyed(cluster)
    story.health = now.health
    story.rest = now if now is story.rest or are_good(now.health) else None
    return story.rest is not None


def _chosen(made: Planned, only: Callable[[ResourceId], bool], story: Story) -> Planned:
    """Return the plan of some objects. Raises `OrderRefused` where it has none of them."""
    story.plan = chosen = select(made.plan, only)
    story.partial = bool(set(made.plan.writes) - set(chosen.writes)) or bool(made.plan.blocked)
    return replace(made, plan=chosen, runs_hooks=False)


def _blocked(plan: Plan) -> Failure:
    return Failure(
        message=f"{names([change.id for change in plan.blocked])} cannot be applied",
        problems=tuple(
            Problem(message=one.why, where=str(one.origin or ""), subject=str(one.id)) for one in plan.blocked
        ),
    )


def _is_listed(inventory: Inventory, plan: Plan) -> bool:
    """Tell whether the list is what it will be: what was leaving may have left, and somebody may have deleted it."""
    return narrowed(inventory, plan, ()).refs == inventory.refs == widened(inventory, plan).refs


def _resting(given: PassInput, story: Story) -> Result | None:
    """Return how a pass ends that found what Git has to be of no use while the app is paused: nothing was tried."""
    if given.control.pause is None or story.failure is None or story.failure.transient:
        return None
    story.reason = str(given.control.pause)
    return Result.PAUSED


def _plan(given: PassInput, story: Story, world: World) -> Planned:
    """Pull, render, observe and plan; the story learns each step."""
    app, repo = given.app, world.repos[given.app.repo]
    pin = given.control.pin
    with story.steps.step("pull"):
        head = repo.head(app.ref, newer_than=given.since)
        story.target = repo.revision(head)
        story.revision = repo.revision(pin.commit) if pin is not None else story.target
    if given.memory.unreached(pin) is not None:
        story.kind = PassKind.ROLLBACK
    ref = pin.commit[:7] if pin is not None else str(app.ref)
    with story.steps.step("render"):
        desired = rendered(app, story.revision.commit, world)
    rest = given.rest
    if rest is not None and not given.asks and given.only is None and given.memory.digest == desired.digest:
        plan = rest.plan_of(app, desired, world.clusters[app.cluster])
        if plan is not None:
            if (plan.revision, plan.ref) != (story.revision, ref):
                plan = replace(plan, revision=story.revision, ref=ref)
            story.plan, story.digest = plan, desired.digest
            story.rest = rest if plan is rest.plan else replace(rest, plan=plan)
            return Planned(plan=plan, inventory=rest.inventory, placement=rest.placement, runs_hooks=False)
    story.revision = _caused(given, story.revision, world)
    with story.steps.step("plan"):
        made = plan_of(
            app,
            desired,
            story.revision,
            ref=ref,
            world=world,
            deployed=given.memory.digest,
            since=given.since,
            newer_than=given.now if given.asks else None,
            attends=True,
            before=rest,
        )
    if made.plan.writes and pin is None and (note := _rewritten(given, repo, story.target)):
        made = replace(made, plan=replace(made.plan, warnings=(note, *made.plan.warnings)))
    story.plan, story.digest = made.plan, made.desired.digest
    if story.kind is PassKind.SYNC and _is_drift(given.memory, story.revision, made):
        story.kind = PassKind.DRIFT
    return made


def _standing(app: AppSpec, cluster: Cluster) -> tuple[tuple[ResourceId, Health], ...]:
    """Return how the objects of an app are while Git does not say what they should be; () where no watch tells."""
    return survey(cluster, cluster.load_inventory(app).refs) if cluster.is_followed(app) else ()


def _caused(given: PassInput, revision: Revision, world: World) -> Revision:
    """Return a revision with the commit that changed the app's files, where the newest is about something else.

    Of a first sync only where people are asked about it: all of the history is looked through. So it is for a
    rollback, which goes back beyond what is deployed, or to that very commit.
    """
    app, deployed = given.app, given.memory.revision
    back = given.memory.unreached(given.control.pin) is not None
    if not back and (deployed == revision.commit or not (deployed or app.mode is Mode.APPROVE)):
        return revision
    roots, repo = world.renderer.roots(app), world.repos[app.repo]
    if deployed and not back:
        cause = repo.last_touching(roots, after=deployed, upto=revision.commit)
    else:
        cause = next(iter(repo.log(revision.commit, limit=1, paths=roots)), None)
    return revision.caused_by(cause)


def _rewritten(given: PassInput, repo: Repository, head: Revision) -> str:
    """Return what people must know of a branch that has lost the commit it was at; "" for one that went on."""
    ref, last = given.app.ref, given.memory.target
    if ref.kind is not RefKind.BRANCH or given.memory.followed != given.app.followed:
        return ""
    if last in {"", head.commit} or repo.descends(head.commit, last):
        return ""
    by = f" by {head.author}" if head.author else ""
    return f"The history of {ref} was rewritten: {last[:7]} is no longer in it, {head.short}{by} is in its place."


def _is_drift(memory: AppMemory, revision: Revision, made: Planned) -> bool:
    """Tell whether the cluster alone has moved: a commit that changes nothing of the app is no reason for a change.

    What failed since the last convergence does not matter, unless it had begun to apply another rendering. Nor is it
    somebody's edit that what Git had dropped may go at last: a finalizer, a mark or another object held it.
    """
    untouched = memory.begun in {"", memory.digest}
    moved = any(change.action is not Action.DELETE for change in made.plan.writes)
    return moved and untouched and (memory.revision == revision.commit or memory.digest == made.desired.digest)


def _commit(story: Story) -> str:
    return story.revision.commit if story.revision is not None else ""
