"""Budgets, autoscalers, roles, priorities, leases, events. Pure. Source: the validation packages of each group."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bot.sandbox.kube.checks.fields import forbidden, immutable, invalid, negative, required, unsupported
from bot.sandbox.kube.checks.labels import check_selector
from bot.sandbox.kube.errors import Cause
from bot.sandbox.kube.ports import Body

_METRICS: Final = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_SAID_PERCENT: Final = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
    "validation is '[0-9]+%')"
)
_SYSTEM_CLASSES: Final = frozenset({"system-cluster-critical", "system-node-critical"})
_HIGHEST: Final = 1_000_000_000


def check_budget(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        shown = {"MinAvailable": least, "Selector": spec.get("selector"), "MaxUnavailable": most}
        shown["UnhealthyPodEvictionPolicy"] = spec.get("unhealthyPodEvictionPolicy")
        yield invalid("spec", shown, "minAvailable and maxUnavailable cannot be both set")
    for field, value in (("minAvailable", least), ("maxUnavailable", most)):
        yield from _share(value, f"spec.{field}")
    yield from check_selector(spec.get("selector") or {}, "spec.selector")
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy not in {None, "AlwaysAllow", "IfHealthyBudget"}:
        yield unsupported("spec.unhealthyPodEvictionPolicy", policy, ("AlwaysAllow", "IfHealthyBudget"))


def _share(value: Any, at: str) -> Iterator[Cause]:
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]+%", value):
            yield invalid(at, value, _SAID_PERCENT)
        elif int(value[:-1]) > 100:
            yield invalid(at, value, "must not be greater than 100%")
    else:
        yield from negative(at, value)


def check_autoscaler(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    least, most, target = spec.get("minReplicas"), spec.get("maxReplicas", 0), spec.get("scaleTargetRef") or {}
    zero_allowed = any(one.get("type") in {"Object", "External"} for one in spec.get("metrics") or ())
    if least is not None and least < 0:
        yield invalid("spec.minReplicas", least, "must be greater than or equal to 0")
    if least is not None and most < least:
        yield invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    if not target.get("kind"):
        yield required("spec.scaleTargetRef.kind")
    if not target.get("name"):
        yield required("spec.scaleTargetRef.name")
    if not target.get("apiVersion"):
        yield invalid("spec.scaleTargetRef.apiVersion", "", "apiVersion must specify API group")
    for index, one in enumerate(spec.get("metrics") or ()):
        yield from _metric(one, f"spec.metrics[{index}]")
    if least == 0 and not zero_allowed:
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield forbidden("spec.metrics", text)
    if not most:
        yield required("spec.maxReplicas")


def _metric(metric: Mapping[str, Any], at: str) -> Iterator[Cause]:
    kind = metric.get("type", "")
    if kind not in _METRICS:
        yield unsupported(f"{at}.type", kind, _METRICS)
        return
    source = metric.get(_METRICS[kind])
    if source is None:
        yield required(f"{at}.{_METRICS[kind]}", "must populate information for the given metric source")
        return
    target, here = source.get("target") or {}, f"{at}.{_METRICS[kind]}.target"
    if not target.get("type"):
        yield required(f"{here}.type", "must specify a metric target type")
    elif target["type"] not in {"Utilization", "Value", "AverageValue"}:
        yield invalid(f"{here}.type", target["type"], "must be either Utilization, Value, or AverageValue")
    if kind == "Resource" and "averageUtilization" not in target and "averageValue" not in target:
        yield required(f"{here}.averageUtilization", "must set either a target raw value or a target utilization")


def check_role(body: Body, old: Body | None) -> Iterator[Cause]:
    yield from _rules(body.get("rules") or (), namespaced=True)


def check_cluster_role(body: Body, old: Body | None) -> Iterator[Cause]:
    yield from _rules(body.get("rules") or (), namespaced=False)


def _rules(rules: Sequence[Mapping[str, Any]], *, namespaced: bool) -> Iterator[Cause]:
    for index, one in enumerate(rules):
        at, paths = f"rules[{index}]", one.get("nonResourceURLs")
        if paths:
            if namespaced:
                text = "namespaced rules cannot apply to non-resource URLs"
                yield invalid(f"{at}.nonResourceURLs", paths, text)
            continue
        if not one.get("apiGroups"):
            yield required(f"{at}.apiGroups", "resource rules must supply at least one api group")
        if not one.get("resources"):
            yield required(f"{at}.resources", "resource rules must supply at least one resource")
    for index, one in enumerate(rules):
        if not one.get("verbs"):
            yield required(f"rules[{index}].verbs")


def check_binding(body: Body, old: Body | None) -> Iterator[Cause]:
    reference = body.get("roleRef") or {}
    if reference.get("kind") not in {"Role", "ClusterRole"}:
        yield unsupported("roleRef.kind", reference.get("kind", ""), ("Role", "ClusterRole"), ordered=True)
    yield from _bound(body, old)


def check_cluster_binding(body: Body, old: Body | None) -> Iterator[Cause]:
    reference = body.get("roleRef") or {}
    if reference.get("kind") != "ClusterRole":
        yield unsupported("roleRef.kind", reference.get("kind", ""), ("ClusterRole",))
    yield from _bound(body, old)


def _bound(body: Body, old: Body | None) -> Iterator[Cause]:
    reference, namespace = body.get("roleRef") or {}, body["metadata"].get("namespace")
    later = []
    for index, one in enumerate(body.get("subjects") or ()):
        at, kind = f"subjects[{index}]", one.get("kind", "")
        if kind not in {"ServiceAccount", "User", "Group"}:
            yield unsupported(f"{at}.kind", kind, ("ServiceAccount", "User", "Group"), ordered=True)
        elif kind == "ServiceAccount" and not one.get("namespace") and not namespace:
            yield required(f"{at}.namespace")
        if not one.get("name"):
            later.append(required(f"{at}.name"))
    yield from later
    if not reference.get("name"):
        yield required("roleRef.name")
    if old is not None and reference != old.get("roleRef"):
        shown = {"APIGroup": reference.get("apiGroup", ""), "Kind": reference.get("kind", "")}
        yield immutable("roleRef", {**shown, "Name": reference.get("name", "")})


def check_priority(body: Body, old: Body | None) -> Iterator[Cause]:
    name, value = body["metadata"].get("name", ""), body.get("value", 0)
    if name.startswith("system-"):
        if name not in _SYSTEM_CLASSES:
            text = (
                "priority class names with 'system-' prefix are reserved for system use only. error: "
                f"{name} is not a known system priority class"
            )
            yield forbidden("metadata.name", text)
    elif value > _HIGHEST:
        text = f"maximum allowed value of a user defined priority is {_HIGHEST}"
        yield forbidden("value", text)
    if old is not None:
        if value != old.get("value", 0):
            yield immutable("value", value)
        if body.get("preemptionPolicy") != old.get("preemptionPolicy"):
            yield immutable("preemptionPolicy", body.get("preemptionPolicy"))


def check_lease(body: Body, old: Body | None) -> Iterator[Cause]:
    spec = body.get("spec") or {}
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        yield invalid("spec.leaseDurationSeconds", duration, "must be greater than 0")
    yield from negative("spec.leaseTransitions", transitions)


def check_event(body: Body, old: Body | None) -> Iterator[Cause]:
    about = body.get("involvedObject") or body.get("regarding") or {}
    namespace, here = about.get("namespace", ""), body["metadata"].get("namespace", "")
    if namespace != here and (namespace or here != "default"):
        yield invalid("involvedObject.namespace", namespace, "does not match event.namespace")
