"""Deployments: one ReplicaSet per Pod template, resized within the bounds of the strategy, and the status that tells.

Source: k8s.io/kubernetes/pkg/controller/deployment, whose steps, conditions, annotations and events these are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bot.sandbox.kube.controllers import rollout
from bot.sandbox.kube.controllers.claims import claim
from bot.sandbox.kube.controllers.decision import Create, Decision, Delete, Tell, Update, Write
from bot.sandbox.kube.controllers.deployment_status import (
    counted,
    has_deadline,
    is_complete,
    judged,
    noted,
    patience,
    pause_noted,
)
from bot.sandbox.kube.controllers.objects import (
    annotations_of,
    controlled_by,
    digest,
    generation_of,
    is_leaving,
    name_of,
    namespace_of,
    spec_of,
    status_of,
    uid_of,
    with_annotations,
    with_spec,
    with_status,
)
from bot.sandbox.kube.controllers.rollout import asked
from bot.sandbox.kube.controllers.view import View
from bot.sandbox.kube.ports import Body

RESOURCE: Final = "deployments.apps"
SETS: Final = "replicasets.apps"
COMPONENT: Final = "deployment-controller"
HASH: Final = "pod-template-hash"
REVISION: Final = "deployment.kubernetes.io/revision"
REVISION_HISTORY: Final = "deployment.kubernetes.io/revision-history"
_NOT_COPIED: Final = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        rollout.DESIRED,
        rollout.MAXIMUM,
        "deprecated.deployment.rollback.to",
    }
)
_NO_LIMIT: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sets:
    """The ReplicaSets of a Deployment, each as it will be when the writes are done."""

    new: Body | None
    olds: tuple[Body, ...]

    @property
    def all(self) -> tuple[Body, ...]:
        return (*self.olds, self.new) if self.new is not None else self.olds

    @property
    def active(self) -> tuple[Body, ...]:
        return tuple(one for one in self.all if asked(one) > 0)

    def resized(self, deployment: Body, sizes: Mapping[str, int]) -> tuple[_Sets, list[Write]]:
        """Return the sets with other sizes, and the writes and events of that."""
        writes: list[Write] = []

        def resize(one: Body) -> Body:
            size = sizes.get(name_of(one), asked(one))
            bounds = rollout.bounds_of(deployment)
            notes = {rollout.DESIRED: str(bounds.replicas), rollout.MAXIMUM: str(bounds.most)}
            if size == asked(one) and (name_of(one) not in sizes or notes.items() <= annotations_of(one).items()):
                return one
            changed = with_annotations(with_spec(one, replicas=size), notes)
            writes.append(Update(resource=SETS, body=changed))
            if size != asked(one):
                way = "up" if size > asked(one) else "down"
                message = f"Scaled {way} replica set {name_of(one)} from {asked(one)} to {size}"
                writes.append(_told(deployment, message))
            return changed

        new = None if self.new is None else resize(self.new)
        return _Sets(new=new, olds=tuple(resize(old) for old in self.olds)), writes


def decide(deployment: Body, view: View, now: datetime) -> Decision:
    """Return the next step of a rollout, a resize, or only the status."""
    claimed = claim(deployment, SETS, view)
    if claimed.writes:
        return Decision(writes=claimed.writes)
    sets = _sorted_out(deployment, claimed.mine)
    if is_leaving(deployment):
        return _told_status(deployment, sets, [], now, judge=False)
    if (paused := pause_noted(deployment, now)) is not None:
        return Decision(writes=(Update(resource=RESOURCE, body=paused, subresource="status"),))
    sets, writes = _synced(deployment, sets)
    if writes:
        return _told_status(deployment, sets, writes, now, judge=False)
    if spec_of(deployment).get("paused") or _is_resized(deployment, sets):
        sets, writes = _scale(deployment, sets)
        if spec_of(deployment).get("paused"):
            writes += _clean(deployment, sets)
        return _told_status(deployment, sets, writes, now, judge=False)
    if (spec_of(deployment).get("strategy") or {}).get("type") == "Recreate":
        return _recreate(deployment, sets, view, now)
    return _roll(deployment, sets, now)


def template_of(deployment: Body) -> dict[str, Any]:
    """Return the Pod template without the hash that only ReplicaSets carry."""
    template: Mapping[str, Any] = spec_of(deployment).get("template") or {}
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH}
    return {"labels": labels, "annotations": meta.get("annotations") or {}, "spec": template.get("spec") or {}}


def _sorted_out(deployment: Body, mine: Sequence[Body]) -> _Sets:
    wanted, ordered = template_of(deployment), sorted(mine, key=rollout.created_order)
    new = next((one for one in ordered if template_of(one) == wanted), None)
    return _Sets(new=new, olds=tuple(one for one in ordered if one is not new))


def _synced(deployment: Body, sets: _Sets) -> tuple[_Sets, list[Write]]:
    """Bring the new ReplicaSet's annotations up to date: revision, history, what the Deployment's say."""
    if sets.new is None:
        return sets, []
    notes = _copied(deployment)
    known = annotations_of(sets.new)
    revision, was = _next_revision(sets.olds), int(known.get(REVISION) or 0)
    if was < revision:
        notes[REVISION] = str(revision)
        if was:
            notes[REVISION_HISTORY] = ",".join(filter(None, [known.get(REVISION_HISTORY), str(was)]))
    ready_seconds = int(spec_of(deployment).get("minReadySeconds") or 0)
    if notes.items() <= known.items() and int(spec_of(sets.new).get("minReadySeconds") or 0) == ready_seconds:
        return sets, []
    new = with_annotations(with_spec(sets.new, minReadySeconds=ready_seconds), notes)
    return _Sets(new=new, olds=sets.olds), [Update(resource=SETS, body=new)]


def _copied(deployment: Body) -> dict[str, str]:
    return {key: value for key, value in annotations_of(deployment).items() if key not in _NOT_COPIED}


def _next_revision(olds: Sequence[Body]) -> int:
    return max((int(annotations_of(old).get(REVISION) or 0) for old in olds), default=0) + 1


def _is_resized(deployment: Body, sets: _Sets) -> bool:
    """Did the Deployment's size change since its ReplicaSets were last resized?"""
    wanted = str(asked(deployment))
    return any(annotations_of(one).get(rollout.DESIRED, wanted) != wanted for one in sets.active)


def _scale(deployment: Body, sets: _Sets) -> tuple[_Sets, list[Write]]:
    """Resize without rolling: the one active set takes it all, several share."""
    bounds, active = rollout.bounds_of(deployment), sets.active
    if len(active) <= 1:
        newest = max(sets.olds, key=rollout.created_order, default=None)
        only = active[0] if active else sets.new or newest
        return sets.resized(deployment, {name_of(only): bounds.replicas}) if only is not None else (sets, [])
    new = sets.new
    if (
        new is not None
        and asked(new) == rollout.available(new) == bounds.replicas
        and annotations_of(new).get(rollout.DESIRED) == str(bounds.replicas)
    ):
        return sets.resized(deployment, {name_of(old): 0 for old in sets.olds if asked(old)})
    if (spec_of(deployment).get("strategy") or {}).get("type") == "Recreate":
        return sets, []
    return sets.resized(deployment, rollout.proportional_sizes(bounds, active))


def _roll(deployment: Body, sets: _Sets, now: datetime) -> Decision:
    bounds, writes = rollout.bounds_of(deployment), list[Write]()
    total = sum(asked(one) for one in sets.all)
    new = sets.new
    if new is None:
        return _created(deployment, sets, rollout.size_of_new(bounds, total, 0), now)
    size = rollout.size_of_new(bounds, total, asked(new))
    if size != asked(new):
        sets, writes = sets.resized(deployment, {name_of(new): size})
    elif sizes := rollout.sizes_of_old(bounds, new, sets.olds):
        sets, writes = sets.resized(deployment, sizes)
    elif is_complete(deployment, status_of(deployment)):
        writes = _clean(deployment, sets)
    return _told_status(deployment, sets, writes, now, judge=True)


def _recreate(deployment: Body, sets: _Sets, view: View, now: datetime) -> Decision:
    sizes = {name_of(old): 0 for old in sets.olds if asked(old)}
    if sizes:
        sets, writes = sets.resized(deployment, sizes)
        return _told_status(deployment, sets, writes, now, judge=True)
    if any(_still_runs(old, view) for old in sets.olds):
        return _told_status(deployment, sets, [], now, judge=True)
    if sets.new is None:
        return _created(deployment, sets, asked(deployment), now)
    sets, writes = sets.resized(deployment, {name_of(sets.new): asked(deployment)})
    if not writes and is_complete(deployment, status_of(deployment)):
        writes = _clean(deployment, sets)
    return _told_status(deployment, sets, writes, now, judge=True)


def _still_runs(replica_set: Body, view: View) -> bool:
    pods = view.owned("pods", replica_set)
    return any(status_of(pod).get("phase") not in ("Succeeded", "Failed") for pod in pods)


def _created(deployment: Body, sets: _Sets, size: int, now: datetime) -> Decision:
    """Create the ReplicaSet of a new template."""
    template: Mapping[str, Any] = spec_of(deployment).get("template") or {}
    hash = digest(template_of(deployment))
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH: hash}
    selector: Mapping[str, Any] = spec_of(deployment).get("selector") or {}
    bounds = rollout.bounds_of(deployment)
    new: Body = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name_of(deployment)}-{hash}",
            "namespace": namespace_of(deployment),
            "labels": labels,
            "annotations": {
                **_copied(deployment),
                REVISION: str(_next_revision(sets.olds)),
                rollout.DESIRED: str(bounds.replicas),
                rollout.MAXIMUM: str(bounds.most),
            },
            "ownerReferences": [controlled_by(deployment)],
        },
        "spec": {
            "replicas": size,
            **({"minReadySeconds": ready} if (ready := spec_of(deployment).get("minReadySeconds")) else {}),
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH: hash}},
            "template": {**template, "metadata": {**(template.get("metadata") or {}), "labels": labels}},
        },
    }
    writes: list[Write] = [Create(resource=SETS, body=new)]
    if size:
        writes.append(_told(deployment, f"Scaled up replica set {name_of(new)} from 0 to {size}"))
    message = f'Created new replica set "{name_of(new)}"'
    with_news = noted(deployment, now, "Progressing", "True", "NewReplicaSetCreated", message)
    if not has_deadline(deployment):
        with_news = deployment
    return _told_status(with_news, _Sets(new=new, olds=sets.olds), writes, now, judge=True, before=deployment)


def _clean(deployment: Body, sets: _Sets) -> list[Write]:
    """Delete the oldest ReplicaSets beyond the history limit that hold no Pod."""
    limit = spec_of(deployment).get("revisionHistoryLimit")
    if limit is None or limit == _NO_LIMIT:
        return []
    olds = sorted(
        (old for old in sets.olds if not is_leaving(old)),
        key=lambda old: (int(annotations_of(old).get(REVISION) or 0), rollout.created_order(old)),
    )
    return [
        Delete(resource=SETS, namespace=namespace_of(old), name=name_of(old), uid=uid_of(old))
        for old in olds[: max(len(olds) - int(limit), 0)]
        if not asked(old)
        and not status_of(old).get("replicas")
        and generation_of(old) <= int(status_of(old).get("observedGeneration") or 0)
    ]


def _told_status(
    deployment: Body, sets: _Sets, writes: Sequence[Write], now: datetime, *, judge: bool, before: Body | None = None
) -> Decision:
    """Add the status to the writes when it changed; `judge` says whether progress is estimated."""
    status = counted(deployment, sets.new, sets.olds, now)
    if judge:
        status = judged(deployment, sets.new, sets.olds, status, now)
    changed = with_status(deployment, status)
    if sets.new is not None:
        changed = with_annotations(changed, {REVISION: annotations_of(sets.new).get(REVISION, "1")})
    known = before or deployment
    if status != status_of(known) or annotations_of(changed) != annotations_of(known):
        return Decision(writes=(*writes, Update(resource=RESOURCE, body=changed, subresource="status")))
    return Decision(writes=tuple(writes), again_in=patience(deployment, now))


def _told(deployment: Body, message: str) -> Tell:
    return Tell(about=deployment, reason="ScalingReplicaSet", message=message, component=COMPONENT)
