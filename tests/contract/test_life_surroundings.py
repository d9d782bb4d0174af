"""What becomes of Services, claims, budgets, autoscalers and namespaces, the same on the sandbox and the real one."""

from __future__ import annotations

from tests.contract.life import (
    DEPLOYMENTS,
    NEVER_READY,
    Body,
    Life,
    conditions_of,
    managers_of,
    rolled_out,
    status_of,
    workload,
)
from tests.waiting import until

SLICES = "endpointslices.discovery.k8s.io"


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
    endpoints = life.once("endpoints", "web", lambda one: addresses_of(one) == 2, "is full")
    assert endpoints["metadata"]["labels"] == {
        "endpoints.kubernetes.io/managed-by": "endpoint-controller",
        "tier": "front",
    }
    assert endpoints["subsets"][0]["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    life.delete("services", "web")
    until(lambda: life.get("endpoints", "web") is None and not life.list(SLICES), "slices and endpoints are gone")


def addresses_of(endpoints: Body) -> int:
    return sum(len(one.get("addresses") or ()) for one in endpoints.get("subsets") or ())


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
