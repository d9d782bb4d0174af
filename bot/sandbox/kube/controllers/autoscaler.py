"""HorizontalPodAutoscalers: the size of the target kept between the bounds, with a load that always fits.

There are no metrics to read: each one is reported at its target, so that nothing else than the bounds changes the size.
Source: k8s.io/kubernetes/pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from bot.sandbox.kube.controllers.decision import NOTHING, Decision, Patch, Tell, Update, Write
from bot.sandbox.kube.controllers.objects import (
    find_condition,
    generation_of,
    is_leaving,
    namespace_of,
    spec_of,
    stamp,
    status_of,
    with_status,
    without_condition,
)
from bot.sandbox.kube.controllers.rollout import asked
from bot.sandbox.kube.controllers.view import Key, View
from bot.sandbox.kube.ports import Body

RESOURCE: Final = "horizontalpodautoscalers.autoscaling"
COMPONENT: Final = "horizontal-pod-autoscaler"
_TARGETS: Final = {
    ("apps", "Deployment"): "deployments.apps",
    ("apps", "StatefulSet"): "statefulsets.apps",
    ("apps", "ReplicaSet"): "replicasets.apps",
}


def target_of(autoscaler: Body) -> Key | None:
    """Return which object an autoscaler scales; None for kinds that the sandbox does not scale."""
    wanted = spec_of(autoscaler).get("scaleTargetRef") or {}
    group = str(wanted.get("apiVersion") or "").partition("/")[0]
    resource = _TARGETS.get((group, str(wanted.get("kind"))))
    return Key(resource, namespace_of(autoscaler), str(wanted.get("name"))) if resource else None


def decide(autoscaler: Body, view: View, now: datetime) -> Decision:
    """Return the new size of the target, when it is out of bounds, and the status."""
    if is_leaving(autoscaler):
        return NOTHING
    key = target_of(autoscaler)
    target = view.at(key) if key is not None else None
    conditions: list[Mapping[str, Any]] = list(status_of(autoscaler).get("conditions") or ())
    if key is None or target is None:
        return _lost(autoscaler, conditions, now)
    size = asked(target)
    wanted, why = _size(autoscaler, size)
    writes: list[Write] = []
    conditions = _set(conditions, now, *_able(size, wanted))
    if not size:
        off = "scaling is disabled since the replica count of the target is zero"
        conditions = _set(conditions, now, "ScalingActive", "False", "ScalingDisabled", off)
        conditions = without_condition(conditions, "ScalingLimited")
    else:
        conditions = _set(conditions, now, "ScalingActive", "True", "ValidMetricFound", _metric_found(autoscaler))
        conditions = _set(conditions, now, *_limit(autoscaler, size, wanted))
    if wanted != size:
        resized = {"spec": {"replicas": wanted}}
        writes.append(
            Patch(resource=key.resource, namespace=key.namespace, name=key.name, patch=resized, subresource="scale")
        )
        message = f"New size: {wanted}; reason: {why}"
        writes.append(Tell(about=autoscaler, reason="SuccessfulRescale", message=message, component=COMPONENT))
    return _told(autoscaler, writes, _status(autoscaler, target, size, wanted, conditions, now))


def _size(autoscaler: Body, size: int) -> tuple[int, str]:
    fewest, most = _bounds(autoscaler)
    if not size:
        return 0, ""
    if size < fewest:
        return fewest, "Current number of replicas below Spec.MinReplicas"
    if size > most:
        return most, "Current number of replicas above Spec.MaxReplicas"
    return size, ""


def _bounds(autoscaler: Body) -> tuple[int, int]:
    spec = spec_of(autoscaler)
    fewest = spec.get("minReplicas")
    return 1 if fewest is None else int(fewest), int(spec.get("maxReplicas") or 1)


def _able(size: int, wanted: int) -> tuple[str, str, str, str]:
    if not size:
        message = "the HPA controller was able to get the target's current scale"
        return "AbleToScale", "True", "SucceededGetScale", message
    if wanted != size:
        message = f"the HPA controller was able to update the target scale to {wanted}"
        return "AbleToScale", "True", "SucceededRescale", message
    return "AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size"


def _limit(autoscaler: Body, size: int, wanted: int) -> tuple[str, str, str, str]:
    if wanted > size:
        message = "the desired replica count is less than the minimum replica count"
        return "ScalingLimited", "True", "TooFewReplicas", message
    if wanted < size:
        message = "the desired replica count is more than the maximum replica count"
        return "ScalingLimited", "True", "TooManyReplicas", message
    message = "the desired count is within the acceptable range"
    return "ScalingLimited", "False", "DesiredWithinRange", message


def _metric_found(autoscaler: Body) -> str:
    first: Mapping[str, Any] = next(iter(spec_of(autoscaler).get("metrics") or ()), {})
    name = (first.get("resource") or {}).get("name") or "cpu"
    kind = "resource utilization (percentage of request)"
    return f"the HPA was able to successfully calculate a replica count from {name} {kind}"


def _metrics(autoscaler: Body) -> list[Mapping[str, Any]]:
    """Report each resource metric at its target."""
    metrics: list[Mapping[str, Any]] = []
    for one in spec_of(autoscaler).get("metrics") or ():
        resource = one.get("resource") or {}
        target: Mapping[str, Any] = resource.get("target") or {}
        if one.get("type") == "Resource" and (load := target.get("averageUtilization")):
            current = {"averageUtilization": load, "averageValue": f"{load}m"}
            metrics.append({"type": "Resource", "resource": {"name": resource.get("name"), "current": current}})
    return metrics


def _status(
    autoscaler: Body, target: Body, size: int, wanted: int, conditions: list[Mapping[str, Any]], now: datetime
) -> dict[str, Any]:
    before = status_of(autoscaler)
    last = stamp(now) if wanted != size else before.get("lastScaleTime")
    status = {
        "observedGeneration": generation_of(autoscaler),
        "currentReplicas": int(status_of(target).get("replicas") or 0),
        "desiredReplicas": wanted,
        "currentMetrics": _metrics(autoscaler) or None,
        "conditions": conditions,
        "lastScaleTime": last,
    }
    always = ("desiredReplicas", "currentMetrics")
    return {key: value for key, value in status.items() if value or key in always}


def _lost(autoscaler: Body, conditions: list[Mapping[str, Any]], now: datetime) -> Decision:
    wanted = spec_of(autoscaler).get("scaleTargetRef") or {}
    plural = f"{str(wanted.get('kind')).lower()}s"
    why = f'{plural}.{str(wanted.get("apiVersion") or "").partition("/")[0]} "{wanted.get("name")}" not found'
    message = f"the HPA controller was unable to get the target's current scale: {why}"
    status = dict(status_of(autoscaler))
    status |= {
        "desiredReplicas": int(status.get("desiredReplicas") or 0),
        "currentMetrics": status.get("currentMetrics"),
        "conditions": _set(conditions, now, "AbleToScale", "False", "FailedGetScale", message),
    }
    told = Tell(about=autoscaler, reason="FailedGetScale", message=why, component=COMPONENT, warning=True)
    return _told(autoscaler, [told], status)


def _told(autoscaler: Body, writes: list[Write], status: Mapping[str, Any]) -> Decision:
    if status == status_of(autoscaler):
        return NOTHING
    update = Update(resource=RESOURCE, body=with_status(autoscaler, status), subresource="status")
    return Decision(writes=(*writes, update))


def _set(
    conditions: list[Mapping[str, Any]], now: datetime, type: str, status: str, reason: str, message: str
) -> list[Mapping[str, Any]]:
    """Say a condition anew where it stands; its time moves only with its status."""
    before = find_condition(conditions, type) or {}
    since = before["lastTransitionTime"] if before.get("status") == status else stamp(now)
    said = {"type": type, "status": status, "lastTransitionTime": since, "reason": reason, "message": message}
    if not before:
        return [*conditions, said]
    return [said if one is before else one for one in conditions]
