"""The status of a Deployment: counts of its ReplicaSets, and conditions: does the rollout move, is it done or stuck.

Source: k8s.io/kubernetes/pkg/controller/deployment, progress.go and sync.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from bot.sandbox.kube.controllers import rollout
from bot.sandbox.kube.controllers.objects import (
    condition_of,
    find_condition,
    generation_of,
    moment,
    name_of,
    spec_of,
    stamp,
    status_of,
    time_until,
    with_status,
    without_condition,
)
from bot.sandbox.kube.controllers.rollout import asked
from bot.sandbox.kube.ports import Body

_NO_DEADLINE: Final = 2**31 - 1


def counted(deployment: Body, new: Body | None, olds: Sequence[Body], now: datetime) -> dict[str, Any]:
    every = (*olds, new) if new is not None else tuple(olds)

    def total(field: str, of: Sequence[Body]) -> int:
        return sum(int(status_of(one).get(field) or 0) for one in of)

    available = total("availableReplicas", every)
    status: dict[str, Any] = {
        "observedGeneration": generation_of(deployment),
        "replicas": total("replicas", every),
        "updatedReplicas": total("replicas", () if new is None else (new,)),
        "readyReplicas": total("readyReplicas", every),
        "availableReplicas": available,
        "unavailableReplicas": max(sum(asked(one) for one in every) - available, 0),
    }
    status = {key: value for key, value in status.items() if value}
    status["terminatingReplicas"] = total("terminatingReplicas", every)
    status["conditions"] = list(status_of(deployment).get("conditions") or ())
    enough = available >= rollout.bounds_of(deployment).fewest
    return status | {
        "conditions": _set(
            status["conditions"],
            now,
            "Available",
            "True" if enough else "False",
            "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
            "Deployment has minimum availability." if enough else "Deployment does not have minimum availability.",
        )
    }


def judged(
    deployment: Body, new: Body | None, olds: Sequence[Body], status: dict[str, Any], now: datetime
) -> dict[str, Any]:
    """Say in the Progressing condition whether the rollout moves, is done, or has run out of time."""
    conditions: list[Mapping[str, Any]] = status["conditions"]
    current = condition_of(deployment, "Progressing")
    what = f'ReplicaSet "{name_of(new)}"' if new is not None else f'Deployment "{name_of(deployment)}"'
    settled = (
        status.get("replicas") == status.get("updatedReplicas")
        and current is not None
        and current.get("reason") == "NewReplicaSetAvailable"
    )
    if not has_deadline(deployment):
        conditions = without_condition(conditions, "Progressing")
    elif not settled:
        if is_complete(deployment, status):
            message = f"{what} has successfully progressed."
            conditions = _set(conditions, now, "Progressing", "True", "NewReplicaSetAvailable", message)
        elif _moves(status_of(deployment), status):
            known, conditions = conditions, without_condition(conditions, "Progressing")
            conditions = _set(conditions, now, "Progressing", "True", "ReplicaSetUpdated", f"{what} is progressing.")
            if (was := find_condition(known, "Progressing")) is not None and was.get("status") == "True":
                conditions[-1] = {**conditions[-1], "lastTransitionTime": was["lastTransitionTime"]}
        elif _has_timed_out(deployment, conditions, now):
            message = f"{what} has timed out progressing."
            conditions = _set(conditions, now, "Progressing", "False", "ProgressDeadlineExceeded", message)
    conditions = without_condition(conditions, "ReplicaFailure")
    failures = (condition_of(one, "ReplicaFailure") for one in (*((new,) if new else ()), *olds))
    if (failure := next(filter(None, failures), None)) is not None:
        conditions.append({**failure, "lastUpdateTime": failure["lastTransitionTime"]})
    return status | {"conditions": conditions}


def is_complete(deployment: Body, status: Mapping[str, Any]) -> bool:
    counts = (status.get(key) or 0 for key in ("updatedReplicas", "replicas", "availableReplicas"))
    seen = int(status.get("observedGeneration") or 0) >= generation_of(deployment)
    return seen and all(count == asked(deployment) for count in counts)


def _moves(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    def old(status: Mapping[str, Any]) -> int:
        return int(status.get("replicas") or 0) - int(status.get("updatedReplicas") or 0)

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return old(after) < old(before) or any((after.get(key) or 0) > (before.get(key) or 0) for key in grown)


def has_deadline(deployment: Body) -> bool:
    return spec_of(deployment).get("progressDeadlineSeconds") not in (None, _NO_DEADLINE)


def _deadline(deployment: Body, conditions: Sequence[Mapping[str, Any]]) -> datetime | None:
    """Return when a rollout that does not move is given up; None when it is done, given up or has no deadline."""
    current = find_condition(conditions, "Progressing")
    if (
        current is None
        or not has_deadline(deployment)
        or spec_of(deployment).get("paused")
        or current.get("reason") in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded")
    ):
        return None
    # One second more, as times are kept in whole seconds.
    allowed = timedelta(seconds=int(spec_of(deployment)["progressDeadlineSeconds"]) + 1)
    return moment(str(current["lastUpdateTime"])) + allowed


def _has_timed_out(deployment: Body, conditions: Sequence[Mapping[str, Any]], now: datetime) -> bool:
    deadline = _deadline(deployment, conditions)
    return deadline is not None and deadline <= now


def patience(deployment: Body, now: datetime) -> timedelta | None:
    deadline = _deadline(deployment, status_of(deployment).get("conditions") or ())
    return None if deadline is None else time_until(deadline, now)


def pause_noted(deployment: Body, now: datetime) -> Body | None:
    """Return the Deployment with a pause or its end in its conditions; None when they say so already."""
    current = condition_of(deployment, "Progressing") or {}
    if not has_deadline(deployment) or current.get("reason") == "ProgressDeadlineExceeded":
        return None
    paused, was = bool(spec_of(deployment).get("paused")), current.get("reason") == "DeploymentPaused"
    if paused and not was:
        return noted(deployment, now, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
    if was and not paused:
        return noted(deployment, now, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")
    return None


def noted(deployment: Body, now: datetime, type: str, status: str, reason: str, message: str) -> Body:
    conditions = _set(status_of(deployment).get("conditions") or (), now, type, status, reason, message)
    return with_status(deployment, {**status_of(deployment), "conditions": conditions})


def _set(
    conditions: Sequence[Mapping[str, Any]], now: datetime, type: str, status: str, reason: str, message: str
) -> list[Mapping[str, Any]]:
    """Return conditions with one said anew; the same status and reason leave it as it is."""
    current = find_condition(conditions, type) or {}
    if current.get("status") == status and current.get("reason") == reason:
        return list(conditions)
    since = current["lastTransitionTime"] if current.get("status") == status else stamp(now)
    said = {"type": type, "status": status, "lastUpdateTime": stamp(now), "lastTransitionTime": since}
    return [*without_condition(conditions, type), {**said, "reason": reason, "message": message}]
