"""What becomes of a DaemonSet."""

from __future__ import annotations

from tests.sandbox.kube.controllers.world import World, template, workload

ON_DELETE = {"type": "OnDelete"}


def test_each_node_that_suits_has_one_pod(world: World) -> None:
    for name, labels in (("second", {}), ("third", {"kind": "gpu"})):
        world.create("nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
    world.create("daemonsets.apps", workload("DaemonSet", name="agent"))
    world.live(1)
    assert sorted(pod["spec"]["nodeName"] for pod in world.pods()) == ["sandbox", "second", "third"]
    assert world.status("daemonsets.apps", "agent") == {
        "currentNumberScheduled": 3,
        "desiredNumberScheduled": 3,
        "numberAvailable": 3,
        "numberMisscheduled": 0,
        "numberReady": 3,
        "observedGeneration": 1,
        "updatedNumberScheduled": 3,
    }
    selected = template(app="agent", nodeSelector={"kind": "gpu"})
    world.update("daemonsets.apps", "agent", template=selected)
    world.live(2)
    assert [pod["spec"]["nodeName"] for pod in world.pods()] == ["third"]


def test_update_replaces_the_pod(world: World) -> None:
    world.create("daemonsets.apps", workload("DaemonSet", name="agent"))
    world.live(1)
    world.update("daemonsets.apps", "agent", template=template("shop/api:2", "agent"))
    world.live(0.01)
    assert "updatedNumberScheduled" not in world.status("daemonsets.apps", "agent")
    world.live(2)
    assert [pod["spec"]["containers"][0]["image"] for pod in world.pods()] == ["shop/api:2"]
    assert world.status("daemonsets.apps", "agent")["updatedNumberScheduled"] == 1


def test_surge_starts_the_new_pod_beside_the_old_one(world: World) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    world.create("daemonsets.apps", workload("DaemonSet", name="agent", updateStrategy=strategy))
    world.live(1)
    world.update("daemonsets.apps", "agent", template=template("shop/api:2", "agent"))
    for _ in range(200):
        world.live(0.01)
        assert world.status("daemonsets.apps", "agent")["numberAvailable"] == 1
    assert [pod["spec"]["containers"][0]["image"] for pod in world.pods()] == ["shop/api:2"]


def test_on_delete_waits_for_somebody_to_delete_the_pod(world: World) -> None:
    world.create("daemonsets.apps", workload("DaemonSet", name="agent", updateStrategy=ON_DELETE))
    world.live(1)
    world.update("daemonsets.apps", "agent", template=template("shop/api:2", "agent"))
    world.live(2)
    assert [pod["spec"]["containers"][0]["image"] for pod in world.pods()] == ["shop/api:1"]
