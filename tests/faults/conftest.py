"""A world whose bot reaches the API server through a proxy that lets requests go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.contract.engine import EngineWorld
from tests.contract.servers import Server
from tests.faults.proxy import Proxy


@pytest.fixture
def proxy(tmp_path: Path, server: Server) -> Iterator[Proxy]:
    made = Proxy(server, tmp_path)
    yield made
    made.close()


@pytest.fixture
def worlds(tmp_path: Path, server: Server, namespace: str, proxy: Proxy) -> Iterator[Callable[..., EngineWorld]]:
    with ExitStack() as stack:

        def make(**settings: Any) -> EngineWorld:
            world = EngineWorld(tmp_path, server, namespace, server=proxy.kubeconfig, **settings)
            stack.callback(lambda: world.close())
            return world

        yield make


@pytest.fixture
def world(worlds: Callable[..., EngineWorld]) -> EngineWorld:
    return worlds()
