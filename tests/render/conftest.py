"""A renderer with the tools of the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.render import Renderer
from tests.render.worlds import renderer


@pytest.fixture
def tool(tmp_path: Path) -> Renderer:
    return renderer(tmp_path)
