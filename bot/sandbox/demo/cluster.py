"""The cluster as the page shows it: requests like kubectl's, and the objects of each app as a tree.

Works on any API server: the sandbox's, or a person's own. Nothing is kept; the tree is read when somebody looks.
Values of Secrets never leave this module.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import urllib3
import yaml

from bot.health.rules import assess
from bot.model import marks

_TIMEOUT: Final = urllib3.Timeout(connect=2, read=10)
_OWN: Final = (  # kinds that apps have in Git
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/batch/v1/cronjobs",
    "/apis/batch/v1/jobs",
    "/api/v1/services",
    "/apis/networking.k8s.io/v1/ingresses",
    "/api/v1/configmaps",
    "/api/v1/secrets",
    "/api/v1/serviceaccounts",
    "/api/v1/persistentvolumeclaims",
    "/apis/autoscaling/v2/horizontalpodautoscalers",
    "/apis/policy/v1/poddisruptionbudgets",
)
_BELOW: Final = (("/apis/apps/v1", "replicasets"), ("/api/v1", "pods"), ("/apis/batch/v1", "jobs"))


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and JSON of one answer."""

    status: int
    body: Mapping[str, Any]


class Unreachable(Exception):
    """The API server gives no answer; the text says what happened instead."""


class ClusterDoor(Protocol):
    """Requests to one API server. Raises `Unreachable`."""

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "",
    ) -> Reply: ...


class TokenDoor:
    """An API server by the kubeconfig the sandbox writes: a URL and a token."""

    def __init__(self, kubeconfig: Path) -> None:
        text = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster = text["clusters"][0]["cluster"]
        url = urllib3.util.parse_url(str(cluster["server"]))
        self._url = f"{url.scheme}://{url.host}:{url.port}"
        token = text["users"][0]["user"].get("token")
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._pool = urllib3.PoolManager(maxsize=8, retries=False, timeout=_TIMEOUT)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "",
    ) -> Reply:
        headers = {**self._headers, "Content-Type": content_type or "application/json"}
        sent = json.dumps(body).encode() if body is not None else None
        try:
            answer = self._pool.request(method, f"{self._url}{path}{_query(query)}", body=sent, headers=headers)
            return Reply(answer.status, json.loads(answer.data or b"{}"))
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Unreachable("The API server does not answer.") from error


class KubeconfigDoor:
    """A person's own API server, by their kubeconfig, credential plugins included."""

    def __init__(self, kubeconfig: str) -> None:
        from bot.live.spec import ClusterSpec  # imported late: only a cluster of one's own needs the whole client
        from bot.live.transport import Transport

        self._transport = Transport(ClusterSpec(name=kubeconfig, kubeconfig=kubeconfig))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "",
    ) -> Reply:
        from bot.errors import ClusterError

        kind = content_type or "application/json"
        try:
            reply = self._transport.request(method, path, query=query, body=body, content_type=kind)
        except ClusterError as error:
            raise Unreachable(str(error)) from error
        return Reply(reply.status, reply.body)


def tree(door: ClusterDoor) -> list[dict[str, Any]]:
    """Return every app with its objects, and below them what controllers made of them. Raises `Unreachable`."""
    with ThreadPoolExecutor(max_workers=4) as readers:
        own = [one for found in readers.map(lambda path: _list(door, path, label=True), _OWN) for one in found]
        spaces = sorted({one["metadata"]["namespace"] for one in own})
        places = [f"{base}/namespaces/{space}/{plural}" for base, plural in _BELOW for space in spaces]
        made = [one for found in readers.map(lambda path: _list(door, path), places) for one in found]
    below: dict[str, list[Mapping[str, Any]]] = {}
    for one in made:
        for owner in one["metadata"].get("ownerReferences") or ():
            below.setdefault(owner["uid"], []).append(one)
    apps: dict[str, list[dict[str, Any]]] = {}
    for one in own:
        if "ownerReferences" not in one["metadata"] and marks.APPLYSET_ID_LABEL not in one["metadata"]["labels"]:
            apps.setdefault(one["metadata"]["labels"][marks.APP_LABEL], []).append(_node(one, below))
    return [{"app": app, "objects": sorted(nodes, key=_rank)} for app, nodes in sorted(apps.items())]


def manifest(door: ClusterDoor, path: str) -> str:
    """Return an object as people edit it: YAML, without what the server and controllers write."""
    reply = door.request("GET", path)
    if reply.status != 200:
        raise LookupError(str(reply.body.get("message") or reply.status))
    body = {key: value for key, value in reply.body.items() if key != "status"}
    noise = {"managedFields", "uid", "creationTimestamp", "generation", "selfLink"}
    body["metadata"] = {key: value for key, value in body["metadata"].items() if key not in noise}
    if body.get("kind") == "Secret":
        body["data"] = dict.fromkeys(body.get("data") or {}, "(hidden)")
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=120)


def _list(door: ClusterDoor, path: str, *, label: bool = False) -> list[Mapping[str, Any]]:
    reply = door.request("GET", path, query={"labelSelector": marks.APP_LABEL} if label else None)
    if reply.status != 200:
        return []
    kind, version = str(reply.body["kind"]).removesuffix("List"), reply.body["apiVersion"]
    return [{"apiVersion": version, "kind": kind, "path": _path(path, one), **one} for one in reply.body["items"]]


def _path(listed: str, body: Mapping[str, Any]) -> str:
    base, _, plural = listed.rpartition("/")
    base = base.partition("/namespaces/")[0]
    return f"{base}/namespaces/{body['metadata']['namespace']}/{plural}/{body['metadata']['name']}"


def _node(body: Mapping[str, Any], below: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    metadata = body["metadata"]
    children = [_node(child, below) for child in below.get(metadata["uid"], ()) if not _is_old(child)]
    health = assess(body, tuple(_pods(body, below)))
    return {
        "kind": body["kind"],
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "path": body["path"],
        "health": health.state.value,
        "message": health.message,
        "detail": _detail(body),
        "hands": sorted(set(_hands(metadata))),
        "children": sorted(children, key=_rank),
    }


def _pods(body: Mapping[str, Any], below: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Mapping[str, Any]]:
    for child in below.get(body["metadata"]["uid"], ()):
        if child["kind"] == "Pod":
            yield child
        else:
            yield from _pods(child, below)


def _is_old(body: Mapping[str, Any]) -> bool:
    """A ReplicaSet of an earlier revision, scaled to nothing."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    return body["kind"] == "ReplicaSet" and not spec.get("replicas") and not status.get("replicas")


def _hands(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield who changed fields of an object of ours by hand, as managedFields tell."""
    if (metadata.get("labels") or {}).get(marks.APP_LABEL) is None or "ownerReferences" in metadata:
        return
    for entry in metadata.get("managedFields") or ():
        manager = str(entry.get("manager"))
        if entry.get("subresource") != "status" and manager.startswith("kubectl"):
            yield manager


def _detail(body: Mapping[str, Any]) -> str:
    spec, status = body.get("spec") or {}, body.get("status") or {}
    match body["kind"]:
        case "Deployment" | "StatefulSet" | "ReplicaSet":
            return f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 1)} ready  {_images(spec)}".rstrip()
        case "DaemonSet":
            ready = f"{status.get('numberReady', 0)}/{status.get('desiredNumberScheduled', 0)} ready"
            return f"{ready}  {_images(spec)}"
        case "Pod":
            return _pod(spec, status)
        case "Service":
            ports = ", ".join(str(port.get("port")) for port in spec.get("ports") or ())
            return f"{spec.get('clusterIP', '')}:{ports}"
        case "CronJob":
            return str(spec.get("schedule"))
        case "Ingress":
            return ", ".join(str(rule.get("host", "*")) for rule in spec.get("rules") or ())
        case "ConfigMap" | "Secret":
            return ", ".join(sorted(body.get("data") or {}))
        case "PersistentVolumeClaim":
            return str(status.get("phase", ""))
        case _:
            return ""


def _pod(spec: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    for one in status.get("containerStatuses") or ():
        waiting = (one.get("state") or {}).get("waiting") or {}
        if waiting.get("reason"):
            restarts = f", {one['restartCount']} restarts" if one.get("restartCount") else ""
            return f"{waiting['reason']}{restarts}"
    return str(status.get("phase", ""))


def _images(spec: Mapping[str, Any]) -> str:
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or ()
    return ", ".join(str(one.get("image", "")).rpartition("/")[2] for one in containers)


_ORDER: Final = ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "ReplicaSet", "Pod", "Service", "Ingress")


def _rank(node: Mapping[str, Any]) -> tuple[int, str, str]:
    kind = node["kind"]
    return (_ORDER.index(kind) if kind in _ORDER else len(_ORDER), kind, node["name"])


def _query(query: Mapping[str, str] | None) -> str:
    return f"?{urlencode(query)}" if query else ""
