"""Defaults of the controllers of Pods: apps, batch, autoscaling.

Source: k8s.io/kubernetes `pkg/apis/{apps,batch,autoscaling}`, SetDefaults_*, 1.37.
"""

from __future__ import annotations

from typing import Final

from bot.sandbox.kube.defaults.values import Rules, Value, fill, filled, items, struct


def _deployment(deployment: Value) -> None:
    spec = struct(deployment, "spec")
    fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = struct(spec, "strategy")
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(struct(strategy, "rollingUpdate"), maxUnavailable="25%", maxSurge="25%")


def _daemon_set(daemon_set: Value) -> None:
    spec = struct(daemon_set, "spec")
    strategy = struct(spec, "updateStrategy")
    fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        fill(struct(strategy, "rollingUpdate"), maxUnavailable=1, maxSurge=0)
    fill(spec, revisionHistoryLimit=10)


def _stateful_set(stateful_set: Value) -> None:
    spec = struct(stateful_set, "spec")
    fill(spec, podManagementPolicy="OrderedReady", replicas=1, revisionHistoryLimit=10)
    strategy = struct(spec, "updateStrategy")
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        struct(strategy, "rollingUpdate")
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        fill(strategy["rollingUpdate"], partition=0, maxUnavailable=1)
    fill(struct(spec, "persistentVolumeClaimRetentionPolicy"), whenDeleted="Retain", whenScaled="Retain")
    for claim in items(spec, "volumeClaimTemplates"):
        claim.update(apiVersion="v1", kind="PersistentVolumeClaim")


def _replica_set(replica_set: Value) -> None:
    fill(struct(replica_set, "spec"), replicas=1)


def _job(job: Value) -> None:
    spec = struct(job, "spec")
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    fill(
        spec,
        parallelism=1,
        backoffLimit=6 if spec.get("backoffLimitPerIndex") is None else 2**31 - 1,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy="TerminatingOrFailed" if spec.get("podFailurePolicy") is None else "Failed",
        manualSelector=False,
    )
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    metadata = struct(job, "metadata")
    if labels and not metadata.get("labels"):
        metadata["labels"] = dict(labels)


def _cron_job(cron_job: Value) -> None:
    fill(
        struct(cron_job, "spec"),
        concurrencyPolicy="Allow",
        suspend=False,
        successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=1,
    )


def _autoscaler_v1(autoscaler: Value) -> None:
    fill(struct(autoscaler, "spec"), minReplicas=1)


def _autoscaler(autoscaler: Value) -> None:
    spec = struct(autoscaler, "spec")
    fill(spec, minReplicas=1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is not None:
        percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
        pods = {"type": "Pods", "value": 4, "periodSeconds": 15}
        fill(
            struct(behavior, "scaleUp"),
            stabilizationWindowSeconds=0,
            selectPolicy="Max",
            policies=[pods, dict(percent)],
        )
        fill(struct(behavior, "scaleDown"), selectPolicy="Max", policies=[percent])


APPS: Final[Rules] = {
    "DaemonSet": _daemon_set,
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "StatefulSet": _stateful_set,
}

BATCH: Final[Rules] = {
    "CronJob": _cron_job,
    "Job": _job,
    "PodFailurePolicyOnPodConditionsPattern": filled(status="True"),
}

AUTOSCALING_V1: Final[Rules] = {
    "HorizontalPodAutoscaler": _autoscaler_v1,
}

AUTOSCALING_V2: Final[Rules] = {
    "HorizontalPodAutoscaler": _autoscaler,
}
