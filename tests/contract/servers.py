"""The two API servers that one suite runs on: the sandbox, and the real control plane."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from bot.sandbox.kube import KubeSandbox
from tests.administrator import Administrator
from tests.controlplane.building import build
from tests.controlplane.plane import LIMITED_TOKEN

REAL_ONLY: Final = pytest.mark.parametrize(
    "server", [pytest.param("real", marks=pytest.mark.cluster)], indirect=True, scope="session"
)


class Server(Protocol):
    """What a test asks of an API server. `tests.controlplane.plane.ControlPlane` is one."""

    url: str
    token: str
    ca_file: str  # "" where it speaks plain HTTP
    kubeconfig: str

    def request(
        self, method: str, path: str, *, body: Any = None, raw: bool = False, kind: str = "json", accept: str = "*/*"
    ) -> Any:
        """Send one request as administrator; raises `urllib.error.HTTPError`."""
        ...

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl as administrator and return what it prints."""
        ...

    def kubeconfig_for(self, token: str) -> str:
        """Return a kubeconfig as text, of the owner of a token."""
        ...


class SandboxServer(Administrator):
    """The sandbox as a `Server`."""

    def __init__(self, folder: Path, *, speed: float = 5) -> None:
        self.sandbox = KubeSandbox(users={LIMITED_TOKEN: "limited"}, speed=speed)
        self.sandbox.start()
        self.url, self.token, self.ca_file = self.sandbox.url, self.sandbox.token, ""
        self.kubeconfig = str(folder / "kubeconfig")
        Path(self.kubeconfig).write_text(self.sandbox.kubeconfig(), encoding="utf-8")

    def stop(self) -> None:
        self.sandbox.stop()

    def kubeconfig_for(self, token: str) -> str:
        return self.sandbox.kubeconfig(token)

    def kubectl(self, *arguments: str) -> str:
        command = [str(build() / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
