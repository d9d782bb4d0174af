"""The real bot as a process, seen from outside: its configuration file, its exit status, its log."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

import orjson

from bot.sandbox.connections import ReservedPort
from tests.launch import Launch, Process, forked
from tests.waiting import PATIENCE_SECONDS, until

_START_SECONDS: Final = 120.0  # machines with other work are slow to start Python
_COMMAND_SECONDS: Final = 120.0


class BotProcess:
    """One configuration in a folder of its own; `start` and `stop` as often as the story wants, `close` at the end."""

    def __init__(
        self,
        folder: Path,
        configuration: str,
        environment: dict[str, str],
        *,
        launch: Callable[[Launch], Process] = forked,
    ) -> None:
        self.folder, self._launch = folder, launch
        self._reserved = ReservedPort()
        self.port = self._reserved.number
        (folder / "gitops-bot.yaml").write_text(configuration + f"server: {{port: {self.port}}}\n", encoding="utf-8")
        inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
        self._environment = {**inherited, **environment, "PYTHONWARNINGS": "default"}
        self._process: Process | None = None
        self._ran = 0

    def configure(self, change: Callable[[str], str]) -> None:
        """Change the configuration file, at once: a running bot looks at it."""
        file, draft = self.folder / "gitops-bot.yaml", self.folder / "draft.yaml"
        draft.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
        draft.rename(file)

    def start(self) -> None:
        """Start the bot and wait until it answers."""
        log = self.folder / "bot.log"
        self._process = self._launched(["run"], out=log, errors=log)
        until(self._answers, "the bot answers", seconds=_START_SECONDS)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_SECONDS)

    def hang_up(self) -> None:
        """Send SIGHUP: read the configuration again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """Send SIGKILL, if it still runs. Idempotent."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Kill it and give its port away."""
        self.kill()
        self._reserved.close()

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run another command on the same configuration; returns its exit status, and stdout before stderr."""
        self._ran += 1
        out, errors = (self.folder / f"command-{self._ran}.{name}" for name in ("out", "errors"))
        status = self._launched(["--log-level", "error", *arguments], out=out, errors=errors).wait(_COMMAND_SECONDS)
        return status, out.read_text(encoding="utf-8") + errors.read_text(encoding="utf-8")

    def _launched(self, arguments: Sequence[str], *, out: Path, errors: Path) -> Process:
        return self._launch(
            Launch(arguments=arguments, folder=self.folder, environment=self._environment, out=out, errors=errors)
        )

    def status(self, app: str) -> dict[str, object]:
        """Return one app of `status --output json`."""
        code, text = self.run("status", app, "--output", "json")
        assert code == 0, text
        found: dict[str, object] = orjson.loads(text)["apps"][0]
        return found

    def health(self) -> dict[str, Any]:
        """Return what `/healthz` says now."""
        found: dict[str, Any] = orjson.loads(self._get("healthz"))
        return found

    def metric(self, name: str, *labels: str) -> float:
        """Return the sum of a metric over its series that have all the labels, as `/metrics` has it now."""
        lines = self.metrics().splitlines()
        wanted = [line for line in lines if line.startswith(f"{name}{{") and all(one in line for one in labels)]
        return sum(float(line.rpartition(" ")[2]) for line in wanted)

    def metrics(self) -> str:
        """Return what `/metrics` says now."""
        return self._get("metrics")

    def log(self) -> str:
        return (self.folder / "bot.log").read_text(encoding="utf-8")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        try:
            return self._get("readyz") == "ready\n"
        except OSError:
            return False

    def _get(self, path: str) -> str:
        """Raises `OSError`, also where the process begins anew in the middle of its answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=PATIENCE_SECONDS) as answer:
                return str(answer.read().decode())
        except HTTPException as error:
            raise ConnectionResetError(str(error)) from error
