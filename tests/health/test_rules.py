"""How objects are, by kind and situation: the rules of kstatus, and what people wait for."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from bot.health.rules import assess
from bot.model.outcome import HealthState

DEPLOYMENT = "apiVersion: apps/v1, kind: Deployment, metadata: {name: x, generation: 2}, spec: {replicas: 2}"
POD = "apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: main, image: nginx}]}"
JOB = "apiVersion: batch/v1, kind: Job, metadata: {name: x}"
CUSTOM = "apiVersion: example.com/v1, kind: Widget, metadata: {name: x, generation: 1}"

CASES = [
    (DEPLOYMENT, "{observedGeneration: 1}", "progressing"),
    (DEPLOYMENT, "{observedGeneration: 2, replicas: 2, updatedReplicas: 1, availableReplicas: 2}", "progressing"),
    (DEPLOYMENT, "{observedGeneration: 2, replicas: 3, updatedReplicas: 2, availableReplicas: 2}", "progressing"),
    (DEPLOYMENT, "{observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 2}", "healthy"),
    (
        DEPLOYMENT,
        "{observedGeneration: 2, conditions: [{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded}]}",
        "degraded",
    ),
    (DEPLOYMENT.replace("replicas: 2", "replicas: 0"), "{observedGeneration: 2}", "healthy"),
    (DEPLOYMENT.replace("replicas: 2", "paused: true"), "{observedGeneration: 2}", "suspended"),
    (POD, "{phase: Running, conditions: [{type: Ready, status: 'True'}]}", "healthy"),
    (POD, "{phase: Pending}", "progressing"),
    (POD, "{phase: Succeeded}", "healthy"),
    (POD, "{phase: Failed}", "degraded"),
    (POD, "{containerStatuses: [{name: main, state: {waiting: {reason: ImagePullBackOff}}}]}", "degraded"),
    (POD, "{containerStatuses: [{name: main, state: {waiting: {reason: ContainerCreating}}}]}", "progressing"),
    (JOB, "{startTime: now}", "healthy"),
    (JOB, "{}", "progressing"),
    (JOB, "{conditions: [{type: Complete, status: 'True'}]}", "healthy"),
    (JOB, "{conditions: [{type: Failed, status: 'True', message: BackoffLimitExceeded}]}", "degraded"),
    ("apiVersion: batch/v1, kind: CronJob, metadata: {name: x}, spec: {suspend: true}", "{}", "suspended"),
    ("apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: x}", "{phase: Pending}", "healthy"),
    ("apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: x}", "{phase: Lost}", "degraded"),
    ("apiVersion: v1, kind: Service, metadata: {name: x}, spec: {type: LoadBalancer}", "{}", "progressing"),
    ("apiVersion: v1, kind: Service, metadata: {name: x}, spec: {type: ClusterIP}", "{}", "healthy"),
    ("apiVersion: v1, kind: Namespace, metadata: {name: x}", "{phase: Active}", "healthy"),
    ("apiVersion: v1, kind: Namespace, metadata: {name: x}", "{phase: Terminating}", "progressing"),
    ("apiVersion: v1, kind: ConfigMap, metadata: {name: x, deletionTimestamp: now}", "{}", "progressing"),
    ("apiVersion: v1, kind: ConfigMap, metadata: {name: x}", "{}", "healthy"),
    (CUSTOM, "{}", "healthy"),
    (CUSTOM, "{observedGeneration: 0}", "progressing"),
    (CUSTOM, "{conditions: [{type: Ready, status: 'True'}]}", "healthy"),
    (CUSTOM, "{conditions: [{type: Ready, status: 'False', message: not yet}]}", "progressing"),
    (CUSTOM, "{conditions: [{type: Stalled, status: 'True'}, {type: Ready, status: 'False'}]}", "degraded"),
]


def body(head: str, status: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(f"{{{head}, status: {status}}}")
    return found


@pytest.mark.parametrize(("head", "status", "expected"), CASES)
def test_state_of_a_kind_in_a_situation(head: str, status: str, expected: str) -> None:
    assert assess(body(head, status)).state is HealthState(expected)


def test_pod_that_cannot_run_degrades_its_workload_at_once_with_its_image() -> None:
    pod = body(POD, "{containerStatuses: [{name: main, state: {waiting: {reason: CrashLoopBackOff}}}]}")
    health = assess(body(DEPLOYMENT, "{observedGeneration: 2}"), [pod])
    assert (health.state, health.terminal) == (HealthState.DEGRADED, True)
    assert "nginx" in health.message


def test_pod_on_its_way_out_does_not_count() -> None:
    pod = body(POD, "{containerStatuses: [{name: main, state: {waiting: {reason: CrashLoopBackOff}}}]}")
    pod["metadata"]["deletionTimestamp"] = "now"
    assert assess(body(DEPLOYMENT, "{observedGeneration: 2}"), [pod]).state is HealthState.PROGRESSING


def test_pods_of_the_version_before_are_not_blamed_on_the_new_one() -> None:
    """A fix that was just applied was said to fail, because the Pod it replaces still could not pull its image."""
    pod = body(POD, "{containerStatuses: [{name: main, state: {waiting: {reason: ImagePullBackOff}}}]}")
    assert assess(body(DEPLOYMENT, "{observedGeneration: 1}"), [pod]).state is HealthState.PROGRESSING


def test_deployment_whose_pods_are_refused_says_why() -> None:
    """The event is the ReplicaSet's, so that after five minutes `0 of 2 replicas are new` was all that was said."""
    refused = "{type: ReplicaFailure, status: 'True', reason: FailedCreate, message: exceeded quota}"
    found = assess(body(DEPLOYMENT, f"{{observedGeneration: 2, unavailableReplicas: 2, conditions: [{refused}]}}"))
    assert found.message == "0 of 2 replicas are new: exceeded quota"
