"""What is applied: the two shapes of the measurements, as files of a repository and as requests of the bare client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Body = dict[str, Any]
_FILL = "x" * 1800  # with its metadata a ConfigMap of 2 KB


def configmaps(count: int, namespace: str, *, level: str = "info") -> Iterator[Body]:
    """Yield ConfigMaps of 2 KB."""
    for number in range(count):
        yield {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"c{number:05}", "namespace": namespace},
            "data": {"level": level, "fill": _FILL},
        }


def package(name: str, namespace: str) -> Iterator[Body]:
    """Yield what a small service consists of: ServiceAccount, ConfigMap, Service, Deployment."""
    place = {"name": name, "namespace": namespace}
    labels = {"app": name}
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place}
    yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": place, "data": {"level": "info", "fill": "x" * 500}}
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": place,
        "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    }
    container = {
        "name": "main",
        "image": "nginx:1",
        "ports": [{"containerPort": 8080}],
        "envFrom": [{"configMapRef": {"name": name}}],
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}},
    }
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": place,
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"serviceAccountName": name, "containers": [container]},
            },
        },
    }


def packages(count: int, namespace: str) -> Iterator[Body]:
    for number in range(count):
        yield from package(f"s{number:04}", namespace)


def text(body: Body) -> str:
    """Return a body as a file of a repository."""
    return json.dumps(body) + "\n"


def request(body: Body) -> str:
    """Return a body as a line for the bare client."""
    group, _, version = body["apiVersion"].rpartition("/")
    base = f"/apis/{group}/{version}" if group else f"/api/{version}"
    metadata = body["metadata"]
    plural = f"{body['kind'].lower()}s"
    return f"{base}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}\t{json.dumps(body)}"
