"""The world of one test: an app on an API server, with its own namespace, repository, configuration and state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.contract.engine import EngineWorld
from tests.contract.life import Life
from tests.contract.servers import Server
from tests.waiting import until


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


@pytest.fixture
def life(server: Server, namespace: str) -> Life:
    until(lambda: Life(server, namespace).get("serviceaccounts", "default"), "the namespace has its account")
    return Life(server, namespace)
