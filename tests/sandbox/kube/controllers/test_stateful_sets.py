"""What becomes of a StatefulSet."""

from __future__ import annotations

from typing import Any

from tests.sandbox.kube.controllers.world import World, template, workload


def stateful_set(image: str = "shop/db:1", replicas: int = 3, **spec: Any) -> dict[str, Any]:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    defaults = {"serviceName": "db", "podManagementPolicy": "OrderedReady", "updateStrategy": rolling}
    return workload("StatefulSet", image, "db", replicas=replicas, **{**defaults, **spec})


def images(world: World) -> list[str]:
    return [pod["spec"]["containers"][0]["image"] for pod in world.pods()]


def test_pods_come_in_order_each_after_the_one_before_is_ready(world: World) -> None:
    world.create("statefulsets.apps", stateful_set())
    born: list[tuple[str, list[str]]] = []
    for _ in range(200):
        world.live(0.01)
        for pod in world.pods():
            name = pod["metadata"]["name"]
            if name not in [one for one, _ in born]:
                ready = [
                    other["metadata"]["name"]
                    for other in world.pods()
                    if any(one["ready"] for one in other["status"].get("containerStatuses") or ())
                ]
                born.append((name, ready))
    assert born == [("db-0", []), ("db-1", ["db-0"]), ("db-2", ["db-0", "db-1"])]
    status = world.status("statefulsets.apps", "db")
    revision = world.names("controllerrevisions.apps")[0]
    assert status == {
        "observedGeneration": 1,
        "replicas": 3,
        "readyReplicas": 3,
        "currentReplicas": 3,
        "updatedReplicas": 3,
        "availableReplicas": 3,
        "currentRevision": revision,
        "updateRevision": revision,
        "collisionCount": 0,
    }
    labels = world.get("pods", "db-1")["metadata"]["labels"]
    assert labels == {
        "app": "db",
        "apps.kubernetes.io/pod-index": "1",
        "controller-revision-hash": revision,
        "statefulset.kubernetes.io/pod-name": "db-1",
    }
    spec = world.get("pods", "db-1")["spec"]
    assert (spec["hostname"], spec["subdomain"]) == ("db-1", "db")


def test_stuck_pod_holds_up_those_after_it(world: World) -> None:
    world.create("statefulsets.apps", stateful_set("gitops-bot.test/crash-loop:1"))
    world.live(5)
    assert world.names("pods") == ["db-0"]


def test_parallel_set_makes_all_pods_at_once(world: World) -> None:
    world.create("statefulsets.apps", stateful_set(podManagementPolicy="Parallel"))
    world.live(0.01)
    assert world.names("pods") == ["db-0", "db-1", "db-2"]


def test_update_replaces_pods_from_the_last_to_the_first(world: World) -> None:
    world.create("statefulsets.apps", stateful_set())
    world.live(3)
    world.update("statefulsets.apps", "db", template=template("shop/db:2", "db"))
    seen: list[list[str]] = []
    for _ in range(300):
        world.live(0.01)
        if len(world.pods()) == 3 and images(world) not in seen:
            seen.append(images(world))
    assert seen == [
        ["shop/db:1", "shop/db:1", "shop/db:1"],
        ["shop/db:1", "shop/db:1", "shop/db:2"],
        ["shop/db:1", "shop/db:2", "shop/db:2"],
        ["shop/db:2", "shop/db:2", "shop/db:2"],
    ]
    status = world.status("statefulsets.apps", "db")
    assert status["currentRevision"] == status["updateRevision"]
    assert status["updatedReplicas"] == status["currentReplicas"] == 3


def test_partition_keeps_the_pods_below_it(world: World) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    world.create("statefulsets.apps", stateful_set(updateStrategy=strategy))
    world.live(3)
    world.update("statefulsets.apps", "db", template=template("shop/db:2", "db"))
    world.live(5)
    assert images(world) == ["shop/db:1", "shop/db:1", "shop/db:2"]
    status = world.status("statefulsets.apps", "db")
    assert status["currentRevision"] != status["updateRevision"]
    assert (status["currentReplicas"], status["updatedReplicas"]) == (2, 1)
    world.delete("pods", "db-0")
    world.live(2)
    assert images(world)[0] == "shop/db:1"


def test_on_delete_waits_for_somebody_to_delete_the_pods(world: World) -> None:
    world.create("statefulsets.apps", stateful_set(replicas=2, updateStrategy={"type": "OnDelete"}))
    world.live(3)
    world.update("statefulsets.apps", "db", template=template("shop/db:2", "db"))
    world.live(3)
    assert images(world) == ["shop/db:1", "shop/db:1"]
    world.delete("pods", "db-0")
    world.live(3)
    assert images(world) == ["shop/db:2", "shop/db:1"]


def test_smaller_set_loses_its_last_pods_and_keeps_their_claims(world: World) -> None:
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "standard",
        },
    }
    world.create("statefulsets.apps", stateful_set(volumeClaimTemplates=[claim]))
    world.live(5)
    assert world.states() == ["ready", "ready", "ready"]
    assert world.names("persistentvolumeclaims") == ["data-db-0", "data-db-1", "data-db-2"]
    volume = world.get("pods", "db-1")["spec"]["volumes"][0]
    assert volume == {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}}
    world.update("statefulsets.apps", "db", replicas=1)
    world.live(3)
    assert world.names("pods") == ["db-0"]
    assert len(world.names("persistentvolumeclaims")) == 3
    assert "SuccessfulDelete: Delete Pod db-2 in StatefulSet db successful" in world.told("db")


def test_old_revisions_beyond_the_history_go(world: World) -> None:
    world.create("statefulsets.apps", stateful_set(replicas=1, revisionHistoryLimit=1))
    world.live(1)
    for number in range(2, 6):
        world.update("statefulsets.apps", "db", template=template(f"shop/db:{number}", "db"))
        world.live(2)
    kept = [one["revision"] for one in world.cluster.list("controllerrevisions.apps")]
    assert sorted(kept) == [4, 5]
