"""DaemonSets: one Pod on each node that suits, replaced within maxUnavailable or beside the old one within maxSurge.

Source: k8s.io/kubernetes/pkg/controller/daemon.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from bot.sandbox.kube.controllers import revisions
from bot.sandbox.kube.controllers.claims import claim
from bot.sandbox.kube.controllers.decision import Decision, Update, Write
from bot.sandbox.kube.controllers.nodes import suits
from bot.sandbox.kube.controllers.objects import (
    available_in,
    generation_of,
    is_leaving,
    is_ready,
    labels_of,
    name_of,
    scaled,
    spec_of,
    status_of,
    with_status,
)
from bot.sandbox.kube.controllers.pod_template import create_pod, delete_pod, generated, pod_of
from bot.sandbox.kube.controllers.view import View
from bot.sandbox.kube.ports import Body

RESOURCE: Final = "daemonsets.apps"
COMPONENT: Final = "daemonset-controller"
# What a daemon's Pod puts up with, daemonset controller's AddOrUpdateDaemonPodTolerations.
_TOLERATED: Final = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)


def decide(daemon_set: Body, view: View, now: datetime) -> Decision:
    """Return the Pods to make or replace on each node, and the status."""
    claimed = claim(daemon_set, "pods", view)
    if claimed.writes:
        return Decision(writes=claimed.writes)
    history = revisions.revisions_of(daemon_set, view, revisions.HASH)
    writes: list[Write] = list(history.writes)
    pods = [pod for pod in claimed.mine if not is_leaving(pod)]
    nodes = sorted(name_of(node) for node in view.within("nodes") if suits(_pod(daemon_set, "", ""), node))
    status = _status(daemon_set, nodes, pods, history.hash, now)
    if status != status_of(daemon_set):
        writes.append(Update(resource=RESOURCE, body=with_status(daemon_set, status), subresource="status"))
    else:
        live = {f"{name_of(daemon_set)}-{_hash(pod)}" for pod in claimed.mine}
        writes += revisions.forgotten(daemon_set, history.olds, live)
    if not is_leaving(daemon_set):
        writes += _steps(daemon_set, nodes, pods, claimed.mine, history.hash, now)
    waits = [wait for pod in pods if (wait := _wait(daemon_set, pod, now))]
    return Decision(writes=tuple(writes), again_in=min(waits, default=None))


def node_of(pod: Body) -> str:
    """Return the node a daemon's Pod is on or meant for."""
    if node := spec_of(pod).get("nodeName"):
        return str(node)
    affinity = (spec_of(pod).get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            return str((field.get("values") or ("",))[0])
    return ""


def _steps(
    daemon_set: Body, nodes: Sequence[str], pods: Sequence[Body], all_pods: Sequence[Body], hash: str, now: datetime
) -> list[Write]:
    rolling = (spec_of(daemon_set).get("updateStrategy") or {}).get("rollingUpdate") or {}
    on_delete = (spec_of(daemon_set).get("updateStrategy") or {}).get("type") == "OnDelete"
    surge = scaled(rolling.get("maxSurge"), len(nodes), up=True)
    unavailable = scaled(rolling.get("maxUnavailable", 0 if surge else 1), len(nodes), up=True)
    available = {name_of(pod) for pod in pods if _wait(daemon_set, pod, now) == timedelta(0)}
    budget = unavailable - sum(
        not any(node_of(pod) == node and name_of(pod) in available for pod in pods) for node in nodes
    )
    writes: list[Write] = []
    for node in nodes:
        here = [pod for pod in pods if node_of(pod) == node]
        ended = [pod for pod in here if status_of(pod).get("phase") in ("Succeeded", "Failed")]
        new = [pod for pod in here if pod not in ended and _hash(pod) == hash]
        old = [pod for pod in here if pod not in ended and _hash(pod) != hash]
        for pod in ended:
            writes += delete_pod(pod, daemon_set, COMPONENT)
        gone = not any(node_of(pod) == node for pod in all_pods)
        if gone or (not here and surge) or (old and not new and surge and not on_delete):
            names = generated(daemon_set, f"{name_of(daemon_set)}-", all_pods, len(writes))
            writes += create_pod(_pod(daemon_set, node, hash, **names), daemon_set, COMPONENT)
        if on_delete:
            continue
        for pod in old:
            replaced = any(name_of(one) in available for one in new)
            if replaced or (not surge and (name_of(pod) not in available or budget > 0)):
                budget -= name_of(pod) in available
                writes += delete_pod(pod, daemon_set, COMPONENT)
    for pod in pods:
        if node_of(pod) not in nodes:
            writes += delete_pod(pod, daemon_set, COMPONENT)
    return writes


def _pod(daemon_set: Body, node: str, hash: str, name: str = "", **more: Any) -> Body:
    pod = pod_of(daemon_set, name, **more)
    spec = pod["spec"]
    generation = {"pod-template-generation": str(generation_of(daemon_set))}
    pod["metadata"]["labels"] = {**pod["metadata"].get("labels", {}), revisions.HASH: hash, **generation}
    tolerations = [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect} for key, effect in _TOLERATED
    ]
    spec["tolerations"] = [*(spec.get("tolerations") or ()), *tolerations]
    if node:
        field = {"key": "metadata.name", "operator": "In", "values": [node]}
        required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
        node_affinity = {"requiredDuringSchedulingIgnoredDuringExecution": required}
        spec["affinity"] = {**(spec.get("affinity") or {}), "nodeAffinity": node_affinity}
    return pod


def _hash(pod: Body) -> str:
    return labels_of(pod).get(revisions.HASH, "")


def _wait(daemon_set: Body, pod: Body, now: datetime) -> timedelta | None:
    return available_in(pod, int(spec_of(daemon_set).get("minReadySeconds") or 0), now)


def _status(daemon_set: Body, nodes: Sequence[str], pods: Sequence[Body], hash: str, now: datetime) -> dict[str, Any]:
    oldest = {node_of(pod): pod for pod in reversed(pods)}
    on_nodes = [oldest[node] for node in nodes if node in oldest]
    available = sum(_wait(daemon_set, pod, now) == timedelta(0) for pod in on_nodes)
    counts = {
        "updatedNumberScheduled": sum(_hash(pod) == hash for pod in on_nodes),
        "numberAvailable": available,
        "numberUnavailable": len(nodes) - available,
    }
    return {
        "currentNumberScheduled": len(on_nodes),
        "numberMisscheduled": sum(node not in nodes for node in oldest),
        "desiredNumberScheduled": len(nodes),
        "numberReady": sum(is_ready(pod) for pod in on_nodes),
        "observedGeneration": generation_of(daemon_set),
        **{key: count for key, count in counts.items() if count},
    }
