"""The sandbox cluster as a story's world: what a control plane offers, without building one."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any, Final

from bot.sandbox.kube import KubeSandbox

_KINDS: Final = {"json": "application/json", "merge": "application/merge-patch+json"}


class SandboxPlane:
    """Start it once, stop it once."""

    def __init__(self, folder: Path) -> None:
        self.kube = KubeSandbox()
        self._path = folder / "kubeconfig"

    @property
    def kubeconfig(self) -> str:
        return str(self._path)

    def start(self) -> None:
        self.kube.start()
        self._path.write_text(self.kube.kubeconfig(), encoding="utf-8")

    def stop(self) -> None:
        self.kube.stop()

    def request(self, method: str, path: str, *, body: Any = None, kind: str = "json") -> Any:
        """Send one request as administrator; raises `urllib.error.HTTPError`."""
        request = urllib.request.Request(
            self.kube.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.kube.token}", "Content-Type": _KINDS[kind]},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())
