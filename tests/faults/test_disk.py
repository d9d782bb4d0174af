"""A full disk under the state store: nothing is done that could not be remembered, and space is all it needs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.contract.engine import EngineWorld
from tests.faults.scene import CONFIGS, foreign, settled
from tests.waiting import until


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, timeout=60).returncode != 0:
        pytest.skip("mounting a file system is not allowed here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=60)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 512)


def test_full_disk_of_the_state_store_stops_passes_until_there_is_space(
    worlds: Callable[..., EngineWorld], small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = worlds(configuration={"state": f"sqlite:///{small_disk}/state.db"})
    before = foreign(world)
    world.commit(CONFIGS.old)
    settled(world)
    filler = small_disk / "filler"
    with world.running() as loop:
        fill(filler)
        world.commit(CONFIGS.new)
        loop.wake("prod/shop")
        until(lambda: "full" in caplog.text, "the log says so")
        filler.unlink()
        until(lambda: world.memory().sync.value == "synced" and not world.memory().operation, "it has converged")
        until(lambda: world.memory().revision == world.upstream.git("rev-parse", "main"), "the newest commit")
    CONFIGS.check(world)
    assert foreign(world) == before
    assert [one.news.value for one in world.heard()].count("converged") <= 2
