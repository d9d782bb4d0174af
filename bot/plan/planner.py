"""Observations to a plan: what becomes of each object, and what a human must agree to first.

Pure: no clock, no network, no settings. In goes what Git wants beside what the cluster has and predicts, and what
the app owned before; out comes a `Plan`. The same input gives the same plan and hash in every process.

What is deleted is chosen from the inventory and never from labels, in `bot.plan.dropping` and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from bot.errors import OrderRefused
from bot.model import marks
from bot.model.app import AppSpec
from bot.model.plan import (
    Accepted,
    Action,
    Change,
    FieldChange,
    NotAskable,
    Observation,
    Owner,
    OwnerKind,
    Plan,
    Refusal,
    RefusalKind,
    Rejected,
    Tracked,
)
from bot.model.record import Inventory
from bot.model.resource import Body, ResourceId, names
from bot.model.source import Revision
from bot.plan import agreement
from bot.plan.diff import diff, differing, is_mark, wanted_diff
from bot.plan.dropping import judge_dropped
from bot.plan.hands import hands
from bot.plan.impact import impact
from bot.plan.judged import Judged, metadata_of, uid_of
from bot.plan.order import in_order
from bot.plan.placing import CRD_GROUP, CRD_KIND, wave_of

_PRECIOUS: Final = frozenset({("", "Namespace"), (CRD_GROUP, CRD_KIND), ("", "PersistentVolumeClaim")})
_FORCE_HINT: Final = f"to delete and create it again, annotate it with {marks.FORCE}: enabled"
_NO_NAMESPACE: Final = re.compile(r'namespaces "(?P<name>[a-z0-9-]+)" not found')
_WAYS_OUT: Final[Mapping[OwnerKind, str]] = {
    OwnerKind.APP: "remove it from that app, or from this one",
    OwnerKind.APPLYSET: "remove it from that set, or from Git here",
    OwnerKind.HELM: "take it out of that release, or take it over with `adopt: [helm]`",
    OwnerKind.FLUX: "take it out of what Flux applies, or take it over with `adopt: [flux]`",
    OwnerKind.ARGOCD: "take it out of that application, or take it over with `adopt: [argocd]`",
    OwnerKind.SPINNAKER: "take it out of the pipeline that deploys it, or take it over with `adopt: [spinnaker]`",
    OwnerKind.CONTROLLER: "change what that controller makes it from, and take it out of Git here",
}


def make_plan(
    *,
    app: AppSpec,
    revision: Revision,
    ref: str,
    observations: Sequence[Observation],
    tracked: Sequence[Tracked],
    inventory: Inventory,
    key: bytes,
    rendered: str,
    runs_hooks: bool = False,
    heirs: Mapping[ResourceId, str] = MappingProxyType({}),
    equal: Sequence[Change] = (),
) -> Plan:
    """Return the plan of one sync. `key` keys its hash, which knows values of Secrets; it appears nowhere.

    `rendered` is the digest of all that Git wants. `runs_hooks` for the sync of a new revision. `heirs` says why
    objects that Git dropped stay for another app. `equal` are those objects that were not looked at, since they are
    known to be as Git wants them.
    """
    wanted = [_judge(observation, runs_hooks=runs_hooks) for observation in observations]
    dropped = judge_dropped(app, [*(one.change for one in wanted), *equal], tracked, heirs=heirs)
    judged = [_bound(one, key) for one in (*wanted, *dropped)]
    by_ref = {one.change.ref: one for one in judged}
    ordered = [by_ref[change.ref] for change in in_order(one.change for one in judged)]
    changes = in_order([*(one.change for one in ordered), *equal]) if equal else tuple(one.change for one in ordered)
    return Plan(
        app=app.name,
        cluster=app.cluster,
        revision=revision,
        ref=ref,
        changes=changes,
        hash=_hash(app, rendered, ordered, key),
        refusals=tuple(_refusals(app, changes, ordered, inventory)),
        warnings=tuple(_warnings(app, ordered)),
        impact=impact(ordered, changes),
    )


def select(plan: Plan, wanted: Callable[[ResourceId], bool]) -> Plan:
    """Return the plan with everything left out that is not wanted, hooks always. Its hash stays: it is of the whole.

    Raises `OrderRefused` when nothing of the plan is wanted.
    """
    chosen = [change for change in plan.changes if not change.hook and wanted(change.id)]
    if not chosen:
        raise OrderRefused(f"{plan.app} has no such object; it has {names([change.id for change in plan.changes])}")
    left_out = "it is left out of this sync"
    deletes = any(change.action in {Action.DELETE, Action.RECREATE} for change in chosen)
    return replace(
        plan,
        changes=tuple(
            change
            if change in chosen
            else replace(change, action=Action.UNCHANGED, why=left_out, retained=change.manifest is None)
            for change in plan.changes
        ),
        refusals=plan.refusals if deletes else (),
    )


def _judge(observation: Observation, *, runs_hooks: bool) -> Judged:
    """Decide what becomes of one object that Git wants."""
    manifest, live = observation.manifest, observation.live
    predicted: Body | None = None
    warnings: tuple[str, ...] = ()
    fields: tuple[FieldChange, ...] = ()
    verified = True
    former = observation.former
    if observation.left:
        action, why = Action.UNCHANGED, observation.left
    elif observation.owner is not None:
        action, why = Action.BLOCKED, _owned(observation.owner)
    else:
        match observation.answer:
            case Accepted(predicted=predicted, warnings=warnings):
                action, why, fields = _difference(manifest.id, live, predicted)
                why += f"; it is taken over from {former}" if former is not None else ""
            case NotAskable(waits_for=waits_for):
                verified = False
                action = Action.CREATE if live is None else Action.UPDATE
                why = f"the server can be asked once {waits_for} is there"
            case Rejected() as rejected:
                action, why, fields = _rejection(observation, rejected)
    hook = manifest.annotations.get(marks.HOOK, "")
    if hook and not observation.left and observation.owner is None:
        action, why, fields = _hook_deed(hook, observation, runs_hooks=runs_hooks)
    return Judged(
        change=Change(
            action=action,
            hook=hook,
            ref=manifest.ref,
            why=why,
            origin=manifest.origin,
            manifest=manifest,
            fields=fields,
            hands=hands(live, fields),
            verified=verified,
            uid=uid_of(live),
            wave=wave_of(manifest.body),
            taken_from=former.name if former is not None and former.kind is OwnerKind.APP else "",
        ),
        live=live,
        predicted=predicted,
        warnings=warnings,
    )


def _hook_deed(hook: str, observation: Observation, *, runs_hooks: bool) -> tuple[Action, str, tuple[FieldChange, ...]]:
    """Decide about a hook: it is made anew when it runs, so that an immutable field is no obstacle."""
    answer = observation.answer
    if isinstance(answer, Rejected) and not answer.immutable:
        return _rejection(observation, answer)
    if hook == "sync-failed":
        return Action.UNCHANGED, "it runs when a sync fails", ()
    when = "before" if hook == "pre-sync" else "after"
    why = f"it runs {when} each sync of a new revision"
    if not runs_hooks:
        return Action.UNCHANGED, why, ()
    return Action.CREATE if observation.live is None else Action.RECREATE, why, ()


def _difference(id: ResourceId, live: Body | None, predicted: Body) -> tuple[Action, str, tuple[FieldChange, ...]]:
    if live is None:
        return Action.CREATE, "it is in Git and not on the cluster", ()
    if predicted is live:
        return Action.UNCHANGED, "", ()
    changed = diff(live, predicted, id=id)
    if not changed:
        return Action.UNCHANGED, "", ()
    shown = tuple(change for change in changed if not is_mark(change))
    differing = f"{len(shown)} {'field differs' if len(shown) == 1 else 'fields differ'} from Git"
    if len(shown) == len(changed):
        return Action.UPDATE, differing, shown
    adopts = "this app adopts the object and marks it as its own"
    return Action.UPDATE, f"{adopts}; {differing}" if shown else adopts, shown


def _rejection(observation: Observation, rejected: Rejected) -> tuple[Action, str, tuple[FieldChange, ...]]:
    manifest, live = observation.manifest, observation.live
    fields: tuple[FieldChange, ...] = ()
    if live is not None:
        fields = tuple(one for one in wanted_diff(live, manifest.body, id=manifest.id) if not is_mark(one))
    said = rejected.message or f"the server answers {rejected.status} {rejected.reason}"
    if missing := _NO_NAMESPACE.fullmatch(said):
        said = f"{said}; add a Namespace to Git, or create it: kubectl create namespace {missing['name']}"
    if not rejected.immutable or live is None:
        return Action.BLOCKED, said, fields
    if manifest.annotations.get(marks.FORCE) == "enabled":
        return Action.RECREATE, f"it cannot be changed in place and {marks.FORCE} is enabled: {said}", fields
    return Action.BLOCKED, f"{said}; {_FORCE_HINT}", fields


def _owned(owner: Owner) -> str:
    return f"it belongs to {owner}, {owner.note}" if owner.note else f"it belongs to {owner}; {_WAYS_OUT[owner.kind]}"


def _refusals(
    app: AppSpec, changes: Sequence[Change], judged: Sequence[Judged], inventory: Inventory
) -> Iterator[Refusal]:
    """Yield every reason to ask a human before this plan."""
    renders_nothing = all(one.manifest is None for one in changes)
    deletes = [one.change.id for one in judged if one.change.action is Action.DELETE]
    if deletes and renders_nothing:
        if not app.allow_empty:
            yield Refusal(
                kind=RefusalKind.EMPTY,
                message=f"{app.path or 'the repository'} renders no object at all: "
                f"all {_objects(len(deletes))} of the app would be deleted ({names(deletes)})",
            )
    elif len(deletes) > app.max_delete_count and len(deletes) > app.max_delete_share * len(inventory.refs):
        yield Refusal(
            kind=RefusalKind.MANY_DELETES,
            message=f"{len(deletes)} of {_objects(len(inventory.refs))} would be deleted, more than "
            f"{app.max_delete_count} and more than {app.max_delete_share:.0%} ({names(deletes)})",
        )
    going = [one for one in judged if one.change.action in {Action.DELETE, Action.RECREATE}]
    precious = [one.change.id for one in going if (one.change.id.group, one.change.id.kind) in _PRECIOUS]
    if precious:
        what = "it holds" if len(precious) == 1 else "they hold"
        yield Refusal(
            kind=RefusalKind.PRECIOUS,
            message=f"{names(precious)} would be deleted, with all that {what}",
        )
    annotated = [one.change.id for one in going if _asks_first(one)]
    if annotated:
        yield Refusal(
            kind=RefusalKind.ANNOTATED,
            message=f"{names(annotated)} would be deleted and the annotation {marks.PRUNE}: confirm asks a human first",
        )


def _asks_first(one: Judged) -> bool:
    bodies = (one.live, one.change.manifest.body if one.change.manifest is not None else None)
    return any((metadata_of(body).get("annotations") or {}).get(marks.PRUNE) == "confirm" for body in bodies if body)


def _warnings(app: AppSpec, judged: Sequence[Judged]) -> Iterator[str]:
    kept = [one.change for one in judged if one.change.retained]
    if kept and not app.prune:
        yield f"prune is off for this app: {names([change.id for change in kept])} stay although Git dropped them"
    else:
        yield from (f"{change.id}: {change.why}" for change in kept)
    yield from (f"{one.change.id}: {one.change.why}" for one in judged if _has_left(one.change))
    for one in judged:
        if one.change.manifest is not None and one.live is not None and metadata_of(one.live).get("deletionTimestamp"):
            yield f"{one.change.id} is in Git and someone is deleting it: a later pass will create it again"
        if one.change.action is not Action.UNCHANGED:
            yield from (f"{one.change.id}: {text}" for text in one.warnings)


def _has_left(change: Change) -> bool:
    return change.manifest is None and change.action is Action.UNCHANGED and not change.retained


def _bound(one: Judged, key: bytes) -> Judged:
    """Return it with the digest of what a yes to the change is bound to."""
    change = one.change
    if change.action is Action.UNCHANGED:
        return one
    id = change.id
    runs = change.hook and change.action in {Action.CREATE, Action.RECREATE}  # anew, whatever is there of it
    what = "run" if runs else change.action.value
    binding: list[Any] = [what, change.ref.api_version, id.group, id.kind, id.namespace, id.name]
    if change.action in {Action.DELETE, Action.RECREATE} and not runs:
        binding.append(change.uid)
    if change.action is Action.UPDATE and one.predicted is not None:
        fields = differing(one.live, one.predicted, id=id)
        binding.append([[field.path, field.before, field.after] for field in fields])
    bound = replace(change, digest=agreement.digest(binding, key))
    return Judged(change=bound, live=one.live, predicted=one.predicted, warnings=one.warnings)


def _hash(app: AppSpec, rendered: str, judged: Sequence[Judged], key: bytes) -> str:
    """Return the plan's hash: what a human agrees to when they agree to this plan.

    It covers all that Git wants, and what each change makes of what is there. It does not cover the commit: one about
    something else leaves the plan as it is.
    """
    moving = [one.change.digest for one in judged if one.change.digest]
    return f"sha256:{agreement.digest([app.key, rendered, *moving], key)}"


def _objects(count: int) -> str:
    return f"{count} object" if count == 1 else f"{count} objects"
