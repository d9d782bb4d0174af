"""One object in another version of its kind: horizontal pod autoscalers v1 and v2, events of both groups, CRDs.

Custom resources change their apiVersion alone (conversion strategy None); webhooks are not asked. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.sandbox.kube.kinds import SHARED, Resource
from bot.sandbox.kube.ports import Body

_EVENT_FIELDS: Final = {  # core/v1 -> events.k8s.io/v1
    "message": "note",
    "involvedObject": "regarding",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}


def convert(body: Body, resource: Resource, version: str) -> Body:
    """Return `body` as the store keeps it, or as a version of the resource serves it; itself when that is the same."""
    events = resource.qualified in SHARED
    api_version = f"{resource.group}/{version}" if resource.group else version
    if events:
        return _event(body, api_version)
    if body.get("apiVersion") == api_version:
        return body
    if resource.qualified == "horizontalpodautoscalers.autoscaling":
        return _autoscaler(body, api_version)
    return {**body, "apiVersion": api_version}


def stored(body: Body, resource: Resource) -> Body:
    """Return a body of the resource's version as the store keeps it."""
    if resource.qualified in SHARED:
        return _event(body, "v1")
    return convert(body, resource, resource.stored_version)


def _event(body: Body, api_version: str) -> Body:
    if body.get("apiVersion") == api_version:
        return body
    names = _EVENT_FIELDS if api_version != "v1" else {there: here for here, there in _EVENT_FIELDS.items()}
    return {**{names.get(name, name): value for name, value in body.items()}, "apiVersion": api_version}


def _autoscaler(body: Body, api_version: str) -> Body:
    converted = {**body, "apiVersion": api_version}
    spec, status = dict(body.get("spec") or {}), dict(body.get("status") or {})
    if api_version == "autoscaling/v2":
        percent = spec.pop("targetCPUUtilizationPercentage", None)
        if percent is not None:
            spec["metrics"] = [_cpu(percent)]
        current = status.pop("currentCPUUtilizationPercentage", None)
        if current is not None:
            metric = {"name": "cpu", "current": {"averageUtilization": current}}
            status["currentMetrics"] = [{"type": "Resource", "resource": metric}]
    else:
        target = _utilization(spec.pop("metrics", None) or (), "target")
        if target is not None:
            spec["targetCPUUtilizationPercentage"] = target
        spec.pop("behavior", None)
        current = _utilization(status.pop("currentMetrics", None) or (), "current")
        if current is not None:
            status["currentCPUUtilizationPercentage"] = current
        status.pop("conditions", None)
        status.setdefault("currentReplicas", 0)
    return {**converted, "spec": spec, "status": status}


def _cpu(percent: int) -> Mapping[str, Any]:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _utilization(metrics: Any, side: str) -> int | None:
    for one in metrics:
        resource = one.get("resource") or {}
        if one.get("type") == "Resource" and resource.get("name") == "cpu":
            found: int | None = (resource.get(side) or {}).get("averageUtilization")
            return found
    return None
