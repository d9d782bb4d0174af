"""A repository with some commits, and our copy of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.source.repository import GitRepository
from tests.source.upstream import Upstream


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "srv" / "fleet.git")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def repository(upstream: Upstream, cache: Path) -> Iterator[GitRepository]:
    made = upstream.repository(cache)
    yield made
    made.close()
