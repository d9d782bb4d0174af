"""The API servers that one suite runs on, in turn, and a namespace of each test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.servers import SandboxServer, Server


@pytest.fixture(scope="session", params=["sandbox", pytest.param("real", marks=pytest.mark.cluster)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Each of the two API servers in turn; what runs on the real one is marked `cluster`."""
    if request.param == "real":
        yield request.getfixturevalue("control_plane")
        return
    made = SandboxServer(tmp_path_factory.mktemp("sandbox"))
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def namespace(server: Server, unique: str) -> Iterator[str]:
    """A namespace of the test's own."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": unique}}
    server.request("POST", "/api/v1/namespaces", body=body)
    yield unique
    server.request("DELETE", f"/api/v1/namespaces/{unique}")
