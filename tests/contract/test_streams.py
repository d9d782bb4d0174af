"""Streams to containers: both API servers check the same before they call a kubelet."""

from __future__ import annotations

import json
import urllib.error
from typing import Any

import pytest

from tests.contract.servers import Server
from tests.waiting import until


@pytest.fixture
def pods(server: Server, namespace: str) -> str:
    """The path of a Pod that runs, one of two containers, and one that no node takes."""
    path = f"/api/v1/namespaces/{namespace}/pods"

    def put(name: str, *containers: str, **spec: Any) -> None:
        images = [{"name": one, "image": "nginx:1"} for one in containers]
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": images, **spec}}
        server.request("POST", path, body=body)

    account = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    until(lambda: server.request("GET", account)["items"], "the account of Pods")
    put("one", "main")
    put("two", "main", "beside")
    put("lost", "main", nodeSelector={"nowhere": "true"})

    def scheduled() -> bool:
        return all(server.request("GET", f"{path}/{name}")["spec"].get("nodeName") for name in ("one", "two"))

    until(scheduled, "they are scheduled")
    return path


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        ("one/exec?command=ls&stdout=true", 400, "Upgrade request required"),
        ("one/attach?stdout=true", 400, "Upgrade request required"),
        ("one/portforward?ports=80", 400, "Upgrade request required"),
        ("one/exec?command=ls&stdout=true&container=no", 400, "container no is not valid for pod one"),
        (
            "two/exec?command=ls&stdout=true",
            400,
            "a container name must be specified for pod two, choose one of: [main beside]",
        ),
        ("lost/exec?command=ls&stdout=true", 400, "pod lost does not have a host assigned"),
        ("lost/portforward", 400, "pod lost does not have a host assigned"),
        ("none/exec?command=ls&stdout=true", 404, 'pods "none" not found'),
    ],
)
def test_stream_is_refused_before_anybody_is_called(
    server: Server, pods: str, asked: str, code: int, message: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.request("POST", f"{pods}/{asked}")
    status = json.loads(caught.value.read())
    assert (status["code"], status["message"]) == (code, message)
