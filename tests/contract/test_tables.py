"""What `kubectl get -o wide` prints, the same on the sandbox and on the real API server."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from tests.contract.life import BAD_IMAGE, GOOD, Life, job, waiting_of, workload
from tests.contract.servers import Server
from tests.waiting import until

_TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
_TIMES: Final = frozenset({"Age", "Last Seen", "First Seen", "Duration", "Created At"})
SELECTOR: Final = {"matchLabels": {"app": "web"}}
POD_COLUMNS: Final = {"Nominated Node": "<none>", "Readiness Gates": "<none>", "Restarts": "0"}


@pytest.fixture
def life(server: Server, namespace: str) -> Life:
    until(lambda: Life(server, namespace).get("serviceaccounts", "default"), "the namespace has its account")
    return Life(server, namespace)


def rows(server: Server, path: str) -> list[dict[str, Any]]:
    """Return the rows of a list, by column; times are left out."""
    table = server.request("GET", path, accept=_TABLE)
    names = [one["name"] for one in table["columnDefinitions"]]
    return [
        {name: cell for name, cell in zip(names, row["cells"], strict=True) if name not in _TIMES}
        for row in table["rows"]
    ]


def test_workloads_and_their_pods(life: Life) -> None:
    life.create("deployments.apps", "web", workload(replicas=2))
    life.create("statefulsets.apps", "db", workload(app="db", serviceName="db"))
    life.create("daemonsets.apps", "agent", workload(app="agent"))
    life.create("jobs.batch", "once", job())
    life.once("deployments.apps", "web", lambda one: one["status"].get("availableReplicas") == 2, "is available")
    life.once("statefulsets.apps", "db", lambda one: one["status"].get("readyReplicas") == 1, "is ready")
    life.once("daemonsets.apps", "agent", lambda one: one["status"].get("numberAvailable") == 1, "is available")
    life.once("jobs.batch", "once", lambda one: "completionTime" in one["status"], "completes")
    containers = {"Containers": "main", "Images": GOOD}
    counts = {"Ready": "2/2", "Up-to-date": 2, "Available": 2}
    assert rows(life.server, life.path("deployments.apps")) == [
        {"Name": "web", **counts, **containers, "Selector": "app=web"}
    ]
    (replica_set,) = rows(life.server, life.path("replicasets.apps"))
    hash = replica_set.pop("Name").removeprefix("web-")
    selector = f"app=web,pod-template-hash={hash}"
    assert replica_set == {"Desired": 2, "Current": 2, "Ready": 2, **containers, "Selector": selector}
    assert rows(life.server, life.path("statefulsets.apps")) == [{"Name": "db", "Ready": "1/1", **containers}]
    daemons = {"Desired": 1, "Current": 1, "Ready": 1, "Up-to-date": 1, "Available": 1, "Node Selector": "<none>"}
    assert rows(life.server, life.path("daemonsets.apps")) == [
        {"Name": "agent", **daemons, **containers, "Selector": "app=agent"}
    ]
    (one,) = rows(life.server, life.path("jobs.batch"))
    assert re.fullmatch("batch.kubernetes.io/controller-uid=[0-9a-f-]{36}", one.pop("Selector"))
    assert one == {"Name": "once", "Status": "Complete", "Completions": "1/1", **containers}
    pods = rows(life.server, life.path("pods"))
    assert sorted((pod["Name"][:3], pod["Ready"], pod["Status"]) for pod in pods) == [
        ("age", "1/1", "Running"),
        ("db-", "1/1", "Running"),
        ("onc", "0/1", "Completed"),
        ("web", "1/1", "Running"),
        ("web", "1/1", "Running"),
    ]
    assert all(pod.items() >= POD_COLUMNS.items() for pod in pods)
    revisions = rows(life.server, life.path("controllerrevisions.apps"))
    assert {one["Controller"]: one["Revision"] for one in revisions} == {
        "daemonset.apps/agent": 1,
        "statefulset.apps/db": 1,
    }


def test_pod_that_cannot_start(life: Life) -> None:
    life.create("pods", "bad", {"containers": [{"name": "main", "image": BAD_IMAGE}]})
    until(lambda: waiting_of(life.list("pods")) == ["ImagePullBackOff"], "it cannot pull")
    life.create("pods", "lost", {"containers": [{"name": "main", "image": GOOD}], "nodeSelector": {"no": "where"}})
    told = [(one["Name"], one["Ready"], one["Status"]) for one in rows(life.server, life.path("pods"))]
    assert told == [("bad", "0/1", "ImagePullBackOff"), ("lost", "0/1", "Pending")]


def test_services_and_what_stands_before_them(life: Life) -> None:
    ports = [{"name": "http", "port": 80}, {"name": "tls", "port": 443, "targetPort": 8443}]
    life.create("services", "plain", {"selector": {"app": "web"}, "ports": ports, "externalIPs": ["192.0.2.7"]})
    life.create("services", "none", {"clusterIP": "None", "selector": {"app": "web"}})
    life.create("services", "outside", {"type": "ExternalName", "externalName": "example.com"})
    by_name = {one.pop("Name"): one for one in rows(life.server, life.path("services"))}
    assert re.fullmatch(r"10\.\d+\.\d+\.\d+", by_name["plain"].pop("Cluster-IP"))
    assert by_name == {
        "plain": {"Type": "ClusterIP", "External-IP": "192.0.2.7", "Port(s)": "80/TCP,443/TCP", "Selector": "app=web"},
        "none": {
            "Type": "ClusterIP",
            "Cluster-IP": "None",
            "External-IP": "<none>",
            "Port(s)": "<none>",
            "Selector": "app=web",
        },
        "outside": {
            "Type": "ExternalName",
            "Cluster-IP": "<none>",
            "External-IP": "example.com",
            "Port(s)": "<none>",
            "Selector": "<none>",
        },
    }
    (slice,) = until(
        lambda: [
            one for one in rows(life.server, life.path("endpointslices.discovery.k8s.io")) if "plain" in one["Name"]
        ],
        "the slice is there",
    )
    assert (slice["AddressType"], slice["Ports"], slice["Endpoints"]) == ("IPv4", "<unset>", "<unset>")
    backend = {"service": {"name": "plain", "port": {"number": 80}}}
    rules = [
        {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
        for host in ("a.example", "b.example")
    ]
    path = f"/apis/networking.k8s.io/v1/namespaces/{life.namespace}"
    spec = {"ingressClassName": "nginx", "rules": rules, "tls": [{"hosts": ["a.example"]}]}
    life.server.request("POST", f"{path}/ingresses", body={"metadata": {"name": "web"}, "spec": spec})
    (ingress,) = rows(life.server, f"{path}/ingresses")
    del ingress["Address"]  # the real control plane has no ingress controller
    assert ingress == {"Name": "web", "Class": "nginx", "Hosts": "a.example,b.example", "Ports": "80, 443"}
    policy = {"metadata": {"name": "web"}, "spec": {"podSelector": SELECTOR}}
    life.server.request("POST", f"{path}/networkpolicies", body=policy)
    assert rows(life.server, f"{path}/networkpolicies") == [{"Name": "web", "Pod-Selector": "app=web"}]


def test_configuration_rights_and_leases(life: Life) -> None:
    core, rights = f"/api/v1/namespaces/{life.namespace}", "/apis/rbac.authorization.k8s.io/v1"
    life.server.request("POST", f"{core}/configmaps", body={"metadata": {"name": "c"}, "data": {"a": "1", "b": "2"}})
    assert {"Name": "c", "Data": 2} in rows(life.server, f"{core}/configmaps")
    life.server.request("POST", f"{core}/secrets", body={"metadata": {"name": "s"}, "data": {"a": "MQ=="}})
    assert rows(life.server, f"{core}/secrets") == [{"Name": "s", "Type": "Opaque", "Data": 1}]
    subjects = [
        {"kind": "User", "name": "ana"},
        {"kind": "Group", "name": "ops"},
        {"kind": "ServiceAccount", "name": "default", "namespace": life.namespace},
    ]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    binding = {"metadata": {"name": "b"}, "roleRef": role, "subjects": subjects}
    life.server.request("POST", f"{rights}/namespaces/{life.namespace}/rolebindings", body=binding)
    assert rows(life.server, f"{rights}/namespaces/{life.namespace}/rolebindings") == [
        {
            "Name": "b",
            "Role": "ClusterRole/view",
            "Users": "ana",
            "Groups": "ops",
            "ServiceAccounts": f"{life.namespace}/default",
        }
    ]
    lease = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}}
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{life.namespace}/leases"
    life.server.request("POST", leases, body=lease)
    assert rows(life.server, leases) == [{"Name": "l", "Holder": "me"}]
    (place,) = [one for one in rows(life.server, "/api/v1/namespaces") if one["Name"] == life.namespace]
    assert place == {"Name": life.namespace, "Status": "Active"}


def test_budgets_schedules_and_claims(life: Life) -> None:
    life.create("poddisruptionbudgets.policy", "web", {"minAvailable": "50%", "selector": SELECTOR})
    assert rows(life.server, life.path("poddisruptionbudgets.policy")) == [
        {"Name": "web", "Min Available": "50%", "Max Unavailable": "N/A", "Allowed Disruptions": 0}
    ]
    schedule = {"schedule": "0 3 1 1 *", "timeZone": "Etc/UTC", "jobTemplate": {"spec": job()}}
    life.create("cronjobs.batch", "report", schedule)
    assert rows(life.server, life.path("cronjobs.batch")) == [
        {
            "Name": "report",
            "Schedule": "0 3 1 1 *",
            "Timezone": "Etc/UTC",
            "Suspend": "False",
            "Active": 0,
            "Last Schedule": "<none>",
            "Containers": "main",
            "Images": GOOD,
            "Selector": "<none>",
        }
    ]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nobody"}
    life.create("horizontalpodautoscalers.autoscaling", "web", {"maxReplicas": 3, "scaleTargetRef": target})
    assert rows(life.server, life.path("horizontalpodautoscalers.autoscaling")) == [
        {
            "Name": "web",
            "Reference": "Deployment/nobody",
            "Targets": "cpu: <unknown>/80%",
            "MinPods": "1",
            "MaxPods": 3,
            "Replicas": 0,
        }
    ]
    wanted = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "nobody-provisions-this",
    }
    life.create("persistentvolumeclaims", "data", wanted)
    assert rows(life.server, life.path("persistentvolumeclaims")) == [
        {
            "Name": "data",
            "Status": "Pending",
            "Volume": "",
            "Capacity": "",
            "Access Modes": "",
            "StorageClass": "nobody-provisions-this",
            "VolumeAttributesClass": "<unset>",
            "VolumeMode": "Filesystem",
        }
    ]


def test_volumes_classes_and_definitions(life: Life, unique: str) -> None:
    volume = {
        "capacity": {"storage": "5Gi"},
        "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
        "storageClassName": unique,
        "hostPath": {"path": "/tmp/data"},
    }
    group = f"{unique}.example.com"
    definition = {
        "group": group,
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets", "shortNames": ["wd"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    }
    made: dict[str, Any] = {
        "/api/v1/persistentvolumes": {"metadata": {"name": unique}, "spec": volume},
        "/apis/storage.k8s.io/v1/storageclasses": {"metadata": {"name": unique}, "provisioner": "example.com/disk"},
        "/apis/scheduling.k8s.io/v1/priorityclasses": {"metadata": {"name": unique}, "value": 7},
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": {
            "metadata": {"name": f"widgets.{group}"},
            "spec": definition,
        },
    }
    for path, body in made.items():
        life.server.request("POST", path, body=body)

    def row(path: str) -> dict[str, Any]:
        return next(one for one in rows(life.server, path) if unique in one["Name"])

    volumes, classes, priorities, definitions = made
    until(lambda: row(volumes)["Status"] == "Available", "the volume is available")
    assert row(volumes) == {
        "Name": unique,
        "Capacity": "5Gi",
        "Access Modes": "RWO,ROX",
        "Reclaim Policy": "Retain",
        "Status": "Available",
        "Claim": "",
        "StorageClass": unique,
        "VolumeAttributesClass": "<unset>",
        "Reason": "",
        "VolumeMode": "Filesystem",
    }
    assert row(classes) == {
        "Name": unique,
        "Provisioner": "example.com/disk",
        "ReclaimPolicy": "Delete",
        "VolumeBindingMode": "Immediate",
        "AllowVolumeExpansion": False,
    }
    assert row(priorities) == {
        "Name": unique,
        "Value": 7,
        "Global-Default": False,
        "PreemptionPolicy": "PreemptLowerPriority",
    }
    until(lambda: row(definitions)["Established"], "the definition is established")
    assert row(definitions) == {
        "Name": f"widgets.{group}",
        "Scope": "Namespaced",
        "Versions": "v1(storage)",
        "Group": group,
        "Kind": "Widget",
        "ShortNames": "wd",
        "Established": True,
    }
    for path, body in made.items():
        life.server.request("DELETE", f"{path}/{body['metadata']['name']}")


def test_events_name_their_object_and_source(life: Life) -> None:
    life.create("deployments.apps", "web", workload())

    def scaled() -> list[dict[str, Any]]:
        return [one for one in rows(life.server, life.path("events")) if one["Object"] == "deployment/web"]

    (event,) = until(scaled, "the scaling is told")
    assert event.pop("Message").startswith("Scaled up replica set web-")
    assert event.pop("Name").startswith("web.")
    assert event == {
        "Count": 1,
        "Type": "Normal",
        "Reason": "ScalingReplicaSet",
        "Object": "deployment/web",
        "Subobject": "",
        "Source": "deployment-controller",
    }
