"""The world of one test: an app on an API server, with its own namespace, repository, configuration and state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.contract.engine import EngineWorld
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


@pytest.fixture
def worlds(tmp_path: Path, server: Server, namespace: str) -> Iterator[Callable[..., EngineWorld]]:
    """Make the world with settings of the apps, as `worlds(self_heal=False)`."""
    with ExitStack() as stack:

        def make(**settings: Any) -> EngineWorld:
            world = EngineWorld(tmp_path, server, namespace, **settings)
            stack.callback(lambda: world.close())
            return world

        yield make


@pytest.fixture
def world(worlds: Callable[..., EngineWorld]) -> EngineWorld:
    return worlds()
