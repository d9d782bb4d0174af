"""PodDisruptionBudgets: how many Pods may be missed, and how many are.

Source: k8s.io/kubernetes/pkg/controller/disruption.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from bot.sandbox.kube.controllers.decision import NOTHING, Decision, Update
from bot.sandbox.kube.controllers.objects import (
    condition_of,
    controller_of,
    generation_of,
    is_leaving,
    is_ready,
    is_running,
    labels_of,
    namespace_of,
    scaled,
    selects,
    spec_of,
    stamp,
    status_of,
    with_status,
)
from bot.sandbox.kube.controllers.rollout import asked
from bot.sandbox.kube.controllers.view import View
from bot.sandbox.kube.ports import Body

RESOURCE: Final = "poddisruptionbudgets.policy"
_SCALABLE: Final = {
    "Deployment": "deployments.apps",
    "ReplicaSet": "replicasets.apps",
    "StatefulSet": "statefulsets.apps",
}


def decide(budget: Body, view: View, now: datetime) -> Decision:
    """Return the status of a budget."""
    if is_leaving(budget):
        return NOTHING
    selector = spec_of(budget).get("selector")
    pods = [
        pod
        for pod in view.within("pods", namespace_of(budget))
        if selects(selector, labels_of(pod)) and is_running(pod)
    ]
    expected, desired = _counts(budget, pods, view)
    healthy = sum(is_ready(pod) for pod in pods)
    allowed = max(healthy - desired, 0) if expected else 0
    status = {
        "observedGeneration": generation_of(budget),
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "conditions": [_condition(budget, allowed, now)],
    }
    if status == status_of(budget):
        return NOTHING
    return Decision(writes=(Update(resource=RESOURCE, body=with_status(budget, status), subresource="status"),))


def _counts(budget: Body, pods: Sequence[Body], view: View) -> tuple[int, int]:
    """Return how many Pods there should be, and how many of them must be healthy."""
    spec = spec_of(budget)
    if (most := spec.get("maxUnavailable")) is not None:
        expected = _expected(pods, view)
        return expected, max(expected - scaled(most, expected, up=True), 0)
    fewest = spec.get("minAvailable", 1)
    if isinstance(fewest, str):
        expected = _expected(pods, view)
        return expected, scaled(fewest, expected, up=True)
    return len(pods), int(fewest)


def _expected(pods: Sequence[Body], view: View) -> int:
    """Return the sum of what the controllers of Pods ask for, each counted once."""
    sizes: dict[str, int] = {}
    for pod in pods:
        owner = _top(pod, view)
        if owner is not None:
            sizes[str((owner.get("metadata") or {}).get("uid"))] = asked(owner)
    return sum(sizes.values())


def _top(body: Body, view: View) -> Body | None:
    found: Body | None = None
    while (reference := controller_of(body)) is not None:
        resource = _SCALABLE.get(str(reference.get("kind")))
        owner = view.get(resource, namespace_of(body), str(reference.get("name"))) if resource else None
        if owner is None:
            break
        found = body = owner
    return found


def _condition(budget: Body, allowed: int, now: datetime) -> dict[str, Any]:
    status, reason = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    before = condition_of(budget, "DisruptionAllowed") or {}
    since = before["lastTransitionTime"] if before.get("status") == status else stamp(now)
    return {
        "type": "DisruptionAllowed",
        "status": status,
        "observedGeneration": generation_of(budget),
        "lastTransitionTime": since,
        "reason": reason,
        "message": "",
    }
