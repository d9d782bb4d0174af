"""What stands around workloads: Services, volumes, budgets, autoscalers, Ingresses, Namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.kube.controllers.decision import Create
from bot.sandbox.kube.controllers.endpoints import slices_of
from bot.sandbox.kube.controllers.view import View
from tests.sandbox.kube.controllers.world import World, condition, deployment, named, template

HPA = "horizontalpodautoscalers.autoscaling"
PDB = "poddisruptionbudgets.policy"
SLICES = "endpointslices.discovery.k8s.io"


def service(**spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    body = named("v1", "Service", "web", spec={"selector": {"app": "web"}, "ports": ports, **spec})
    body["metadata"]["labels"] = {"gitops-bot/app": "shop"}
    return body


def slices(world: World) -> list[Any]:
    return list(world.cluster.list(SLICES))


def test_ready_pods_stand_behind_their_service(world: World) -> None:
    world.create("services", service())
    world.live(0.1)
    assert [one["endpoints"] for one in slices(world)] == [None]
    world.create("deployments.apps", deployment(replicas=2))
    world.live(1)
    made = slices(world)
    assert len(made) == 1
    assert made[0]["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert [point["addresses"][0] for point in made[0]["endpoints"]] == [pod["status"]["podIP"] for pod in world.pods()]
    assert all(point["conditions"]["ready"] for point in made[0]["endpoints"])
    assert made[0]["metadata"]["labels"] == {
        "gitops-bot/app": "shop",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": "web",
    }
    endpoints = world.get("endpoints", "web")
    assert len(endpoints["subsets"][0]["addresses"]) == 2
    assert endpoints["metadata"]["labels"]["gitops-bot/app"] == "shop"
    world.update("deployments.apps", "web", replicas=0)
    world.live(1)
    assert slices(world)[0]["endpoints"] is None
    assert "subsets" not in world.get("endpoints", "web")


def test_pod_that_is_not_ready_is_not_served(world: World) -> None:
    world.create("services", service())
    world.create("deployments.apps", deployment("gitops-bot.test/never-ready:1"))
    world.live(1)
    assert slices(world)[0]["endpoints"][0]["conditions"] == {"ready": False, "serving": False, "terminating": False}
    assert "addresses" not in world.get("endpoints", "web")["subsets"][0]


def test_named_port_is_the_one_of_the_container(world: World) -> None:
    container = {"name": "main", "image": "a:1", "ports": [{"name": "web", "containerPort": 9000}]}
    world.create("services", service(ports=[{"port": 80, "targetPort": "web"}]))
    world.create("deployments.apps", deployment(template=template(containers=[container])))
    world.live(1)
    assert slices(world)[0]["ports"] == [{"name": "", "port": 9000, "protocol": "TCP"}]


def test_deleted_service_takes_slices_and_endpoints_along(world: World) -> None:
    world.create("services", service())
    world.create("deployments.apps", deployment())
    world.live(1)
    world.delete("services", "web")
    world.live(1)
    assert slices(world) == []
    assert world.names("endpoints") == []


def test_more_than_a_hundred_pods_need_a_second_slice() -> None:
    pods = [
        named("v1", "Pod", f"web-{number:03}", spec={}, status={"podIP": f"10.128.0.{number}"}) for number in range(120)
    ]
    writes = slices_of(service(), pods, View())
    assert [len(write.body["endpoints"]) for write in writes if isinstance(write, Create)] == [100, 20]


def test_load_balancer_gets_an_address_and_gives_it_back(world: World) -> None:
    world.create("services", service(type="LoadBalancer"))
    world.live(1)
    assert world.status("services", "web")["loadBalancer"]["ingress"][0]["ip"].startswith("172.18.")
    assert world.get("services", "web")["metadata"]["finalizers"] == ["service.kubernetes.io/load-balancer-cleanup"]
    world.update("services", "web", type="ClusterIP")
    world.live(1)
    assert world.status("services", "web")["loadBalancer"] == {}
    assert "finalizers" not in world.get("services", "web")["metadata"]


def test_leaving_load_balancer_is_let_go(world: World) -> None:
    world.create("services", service(type="LoadBalancer"))
    world.live(1)
    world.delete("services", "web")
    world.live(1)
    assert world.names("services") == []


def claim(name: str = "data", storage: str = "1Gi", class_name: str = "standard") -> dict[str, Any]:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage}},
        "storageClassName": class_name,
    }
    body = named("v1", "PersistentVolumeClaim", name, spec=spec)
    body["metadata"]["finalizers"] = ["kubernetes.io/pvc-protection"]
    return body


def user(name: str = "user", claim_name: str = "data") -> dict[str, Any]:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": claim_name}}]
    return named("v1", "Pod", name, spec={"containers": [{"name": "main", "image": "a:1"}], "volumes": volumes})


def volume(name: str = "disk", storage: str = "5Gi", **spec: Any) -> dict[str, Any]:
    fields = {
        "capacity": {"storage": storage},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/data"},
        "storageClassName": "manual",
        "persistentVolumeReclaimPolicy": "Retain",
        **spec,
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": fields}


def test_claim_waits_for_the_first_pod_that_mounts_it(world: World) -> None:
    world.create("persistentvolumeclaims", claim())
    world.live(2)
    assert world.status("persistentvolumeclaims", "data") == {"phase": "Pending"}
    assert world.told("data") == ["WaitForFirstConsumer: waiting for first consumer to be created before binding"]
    world.create("pods", user())
    world.live(2)
    status = world.status("persistentvolumeclaims", "data")
    assert {key: value for key, value in status.items() if key != "conditions"} == {
        "phase": "Bound",
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
    }
    assert condition(status, "Unused")["status"] == "False"
    assert world.states() == ["ready"]
    made = world.cluster.list("persistentvolumes")[0]
    assert made["metadata"]["name"] == f"pvc-{world.get('persistentvolumeclaims', 'data')['metadata']['uid']}"
    assert made["status"]["phase"] == "Bound"


def test_claim_in_use_stays_until_its_pod_is_gone(world: World) -> None:
    world.create("persistentvolumeclaims", claim())
    world.create("pods", user())
    world.live(2)
    world.delete("persistentvolumeclaims", "data")
    world.live(2)
    assert world.names("persistentvolumeclaims") == ["data"]
    world.delete("pods", "user")
    world.live(2)
    assert world.names("persistentvolumeclaims") == []
    assert world.names("persistentvolumes") == []


def test_claim_takes_the_smallest_volume_that_fits(world: World) -> None:
    for name, storage in (("large", "100Gi"), ("small", "1Gi"), ("medium", "10Gi")):
        world.create("persistentvolumes", volume(name, storage))
    world.create("persistentvolumeclaims", claim(storage="5Gi", class_name="manual"))
    world.live(1)
    assert world.get("persistentvolumeclaims", "data")["spec"]["volumeName"] == "medium"
    assert world.status("persistentvolumeclaims", "data")["capacity"] == {"storage": "10Gi"}
    phases = {one["metadata"]["name"]: one["status"]["phase"] for one in world.cluster.list("persistentvolumes")}
    assert phases == {"large": "Available", "small": "Available", "medium": "Bound"}
    world.delete("persistentvolumeclaims", "data")
    world.live(1)
    assert world.get("persistentvolumes", "medium", "")["status"]["phase"] == "Released"


def test_claim_of_a_class_that_is_not_there_says_so(world: World) -> None:
    world.create("persistentvolumeclaims", claim(class_name="fast"))
    world.live(1)
    assert world.status("persistentvolumeclaims", "data") == {"phase": "Pending"}
    assert world.told("data") == ['ProvisioningFailed: storageclass.storage.k8s.io "fast" not found']


def test_pod_of_a_claim_that_is_not_there_stays_pending(world: World) -> None:
    world.create("pods", user())
    world.live(1)
    scheduled = condition(world.status("pods", "user"), "PodScheduled")
    assert 'persistentvolumeclaim "data" not found' in scheduled["message"]
    world.create("persistentvolumeclaims", claim())
    world.live(2)
    assert world.states() == ["ready"]


def test_claim_that_asks_for_more_grows(world: World) -> None:
    world.create("persistentvolumeclaims", claim())
    world.create("pods", user())
    world.live(2)
    world.update("persistentvolumeclaims", "data", resources={"requests": {"storage": "4Gi"}})
    world.live(1)
    assert world.status("persistentvolumeclaims", "data")["capacity"] == {"storage": "4Gi"}


@pytest.mark.parametrize(
    ("bound", "desired", "allowed"),
    [({"minAvailable": 2}, 2, 1), ({"maxUnavailable": 1}, 2, 1), ({"minAvailable": "100%"}, 3, 0)],
)
def test_budget_counts_the_pods_it_covers(world: World, bound: dict[str, Any], desired: int, allowed: int) -> None:
    selector = {"matchLabels": {"app": "web"}}
    world.create(PDB, named("policy/v1", "PodDisruptionBudget", "web", spec={"selector": selector, **bound}))
    world.create("deployments.apps", deployment(replicas=3))
    world.live(1)
    status = world.status(PDB, "web")
    reason = condition(status, "DisruptionAllowed")["reason"]
    assert {key: value for key, value in status.items() if key != "conditions"} == {
        "observedGeneration": 1,
        "currentHealthy": 3,
        "desiredHealthy": desired,
        "disruptionsAllowed": allowed,
        "expectedPods": 3,
    }
    assert reason == ("SufficientPods" if allowed else "InsufficientPods")


def autoscaler(low: int = 2, high: int = 4, target: str = "web") -> dict[str, Any]:
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    wanted = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    spec = {"minReplicas": low, "maxReplicas": high, "scaleTargetRef": wanted, "metrics": [cpu]}
    return named("autoscaling/v2", "HorizontalPodAutoscaler", "web", spec=spec)


@pytest.mark.parametrize(("before", "after"), [(1, 2), (3, 3), (6, 4), (0, 0)])
def test_autoscaler_keeps_its_target_within_the_bounds(world: World, before: int, after: int) -> None:
    world.create("deployments.apps", deployment(replicas=before))
    world.create(HPA, autoscaler())
    world.live(2)
    assert world.get("deployments.apps", "web")["spec"]["replicas"] == after
    status = world.status(HPA, "web")
    assert (status.get("currentReplicas", 0), status["desiredReplicas"]) == (after, after)
    assert condition(status, "AbleToScale")["status"] == "True"
    assert condition(status, "ScalingActive")["status"] == ("True" if before else "False")


def test_autoscaler_without_target_is_unable(world: World) -> None:
    world.create(HPA, autoscaler(target="nobody"))
    world.live(1)
    able = condition(world.status(HPA, "web"), "AbleToScale")
    assert (able["status"], able["reason"]) == ("False", "FailedGetScale")
    world.create("deployments.apps", deployment(name="nobody"))
    world.live(1)
    assert condition(world.status(HPA, "web"), "AbleToScale")["status"] == "True"


def test_ingress_gets_an_address(world: World) -> None:
    resource = "ingresses.networking.k8s.io"
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    world.create(resource, named("networking.k8s.io/v1", "Ingress", "web", spec={"defaultBackend": backend}))
    world.live(1)
    assert world.status(resource, "web")["loadBalancer"]["ingress"]


def test_namespace_has_an_account_and_the_authority(world: World) -> None:
    world.live(0)
    assert world.get("configmaps", "kube-root-ca.crt")["data"] == {"ca.crt": "CA"}
    world.delete("serviceaccounts", "default")
    world.live(0)
    assert world.names("serviceaccounts") == ["default"]
