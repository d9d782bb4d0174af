"""What becomes of Pods, and what they say."""

from __future__ import annotations

import pytest

from bot.sandbox.kube.controllers import Fate, Images
from bot.sandbox.kube.controllers.images import reference
from bot.sandbox.kube.errors import StatusError
from tests.sandbox.kube.controllers.world import World, condition, deployment, named


def pod(image: str = "shop/api:1", name: str = "one", **spec: object) -> dict[str, object]:
    return named("v1", "Pod", name, spec={"containers": [{"name": "main", "image": image}], **spec})


def test_pod_goes_through_the_phases_a_kubelet_shows(world: World) -> None:
    world.create(
        "pods", pod(containers=[{"name": "main", "image": "shop/api:1", "readinessProbe": {"tcpSocket": {"port": 80}}}])
    )
    seen: list[tuple[str, str]] = []
    for _ in range(100):
        world.live(0.01)
        status = world.status("pods", "one")
        state = world.states()[0] if status.get("containerStatuses") else "none"
        if (now := (status["phase"], state)) not in seen:
            seen.append(now)
    assert seen == [
        ("Pending", "none"),
        ("Pending", "ContainerCreating"),
        ("Running", "running"),
        ("Running", "ready"),
    ]
    assert [line.partition(":")[0] for line in world.told("one")] == [
        "Scheduled",
        "Pulling",
        "Pulled",
        "Created",
        "Started",
    ]
    assert {one["type"]: one["status"] for one in world.status("pods", "one")["conditions"]} == {
        "PodReadyToStartContainers": "True",
        "Initialized": "True",
        "Ready": "True",
        "ContainersReady": "True",
        "PodScheduled": "True",
    }


def test_image_that_does_not_exist_backs_off(world: World) -> None:
    world.create("pods", pod("nginx:broken"))
    world.live(5)
    waiting = world.status("pods", "one")["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "ImagePullBackOff"
    assert waiting["message"].startswith('Back-off pulling image "nginx:broken": ErrImagePull: rpc error')
    assert world.status("pods", "one")["phase"] == "Pending"
    assert [line.partition(":")[0] for line in world.told("one")] == [
        "Scheduled",
        "Pulling",
        "Failed",
        "Failed",
        "BackOff",
        "Failed",
    ]


def test_pushed_image_is_pulled_after_all(world: World) -> None:
    world.life.use(Images(known=frozenset({"shop/api:1"})))
    world.create("pods", pod("shop/api:2"))
    world.live(5)
    assert world.states() == ["ImagePullBackOff"]
    world.life.use(Images(known=frozenset({"shop/api:*"})))
    world.live(1)
    assert world.states() == ["ready"]


def test_crash_loop_restarts_ever_more_rarely(world: World) -> None:
    world.create("pods", pod("gitops-bot.test/crash-loop:1"))
    world.live(20)
    status = world.status("pods", "one")["containerStatuses"][0]
    assert status["restartCount"] == 4
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert status["state"]["waiting"]["message"].startswith(
        "back-off 16s restarting failed container=main pod=one_shop("
    )
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert world.status("pods", "one")["phase"] == "Running"
    world.live(60)
    assert world.status("pods", "one")["containerStatuses"][0]["restartCount"] == 6
    backed_off = [one for one in world.cluster.list("events") if one["reason"] == "BackOff"]
    assert [one["count"] for one in backed_off] == [7]


def test_first_rule_that_matches_decides_about_an_image() -> None:
    images = Images(rules=(("shop/*:1", Fate.RUNS), ("shop/*", Fate.CRASHES)), known=frozenset({"shop/*"}))
    assert images.fate("shop/api:1") is Fate.RUNS
    assert images.fate("shop/api:2") is Fate.CRASHES
    assert images.fate("nginx") is Fate.CANNOT_PULL


@pytest.mark.parametrize(
    ("image", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("shop/api:1", "docker.io/shop/api:1"),
        ("localhost:5000/api", "localhost:5000/api:latest"),
        ("ghcr.io/shop/api@sha256:ab", "ghcr.io/shop/api@sha256:ab"),
    ],
)
def test_image_is_named_in_full(image: str, full: str) -> None:
    assert reference(image) == full


def test_init_containers_run_one_after_the_other(world: World) -> None:
    inits = [{"name": "one", "image": "a:1"}, {"name": "two", "image": "a:1"}]
    world.create("pods", pod(initContainers=inits))
    world.live(0.3)
    status = world.status("pods", "one")
    assert "running" in status["initContainerStatuses"][0]["state"]
    assert status["initContainerStatuses"][1]["state"]["waiting"]["reason"] == "ContainerCreating"
    assert condition(status, "Initialized")["status"] == "False"
    world.live(3)
    assert world.states() == ["ready"]
    assert condition(world.status("pods", "one"), "Initialized")["status"] == "True"


def test_crashing_init_container_keeps_the_pod_from_starting(world: World) -> None:
    world.create("pods", pod(initContainers=[{"name": "init", "image": "gitops-bot.test/crash-loop:1"}]))
    world.live(20)
    status = world.status("pods", "one")
    assert status["phase"] == "Pending"
    assert status["initContainerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"


def test_pod_that_suits_no_node_stays_pending_and_says_why(world: World) -> None:
    world.create("pods", pod(nodeSelector={"disk": "ssd"}))
    world.live(1)
    scheduled = condition(world.status("pods", "one"), "PodScheduled")
    assert (scheduled["status"], scheduled["reason"]) == ("False", "Unschedulable")
    assert scheduled["message"].startswith(
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    )
    world.cluster.patch("nodes", "", "sandbox", {"metadata": {"labels": {"disk": "ssd"}}}, manager="test")
    world.live(1)
    assert world.states() == ["ready"]


@pytest.mark.parametrize(("requests", "reason"), [({"cpu": "65"}, "cpu"), ({"memory": "300Gi"}, "memory")])
def test_pod_that_asks_for_more_than_there_is_stays_pending(
    world: World, requests: dict[str, str], reason: str
) -> None:
    container = {"name": "main", "image": "a:1", "resources": {"requests": requests}}
    world.create("pods", pod(containers=[container]))
    world.live(1)
    assert f"1 Insufficient {reason}." in condition(world.status("pods", "one"), "PodScheduled")["message"]


def test_cordoned_node_takes_no_pod(world: World) -> None:
    world.live(0)
    world.cluster.patch("nodes", "", "sandbox", {"spec": {"unschedulable": True}}, manager="test")
    world.create("deployments.apps", deployment())
    world.live(1)
    assert "1 node(s) were unschedulable" in condition(world.pods()[0]["status"], "PodScheduled")["message"]
    world.cluster.patch("nodes", "", "sandbox", {"spec": {"unschedulable": None}}, manager="test")
    world.live(1)
    assert world.states() == ["ready"]


def test_crashed_container_tells_its_last_words(world: World) -> None:
    world.create("pods", pod("gitops-bot.test/crash-loop:1"))
    world.live(3)
    for previous in (False, True):
        lines = world.life.logs(world.get("pods", "one"), "main", previous=previous)
        assert lines[-1][1].startswith("FATAL cannot reach the database")
        assert [at for at, _ in lines] == sorted(at for at, _ in lines)


def test_logs_of_a_container_that_never_ran_are_refused(world: World) -> None:
    world.create("pods", pod("gitops-bot.test/bad-image:1"))
    world.live(3)
    with pytest.raises(StatusError, match='"main" in pod "one" is waiting to start: trying and failing to pull image'):
        world.life.logs(world.get("pods", "one"), "main", previous=False)
    with pytest.raises(StatusError, match='previous terminated container "main" in pod "one" not found'):
        world.life.logs(world.get("pods", "one"), "main", previous=True)
    with pytest.raises(StatusError, match="container other is not valid for pod one"):
        world.life.logs(world.get("pods", "one"), "other", previous=False)


def test_events_are_forgotten_after_an_hour(world: World) -> None:
    world.create("pods", pod())
    world.live(3601)
    world.create("pods", pod(name="two"))
    world.live(5)
    assert world.told("one") == []
    assert len(world.told("two")) == 5
