"""Pods behind a Service as EndpointSlices and Endpoints. A Service's labels are on both, which surprises engines.

Source: k8s.io/endpointslice (reconciler.go, utils.go), k8s.io/kubernetes/pkg/controller/endpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bot.sandbox.kube.controllers.decision import Create, Delete, Update, Write
from bot.sandbox.kube.controllers.objects import (
    controlled_by,
    digest,
    is_leaving,
    is_ready,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    status_of,
    uid_of,
    with_metadata,
)
from bot.sandbox.kube.controllers.view import View
from bot.sandbox.kube.ports import Body

SLICES: Final = "endpointslices.discovery.k8s.io"
MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
SERVICE_NAME: Final = "kubernetes.io/service-name"
HEADLESS: Final = "service.kubernetes.io/headless"
_PER_SLICE: Final = 100  # --max-endpoints-per-slice

Port = Mapping[str, Any]


def slices_of(service: Body, pods: Sequence[Body], view: View) -> list[Write]:
    """Bring the slices of a Service up to date: one per set of ports, more when there are many Pods."""
    groups: dict[str, tuple[list[Port], list[Mapping[str, Any]]]] = {}
    for pod in sorted(pods, key=name_of):
        if _address(pod) is not None:
            ports = _ports(service, pod)
            groups.setdefault(digest(ports), (ports, []))[1].append(_endpoint(service, pod))
    wanted = [
        (ports, points[start : start + _PER_SLICE])
        for ports, points in groups.values()
        for start in range(0, len(points), _PER_SLICE)
    ]
    known = [one for one in view.owned(SLICES, service) if not is_leaving(one)]
    writes: list[Write] = []
    for ports, points in wanted or [([], [])]:
        same_ports = (one for one in known if (one.get("ports") or []) == ports or not one.get("endpoints"))
        if (old := next(same_ports, None)) is not None:
            known.remove(old)
            writes += _changed(old, service, ports, points)
        else:
            writes.append(Create(resource=SLICES, body=_slice(service, ports, points, len(writes))))
    for old in known:
        writes.append(Delete(resource=SLICES, namespace=namespace_of(old), name=name_of(old), uid=uid_of(old)))
    return writes


def endpoints_of(service: Body, pods: Sequence[Body], view: View) -> list[Write]:
    """Bring the Endpoints object of a Service up to date."""
    subsets: dict[str, dict[str, Any]] = {}
    for pod in sorted(pods, key=name_of):
        address = _address(pod)
        if address is None or is_leaving(pod):
            continue
        ports = _ports(service, pod)
        shown = [{key: value for key, value in one.items() if value} for one in ports]
        subset = subsets.setdefault(digest(ports), {"addresses": [], "notReadyAddresses": [], "ports": shown})
        node = {"nodeName": node} if (node := spec_of(pod).get("nodeName")) else {}
        where = "addresses" if _is_served(service, pod) else "notReadyAddresses"
        subset[where].append({"ip": address, **node, "targetRef": _reference(pod)})
    wanted = [{key: value for key, value in subset.items() if value} for subset in subsets.values()]
    labels = {**labels_of(service), "endpoints.kubernetes.io/managed-by": "endpoint-controller", **_headless(service)}
    old = view.get("endpoints", namespace_of(service), name_of(service))
    if old is None:
        named = {"name": name_of(service), "namespace": namespace_of(service), "labels": labels}
        body = {"apiVersion": "v1", "kind": "Endpoints", "metadata": named, "subsets": wanted}
        return [Create(resource="endpoints", body=body)]
    if (old.get("subsets") or []) == wanted and labels_of(old) == labels:
        return []
    return [Update(resource="endpoints", body={**with_metadata(old, labels=labels), "subsets": wanted})]


def _slice(service: Body, ports: Sequence[Port], points: Sequence[Mapping[str, Any]], number: int) -> Body:
    base = f"{name_of(service)}-"
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{base[:58]}{digest([uid_of(service), ports, number], length=5)}",
            "generateName": base,
            "namespace": namespace_of(service),
            "labels": _slice_labels(service),
            "ownerReferences": [controlled_by(service)],
        },
        "addressType": "IPv4",
        "endpoints": points,
        "ports": ports,
    }


def _changed(old: Body, service: Body, ports: Sequence[Port], points: Sequence[Mapping[str, Any]]) -> list[Write]:
    labels = _slice_labels(service)
    same = (old.get("ports") or []) == ports and (old.get("endpoints") or []) == points and labels_of(old) == labels
    if same:
        return []
    return [Update(resource=SLICES, body={**with_metadata(old, labels=labels), "ports": ports, "endpoints": points})]


def _slice_labels(service: Body) -> dict[str, str]:
    ours = {MANAGED_BY: "endpointslice-controller.k8s.io", SERVICE_NAME: name_of(service)}
    return {**labels_of(service), **ours, **_headless(service)}


def _headless(service: Body) -> dict[str, str]:
    return {HEADLESS: ""} if spec_of(service).get("clusterIP") == "None" else {}


def _endpoint(service: Body, pod: Body) -> Mapping[str, Any]:
    serving, leaving = is_ready(pod), is_leaving(pod)
    ready = _is_served(service, pod) and not leaving
    point: dict[str, Any] = {
        "addresses": [_address(pod)],
        "conditions": {"ready": ready, "serving": serving, "terminating": leaving},
        "targetRef": _reference(pod),
    }
    if node := spec_of(pod).get("nodeName"):
        point["nodeName"] = node
    if spec_of(pod).get("hostname") and spec_of(pod).get("subdomain") == name_of(service):
        point["hostname"] = spec_of(pod)["hostname"]
    return point


def _is_served(service: Body, pod: Body) -> bool:
    return is_ready(pod) or bool(spec_of(service).get("publishNotReadyAddresses"))


def _address(pod: Body) -> str | None:
    """Return the address of a Pod that belongs behind a Service, None for one that has ended or has none yet."""
    if status_of(pod).get("phase") in ("Succeeded", "Failed"):
        return None
    return status_of(pod).get("podIP") or None


def _reference(pod: Body) -> dict[str, str]:
    return {"kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod), "uid": uid_of(pod)}


def _ports(service: Body, pod: Body) -> list[Port]:
    """Return the ports of a Service as this Pod serves them; a name that no container has is left out."""
    ports: list[Port] = []
    for one in spec_of(service).get("ports") or ():
        protocol = str(one.get("protocol") or "TCP")
        target = one.get("targetPort") or one.get("port")
        number = _named(pod, target, protocol) if isinstance(target, str) else target
        if number is not None:
            extra = {"appProtocol": one["appProtocol"]} if one.get("appProtocol") else {}
            ports.append({"name": str(one.get("name") or ""), "port": number, "protocol": protocol, **extra})
    return ports


def _named(pod: Body, name: str, protocol: str) -> int | None:
    for container in spec_of(pod).get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == name and (port.get("protocol") or "TCP") == protocol:
                return int(port["containerPort"])
    return None
