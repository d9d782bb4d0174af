"""What ends at a kubelet or in a container: exec, attach, port-forward and proxies. Nothing listens there.

So everything is checked that the real server checks before it dials, and then answered as when nobody answers the call.
Source: k8s.io/kubernetes/pkg/registry/core/pod/strategy.go and rest/subresources.go, apimachinery/pkg/util/proxy.
"""

from __future__ import annotations

from typing import Final

from bot.sandbox.kube.errors import StatusError, bad_request
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.requests import Request

STREAMS: Final = frozenset({"exec", "attach", "portforward"})


def container_of(pod: Body, asked: str) -> str:
    """Return the container that is meant. Raises `StatusError` 400 when it does not exist or several could be."""
    spec, name = pod["spec"], pod["metadata"]["name"]
    names = [one["name"] for one in (*spec.get("initContainers", ()), *spec["containers"])]
    container = asked or (names[0] if len(names) == 1 else "")
    if not container:
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]")
    if container not in names:
        raise bad_request(f"container {container} is not valid for pod {name}")
    return container


def unanswered_stream(pod: Body, node: Body | None, subresource: str, request: Request) -> StatusError:
    """Return how a stream to a container on a node ends. Raises `StatusError` for one that nobody would dial for."""
    if subresource != "portforward":
        container_of(pod, request.query.get("container", ""))
    if not pod["spec"].get("nodeName"):
        raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
    if not request.headers.get("upgrade"):
        raise bad_request("Upgrade request required")
    addresses = ((node or {}).get("status") or {}).get("addresses") or ()
    address = next((one["address"] for one in addresses if one["type"] == "InternalIP"), "")
    port = "10250"  # a kubelet's, on every node of the sandbox
    return StatusError(500, "", f"error dialing backend: dial tcp {address}:{port}: connect: connection refused")


def unanswered_proxy(body: Body) -> StatusError:
    """Return how a proxied request to a Pod or a Service ends."""
    spec = body.get("spec") or {}
    address = (body.get("status") or {}).get("podIP") or spec.get("clusterIP") or ""
    return StatusError(
        503,
        "ServiceUnavailable",
        f"error trying to reach service: dial tcp {address}:80: connect: connection refused",
    )
