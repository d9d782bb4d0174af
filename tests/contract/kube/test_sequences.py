"""The sandbox API server and the real one answer generated requests alike.

Several writers apply, create, patch, edit and delete one object; every answer, every stored object with its
managedFields, and every watch event must be the same. Left out is what differs between any two real servers too:
uids, times, resourceVersions as numbers, allocated addresses.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from bot.sandbox.kube import KubeSandbox
from tests.contract.kube.bodies import KINDS, WIDGET, WIDGET_CRD, Kind
from tests.contract.kube.servers import Server
from tests.contract.kube.steps import Player, steps
from tests.controlplane.plane import ControlPlane

pytestmark = pytest.mark.cluster

NAMESPACE = "contract"
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Server]:
    cluster = KubeSandbox()
    cluster.start()
    server = Server(cluster.url, cluster.token)
    prepare(server)
    yield server
    server.close()
    cluster.stop()


def prepare(server: Server) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    assert server.send("POST", "/api/v1/namespaces", namespace).code == 201
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


# Module-scoped servers are wanted: each example has an object of its own.
@pytest.mark.parametrize("kind", KINDS, ids=repr)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_both_servers_answer_alike(real: Server, sandbox: Server, kind: Kind, data: st.DataObject) -> None:
    name = f"x{next(NUMBERS)}"
    theirs, ours = (Player(server, kind, NAMESPACE, name) for server in (real, sandbox))
    try:
        for step in data.draw(steps(kind), label="steps"):
            note(str(step))
            assert ours.play(step) == theirs.play(step)
        assert ours.events() == theirs.events()
    finally:
        theirs.end()
        ours.end()
