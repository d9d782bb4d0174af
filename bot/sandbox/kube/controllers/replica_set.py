"""ReplicaSets: as many Pods of one template as asked for.

Source: k8s.io/kubernetes/pkg/controller/replicaset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from bot.sandbox.kube.controllers.claims import claim
from bot.sandbox.kube.controllers.decision import Decision, Update, Write
from bot.sandbox.kube.controllers.objects import (
    available_in,
    condition_of,
    generation_of,
    is_leaving,
    is_ready,
    is_running,
    is_subset,
    labels_of,
    pod_order,
    spec_of,
    stamp,
    status_of,
    with_status,
)
from bot.sandbox.kube.controllers.pod_template import delete_pod, new_pods
from bot.sandbox.kube.controllers.rollout import asked
from bot.sandbox.kube.controllers.view import View, key_of
from bot.sandbox.kube.ports import Body

RESOURCE: Final = "replicasets.apps"
COMPONENT: Final = "replicaset-controller"


def decide(replica_set: Body, view: View, now: datetime) -> Decision:
    """Return the Pods to create or delete, and the status."""
    claimed = claim(replica_set, "pods", view)
    if claimed.writes:
        return Decision(writes=claimed.writes)
    active = [pod for pod in claimed.mine if is_running(pod)]
    writes: list[Write] = []
    status = _status(replica_set, active, claimed.mine, now)
    if (failure := _failure(replica_set, view, now)) is not None:
        status["conditions"] = [failure]
    if status != status_of(replica_set):
        writes.append(Update(resource=RESOURCE, body=with_status(replica_set, status), subresource="status"))
    missing = asked(replica_set) - len(active)
    if not is_leaving(replica_set):
        for pod in sorted(active, key=pod_order)[: max(-missing, 0)]:
            writes += delete_pod(pod, replica_set, COMPONENT)
        writes += new_pods(replica_set, claimed.mine, missing, COMPONENT)
    waits = [wait for pod in active if (wait := available_in(pod, _ready_seconds(replica_set), now))]
    return Decision(writes=tuple(writes), again_in=min(waits, default=None))


def _status(replica_set: Body, active: Sequence[Body], pods: Sequence[Body], now: datetime) -> dict[str, Any]:
    template_labels = (spec_of(replica_set).get("template") or {}).get("metadata", {}).get("labels") or {}
    counts = {
        "fullyLabeledReplicas": sum(is_subset(template_labels, labels_of(pod)) for pod in active),
        "readyReplicas": sum(is_ready(pod) for pod in active),
        "availableReplicas": sum(available_in(pod, _ready_seconds(replica_set), now) == timedelta(0) for pod in active),
    }
    return {
        "replicas": len(active),
        **{key: count for key, count in counts.items() if count},
        "terminatingReplicas": sum(is_leaving(pod) for pod in pods),
        "observedGeneration": generation_of(replica_set),
    }


def _failure(replica_set: Body, view: View, now: datetime) -> Mapping[str, Any] | None:
    """Return the condition that Pods are refused; the first reason stays until they no longer are."""
    trouble = view.trouble(key_of(RESOURCE, replica_set))
    if trouble is None:
        return None
    said = {"type": "ReplicaFailure", "status": "True", "lastTransitionTime": stamp(now), "reason": "FailedCreate"}
    return condition_of(replica_set, "ReplicaFailure") or {**said, "message": trouble.message}


def _ready_seconds(replica_set: Body) -> int:
    return int(spec_of(replica_set).get("minReadySeconds") or 0)
