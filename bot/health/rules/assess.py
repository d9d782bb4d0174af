"""Finds the rule of a kind and puts the common questions before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from bot.health.rules import batch, cluster, network, pods, storage, workloads
from bot.health.rules.conditions import by_conditions, number, status_of
from bot.model.outcome import Health, HealthState
from bot.model.resource import Body, split_api_version

Rule = Callable[[Body], Health]

_RULES: Final[Mapping[tuple[str, str], Rule]] = MappingProxyType(
    {
        ("apps", "Deployment"): workloads.deployment,
        ("apps", "StatefulSet"): workloads.stateful_set,
        ("apps", "DaemonSet"): workloads.daemon_set,
        ("apps", "ReplicaSet"): workloads.replica_set,
        ("", "ReplicationController"): workloads.replica_set,
        ("", "Pod"): pods.pod,
        ("batch", "Job"): batch.job,
        ("batch", "CronJob"): batch.cron_job,
        ("", "PersistentVolumeClaim"): storage.claim,
        ("", "PersistentVolume"): storage.volume,
        ("", "Service"): network.service,
        ("networking.k8s.io", "Ingress"): network.ingress,
        ("policy", "PodDisruptionBudget"): cluster.disruption_budget,
        ("autoscaling", "HorizontalPodAutoscaler"): cluster.autoscaler,
        ("", "Namespace"): cluster.namespace,
        ("apiextensions.k8s.io", "CustomResourceDefinition"): cluster.definition,
        ("apiregistration.k8s.io", "APIService"): cluster.api_service,
    }
)
_RUNS_PODS: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"})


def assess(body: Body, below: Sequence[Body] = ()) -> Health:
    """Return how an object is; `below` are the Pods it owns. Pure and total: an odd body is progressing at worst."""
    metadata = body.get("metadata") or {}
    if metadata.get("deletionTimestamp"):
        return Health(state=HealthState.PROGRESSING, message="it is being deleted")
    group, _ = split_api_version(str(body.get("apiVersion") or ""))
    rule = _RULES.get((group, str(body.get("kind"))))
    observed = status_of(body).get("observedGeneration")
    if isinstance(observed, int) and observed < number(metadata.get("generation")):
        # Its Pods are those of the version before: whether they run says nothing about this one.
        return Health(state=HealthState.PROGRESSING, message="its controller has not seen the change yet")
    health = rule(body) if rule is not None else by_conditions(body)
    if body.get("kind") in _RUNS_PODS and health.state is not HealthState.SUSPENDED:
        return next((bad for one in below if (bad := pods.cannot_run(one)) is not None), health)
    return health
