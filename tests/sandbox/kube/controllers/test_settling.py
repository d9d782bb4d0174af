"""Whatever people do to a Deployment, it settles on what they asked for last."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as some

from tests.sandbox.kube.controllers.world import World, condition, deployment, template

ACTS = some.one_of(
    some.tuples(some.just("scale"), some.integers(0, 4)),
    some.tuples(some.just("image"), some.integers(1, 3)),
    some.tuples(some.just("delete a pod"), some.integers(0, 3)),
    some.tuples(some.just("delete a set"), some.integers(0, 3)),
    some.tuples(some.just("wait"), some.integers(1, 60)),
)


@settings(max_examples=15, deadline=None)
@given(some.lists(ACTS, max_size=6))
def test_deployment_settles_after_any_acts(acts: list[tuple[str, int]]) -> None:
    world, replicas, image = World(), 2, 1
    world.create("deployments.apps", deployment("shop/api:1", replicas=replicas))
    for act, number in acts:
        match act:
            case "scale":
                replicas = number
                world.update("deployments.apps", "web", replicas=replicas)
            case "image":
                image = number
                world.update("deployments.apps", "web", template=template(f"shop/api:{image}"))
            case "wait":
                world.live(number / 100)
            case _:
                resource = "pods" if act == "delete a pod" else "replicasets.apps"
                if names := world.names(resource):
                    world.delete(resource, names[number % len(names)])
    world.live(5)
    assert [pod["spec"]["containers"][0]["image"] for pod in world.pods()] == [f"shop/api:{image}"] * replicas
    assert world.states() == ["ready"] * replicas
    status = world.status("deployments.apps", "web")
    assert status.get("availableReplicas", 0) == status.get("updatedReplicas", 0) == replicas
    assert condition(status, "Available")["status"] == "True"
    assert condition(status, "Progressing")["reason"] == "NewReplicaSetAvailable"
    assert world.life.turn() is None
