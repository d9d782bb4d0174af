"""Whether Pods use a claim: it says so in a condition, and is kept from going while one does.

Source: k8s.io/kubernetes/pkg/controller/volume/pvcprotection.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from bot.sandbox.kube.controllers.decision import NOTHING, Decision, Update
from bot.sandbox.kube.controllers.objects import (
    condition_of,
    is_leaving,
    metadata,
    name_of,
    namespace_of,
    stamp,
    status_of,
    with_status,
    without_condition,
    without_finalizer,
)
from bot.sandbox.kube.controllers.scheduler import claims_of
from bot.sandbox.kube.controllers.view import View
from bot.sandbox.kube.ports import Body

CLAIMS: Final = "persistentvolumeclaims"
_PROTECTION: Final = "kubernetes.io/pvc-protection"


def decide(claim: Body, view: View, now: datetime) -> Decision:
    """Return the condition of a bound claim; for a leaving one that nothing uses, the end of its protection."""
    used = any(name_of(claim) in claims_of(pod) for pod in _living(view, namespace_of(claim)))
    if is_leaving(claim):
        return NOTHING if used else unprotected(CLAIMS, claim, _PROTECTION)
    if status_of(claim).get("phase") != "Bound":
        return NOTHING
    status = "False" if used else "True"
    if (condition_of(claim, "Unused") or {}).get("status") == status:
        return NOTHING
    said: Mapping[str, Any] = {
        "type": "Unused",
        "status": status,
        "lastTransitionTime": stamp(now),
        "reason": "PodUsingPVC" if used else "NoPodsUsingPVC",
        "message": f"{'A pod is' if used else 'No pods are'} currently referencing this PVC",
    }
    conditions = [*without_condition(status_of(claim).get("conditions") or (), "Unused"), said]
    body = with_status(claim, {**status_of(claim), "conditions": conditions})
    return Decision(writes=(Update(resource=CLAIMS, body=body, subresource="status"),))


def unprotected(resource: str, body: Body, finalizer: str) -> Decision:
    """Take a finalizer away, where there is one."""
    if finalizer not in (metadata(body).get("finalizers") or ()):
        return NOTHING
    return Decision(writes=(Update(resource=resource, body=without_finalizer(body, finalizer)),))


def _living(view: View, namespace: str) -> list[Body]:
    return [pod for pod in view.within("pods", namespace) if status_of(pod).get("phase") not in ("Succeeded", "Failed")]
