"""StatefulSets: Pods with ordinals and volumes of their own, made in order, replaced and removed in reverse.

Source: k8s.io/kubernetes/pkg/controller/statefulset, stateful_set_control.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bot.sandbox.kube.controllers import revisions
from bot.sandbox.kube.controllers.claims import claim
from bot.sandbox.kube.controllers.decision import Create, Decision, Delete, Tell, Update, Write
from bot.sandbox.kube.controllers.objects import (
    available_in,
    generation_of,
    is_leaving,
    is_ready,
    labels_of,
    name_of,
    namespace_of,
    scaled,
    spec_of,
    status_of,
    uid_of,
    with_status,
)
from bot.sandbox.kube.controllers.pod_template import pod_of
from bot.sandbox.kube.controllers.revisions import Revisions
from bot.sandbox.kube.controllers.rollout import asked
from bot.sandbox.kube.controllers.view import View
from bot.sandbox.kube.ports import Body

RESOURCE: Final = "statefulsets.apps"
COMPONENT: Final = "statefulset-controller"
POD_NAME: Final = "statefulset.kubernetes.io/pod-name"
POD_INDEX: Final = "apps.kubernetes.io/pod-index"


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    """What one decision looks at: the set, its Pods by ordinal, its revisions, the claims that exist."""

    stateful_set: Body
    pods: Mapping[int, Body]
    update: Body
    current: Body
    view: View
    now: datetime

    @property
    def ordinals(self) -> range:
        start = int((spec_of(self.stateful_set).get("ordinals") or {}).get("start") or 0)
        return range(start, start + asked(self.stateful_set))

    @property
    def parallel(self) -> bool:
        return spec_of(self.stateful_set).get("podManagementPolicy") == "Parallel"

    @property
    def rolling(self) -> Mapping[str, Any] | None:
        """The rolling update's settings; None for OnDelete."""
        strategy = spec_of(self.stateful_set).get("updateStrategy") or {}
        return None if strategy.get("type") == "OnDelete" else strategy.get("rollingUpdate") or {}

    def is_available(self, pod: Body) -> bool:
        return self.wait(pod) == timedelta(0) and not is_leaving(pod)

    def wait(self, pod: Body) -> timedelta | None:
        return available_in(pod, int(spec_of(self.stateful_set).get("minReadySeconds") or 0), self.now)


def decide(stateful_set: Body, view: View, now: datetime) -> Decision:
    """Return the next step: one Pod made, replaced or removed (all at once under Parallel), and the status."""
    claimed = claim(stateful_set, "pods", view)
    if claimed.writes:
        return Decision(writes=claimed.writes)
    history = revisions.revisions_of(stateful_set, view, "controller.kubernetes.io/hash")
    known = {name_of(one): one for one in (*history.olds, history.current)}
    world = _World(
        stateful_set=stateful_set,
        pods={ordinal: pod for pod in claimed.mine if (ordinal := _ordinal(stateful_set, pod)) is not None},
        update=history.current,
        current=known.get(str(status_of(stateful_set).get("currentRevision")), history.current),
        view=view,
        now=now,
    )
    writes: list[Write] = list(history.writes)
    status = _status(world)
    if status != status_of(stateful_set):
        writes.append(Update(resource=RESOURCE, body=with_status(stateful_set, status), subresource="status"))
    else:
        writes += _forgotten(world, history)
    if not is_leaving(stateful_set):
        writes += _steps(world)
    waits = [wait for pod in world.pods.values() if (wait := world.wait(pod))]
    return Decision(writes=tuple(writes), again_in=min(waits, default=None))


def _ordinal(stateful_set: Body, pod: Body) -> int | None:
    parent, _, number = name_of(pod).rpartition("-")
    return int(number) if parent == name_of(stateful_set) and number.isdigit() else None


def _revision(pod: Body) -> str:
    return labels_of(pod).get(revisions.HASH, "")


def _steps(world: _World) -> list[Write]:
    writes, blocked = _living(world)
    if blocked:
        return writes
    removed, blocked = _condemned(world)
    writes += removed
    return writes if blocked or world.rolling is None else writes + _outdated(world, world.rolling)


def _living(world: _World) -> tuple[list[Write], bool]:
    """Make the Pods that are missing. In order, each waits for the one before it to be available."""
    writes: list[Write] = []
    for ordinal in world.ordinals:
        pod = world.pods.get(ordinal)
        if pod is None:
            writes += _create(world, ordinal)
        elif status_of(pod).get("phase") in ("Succeeded", "Failed"):
            writes += [] if is_leaving(pod) else _delete(world, pod)
        elif world.is_available(pod):
            continue
        elif status_of(pod).get("phase") == "Pending":
            writes += _claims(world, ordinal, name_of(pod))
        if not world.parallel:
            return writes, True
    return writes, False


def _condemned(world: _World) -> tuple[list[Write], bool]:
    """Remove the Pods beyond the size, highest first, one at a time unless Parallel."""
    writes: list[Write] = []
    unavailable = sorted(ordinal for ordinal, pod in world.pods.items() if not world.is_available(pod))
    for ordinal in sorted(set(world.pods) - set(world.ordinals), reverse=True):
        pod = world.pods[ordinal]
        if not world.parallel:
            waits = is_leaving(pod) or (not world.is_available(pod) and ordinal != unavailable[0])
            return ([] if waits else _delete(world, pod)), True
        if not is_leaving(pod):
            writes += _delete(world, pod)
    return writes, bool(writes)


def _outdated(world: _World, rolling: Mapping[str, Any]) -> list[Write]:
    """Delete Pods of an older revision, highest first, down to the partition and within maxUnavailable."""
    living = [world.pods[ordinal] for ordinal in world.ordinals if ordinal in world.pods]
    allowed = max(scaled(rolling.get("maxUnavailable", 1), asked(world.stateful_set), up=True), 1)
    budget = allowed - sum(not world.is_available(pod) for pod in living)
    partition = world.ordinals.start + int(rolling.get("partition") or 0)
    writes: list[Write] = []
    for ordinal in reversed(world.ordinals):
        pod = world.pods.get(ordinal)
        if ordinal < partition or pod is None or _revision(pod) == name_of(world.update) or is_leaving(pod):
            continue
        if world.is_available(pod):
            if budget <= 0:
                continue
            budget -= 1
        elif not world.parallel and budget <= 0:
            continue
        writes += _delete(world, pod)
    return writes


def _create(world: _World, ordinal: int) -> list[Write]:
    rolling = world.rolling
    old = rolling is not None and ordinal < world.ordinals.start + int(rolling.get("partition") or 0)
    revision = world.current if old else world.update
    owner = revisions.template_at(world.stateful_set, revision)
    name = f"{name_of(owner)}-{ordinal}"
    pod = pod_of(owner, name)
    pod["metadata"]["labels"] = {
        **pod["metadata"].get("labels", {}),
        POD_NAME: name,
        POD_INDEX: str(ordinal),
        revisions.HASH: name_of(revision),
    }
    templates = spec_of(owner).get("volumeClaimTemplates") or ()
    of_claims = {name_of(one): f"{name_of(one)}-{name}" for one in templates}
    volumes = [one for one in pod["spec"].get("volumes") or () if one.get("name") not in of_claims]
    pod["spec"] |= {"hostname": name}
    if service := spec_of(owner).get("serviceName"):
        pod["spec"]["subdomain"] = service
    if volumes or of_claims:
        pod["spec"]["volumes"] = [
            *({"name": volume, "persistentVolumeClaim": {"claimName": claim}} for volume, claim in of_claims.items()),
            *volumes,
        ]
    message = f"Create Pod {name} in StatefulSet {name_of(owner)} successful"
    return [
        *_claims(world, ordinal, name),
        Create(resource="pods", body=pod),
        Tell(about=world.stateful_set, reason="SuccessfulCreate", message=message, component=COMPONENT),
    ]


def _claims(world: _World, ordinal: int, pod: str) -> list[Write]:
    """Create the claims of a Pod that do not exist; they outlive it."""
    owner, writes = world.stateful_set, list[Write]()
    for template in spec_of(owner).get("volumeClaimTemplates") or ():
        name = f"{name_of(template)}-{name_of(owner)}-{ordinal}"
        if world.view.get("persistentvolumeclaims", namespace_of(owner), name) is not None:
            continue
        labels = {**labels_of(template), **((spec_of(owner).get("selector") or {}).get("matchLabels") or {})}
        kept = {key: value for key, value in (template.get("metadata") or {}).items() if key in ("annotations",)}
        body = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {**kept, "name": name, "namespace": namespace_of(owner), "labels": labels},
            "spec": spec_of(template),
        }
        message = f"Create Claim {name} Pod {pod} in StatefulSet {name_of(owner)} success"
        writes.append(Create(resource="persistentvolumeclaims", body=body))
        writes.append(Tell(about=owner, reason="SuccessfulCreate", message=message, component=COMPONENT))
    return writes


def _delete(world: _World, pod: Body) -> list[Write]:
    message = f"Delete Pod {name_of(pod)} in StatefulSet {name_of(world.stateful_set)} successful"
    return [
        Delete(resource="pods", namespace=namespace_of(pod), name=name_of(pod), uid=uid_of(pod)),
        Tell(about=world.stateful_set, reason="SuccessfulDelete", message=message, component=COMPONENT),
    ]


def _status(world: _World) -> dict[str, Any]:
    pods: Sequence[Body] = tuple(world.pods.values())
    staying = [pod for pod in pods if not is_leaving(pod)]
    ready = [pod for pod in pods if is_ready(pod)]
    new = sum(_revision(pod) == name_of(world.update) for pod in staying)
    current, of_current = world.current, sum(_revision(pod) == name_of(world.current) for pod in staying)
    if world.rolling is not None and new == len(ready) == len(pods):
        current, of_current = world.update, new
    counts = {"readyReplicas": len(ready), "currentReplicas": of_current, "updatedReplicas": new}
    return {
        "observedGeneration": generation_of(world.stateful_set),
        "replicas": len(pods),
        **{key: count for key, count in counts.items() if count},
        "currentRevision": name_of(current),
        "updateRevision": name_of(world.update),
        "collisionCount": 0,
        "availableReplicas": sum(world.wait(pod) == timedelta(0) for pod in ready),
    }


def _forgotten(world: _World, history: Revisions) -> list[Write]:
    live = {name_of(world.current), name_of(world.update), *map(_revision, world.pods.values())}
    return revisions.forgotten(world.stateful_set, history.olds, live)
