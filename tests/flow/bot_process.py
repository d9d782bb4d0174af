"""The real bot as a process, seen from outside: its configuration file, its exit status, its log."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson


class BotProcess:
    """One configuration in a folder of its own; `start` and `stop` as often as the story wants."""

    def __init__(self, folder: Path, configuration: str, environment: dict[str, str]) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        (folder / "gitops-bot.yaml").write_text(configuration + f"server: {{port: {self.port}}}\n", encoding="utf-8")
        inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
        root = str(Path(__file__).parents[2])
        self._environment = {**inherited, **environment, "PYTHONPATH": root, "PYTHONWARNINGS": "default"}
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, change: Callable[[str], str]) -> None:
        """Change the configuration file."""
        file = self.folder / "gitops-bot.yaml"
        file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")

    def start(self) -> None:
        """Start the bot and wait until it answers."""
        with open(self.folder / "bot.log", "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bot", "run"], cwd=self.folder, env=self._environment, stderr=log, stdout=log
            )
        deadline = time.monotonic() + 90  # a guard: machines with other work are slow to start Python
        while not self._answers():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(25)

    def hang_up(self) -> None:
        """Send SIGHUP: read the configuration again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """Send SIGKILL, if it still runs. Idempotent."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run another command on the same configuration; returns exit status and stdout."""
        done = subprocess.run(
            [sys.executable, "-m", "bot", "--log-level", "error", *arguments],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    def status(self, app: str) -> dict[str, object]:
        """Return one app of `status --output json`."""
        code, text = self.run("status", app, "--output", "json")
        assert code == 0, text
        found: dict[str, object] = orjson.loads(text)["apps"][0]
        return found

    def health(self) -> dict[str, Any]:
        """Return what `/healthz` says now."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
            found: dict[str, Any] = orjson.loads(answer.read())
            return found

    def metric(self, name: str, *labels: str) -> float:
        """Return the sum of a metric over its series that have all the labels, as `/metrics` has it now."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        wanted = [line for line in lines if line.startswith(f"{name}{{") and all(one in line for one in labels)]
        return sum(float(line.rpartition(" ")[2]) for line in wanted)

    def log(self) -> str:
        return (self.folder / "bot.log").read_text(encoding="utf-8")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False
