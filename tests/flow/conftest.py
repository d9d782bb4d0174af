"""Stories and offices on the sandbox cluster, one bot process for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.contract.servers import SandboxServer
from tests.flow.complaints import complaints
from tests.flow.office import Office
from tests.flow.story import Story


@pytest.fixture(scope="session")
def sandbox_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    plane = SandboxServer(tmp_path_factory.mktemp("kube"), speed=1)
    yield plane
    plane.stop()


@pytest.fixture
def tell(tmp_path: Path, sandbox_plane: SandboxServer, unique: str) -> Iterator[Callable[..., Story]]:
    """Make a story with settings of its world, as `tell(flavour="jsm")`, in a namespace of its own.

    All it said is checked when the test ends.
    """
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": unique}}
    sandbox_plane.request("POST", "/api/v1/namespaces", body=body)
    told: list[Story] = []
    with ExitStack() as stack:

        def make(**options: Any) -> Story:
            story = Story(tmp_path, sandbox_plane, unique, **options)
            stack.callback(story.close)
            told.append(story)
            return story

        yield make
    assert [wrong for story in told for wrong in complaints(story.slack)] == []


@pytest.fixture
def offices(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    """Build an office in a folder of its own; it is closed, and all it said is checked, when the test ends."""
    made: list[Office] = []

    def build(**options: Any) -> Office:
        folder = tmp_path / f"office-{len(made)}"
        folder.mkdir()
        made.append(Office(folder, **options))
        return made[-1]

    yield build
    for one in made:
        one.close()
        assert complaints(one.slack) == []
        assert "Traceback" not in one.bot.log()
