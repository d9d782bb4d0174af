"""The one node of the sandbox, and whether a Pod suits a node: selector, affinity, taints, what is left to ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bot.sandbox.kube.controllers.decision import KUBELET, NOTHING, Create, Decision, Update
from bot.sandbox.kube.controllers.objects import (
    is_ready,
    is_subset,
    labels_of,
    name_of,
    spec_of,
    stamp,
    status_of,
    with_status,
)
from bot.sandbox.kube.controllers.quantities import cpu_millis, memory_bytes
from bot.sandbox.kube.controllers.view import View
from bot.sandbox.kube.ports import Body

NAME: Final = "sandbox"
ADDRESS: Final = "172.18.0.2"
_CAPACITY: Final = {"cpu": "64", "memory": "256Gi", "pods": "2000", "ephemeral-storage": "1Ti"}
_NOT_READY: Final = "node.kubernetes.io/not-ready"
_PRESSURES: Final = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)


def sandbox_node() -> Create:
    """Return the node to begin with. It can be deleted; then Pods stay Pending, as they would."""
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": NAME,
        "kubernetes.io/os": "linux",
    }
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NAME, "labels": labels}}
    return Create(resource="nodes", body=body, manager=KUBELET)


def decide(node: Body, view: View, now: datetime) -> Decision:
    """Give a node that has no status one that is ready. No heartbeat follows: nothing watches for it."""
    if status_of(node).get("conditions"):
        return _ready(node)

    def said(type: str, status: str, reason: str, message: str) -> dict[str, str]:
        times = {"lastHeartbeatTime": stamp(now), "lastTransitionTime": stamp(now)}
        return {"type": type, "status": status, **times, "reason": reason, "message": message}

    status = {
        "capacity": dict(_CAPACITY),
        "allocatable": dict(_CAPACITY),
        "conditions": [
            *(said(type, "False", reason, message) for type, reason, message in _PRESSURES),
            said("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ],
        "addresses": [
            {"type": "InternalIP", "address": ADDRESS},
            {"type": "Hostname", "address": name_of(node)},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": "",
            "containerRuntimeVersion": "sandbox://1",
            "kernelVersion": "6.12.0",
            "kubeProxyVersion": "",
            "kubeletVersion": "v1.37.2",
            "machineID": "",
            "operatingSystem": "linux",
            "osImage": "Sandbox",
            "systemUUID": "",
        },
    }
    return Decision(
        writes=(Update(resource="nodes", body=with_status(node, status), manager=KUBELET, subresource="status"),)
    )


def _ready(node: Body) -> Decision:
    """Take away the taint that admission gives every new node."""
    taints: Sequence[Mapping[str, Any]] = spec_of(node).get("taints") or ()
    left = [one for one in taints if one.get("key") != _NOT_READY]
    if not is_ready(node) or len(left) == len(taints):
        return NOTHING
    spec = {key: value for key, value in spec_of(node).items() if key != "taints"} | ({"taints": left} if left else {})
    return Decision(writes=(Update(resource="nodes", body={**node, "spec": spec}),))


def suits(pod: Body, node: Body) -> bool:
    """May a Pod run on a node, as far as the two alone decide?"""
    return why_not(pod, node) is None


def why_not(pod: Body, node: Body) -> str | None:
    """Return why a node is none for a Pod, in the scheduler's words; None when it is one."""
    if not is_subset(spec_of(pod).get("nodeSelector") or {}, labels_of(node)) or not _has_affinity(pod, node):
        return "node(s) didn't match Pod's node affinity/selector"
    unschedulable = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    if spec_of(node).get("unschedulable") and not _tolerates(pod, unschedulable):
        return "node(s) were unschedulable"
    for taint in spec_of(node).get("taints") or ():
        if taint.get("effect") != "PreferNoSchedule" and not _tolerates(pod, taint):
            return f"node(s) had untolerated taint {{{taint.get('key')}: {taint.get('value') or ''}}}"
    return None


def lacking(pod: Body, node: Body, others: Iterable[Body]) -> str | None:
    """Return what a node has too little of for one more Pod, in the scheduler's words; None when there is room."""
    wanted_cpu, wanted_memory = _requests(pod)
    if not wanted_cpu and not wanted_memory:
        return None
    allocatable: Mapping[str, str] = status_of(node).get("allocatable") or {}
    cpu, memory = cpu_millis(allocatable.get("cpu", "0")), memory_bytes(allocatable.get("memory", "0"))
    for other in others:
        used_cpu, used_memory = _requests(other)
        cpu, memory = cpu - used_cpu, memory - used_memory
    if wanted_cpu > cpu:
        return "Insufficient cpu"
    return "Insufficient memory" if wanted_memory > memory else None


def _requests(pod: Body) -> tuple[int, int]:
    asked = [(one.get("resources") or {}).get("requests") or {} for one in spec_of(pod).get("containers") or ()]
    return (
        sum(cpu_millis(str(one.get("cpu") or "0")) for one in asked),
        sum(memory_bytes(str(one.get("memory") or "0")) for one in asked),
    )


def _tolerates(pod: Body, taint: Mapping[str, Any]) -> bool:
    for one in spec_of(pod).get("tolerations") or ():
        same_key = one.get("key") in (taint.get("key"), None, "")
        same_effect = one.get("effect") in (taint.get("effect"), None, "")
        same_value = one.get("operator") == "Exists" or (one.get("value") or "") == (taint.get("value") or "")
        if same_key and same_effect and same_value:
            return True
    return False


def _has_affinity(pod: Body, node: Body) -> bool:
    affinity = (spec_of(pod).get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(_is_term_met(term, node) for term in required.get("nodeSelectorTerms") or ())


def _is_term_met(term: Mapping[str, Any], node: Body) -> bool:
    fields = {"metadata.name": name_of(node)}
    return all(_holds(one, labels_of(node)) for one in term.get("matchExpressions") or ()) and all(
        _holds(one, fields) for one in term.get("matchFields") or ()
    )


def _holds(expression: Mapping[str, Any], values: Mapping[str, str]) -> bool:
    value: str | None = values.get(str(expression.get("key")))
    allowed: Sequence[str] = expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return value in allowed
        case "NotIn":
            return value not in allowed
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return value is not None and int(value) > int(allowed[0])
        case _:
            return value is not None and int(value) < int(allowed[0])
