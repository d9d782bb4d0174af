"""What becomes of the objects that an app owned and Git has dropped. Pure.

In go the objects of the inventory as the cluster has them, out comes one `Judged` each: it is deleted, or it stays and
the change says why. It stays when someone else owns it or it is not marked as ours, when its annotation or the app says
so, when it is the same object under another API group, when it is a Namespace or CRD that still holds objects of the
app, when another app takes it over, when its API group is away, or when what is leaving still may need it. One that
stays and is not `retained` has left the app: the inventory forgets it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.model import marks
from bot.model.app import AppSpec
from bot.model.plan import Action, Change, Tracked
from bot.model.resource import Body, ResourceId, ResourceRef, names
from bot.plan.judged import Judged, at, metadata_of, uid_of
from bot.plan.order import rank
from bot.plan.placing import CRD_GROUP, CRD_KIND, wave_of


@dataclass(frozen=True, slots=True)
class _Fate:
    """Why a tracked object is not deleted."""

    why: str
    retained: bool
    pending: bool = False


def judge_dropped(
    app: AppSpec, wanted: Sequence[Change], tracked: Sequence[Tracked], *, heirs: Mapping[ResourceId, str]
) -> list[Judged]:
    """Decide what becomes of the objects that Git dropped. Those gone and those under another name are left out.

    `wanted` are all those that Git has, `heirs` says why objects stay for another app.
    """
    if not tracked:
        return []
    wanted_uids = {one.uid for one in wanted if one.uid}
    wanted_ids = {one.id for one in wanted}
    present = [
        (one, one.live)
        for one in tracked
        if one.live is not None and one.ref.id not in wanted_ids and uid_of(one.live) not in wanted_uids
    ]
    fates = {one.ref: _fate(app, one, live) or _moving(one.ref.id, heirs) for one, live in present}
    unknown = [one.ref.id for one in tracked if one.unknown]
    holding = [*wanted_ids, *unknown, *(ref.id for ref, fate in fates.items() if fate is not None)]
    leaving = [one.ref.id for one, live in present if metadata_of(live).get("deletionTimestamp")]
    judged = [_unknown(one.ref, one.unknown) for one in tracked if one.unknown and one.ref.id not in wanted_ids]
    for one, live in present:
        fate = fates[one.ref] or _in_use(one.ref.id, live, holding) or _later(one.ref.id, leaving)
        change = Change(
            action=Action.DELETE if fate is None else Action.UNCHANGED,
            ref=one.ref,
            why="it is no longer in Git" if fate is None else fate.why,
            retained=fate is not None and fate.retained,
            pending=fate is not None and fate.pending,
            uid=uid_of(live),
            wave=wave_of(live),
        )
        judged.append(Judged(change=change, live=live))
    return judged


def _unknown(ref: ResourceRef, why: str) -> Judged:
    """Keep what cannot be looked at: its API group is away, and comes back with all objects in it."""
    why = f"it is no longer in Git and stays for now: {why}"
    return Judged(change=Change(action=Action.UNCHANGED, ref=ref, why=why, retained=True, pending=True))


def _fate(app: AppSpec, one: Tracked, live: Body) -> _Fate | None:
    """Return why an object stays for reasons of its own; None when it may go."""
    annotations = metadata_of(live).get("annotations") or {}
    if one.owner is not None:
        return _Fate(f"it is no longer in Git and belongs to {one.owner} now: it stays", retained=False)
    if not {marks.APP_LABEL, marks.PART_OF_LABEL} & set(metadata_of(live).get("labels") or {}):
        return _Fate("it is no longer in Git and stays: it is not marked as ours (any more)", retained=False)
    if not app.prune:
        return _Fate("it is no longer in Git and stays: prune is off for this app", retained=True)
    if annotations.get(marks.PRUNE) == "disabled":
        return _Fate(f"it is no longer in Git and stays: its annotation {marks.PRUNE} is disabled", retained=True)
    if annotations.get(marks.RECONCILE) == "disabled":
        return _Fate(f"it is no longer in Git and stays: its annotation {marks.RECONCILE} is disabled", retained=True)
    if metadata_of(live).get("deletionTimestamp"):
        return _Fate(f"it is being deleted already{_held(live)}", retained=True)
    return None


def _held(live: Body) -> str:
    """Say what keeps an object that is being deleted; a Namespace says it by its conditions."""
    finalizers = ", ".join(str(one) for one in metadata_of(live).get("finalizers") or ())
    if finalizers:
        return f" and waits for its finalizers: {finalizers}"
    said = [one for one in at(live, "status", "conditions") or () if str(one.get("type")).startswith("Namespace")]
    why = "; ".join(str(one.get("message")) for one in said if one.get("status") == "True")
    return f" and is not gone: {why}" if why else ""


def _moving(id: ResourceId, heirs: Mapping[ResourceId, str]) -> _Fate | None:
    """Return why an object stays for another app. It is ours, and in the inventory, until that one has it."""
    why = heirs.get(id)
    return _Fate(f"it is no longer in Git and stays: {why}", retained=True, pending=True) if why else None


def _in_use(id: ResourceId, live: Body, holding: Sequence[ResourceId]) -> _Fate | None:
    """Return why a Namespace or CRD stays: deleting it would take objects along that stay."""
    if (id.group, id.kind) == ("", "Namespace"):
        inside = sorted(one for one in holding if one.namespace == id.name)
    elif (id.group, id.kind) == (CRD_GROUP, CRD_KIND):
        spec = live.get("spec") or {}
        served = (spec.get("group"), (spec.get("names") or {}).get("kind"))
        inside = sorted(one for one in holding if (one.group, one.kind) == served)
    else:
        return None
    if not inside:
        return None
    return _Fate(f"it is no longer in Git and stays: it is in use, it holds {names(inside)}", retained=True)


def _later(id: ResourceId, leaving: Sequence[ResourceId]) -> _Fate | None:
    """Return why an object stays for now: what is leaving still may need it, a role to release a finalizer with."""
    before = [one for one in leaving if rank(one) > rank(id)]
    if not before:
        return None
    return _Fate(f"it is no longer in Git and is deleted once {names(before)} is gone", retained=True)
