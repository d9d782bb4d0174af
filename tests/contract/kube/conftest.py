"""Two API servers with nothing but the caller in them: the real one and the sandbox."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bot.sandbox.kube import KubeSandbox
from tests.contract.kube.bodies import WIDGET, WIDGET_CRD
from tests.contract.kube.servers import Server
from tests.controlplane.plane import ControlPlane

NAMESPACE = "contract"


@pytest.fixture(scope="package")
def real() -> Iterator[Server]:
    plane = ControlPlane(controllers=False)
    try:
        plane.start()
        server = Server(plane.url, plane.token, plane.ca_file)
        prepare(server)
        yield server
        server.close()
    finally:
        plane.stop()


@pytest.fixture(scope="package")
def sandbox() -> Iterator[Server]:
    cluster = KubeSandbox(controllers=False)
    cluster.start()
    server = Server(cluster.url, cluster.token)
    prepare(server)
    yield server
    server.close()
    cluster.stop()


def prepare(server: Server) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    assert server.send("POST", "/api/v1/namespaces", namespace).code == 201
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    assert server.send("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", account).code == 201
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    made = server.send("POST", definitions, WIDGET_CRD)
    assert made.code == 201, made.body
    name = WIDGET_CRD["metadata"]["name"]
    for _, crd in server.watch(definitions, made.version, count=100):
        conditions = crd.get("status", {}).get("conditions", ())
        if crd["metadata"]["name"] == name and {"Established", "NamesAccepted"} <= {c["type"] for c in conditions}:
            break
    # The path is served a moment after the condition says so.
    assert any(server.send("GET", WIDGET.path(NAMESPACE)).code == 200 for _ in range(1000))
