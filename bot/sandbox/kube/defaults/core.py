"""Defaults of the core group: Pods and what is in them, Services, volumes, Namespaces.

Source: k8s.io/kubernetes `pkg/apis/core/v1`, SetDefaults_*, 1.37.
"""

from __future__ import annotations

from typing import Final

from bot.sandbox.kube.defaults.values import Rules, Value, fill, filled, items, positive, struct


def pull_policy(image: str) -> str:
    """Return Always for `latest` and for no tag and no digest, else IfNotPresent."""
    name, _, digest = image.partition("@")
    _, _, tag = name.rpartition("/")[2].partition(":")
    return "Always" if tag == "latest" or not (tag or digest) else "IfNotPresent"


def _pod(pod: Value) -> None:
    spec = struct(pod, "spec")
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1
    for container in [*items(spec, "containers"), *items(spec, "initContainers")]:
        limits = (container.get("resources") or {}).get("limits")
        if limits:
            resources = container["resources"]
            resources["requests"] = {**limits, **(resources.get("requests") or {})}
        if spec.get("hostNetwork"):
            for port in items(container, "ports"):
                if not port.get("hostPort"):
                    port["hostPort"] = port.get("containerPort")
    fill(spec, enableServiceLinks=True)


def _pod_spec(spec: Value) -> None:
    if not spec.get("serviceAccountName") and spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    fill(
        spec,
        dnsPolicy="ClusterFirst",
        restartPolicy="Always",
        securityContext={},
        terminationGracePeriodSeconds=30,
        schedulerName="default-scheduler",
    )


def _pod_status(status: Value) -> None:
    address, addresses = status.get("podIP"), status.get("podIPs")
    if address and (not addresses or addresses[0].get("ip") != address):
        status["podIPs"] = [{"ip": address}]
    elif addresses and not address:
        status["podIP"] = addresses[0].get("ip")


def _container(container: Value) -> None:
    fill(
        container,
        imagePullPolicy=pull_policy(container.get("image") or ""),
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
    )


def _volume(volume: Value) -> None:
    if not any(value is not None for name, value in volume.items() if name != "name"):
        volume["emptyDir"] = {}
    image = volume.get("image")
    if isinstance(image, dict):
        fill(image, pullPolicy=pull_policy(image.get("reference") or ""))


def _default_mode(source: Value) -> None:
    fill(source, defaultMode=0o644)


def _service(service: Value) -> None:
    spec = struct(service, "spec")
    fill(spec, sessionAffinity="None", type="ClusterIP")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if client.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 10800}}
    for port in items(spec, "ports"):
        fill(port, protocol="TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    kind = spec["type"]
    if kind in ("LoadBalancer", "NodePort") or (kind == "ClusterIP" and spec.get("externalIPs")):
        fill(spec, externalTrafficPolicy="Cluster")
    if kind in ("LoadBalancer", "NodePort", "ClusterIP"):
        fill(spec, internalTrafficPolicy="Cluster")
    if kind == "LoadBalancer":
        fill(spec, allocateLoadBalancerNodePorts=True)
        for ingress in items((service.get("status") or {}).get("loadBalancer") or {}, "ingress"):
            if ingress.get("ip"):
                fill(ingress, ipMode="VIP")


def _namespace(namespace: Value) -> None:
    metadata = struct(namespace, "metadata")
    if metadata.get("name"):
        struct(metadata, "labels")["kubernetes.io/metadata.name"] = metadata["name"]
    fill(struct(namespace, "status"), phase="Active")


def _node_status(status: Value) -> None:
    if status.get("allocatable") is None and status.get("capacity") is not None:
        status["allocatable"] = dict(status["capacity"])


def _replication_controller(controller: Value) -> None:
    spec = struct(controller, "spec")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        metadata = struct(controller, "metadata")
        if not metadata.get("labels"):
            metadata["labels"] = dict(labels)


def _persistent_volume(volume: Value) -> None:
    fill(struct(volume, "status"), phase="Pending")
    fill(struct(volume, "spec"), persistentVolumeReclaimPolicy="Retain", volumeMode="Filesystem")


def _persistent_volume_claim(claim: Value) -> None:
    fill(struct(claim, "status"), phase="Pending")


def _limit_range_item(item: Value) -> None:
    if item.get("type") != "Container":
        return
    item["default"] = {**(item.get("max") or {}), **(item.get("default") or {})}
    item["defaultRequest"] = {**(item.get("min") or {}), **item["default"], **(item.get("defaultRequest") or {})}


RULES: Final[Rules] = {
    "ConfigMapVolumeSource": _default_mode,
    "Container": _container,
    "DownwardAPIVolumeSource": _default_mode,
    "EndpointPort": filled(protocol="TCP"),
    "EphemeralContainer": _container,
    "HTTPGetAction": filled(path="/", scheme="HTTP"),
    "HostPathVolumeSource": filled(type=""),
    "LimitRangeItem": _limit_range_item,
    "Namespace": _namespace,
    "NodeStatus": _node_status,
    "ObjectFieldSelector": filled(apiVersion="v1"),
    "PersistentVolume": _persistent_volume,
    "PersistentVolumeClaim": _persistent_volume_claim,
    "PersistentVolumeClaimSpec": filled(volumeMode="Filesystem"),
    "Pod": _pod,
    "PodSpec": _pod_spec,
    "PodStatus": _pod_status,
    "Probe": positive(timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3),
    "ProjectedVolumeSource": _default_mode,
    "ReplicationController": _replication_controller,
    "Secret": filled(type="Opaque"),
    "SecretVolumeSource": _default_mode,
    "Service": _service,
    "ServiceAccountTokenProjection": filled(expirationSeconds=3600),
    "Volume": _volume,
}
