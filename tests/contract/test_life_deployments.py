"""What becomes of Deployments, the same on the sandbox and on the real control plane."""

from __future__ import annotations

import pytest

from bot.model.outcome import Health, HealthState
from tests.contract.life import (
    BAD_IMAGE,
    CRASH_LOOP,
    DEPLOYMENTS,
    NEVER_READY,
    Life,
    conditions_of,
    managers_of,
    rolled_out,
    status_of,
    template,
    waiting_of,
    workload,
)
from tests.waiting import until

SETS = "replicasets.apps"
AVAILABLE = ("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
UNAVAILABLE = ("Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
DONE = ("Progressing", "True", "NewReplicaSetAvailable", 'ReplicaSet "web-HASH" has successfully progressed.')
MOVING = ("Progressing", "True", "ReplicaSetUpdated", 'ReplicaSet "web-HASH" is progressing.')


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
    health = until(lambda: degraded(life), "it is degraded")  # between two of its waits it runs for a moment
    (pod,) = life.list("pods")
    assert health.terminal
    assert health.message == f"{reason} in container main of pod {pod['metadata']['name']} (image {image})"


def degraded(life: Life) -> Health | None:
    health = life.health(DEPLOYMENTS, "web")
    return health if health.state is HealthState.DEGRADED else None


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
