"""Deployment, StatefulSet, DaemonSet, ReplicaSet: replicas that are new, ready and not on their way out."""

from __future__ import annotations

from bot.health.rules.conditions import (
    HEALTHY,
    condition,
    degraded,
    number,
    progressing,
    says,
    spec_of,
    status_of,
    suspended,
)
from bot.model.outcome import Health
from bot.model.resource import Body


def deployment(body: Body) -> Health:
    """Follow `kubectl rollout status`; a paused rollout is suspended."""
    spec, status = spec_of(body), status_of(body)
    if spec.get("paused"):
        return suspended("its rollout is paused")
    found = condition(body, "Progressing")
    if found and found.get("reason") == "ProgressDeadlineExceeded":
        return degraded(says(found), terminal=True)
    if "observedGeneration" not in status:
        return progressing("its controller has not seen it yet")
    wanted = number(spec.get("replicas"), 1)
    if number(status.get("updatedReplicas")) < wanted:
        return progressing(f"{number(status.get('updatedReplicas'))} of {wanted} replicas are new{_refusal(body)}")
    if number(status.get("replicas")) > number(status.get("updatedReplicas")):
        return progressing(f"{number(status.get('replicas')) - wanted} old replicas are leaving")
    if number(status.get("availableReplicas")) < wanted:
        return progressing(
            f"{number(status.get('availableReplicas'))} of {wanted} replicas are available{_refusal(body)}"
        )
    return HEALTHY


def _refusal(body: Body) -> str:
    """Return why no pod can be made: pod security, a webhook, or a quota, which may make room as old pods leave."""
    found = condition(body, "ReplicaFailure") or {}
    return f": {says(found)}" if found.get("status") == "True" else ""


def stateful_set(body: Body) -> Health:
    """Respect a partition: replicas below it stay old on purpose; OnDelete waits for people."""
    spec, status = spec_of(body), status_of(body)
    if "observedGeneration" not in status:
        return progressing("its controller has not seen it yet")
    wanted = number(spec.get("replicas"), 1)
    if number(status.get("readyReplicas")) < wanted:
        return progressing(f"{number(status.get('readyReplicas'))} of {wanted} replicas are ready")
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return HEALTHY
    partition = number((strategy.get("rollingUpdate") or {}).get("partition"))
    new = number(status.get("updatedReplicas"))
    if partition:
        if new < wanted - partition:
            return progressing(f"{new} of {wanted - partition} replicas are new")
        return HEALTHY
    if status.get("updateRevision") != status.get("currentRevision") and new < wanted:
        return progressing(f"{new} of {wanted} replicas are new")
    return HEALTHY


def daemon_set(body: Body) -> Health:
    spec, status = spec_of(body), status_of(body)
    if "observedGeneration" not in status:
        return progressing("its controller has not seen it yet")
    wanted = number(status.get("desiredNumberScheduled"))
    if (spec.get("updateStrategy") or {}).get("type") != "OnDelete" and number(
        status.get("updatedNumberScheduled")
    ) < wanted:
        return progressing(f"{number(status.get('updatedNumberScheduled'))} of {wanted} pods are new")
    if number(status.get("numberAvailable")) < wanted:
        return progressing(f"{number(status.get('numberAvailable'))} of {wanted} pods are available")
    return HEALTHY


def replica_set(body: Body) -> Health:
    found = condition(body, "ReplicaFailure")
    if found and found.get("status") == "True":
        return degraded(says(found))
    wanted = number(spec_of(body).get("replicas"), 1)
    ready = number(status_of(body).get("readyReplicas"))
    return HEALTHY if ready >= wanted else progressing(f"{ready} of {wanted} replicas are ready")
