"""What becomes of a Deployment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.sandbox.kube.ports import Propagation
from tests.sandbox.kube.controllers.world import World, condition, deployment, named, template


def sizes(world: World) -> dict[str, int]:
    """Return the sizes of the ReplicaSets by the image of their template."""
    return {
        one["spec"]["template"]["spec"]["containers"][0]["image"]: one["spec"]["replicas"]
        for one in world.cluster.list("replicasets.apps")
    }


def test_deployment_becomes_available_within_half_a_second(world: World) -> None:
    world.create("deployments.apps", deployment(replicas=3))
    world.live(0.5)
    status = world.status("deployments.apps", "web")
    assert {key: value for key, value in status.items() if key != "conditions"} == {
        "observedGeneration": 1,
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "terminatingReplicas": 0,
    }
    replica_set = world.names("replicasets.apps")[0]
    assert [(one["type"], one["status"], one["reason"], one["message"]) for one in status["conditions"]] == [
        ("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        (
            "Progressing",
            "True",
            "NewReplicaSetAvailable",
            f'ReplicaSet "{replica_set}" has successfully progressed.',
        ),
    ]
    assert world.told("web") == [f"ScalingReplicaSet: Scaled up replica set {replica_set} from 0 to 3"]


def test_replica_set_carries_hash_revision_and_annotations(world: World) -> None:
    body = deployment()
    body["metadata"]["annotations"] = {
        "team": "shop",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
    }
    world.create("deployments.apps", body)
    world.live(1)
    replica_set = world.get("replicasets.apps", world.names("replicasets.apps")[0])
    hash = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert replica_set["metadata"]["name"] == f"web-{hash}"
    assert replica_set["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": hash}
    assert replica_set["metadata"]["annotations"] == {
        "team": "shop",
        "deployment.kubernetes.io/revision": "1",
        "deployment.kubernetes.io/desired-replicas": "1",
        "deployment.kubernetes.io/max-replicas": "2",
    }
    revision = world.get("deployments.apps", "web")["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    assert revision == "1"


def test_rolling_update_never_leaves_its_bounds(world: World) -> None:
    world.create("deployments.apps", deployment(replicas=4))
    world.live(1)
    world.update("deployments.apps", "web", template=template("shop/api:2"))
    seen = set()
    for _ in range(400):
        world.live(0.01)
        pods = [pod for pod in world.pods() if not pod["metadata"].get("deletionTimestamp")]
        seen.add((len(pods), sum(bool(pod["status"].get("podIP")) for pod in pods)))
    assert max(total for total, _ in seen) == 5
    assert min(running for _, running in seen) == 3
    assert sizes(world) == {"shop/api:1": 0, "shop/api:2": 4}
    assert world.get("deployments.apps", "web")["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "2"}


def test_going_back_reuses_the_old_replica_set_under_a_new_revision(world: World) -> None:
    world.create("deployments.apps", deployment())
    world.live(1)
    world.update("deployments.apps", "web", template=template("shop/api:2"))
    world.live(2)
    world.update("deployments.apps", "web", template=template("shop/api:1"))
    world.live(2)
    assert sizes(world) == {"shop/api:1": 1, "shop/api:2": 0}
    notes = {
        one["spec"]["template"]["spec"]["containers"][0]["image"]: one["metadata"]["annotations"]
        for one in world.cluster.list("replicasets.apps")
    }
    assert notes["shop/api:1"]["deployment.kubernetes.io/revision"] == "3"
    assert notes["shop/api:1"]["deployment.kubernetes.io/revision-history"] == "1"


def test_bad_image_keeps_the_old_pods_running(world: World) -> None:
    world.create("deployments.apps", deployment(replicas=2))
    world.live(1)
    world.update("deployments.apps", "web", template=template("gitops-bot.test/bad-image:1"))
    world.live(5)
    assert sorted(world.states()) == ["ImagePullBackOff", "ready", "ready"]
    status = world.status("deployments.apps", "web")
    assert condition(status, "Available")["status"] == "True"
    assert condition(status, "Progressing")["reason"] == "ReplicaSetUpdated"
    world.live(601)
    late = condition(world.status("deployments.apps", "web"), "Progressing")
    assert (late["status"], late["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert late["message"].endswith('" has timed out progressing.')


def test_deployment_that_cannot_start_is_unavailable(world: World) -> None:
    world.create("deployments.apps", deployment("gitops-bot.test/never-ready:1", replicas=2))
    world.live(2)
    status = world.status("deployments.apps", "web")
    assert world.states() == ["running", "running"]
    assert status["unavailableReplicas"] == 2
    assert "availableReplicas" not in status
    assert condition(status, "Available")["reason"] == "MinimumReplicasUnavailable"


@pytest.mark.parametrize("replicas", [5, 1, 0])
def test_scaling_changes_the_pods_and_nothing_else(world: World, replicas: int) -> None:
    world.create("deployments.apps", deployment(replicas=3))
    world.live(1)
    world.update("deployments.apps", "web", replicas=replicas)
    world.live(1)
    assert len(world.pods()) == replicas
    assert len(world.names("replicasets.apps")) == 1
    assert condition(world.status("deployments.apps", "web"), "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_scaling_during_a_stuck_rollout_is_shared(world: World) -> None:
    world.create("deployments.apps", deployment(replicas=10))
    world.live(1)
    world.update("deployments.apps", "web", template=template("gitops-bot.test/never-ready:1"))
    world.live(2)
    assert sizes(world) == {"shop/api:1": 8, "gitops-bot.test/never-ready:1": 5}
    world.update("deployments.apps", "web", replicas=20)
    world.live(2)
    assert sum(sizes(world).values()) == 25
    assert sizes(world)["shop/api:1"] >= 15


def test_recreate_waits_for_the_old_pods_to_be_gone(world: World) -> None:
    world.create("deployments.apps", deployment(replicas=2, strategy={"type": "Recreate"}))
    world.live(1)
    world.update("deployments.apps", "web", template=template("shop/api:2"))
    for _ in range(200):
        world.live(0.01)
        images = {pod["spec"]["containers"][0]["image"] for pod in world.pods()}
        assert len(images) <= 1
    assert world.states() == ["ready", "ready"]


def test_paused_rollout_waits_and_says_so(world: World) -> None:
    world.create("deployments.apps", deployment())
    world.live(1)
    world.update("deployments.apps", "web", paused=True, template=template("shop/api:2"))
    world.live(2)
    assert sizes(world) == {"shop/api:1": 1}
    assert condition(world.status("deployments.apps", "web"), "Progressing")["reason"] == "DeploymentPaused"
    world.update("deployments.apps", "web", paused=False)
    world.live(2)
    assert sizes(world) == {"shop/api:1": 0, "shop/api:2": 1}


def test_old_replica_sets_beyond_the_history_go(world: World) -> None:
    world.create("deployments.apps", deployment(revisionHistoryLimit=1))
    for number in range(4):
        world.update("deployments.apps", "web", template=template(f"shop/api:{number}"))
        world.live(2)
    assert sizes(world) == {"shop/api:2": 0, "shop/api:3": 1}


def test_deleted_pod_is_replaced(world: World) -> None:
    world.create("deployments.apps", deployment())
    world.live(1)
    gone = world.pods()[0]["metadata"]["name"]
    world.delete("pods", gone)
    world.live(1)
    assert [pod["metadata"]["name"] == gone for pod in world.pods()] == [False]
    assert world.states() == ["ready"]
    assert "Killing: Stopping container main" in world.told(gone)


def test_min_ready_seconds_delay_availability(world: World) -> None:
    world.create("deployments.apps", deployment(minReadySeconds=30))
    world.live(5)
    assert "availableReplicas" not in world.status("deployments.apps", "web")
    world.live(30)
    assert world.status("deployments.apps", "web")["availableReplicas"] == 1


def test_orphaned_replica_set_is_adopted_again(world: World) -> None:
    """A Deployment that was deleted with its ReplicaSets kept finds them when it comes back."""
    world.create("deployments.apps", deployment())
    world.live(1)
    name = world.names("replicasets.apps")[0]
    world.cluster.delete("deployments.apps", "shop", "web", propagation=Propagation.ORPHAN)
    world.live(1)
    assert "ownerReferences" not in world.get("replicasets.apps", name)["metadata"]
    pods = [pod["metadata"]["uid"] for pod in world.pods()]
    again = world.create("deployments.apps", deployment())
    world.live(1)
    owner = world.get("replicasets.apps", name)["metadata"]["ownerReferences"][0]
    assert owner["uid"] == again["metadata"]["uid"]
    assert [pod["metadata"]["uid"] for pod in world.pods()] == pods


def test_refused_pods_are_not_tried_again_at_once(world: World) -> None:
    world.create("deployments.apps", deployment(template=template(serviceAccountName="nobody")))
    world.live(3)
    replica_set = world.names("replicasets.apps")[0]
    failure = condition(world.status("deployments.apps", "web"), "ReplicaFailure")
    assert failure["message"] == (
        f'pods "{replica_set}-" is forbidden: error looking up service account shop/nobody: '
        'serviceaccount "nobody" not found'
    )
    refusals: list[Any] = [one for one in world.cluster.list("events") if one["reason"] == "FailedCreate"]
    assert [one["count"] for one in refusals] == [5]
    world.create("serviceaccounts", named("v1", "ServiceAccount", "nobody"))
    world.live(5)
    assert world.states() == ["ready"]
    assert condition(world.status("deployments.apps", "web"), "ReplicaFailure") is None


def test_nothing_is_due_once_all_is_well(world: World) -> None:
    world.create("deployments.apps", deployment(replicas=3))
    world.live(1)
    assert world.life.turn() is None
    changes = world.cluster.watch("deployments.apps", "replicasets.apps", "pods", "events", "nodes")
    changes.take(0)
    world.live(timedelta(days=1).total_seconds())
    assert not changes.take(0)
