"""Gives Pods a node, or says why there is none.

Source: k8s.io/kubernetes/pkg/scheduler; the words are those of its FitError.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from bot.sandbox.kube.controllers.decision import NOTHING, SCHEDULER, Decision, Tell, Update, Write
from bot.sandbox.kube.controllers.nodes import lacking, why_not
from bot.sandbox.kube.controllers.objects import (
    annotations_of,
    condition_of,
    find_condition,
    is_leaving,
    is_running,
    name_of,
    namespace_of,
    spec_of,
    stamp,
    status_of,
    time_until,
    with_annotations,
    with_spec,
    with_status,
    without_condition,
)
from bot.sandbox.kube.controllers.pace import Pace
from bot.sandbox.kube.controllers.view import View, key_of
from bot.sandbox.kube.ports import Body

SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
COMPONENT: Final = "default-scheduler"
_NO_HELP: Final = "Preemption is not helpful for scheduling"


def decide(pod: Body, view: View, now: datetime, *, pace: Pace) -> Decision:
    """Return the binding of a Pod without a node, or the condition that says what is in the way."""
    spec = spec_of(pod)
    if spec.get("nodeName") or spec.get("schedulingGates") or is_leaving(pod) or not is_running(pod):
        return NOTHING
    wait = time_until(view.since(key_of("pods", pod)) + pace.schedule, now)
    if wait and condition_of(pod, "PodScheduled") is None:
        return Decision(again_in=wait)
    nodes = sorted(view.within("nodes"), key=name_of)
    if not nodes:
        return _unschedulable(pod, "no nodes available to schedule pods", now)
    if (trouble := _volume_trouble(pod, view)) is not None:
        return _unschedulable(pod, _sentence(len(nodes), trouble), now)
    reasons: Counter[str] = Counter()
    for node in nodes:
        reason = why_not(pod, node) or lacking(pod, node, _on(node, view))
        if reason is None:
            return _bound(pod, node, view, now)
        reasons[reason] += 1
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return _unschedulable(pod, _sentence(len(nodes), told), now)


def claims_of(pod: Body) -> list[str]:
    """Return the names of the claims a Pod mounts."""
    volumes = spec_of(pod).get("volumes") or ()
    return [str(one["persistentVolumeClaim"]["claimName"]) for one in volumes if "persistentVolumeClaim" in one]


def _on(node: Body, view: View) -> Iterator[Body]:
    for pod in view.everywhere("pods"):
        if spec_of(pod).get("nodeName") == name_of(node) and status_of(pod).get("phase") not in ("Succeeded", "Failed"):
            yield pod


def _volume_trouble(pod: Body, view: View) -> str | None:
    for name in claims_of(pod):
        claim = view.get("persistentvolumeclaims", namespace_of(pod), name)
        if claim is None:
            return f'persistentvolumeclaim "{name}" not found'
        if is_leaving(claim):
            return f'persistentvolumeclaim "{name}" is being deleted'
        if not spec_of(claim).get("volumeName") and not waits_for_pod(claim, view):
            return "pod has unbound immediate PersistentVolumeClaims"
    return None


def waits_for_pod(claim: Body, view: View) -> bool:
    """Is a claim's volume made only when a Pod needs it?"""
    storage = view.get("storageclasses.storage.k8s.io", "", str(spec_of(claim).get("storageClassName") or ""))
    return storage is not None and storage.get("volumeBindingMode") == "WaitForFirstConsumer"


def _bound(pod: Body, node: Body, view: View, now: datetime) -> Decision:
    """Bind the Pod; before that, have the claims bound that wait for a Pod."""
    writes: list[Write] = []
    waiting = False
    for name in claims_of(pod):
        claim = view.get("persistentvolumeclaims", namespace_of(pod), name)
        if claim is None or spec_of(claim).get("volumeName"):
            continue
        waiting = True
        if annotations_of(claim).get(SELECTED_NODE) != name_of(node):
            chosen = with_annotations(claim, {SELECTED_NODE: name_of(node)})
            writes.append(Update(resource="persistentvolumeclaims", body=chosen, manager=SCHEDULER))
    if waiting:
        return Decision(writes=tuple(writes))
    conditions = [*without_condition(status_of(pod).get("conditions") or (), "PodScheduled"), _said("True", now)]
    body = with_status(with_spec(pod, nodeName=name_of(node)), {**status_of(pod), "conditions": conditions})
    message = f"Successfully assigned {namespace_of(pod)}/{name_of(pod)} to {name_of(node)}"
    return Decision(
        writes=(
            Update(resource="pods", body=body, manager=SCHEDULER, subresource="binding"),
            Tell(about=pod, reason="Scheduled", message=message, component=COMPONENT),
        )
    )


def _unschedulable(pod: Body, message: str, now: datetime) -> Decision:
    known: tuple[Mapping[str, Any], ...] = tuple(status_of(pod).get("conditions") or ())
    before = find_condition(known, "PodScheduled")
    if before is not None and before.get("message") == message:
        return NOTHING
    said = {**_said("False", now), "reason": "Unschedulable", "message": message}
    status = {**status_of(pod), "conditions": [*without_condition(known, "PodScheduled"), said]}
    return Decision(
        writes=(
            Update(resource="pods", body=with_status(pod, status), manager=SCHEDULER, subresource="status"),
            Tell(about=pod, reason="FailedScheduling", message=message, component=COMPONENT, warning=True),
        )
    )


def _said(status: str, now: datetime) -> dict[str, Any]:
    return {"type": "PodScheduled", "status": status, "lastTransitionTime": stamp(now)}


def _sentence(nodes: int, why: str) -> str:
    nobody = f"0/{nodes} nodes are available"
    return f"{nobody}: {why}. preemption: {nobody}: {nodes} {_NO_HELP}."
