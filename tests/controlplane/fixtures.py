"""The control plane for a session, and names of its own for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.controlplane.plane import ControlPlane


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    plane = ControlPlane()
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


@pytest.fixture
def unique() -> str:
    """A name nobody else has, for objects that the whole API server shares."""
    return f"t{secrets.token_hex(4)}"


@pytest.fixture
def kube_namespace(control_plane: ControlPlane, unique: str) -> Iterator[str]:
    """A namespace of the test's own."""
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": unique}}
    control_plane.request("POST", "/api/v1/namespaces", body=body)
    yield unique
    control_plane.request("DELETE", f"/api/v1/namespaces/{unique}")
