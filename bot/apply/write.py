"""Writes one object of a plan: applies, recreates or deletes it. Trouble with the object is an outcome."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

from bot.model.app import AppSpec
from bot.model.outcome import Deed, Outcome
from bot.model.plan import Action, Change, Observation, Rejected
from bot.model.resource import Manifest
from bot.ports.live import Cluster

_LEARNED_WITHIN_SECONDS: Final = 5.0  # it takes some tenths of one
_LOOK_AGAIN_SECONDS: Final = 0.2


def write(change: Change, app: AppSpec, cluster: Cluster) -> Outcome:
    """Apply one object of a stage or a hook. Raises `ClusterError`; what could not be asked before is asked now.

    So its refusal is said in full, before anything is deleted.
    """
    assert change.manifest is not None  # stages hold no deletes
    id = change.id
    if change.taken_from:  # what is marked as that app's is ours now
        app = replace(app, moved_from=change.taken_from)
    if not change.verified:
        seen = _asked(change.manifest, app, cluster)
        if seen.owner is not None:
            return Outcome(id=id, deed=Deed.FAILED, message=f"it belongs to {seen.owner}")
        if isinstance(seen.answer, Rejected):
            return Outcome(id=id, deed=Deed.FAILED, message=seen.answer.message)
    if change.action is Action.RECREATE:
        gone = cluster.delete(app, change.ref, change.uid)
        if isinstance(gone, Rejected):
            return Outcome(id=id, deed=Deed.FAILED, message=gone.message)
        if gone.kept:
            return Outcome(id=id, deed=Deed.FAILED, message=gone.kept)
        if not gone.gone and gone.finalizers:
            held = ", ".join(gone.finalizers)
            return Outcome(id=id, deed=Deed.FAILED, message=f"it is being deleted and waits for its finalizers: {held}")
    done = cluster.apply(app, change.manifest)
    if isinstance(done, Rejected):
        return Outcome(id=id, deed=Deed.FAILED, message=done.message)
    deed = Deed.CREATED if done.created else Deed.UPDATED
    if change.action is Action.RECREATE:
        deed = Deed.RECREATED
    return Outcome(id=id, deed=deed, uid=str((done.body.get("metadata") or {}).get("uid") or ""))


def _asked(manifest: Manifest, app: AppSpec, cluster: Cluster) -> Observation:
    """Ask about an object; where its CRD changed a moment ago, until the server knows by which schema to answer."""
    deadline = time.monotonic() + _LEARNED_WITHIN_SECONDS
    while True:
        (seen,) = cluster.observe(app, [manifest])
        undeclared = isinstance(seen.answer, Rejected) and seen.answer.undeclared
        if not undeclared or time.monotonic() >= deadline:
            return seen
        time.sleep(_LOOK_AGAIN_SECONDS)


def delete(change: Change, app: AppSpec, cluster: Cluster) -> Outcome:
    done = cluster.delete(app, change.ref, change.uid)
    if isinstance(done, Rejected):
        return Outcome(id=change.id, deed=Deed.FAILED, message=done.message)
    if done.kept:
        return Outcome(id=change.id, deed=Deed.KEPT, message=done.kept)
    if done.gone:
        return Outcome(id=change.id, deed=Deed.DELETED)
    held = f"it waits for its finalizers: {', '.join(done.finalizers)}" if done.finalizers else "it is on its way out"
    return Outcome(id=change.id, deed=Deed.DELETING, message=held)
