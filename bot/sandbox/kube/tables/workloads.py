"""Cells of what runs Pods, and of what stands beside it: budgets, autoscalers, revisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.tables.text import Cell, age, duration, first, joined, labels, look, selector, truth

_SHOWN_METRICS: Final = 2


def _number(path: str) -> Cell:
    return lambda body, now: look(body, path) or 0


def _of(above: str, below: str) -> Cell:
    return lambda body, now: f"{look(body, above) or 0}/{look(body, below) or 0}"


def _containers(path: str, field: str) -> Cell:
    return lambda body, now: joined((one[field] for one in look(body, path) or ()), "")


def _selected(path: str) -> Cell:
    return lambda body, now: selector(look(body, path))


def _template(path: str = "spec.template") -> dict[str, Cell]:
    containers = f"{path}.spec.containers"
    return {"Containers": _containers(containers, "name"), "Images": _containers(containers, "image")}


def _job_status(body: Body, now: datetime) -> str:
    said = {one["type"] for one in look(body, "status.conditions") or () if one["status"] == "True"}
    if "Complete" in said or "Failed" in said:
        return "Complete" if "Complete" in said else "Failed"
    if look(body, "metadata.deletionTimestamp"):
        return "Terminating"
    return next((type for type in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if type in said), "Running")


def _completions(body: Body, now: datetime) -> str:
    succeeded, wanted = look(body, "status.succeeded") or 0, look(body, "spec.completions")
    if wanted is not None:
        return f"{succeeded}/{wanted}"
    parallelism = look(body, "spec.parallelism") or 0
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _job_duration(body: Body, now: datetime) -> str:
    begun, ended = look(body, "status.startTime"), look(body, "status.completionTime")
    if not begun:
        return ""
    return duration((datetime.fromisoformat(ended) if ended else now) - datetime.fromisoformat(begun))


def _last_schedule(body: Body, now: datetime) -> str:
    last = look(body, "status.lastScheduleTime")
    return age(last, now) if last else "<none>"


def _bound(path: str) -> Cell:
    def cell(body: Body, now: datetime) -> str:
        value = look(body, path)
        return "N/A" if value is None else str(value)

    return cell


def _owner(body: Body, now: datetime) -> str:
    for one in look(body, "metadata.ownerReferences") or ():
        if one.get("controller"):
            group = str(one["apiVersion"]).rpartition("/")[0]
            return f"{one['kind']}{f'.{group}' if group else ''}".lower() + f"/{one['name']}"
    return "<none>"


def _metrics(body: Body, now: datetime) -> str:
    wanted: Sequence[Mapping[str, Any]] = look(body, "spec.metrics") or ()
    current: Sequence[Mapping[str, Any]] = look(body, "status.currentMetrics") or ()
    told = [_metric(one, current[index] if index < len(current) else {}) for index, one in enumerate(wanted)]
    if len(told) > _SHOWN_METRICS:
        return f"{', '.join(told[:_SHOWN_METRICS])} + {len(told) - _SHOWN_METRICS} more..."
    return ", ".join(told) or "<none>"


def _metric(wanted: Mapping[str, Any], current: Mapping[str, Any]) -> str:
    """Return one metric as `current/target`; a resource's with its name before it."""
    field = str(wanted["type"])[0].lower() + str(wanted["type"])[1:]
    target, is_at = look(wanted, f"{field}.target") or {}, look(current, f"{field}.current") or {}
    if field not in ("resource", "containerResource"):
        average = "averageValue" in target
        kind = "averageValue" if average else "value"
        told = f"{is_at.get(kind, '<unknown>')}/{target.get(kind)}"
        return f"{told} (avg)" if average and field != "pods" else told
    name = wanted[field]["name"]
    if "averageValue" in target:
        return f"{name}: {is_at.get('averageValue', '<unknown>')}/{target['averageValue']}"
    now, goal = is_at.get("averageUtilization"), target.get("averageUtilization")
    return f"{name}: {'<unknown>' if now is None else f'{now}%'}/{'<auto>' if goal is None else f'{goal}%'}"


_SETS: Final = {
    "Desired": _number("spec.replicas"),
    "Current": _number("status.replicas"),
    "Ready": _number("status.readyReplicas"),
    **_template(),
    "Selector": _selected("spec.selector"),
}

CELLS: Final[Mapping[str, Mapping[str, Cell]]] = {
    "deployments.apps": {
        "Ready": _of("status.readyReplicas", "spec.replicas"),
        "Up-to-date": _number("status.updatedReplicas"),
        "Available": _number("status.availableReplicas"),
        **_template(),
        "Selector": _selected("spec.selector"),
    },
    "replicasets.apps": _SETS,
    "replicationcontrollers": {**_SETS, "Selector": lambda body, now: labels(look(body, "spec.selector"))},
    "statefulsets.apps": {"Ready": _of("status.readyReplicas", "spec.replicas"), **_template()},
    "daemonsets.apps": {
        "Desired": _number("status.desiredNumberScheduled"),
        "Current": _number("status.currentNumberScheduled"),
        "Ready": _number("status.numberReady"),
        "Up-to-date": _number("status.updatedNumberScheduled"),
        "Available": _number("status.numberAvailable"),
        "Node Selector": lambda body, now: labels(look(body, "spec.template.spec.nodeSelector")),
        **_template(),
        "Selector": _selected("spec.selector"),
    },
    "jobs.batch": {
        "Status": _job_status,
        "Completions": _completions,
        "Duration": _job_duration,
        **_template(),
        "Selector": _selected("spec.selector"),
    },
    "cronjobs.batch": {
        "Schedule": first("spec.schedule"),
        "Timezone": first("spec.timeZone", "<none>"),
        "Suspend": lambda body, now: truth(look(body, "spec.suspend")),
        "Active": lambda body, now: len(look(body, "status.active") or ()),
        "Last Schedule": _last_schedule,
        **_template("spec.jobTemplate.spec.template"),
        "Selector": _selected("spec.jobTemplate.spec.selector"),
    },
    "controllerrevisions.apps": {"Controller": _owner, "Revision": _number("revision")},
    "podtemplates": {
        **_template("template"),
        "Pod Labels": lambda body, now: labels(look(body, "template.metadata.labels")),
    },
    "poddisruptionbudgets.policy": {
        "Min Available": _bound("spec.minAvailable"),
        "Max Unavailable": _bound("spec.maxUnavailable"),
        "Allowed Disruptions": _number("status.disruptionsAllowed"),
    },
    "horizontalpodautoscalers.autoscaling": {
        "Reference": lambda body, now: (
            f"{body['spec']['scaleTargetRef']['kind']}/{body['spec']['scaleTargetRef']['name']}"
        ),
        "Targets": _metrics,
        "MinPods": lambda body, now: str(look(body, "spec.minReplicas") or "<unset>"),
        "MaxPods": _number("spec.maxReplicas"),
        "Replicas": _number("status.currentReplicas"),
    },
}
