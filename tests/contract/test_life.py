"""What becomes of objects, the same on the sandbox and on the real control plane."""

from __future__ import annotations

import pytest

from bot.model.outcome import HealthState
from tests.contract.life import (
    BAD_IMAGE,
    CRASH_LOOP,
    FAILING_JOB,
    NEVER_READY,
    Life,
    conditions_of,
    job,
    managers_of,
    status_of,
    template,
    waiting_of,
    workload,
)
from tests.contract.servers import Server
from tests.waiting import until

DEPLOYMENTS = "deployments.apps"
SETS = "replicasets.apps"
STATEFUL_SETS = "statefulsets.apps"
JOBS = "jobs.batch"
SLICES = "endpointslices.discovery.k8s.io"
AVAILABLE = ("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
UNAVAILABLE = ("Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
DONE = ("Progressing", "True", "NewReplicaSetAvailable", 'ReplicaSet "web-HASH" has successfully progressed.')
MOVING = ("Progressing", "True", "ReplicaSetUpdated", 'ReplicaSet "web-HASH" is progressing.')


@pytest.fixture
def life(server: Server, namespace: str) -> Life:
    until(lambda: Life(server, namespace).get("serviceaccounts", "default"), "the namespace has its account")
    return Life(server, namespace)


def rolled_out(life: Life, generation: int = 1) -> None:
    """Wait until a Deployment is all new, and its old Pods are gone."""
    done = ("Progressing", "NewReplicaSetAvailable")
    life.once(
        DEPLOYMENTS,
        "web",
        lambda one: (
            one["status"].get("observedGeneration") == generation
            and done in [(said[0], said[2]) for said in conditions_of(one)]
            and one["status"].get("terminatingReplicas") == 0
            and {one["status"].get(count, 0) for count in ("replicas", "updatedReplicas", "availableReplicas")}
            == {one["spec"]["replicas"]}
        ),
        "rolls out",
    )


def test_deployment_becomes_available(life: Life) -> None:
    life.create(DEPLOYMENTS, "web", workload(replicas=3))
    rolled_out(life)
    found = life.get(DEPLOYMENTS, "web")
    assert status_of(found) == {
        "observedGeneration": 1,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "terminatingReplicas": 0,
    }
    assert conditions_of(found) == [AVAILABLE, DONE]
    assert found["metadata"]["generation"] == 1
    assert found["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "1"}
    assert managers_of(found) - {("Python-urllib", "Update", "")} == {("kube-controller-manager", "Update", "status")}
    (replica_set,) = life.list(SETS)
    assert status_of(replica_set) == {
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "terminatingReplicas": 0,
        "observedGeneration": 1,
    }
    assert replica_set["metadata"]["annotations"] == {
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
        "deployment.kubernetes.io/revision": "1",
    }
    assert managers_of(replica_set) == {
        ("kube-controller-manager", "Update", ""),
        ("kube-controller-manager", "Update", "status"),
    }
    pods = life.list("pods")
    assert [pod["status"]["phase"] for pod in pods] == ["Running"] * 3
    owner = pods[0]["metadata"]["ownerReferences"][0]
    assert (owner["kind"], owner["name"]) == ("ReplicaSet", replica_set["metadata"]["name"])
    assert pods[0]["metadata"]["name"].startswith(f"{replica_set['metadata']['name']}-")
    until(lambda: life.told("web") == {"ScalingReplicaSet"}, "its events are recorded")
    until(lambda: life.told(replica_set["metadata"]["name"]) == {"SuccessfulCreate"}, "its events are recorded")
    until(lambda: "Scheduled" in life.told(pods[0]["metadata"]["name"]), "the scheduling is told")
    assert life.health(DEPLOYMENTS, "web").state is HealthState.HEALTHY


def test_new_image_rolls_out_under_the_next_revision(life: Life) -> None:
    life.create(DEPLOYMENTS, "web", workload(replicas=2))
    rolled_out(life)
    life.patch(DEPLOYMENTS, "web", spec={"template": template("shop/api:2")})
    rolled_out(life, 2)
    found = life.get(DEPLOYMENTS, "web")
    assert found["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "2"}
    assert conditions_of(found) == [AVAILABLE, DONE]
    sizes = {
        one["metadata"]["annotations"]["deployment.kubernetes.io/revision"]: one["spec"]["replicas"]
        for one in life.list(SETS)
    }
    assert sizes == {"1": 0, "2": 2}
    assert [pod["spec"]["containers"][0]["image"] for pod in life.list("pods")] == ["shop/api:2"] * 2
    life.patch(DEPLOYMENTS, "web", spec={"template": template()})
    rolled_out(life, 3)
    (old,) = [one for one in life.list(SETS) if one["spec"]["replicas"]]
    assert old["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert old["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"


@pytest.mark.parametrize("replicas", [4, 1, 0])
def test_scaled_deployment_keeps_its_replica_set(life: Life, replicas: int) -> None:
    life.create(DEPLOYMENTS, "web", workload(replicas=2))
    rolled_out(life)
    life.patch(DEPLOYMENTS, "web", spec={"replicas": replicas})
    rolled_out(life, 2)
    (replica_set,) = until(lambda: _sized(life, replicas), "the ReplicaSet has its size")
    assert replica_set["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] == str(replicas)
    assert sorted(conditions_of(life.get(DEPLOYMENTS, "web"))) == [AVAILABLE, DONE]
    assert len(life.list("pods")) == replicas


def _sized(life: Life, replicas: int) -> object:
    found = life.list(SETS)
    return found if [one["status"]["replicas"] for one in found] == [replicas] else None


@pytest.mark.parametrize(("image", "reason"), [(BAD_IMAGE, "ImagePullBackOff"), (CRASH_LOOP, "CrashLoopBackOff")])
def test_pod_that_cannot_run_degrades_its_deployment_at_once(life: Life, image: str, reason: str) -> None:
    life.create(DEPLOYMENTS, "web", workload(image))
    until(lambda: waiting_of(life.list("pods")) == [reason], f"the pod waits for {reason}")
    found = life.once(DEPLOYMENTS, "web", lambda one: MOVING in conditions_of(one), "is on its way")
    assert status_of(found) == {
        "observedGeneration": 1,
        "replicas": 1,
        "updatedReplicas": 1,
        "unavailableReplicas": 1,
        "terminatingReplicas": 0,
    }
    assert sorted(conditions_of(found)) == [UNAVAILABLE, MOVING]
    health = life.health(DEPLOYMENTS, "web")
    (pod,) = life.list("pods")
    assert (health.state, health.terminal) == (HealthState.DEGRADED, True)
    assert health.message == f"{reason} in container main of pod {pod['metadata']['name']} (image {image})"


def test_bad_image_of_a_rollout_leaves_the_old_pods_in_service(life: Life) -> None:
    life.create(DEPLOYMENTS, "web", workload(replicas=3))
    rolled_out(life)
    life.patch(DEPLOYMENTS, "web", spec={"template": template(BAD_IMAGE)})
    until(lambda: "ImagePullBackOff" in waiting_of(life.list("pods")), "the new pod cannot pull")
    found = life.once(
        DEPLOYMENTS, "web", lambda one: one["status"].get("unavailableReplicas") == 1, "has an unavailable pod"
    )
    assert status_of(found) == {
        "observedGeneration": 2,
        "replicas": 4,
        "updatedReplicas": 1,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "unavailableReplicas": 1,
        "terminatingReplicas": 0,
    }
    assert AVAILABLE in conditions_of(found)


def test_refused_pods_are_told_on_replica_set_and_deployment(life: Life) -> None:
    life.create(DEPLOYMENTS, "web", {**workload(), "template": template(serviceAccountName="nobody")})
    found = life.once(DEPLOYMENTS, "web", lambda one: "ReplicaFailure" in str(conditions_of(one)), "says why")
    (replica_set,) = life.list(SETS)
    refused = (
        f'pods "{replica_set["metadata"]["name"]}-" is forbidden: error looking up service account '
        f'{life.namespace}/nobody: serviceaccount "nobody" not found'
    )
    assert [one["message"] for one in replica_set["status"]["conditions"]] == [refused]
    assert sorted((said[0], said[1], said[2]) for said in conditions_of(found)) == [
        ("Available", "False", "MinimumReplicasUnavailable"),
        ("Progressing", "True", "NewReplicaSetCreated"),
        ("ReplicaFailure", "True", "FailedCreate"),
    ]
    assert status_of(found) == {"observedGeneration": 1, "unavailableReplicas": 1, "terminatingReplicas": 0}
    until(lambda: "FailedCreate" in life.told(replica_set["metadata"]["name"]), "the refusal is told")
    life.server.request("POST", life.path("serviceaccounts"), body={"metadata": {"name": "nobody"}})
    rolled_out(life)
    assert conditions_of(life.get(DEPLOYMENTS, "web")) == [AVAILABLE, DONE]


def test_rollout_that_does_not_move_misses_its_deadline(life: Life) -> None:
    life.create(DEPLOYMENTS, "web", workload(NEVER_READY, progressDeadlineSeconds=1))
    found = life.once(
        DEPLOYMENTS, "web", lambda one: "ProgressDeadlineExceeded" in str(conditions_of(one)), "misses its deadline"
    )
    late = 'ReplicaSet "web-HASH" has timed out progressing.'
    assert conditions_of(found) == [UNAVAILABLE, ("Progressing", "False", "ProgressDeadlineExceeded", late)]
    health = life.health(DEPLOYMENTS, "web")
    assert (health.state, health.terminal) == (HealthState.DEGRADED, True)


def test_paused_rollout_waits(life: Life) -> None:
    life.create(DEPLOYMENTS, "web", workload())
    rolled_out(life)
    life.patch(DEPLOYMENTS, "web", spec={"paused": True, "template": template("shop/api:2")})
    paused = ("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
    life.once(DEPLOYMENTS, "web", lambda one: paused in conditions_of(one), "is paused")
    assert len(life.list(SETS)) == 1
    until(lambda: life.health(DEPLOYMENTS, "web").state is HealthState.SUSPENDED, "the pause is seen")
    life.patch(DEPLOYMENTS, "web", spec={"paused": False})
    rolled_out(life, 3)
    assert len(life.list(SETS)) == 2


def test_recreate_ends_all_old_pods_first(life: Life) -> None:
    life.create(DEPLOYMENTS, "web", workload(replicas=2, strategy={"type": "Recreate"}))
    rolled_out(life)
    life.patch(DEPLOYMENTS, "web", spec={"template": template(BAD_IMAGE)})
    until(lambda: waiting_of(life.list("pods")) == ["ImagePullBackOff"] * 2, "only new pods are left")


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_deleted_deployment_takes_replica_sets_and_pods_along(life: Life, propagation: str) -> None:
    life.create(DEPLOYMENTS, "web", workload())
    rolled_out(life)
    life.delete(DEPLOYMENTS, "web", propagation)
    until(lambda: life.get(DEPLOYMENTS, "web") is None, "the deployment is gone")
    until(lambda: not life.list(SETS), "its replica sets are gone")
    until(lambda: not life.list("pods"), "its pods are gone")


def test_orphaned_pods_stay_and_are_adopted(life: Life) -> None:
    life.create(DEPLOYMENTS, "web", workload())
    rolled_out(life)
    (pod,) = life.list("pods")
    life.delete(DEPLOYMENTS, "web", "Orphan")
    until(lambda: life.get(DEPLOYMENTS, "web") is None, "the deployment is gone")
    life.create(DEPLOYMENTS, "web", workload())
    rolled_out(life)
    assert [one["metadata"]["uid"] for one in life.list("pods")] == [pod["metadata"]["uid"]]
    assert len(life.list(SETS)) == 1


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
    until(lambda: life.list("pods")[2]["spec"]["containers"][0]["image"] == NEVER_READY, "the last pod is new")
    partial = life.once(
        STATEFUL_SETS, "web", lambda one: one["status"].get("updatedReplicas") == 1, "has one new replica"
    )
    assert partial["status"]["currentRevision"] == revision != partial["status"]["updateRevision"]
    assert [pod["spec"]["containers"][0]["image"] for pod in life.list("pods")][:2] == ["shop/api:1"] * 2
    until(lambda: life.told("web") == {"SuccessfulCreate", "SuccessfulDelete"}, "its events are recorded")


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


def test_ready_pods_stand_behind_their_service(life: Life) -> None:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    life.create("services", "web", {"selector": {"app": "web"}, "ports": ports}, labels={"tier": "front"})
    life.create(DEPLOYMENTS, "web", workload(replicas=2))
    rolled_out(life)

    def filled() -> object:
        found = life.list(SLICES)
        served = [point for one in found for point in one["endpoints"] or () if point["conditions"]["ready"]]
        return found if len(served) == 2 else None

    (made,) = until(filled, "both pods are served")
    assert made["metadata"]["labels"] == {
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": "web",
        "tier": "front",
    }
    assert made["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert made["addressType"] == "IPv4"
    names = {pod["metadata"]["name"] for pod in life.list("pods")}
    assert {point["targetRef"]["name"] for point in made["endpoints"]} == names
    assert made["endpoints"][0]["conditions"] == {"ready": True, "serving": True, "terminating": False}
    assert managers_of(made) == {("kube-controller-manager", "Update", "")}
    endpoints = life.once("endpoints", "web", lambda one: len(one["subsets"][0].get("addresses", ())) == 2, "is full")
    assert endpoints["metadata"]["labels"] == {
        "endpoints.kubernetes.io/managed-by": "endpoint-controller",
        "tier": "front",
    }
    assert endpoints["subsets"][0]["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    life.delete("services", "web")
    until(lambda: life.get("endpoints", "web") is None and not life.list(SLICES), "slices and endpoints are gone")


def test_pod_that_is_not_ready_is_not_served(life: Life) -> None:
    life.create("services", "web", {"selector": {"app": "web"}, "ports": [{"port": 80}]})
    life.create(DEPLOYMENTS, "web", workload(NEVER_READY))
    (made,) = until(lambda: [one for one in life.list(SLICES) if one["endpoints"]], "the pod is known")
    assert made["endpoints"][0]["conditions"] == {"ready": False, "serving": False, "terminating": False}


def test_claim_binds_to_the_volume_that_fits(life: Life, unique: str) -> None:
    volume = {
        "metadata": {"name": unique},
        "spec": {
            "capacity": {"storage": "5Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": unique,
            "hostPath": {"path": "/tmp/data"},
        },
    }
    wanted = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": unique,
    }
    life.server.request("POST", "/api/v1/persistentvolumes", body=volume)
    life.create("persistentvolumeclaims", "data", wanted)
    found = life.once("persistentvolumeclaims", "data", conditions_of, "is bound and looked at")
    assert status_of(found) == {"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "5Gi"}}
    assert conditions_of(found) == [("Unused", "True", "NoPodsUsingPVC", "No pods are currently referencing this PVC")]
    assert found["spec"]["volumeName"] == unique
    assert found["metadata"]["annotations"] == {
        "pv.kubernetes.io/bind-completed": "yes",
        "pv.kubernetes.io/bound-by-controller": "yes",
    }
    bound = life.server.request("GET", f"/api/v1/persistentvolumes/{unique}")
    assert bound["status"]["phase"] == "Bound"
    assert bound["spec"]["claimRef"]["uid"] == found["metadata"]["uid"]
    life.delete("persistentvolumeclaims", "data")
    until(lambda: life.get("persistentvolumeclaims", "data") is None, "the claim is gone")

    def released() -> bool:
        phase = life.server.request("GET", f"/api/v1/persistentvolumes/{unique}")["status"]["phase"]
        return bool(phase == "Released")

    until(released, "the volume is released")
    life.server.request("DELETE", f"/api/v1/persistentvolumes/{unique}")


def test_claim_waits_for_its_first_consumer(life: Life, unique: str) -> None:
    storage = {
        "metadata": {"name": unique},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    life.server.request("POST", "/apis/storage.k8s.io/v1/storageclasses", body=storage)
    wanted = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": unique,
    }
    life.create("persistentvolumeclaims", "data", wanted)
    until(lambda: "WaitForFirstConsumer" in life.told("data"), "the claim says what it waits for")
    assert life.get("persistentvolumeclaims", "data")["status"] == {"phase": "Pending"}
    life.server.request("DELETE", f"/apis/storage.k8s.io/v1/storageclasses/{unique}")


def test_budget_counts_its_pods(life: Life) -> None:
    selector = {"matchLabels": {"app": "web"}}
    life.create("poddisruptionbudgets.policy", "web", {"minAvailable": 2, "selector": selector})
    life.create(DEPLOYMENTS, "web", workload(replicas=3))
    found = life.once(
        "poddisruptionbudgets.policy", "web", lambda one: one["status"].get("currentHealthy") == 3, "sees its pods"
    )
    assert status_of(found) == {
        "observedGeneration": 1,
        "currentHealthy": 3,
        "desiredHealthy": 2,
        "disruptionsAllowed": 1,
        "expectedPods": 3,
    }
    assert conditions_of(found) == [("DisruptionAllowed", "True", "SufficientPods", "")]


def test_autoscaler_lifts_its_target_to_the_minimum(life: Life) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    life.create(DEPLOYMENTS, "web", workload())
    rolled_out(life)
    life.create(
        "horizontalpodautoscalers.autoscaling",
        "web",
        {"minReplicas": 2, "maxReplicas": 3, "scaleTargetRef": target},
    )
    found = life.once(DEPLOYMENTS, "web", lambda one: one["spec"]["replicas"] == 2, "is scaled up")
    assert ("kube-controller-manager", "Update", "scale") in managers_of(found)
    scaled = life.once(
        "horizontalpodautoscalers.autoscaling",
        "web",
        lambda one: (one.get("status") or {}).get("desiredReplicas") == 2,
        "has its size",
    )
    assert ("AbleToScale", "True") in [(said[0], said[1]) for said in conditions_of(scaled)]
    until(lambda: "SuccessfulRescale" in life.told("web"), "the rescale is told")


def test_namespace_has_an_account_and_the_authority(life: Life) -> None:
    found = until(lambda: life.get("configmaps", "kube-root-ca.crt"), "the authority is published")
    assert found["metadata"]["annotations"].keys() == {"kubernetes.io/description"}
    assert found["data"].keys() == {"ca.crt"}
    life.delete("serviceaccounts", "default")
    until(lambda: life.get("serviceaccounts", "default"), "the account is back")
