"""What becomes of StatefulSets, DaemonSets and Jobs, the same on the sandbox and on the real control plane."""

from __future__ import annotations

from bot.model.outcome import HealthState
from tests.contract.life import (
    FAILING_JOB,
    NEVER_READY,
    Body,
    Life,
    conditions_of,
    job,
    status_of,
    template,
    waiting_of,
    workload,
)
from tests.waiting import until

STATEFUL_SETS = "statefulsets.apps"
JOBS = "jobs.batch"


def test_stateful_set_comes_in_order_and_is_replaced_in_reverse(life: Life) -> None:
    spec = workload(replicas=3, serviceName="web")
    life.create(STATEFUL_SETS, "web", spec)
    found = life.once(STATEFUL_SETS, "web", lambda one: one["status"].get("availableReplicas") == 3, "is available")
    assert status_of(found) == {
        "observedGeneration": 1,
        "replicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "currentReplicas": 3,
        "updatedReplicas": 3,
        "collisionCount": 0,
    }
    pods = life.list("pods")
    assert [pod["metadata"]["name"] for pod in pods] == ["web-0", "web-1", "web-2"]
    revision = found["status"]["currentRevision"]
    assert pods[1]["metadata"]["labels"] == {
        "app": "web",
        "apps.kubernetes.io/pod-index": "1",
        "controller-revision-hash": revision,
        "statefulset.kubernetes.io/pod-name": "web-1",
    }
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    life.patch(STATEFUL_SETS, "web", spec={"updateStrategy": strategy, "template": template(NEVER_READY)})
    life.once("pods", "web-2", lambda one: images_of(one) == [NEVER_READY], "is new")
    partial = life.once(
        STATEFUL_SETS, "web", lambda one: one["status"].get("updatedReplicas") == 1, "has one new replica"
    )
    assert partial["status"]["currentRevision"] == revision != partial["status"]["updateRevision"]
    assert [images_of(life.get("pods", name)) for name in ("web-0", "web-1")] == [["shop/api:1"]] * 2
    until(lambda: life.told("web") == {"SuccessfulCreate", "SuccessfulDelete"}, "its events are recorded")


def images_of(pod: Body) -> list[str]:
    return [one["image"] for one in pod["spec"]["containers"]]


def test_stateful_set_waits_for_its_first_pod(life: Life) -> None:
    life.create(STATEFUL_SETS, "web", workload(NEVER_READY, replicas=3, serviceName="web"))
    found = life.once(STATEFUL_SETS, "web", lambda one: one["status"].get("replicas") == 1, "has its first pod")
    assert [pod["metadata"]["name"] for pod in life.list("pods")] == ["web-0"]
    assert "readyReplicas" not in found["status"]
    assert life.health(STATEFUL_SETS, "web").message == "0 of 3 replicas are ready"


def test_claims_of_a_stateful_set_outlive_it(life: Life) -> None:
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "nobody-provisions-this",
        },
    }
    life.create(STATEFUL_SETS, "web", workload(serviceName="web", volumeClaimTemplates=[claim]))
    made = life.once("persistentvolumeclaims", "data-web-0", lambda one: True, "is there")
    assert made["metadata"]["labels"] == {"app": "web"}
    assert made["status"] == {"phase": "Pending"}
    pod = life.once("pods", "web-0", lambda one: "PodScheduled" in str(one["status"]), "was looked at by the scheduler")
    assert [(said[0], said[1], said[2]) for said in conditions_of(pod)] == [("PodScheduled", "False", "Unschedulable")]
    life.delete(STATEFUL_SETS, "web")
    until(lambda: not life.list("pods"), "its pods are gone")
    assert [one["metadata"]["name"] for one in life.list("persistentvolumeclaims")] == ["data-web-0"]


def test_daemon_set_has_a_pod_on_the_node(life: Life) -> None:
    life.create("daemonsets.apps", "web", workload())
    found = life.once("daemonsets.apps", "web", lambda one: one["status"].get("numberAvailable") == 1, "is available")
    assert status_of(found) == {
        "currentNumberScheduled": 1,
        "desiredNumberScheduled": 1,
        "numberAvailable": 1,
        "numberMisscheduled": 0,
        "numberReady": 1,
        "observedGeneration": 1,
        "updatedNumberScheduled": 1,
    }
    life.patch("daemonsets.apps", "web", spec={"template": template("shop/api:2")})
    updated = life.once(
        "daemonsets.apps",
        "web",
        lambda one: one["status"]["observedGeneration"] == 2 and one["status"].get("updatedNumberScheduled") == 1,
        "is updated",
    )
    assert updated["status"]["desiredNumberScheduled"] == 1
    (pod,) = [one for one in life.list("pods") if "deletionTimestamp" not in one["metadata"]]
    assert pod["metadata"]["labels"].keys() == {"app", "controller-revision-hash", "pod-template-generation"}
    assert pod["metadata"]["labels"]["pod-template-generation"] == "2"


def test_job_completes(life: Life) -> None:
    life.create(JOBS, "web", job(completions=2, parallelism=2))
    found = life.once(JOBS, "web", lambda one: "completionTime" in one["status"], "completes")
    assert status_of(found) == {"succeeded": 2, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}
    reached = "Reached expected number of succeeded pods"
    assert conditions_of(found) == [
        ("SuccessCriteriaMet", "True", "CompletionsReached", reached),
        ("Complete", "True", "CompletionsReached", reached),
    ]
    until(lambda: life.told("web") == {"SuccessfulCreate", "Completed"}, "its events are recorded")
    assert [pod["status"]["phase"] for pod in life.list("pods")] == ["Succeeded"] * 2
    assert all("finalizers" not in pod["metadata"] for pod in life.list("pods"))
    assert life.health(JOBS, "web").state is HealthState.HEALTHY


def test_failing_job_reaches_its_limit(life: Life) -> None:
    life.create(JOBS, "web", job(FAILING_JOB, backoffLimit=0))
    found = life.once(JOBS, "web", lambda one: "'Failed'" in str(conditions_of(one)), "fails")
    assert status_of(found) == {"failed": 1, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}
    message = "Job has reached the specified backoff limit"
    assert conditions_of(found) == [
        ("FailureTarget", "True", "BackoffLimitExceeded", message),
        ("Failed", "True", "BackoffLimitExceeded", message),
    ]
    until(lambda: life.told("web") == {"SuccessfulCreate", "BackoffLimitExceeded"}, "its events are recorded")
    health = life.health(JOBS, "web")
    assert (health.state, health.terminal, health.message) == (HealthState.DEGRADED, True, message)


def test_indexed_job_counts_its_indexes(life: Life) -> None:
    life.create(JOBS, "web", job(completions=3, parallelism=3, completionMode="Indexed"))
    found = life.once(JOBS, "web", lambda one: "completionTime" in one["status"], "completes")
    assert (found["status"]["succeeded"], found["status"]["completedIndexes"]) == (3, "0-2")


def test_suspended_job_waits(life: Life) -> None:
    life.create(JOBS, "web", job(suspend=True))
    suspended = life.once(JOBS, "web", conditions_of, "is suspended")
    assert conditions_of(suspended) == [("Suspended", "True", "JobSuspended", "Job suspended")]
    assert "startTime" not in suspended["status"]
    assert life.list("pods") == []
    life.patch(JOBS, "web", spec={"suspend": False})
    life.once(JOBS, "web", lambda one: "completionTime" in one["status"], "completes")
    until(
        lambda: life.told("web") == {"Suspended", "Resumed", "SuccessfulCreate", "Completed"}, "its events are recorded"
    )


def test_finished_job_goes_with_its_pods(life: Life) -> None:
    life.create(JOBS, "web", job(ttlSecondsAfterFinished=0))
    until(lambda: life.get(JOBS, "web") is None, "the job is gone")
    until(lambda: not life.list("pods"), "its pods are gone")


def test_deleted_job_lets_its_running_pods_go(life: Life) -> None:
    life.create(JOBS, "web", job(NEVER_READY))
    until(lambda: waiting_of(life.list("pods")) == ["running"], "its pod runs")
    life.delete(JOBS, "web")
    until(lambda: not life.list("pods"), "its pods are gone")
