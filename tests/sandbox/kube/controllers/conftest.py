from __future__ import annotations

import pytest

from tests.sandbox.kube.controllers.world import World


@pytest.fixture
def world() -> World:
    return World()
