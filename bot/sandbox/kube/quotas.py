"""What objects use of a ResourceQuota, and what a quota refuses. Pure.

A usage is a mapping of the names that quotas have for things (`pods`, `requests.cpu`, `count/deployments.apps`) to
canonical quantities. Source: k8s.io/kubernetes/pkg/quota/v1/evaluator/core, k8s.io/apiserver's resourcequota plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from bot.sandbox.kube import quantity
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.selectors import Requirement
from bot.sandbox.kube.strategies import quality

Usage = Mapping[str, str]
Objects = Callable[[str], Iterable[Body]]

RESOURCE: Final = "resourcequotas"
_PLAIN: Final = frozenset({"configmaps", "secrets", "resourcequotas", "replicationcontrollers", "services"})
_COMPUTE: Final = ("cpu", "memory", "ephemeral-storage")
# A Pod has to say these where a quota counts them.
_NEEDED: Final = frozenset({"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"})
_CLASS: Final = ".storageclass.storage.k8s.io/"


def counted(name: str) -> str:
    """Return the resource whose objects a name of a quota counts."""
    if name.startswith("count/"):
        return name.removeprefix("count/")
    if name in _PLAIN or name == "persistentvolumeclaims":
        return name
    if name.startswith("services."):
        return "services"
    return "persistentvolumeclaims" if _CLASS in name or name == "requests.storage" else "pods"


def used(quota: Body, objects: Objects) -> Usage:
    """Return what the objects of a namespace, by resource, use of what a quota limits; what is not used is "0"."""
    hard = _hard(quota)
    total = dict.fromkeys(hard, "0")
    for resource in {counted(name) for name in hard}:
        for body in objects(resource):
            if _in_scope(quota, resource, body):
                total = _sum(total, _masked(usage(resource, body), hard))
    return total


def refusal(quota: Body, objects: Objects, resource: str, new: Body, old: Body | None) -> str | None:
    """Say why a quota does not let an object be created, or changed from `old`; None when it does."""
    hard = _hard(quota)
    interesting = [name for name in hard if counted(name) == resource]
    if not interesting or not _in_scope(quota, resource, new) or (old is not None and resource == "pods"):
        return None
    name = quota["metadata"]["name"]
    if resource == "pods" and (missing := _missing(new, _NEEDED & set(interesting))):
        return f"failed quota: {name}: must specify {missing}"
    wanted = _masked(usage(resource, new), hard)
    if old is not None:
        known = usage(resource, old)
        wanted = {one: quantity.difference(value, known.get(one, "0")) for one, value in wanted.items()}
    wanted = {one: value for one, value in wanted.items() if quantity.parse(value) > 0}
    if not wanted:
        return None
    before = used(quota, objects)
    after = _sum(before, wanted)
    exceeded = [one for one in wanted if quantity.parse(after[one]) > quantity.parse(hard[one])]
    if not exceeded:
        return None
    told = (_printed(_masked(one, exceeded)) for one in (wanted, before, hard))
    return "exceeded quota: {}, requested: {}, used: {}, limited: {}".format(name, *told)


def usage(resource: str, body: Body) -> Usage:
    """Return what one object uses of anything that a quota may count."""
    spec = body.get("spec") or {}
    counts = {f"count/{resource}": "1"}
    match resource:
        case "pods":
            return counts if _over(body) else {**counts, "pods": "1", **_compute(pod_total(spec))}
        case "services":
            return {**counts, "services": "1", **_ports(spec)}
        case "persistentvolumeclaims":
            return {**counts, **_storage(spec)}
        case _:
            return {**counts, resource: "1"} if resource in _PLAIN else counts


def pod_total(spec: Mapping[str, Any]) -> Mapping[str, Mapping[str, str]]:
    """Return the `requests` and `limits` of a Pod: of all its containers, or of its largest first step."""
    return {kind: _pod_total(spec, kind) for kind in ("requests", "limits")}


def _pod_total(spec: Mapping[str, Any], kind: str) -> Mapping[str, str]:
    total: Usage = {}
    beside: Usage = {}
    largest: Usage = {}
    for one in spec.get("containers") or ():
        total = _sum(total, (one.get("resources") or {}).get(kind) or {})
    for one in spec.get("initContainers") or ():
        own: Usage = (one.get("resources") or {}).get(kind) or {}
        if one.get("restartPolicy") == "Always":  # a sidecar, which stays
            total, beside = _sum(total, own), _sum(beside, own)
            largest = _most(largest, beside)
        else:
            largest = _most(largest, _sum(own, beside))
    overhead: Usage = spec.get("overhead") or {}
    return _sum(_most(total, largest), overhead if kind == "requests" else {})


def _compute(total: Mapping[str, Usage]) -> Usage:
    found = {}
    for name in _COMPUTE:
        if name in total["requests"]:
            found[name] = found[f"requests.{name}"] = total["requests"][name]
        if name in total["limits"]:
            found[f"limits.{name}"] = total["limits"][name]
    further = {name: value for name, value in total["requests"].items() if name not in _COMPUTE}
    return {**found, **{f"requests.{name}": value for name, value in further.items()}}


def _ports(spec: Mapping[str, Any]) -> Usage:
    kind, ports = spec.get("type"), str(len(spec.get("ports") or ()))
    match kind:
        case "NodePort":
            return {"services.nodeports": ports}
        case "LoadBalancer":
            opened = ports if spec.get("allocateLoadBalancerNodePorts", True) else "0"
            return {"services.nodeports": opened, "services.loadbalancers": "1"}
        case _:
            return {}


def _storage(spec: Mapping[str, Any]) -> Usage:
    found = {"persistentvolumeclaims": "1"}
    if size := ((spec.get("resources") or {}).get("requests") or {}).get("storage"):
        found["requests.storage"] = size
    if storage_class := spec.get("storageClassName"):
        found |= {f"{storage_class}{_CLASS}{name}": value for name, value in found.items()}
    return found


def _missing(pod: Body, needed: frozenset[str]) -> str:
    """Return what the containers of a Pod do not say and should: `limits.cpu for: a,b; requests.cpu for: a`."""
    spec = pod.get("spec") or {}
    silent: dict[str, list[str]] = {}
    for one in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        resources = one.get("resources") or {}
        said = _compute({kind: resources.get(kind) or {} for kind in ("requests", "limits")})
        for name in needed - set(said):
            silent.setdefault(name, []).append(one.get("name", ""))
    return "; ".join(f"{name} for: {','.join(sorted(silent[name]))}" for name in sorted(silent))


def _in_scope(quota: Body, resource: str, body: Body) -> bool:
    spec = quota.get("spec") or {}
    wanted = [{"scopeName": one, "operator": "Exists"} for one in spec.get("scopes") or ()]
    wanted += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    return all(resource == "pods" and _fits(one, body.get("spec") or {}) for one in wanted)


def _fits(scope: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    match scope["scopeName"]:
        case "Terminating":
            return "activeDeadlineSeconds" in spec
        case "NotTerminating":
            return "activeDeadlineSeconds" not in spec
        case "BestEffort":
            return quality(spec) == "BestEffort"
        case "NotBestEffort":
            return quality(spec) != "BestEffort"
        case "PriorityClass":
            values = tuple(scope.get("values") or ())
            name = spec.get("priorityClassName")
            wanted = Requirement(key="name", operator=scope["operator"], values=values)
            return wanted.matches({"name": name} if name else {})
        case _:
            return False


def _over(pod: Body) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def _hard(quota: Body) -> Usage:
    found: Usage = (quota.get("spec") or {}).get("hard") or {}
    return found


def _masked(amounts: Usage, names: Iterable[str]) -> dict[str, str]:
    return {name: amounts[name] for name in names if name in amounts}


def _sum(first: Usage, second: Usage) -> dict[str, str]:
    return {**first, **{name: quantity.total(first.get(name, "0"), value) for name, value in second.items()}}


def _most(first: Usage, second: Usage) -> dict[str, str]:
    larger = {name: max(first.get(name, "0"), value, key=quantity.parse) for name, value in second.items()}
    return {**first, **larger}


def _printed(amounts: Usage) -> str:
    return ",".join(f"{name}={amounts[name]}" for name in sorted(amounts))
