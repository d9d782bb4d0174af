"""The real bot as a child: `gitops-bot run` with a configuration file and an environment, nothing else."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

import orjson

import bot
from bot.sandbox.demo.leftovers import PID_FILE

_LEAVE_SECONDS: Final = 20  # what `run` promises after SIGTERM
_HEALTH_SECONDS: Final = 2
_OURS: Final = ("SLACK_", "OPSGENIE_", "WEBHOOK_", "ONCALL_", "GITOPS_BOT_")
_NAMES: Final = frozenset({"DATABASE_URL", "PORT", "KUBECONFIG"})


def shell(settings: Mapping[str, str]) -> str:
    """Return a file that a shell reads to give a terminal the bot's environment, and the bot by its name."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]
    return "\n".join([*lines, f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"', ""])


class BotProcess:
    """`start` once, `stop` once. The log goes to `log`, the state next to the configuration file."""

    def __init__(self, configuration: Path, *, log: Path, port: int, secrets: Mapping[str, str]) -> None:
        self.log = log
        self._configuration = configuration
        self._port = port
        # A person's own settings of another bot must not leak into this one.
        kept = {name: value for name, value in os.environ.items() if name not in _NAMES and not name.startswith(_OURS)}
        root = str(Path(bot.__file__).parents[1])
        self._environment = {
            **kept,
            **secrets,
            "PYTHONPATH": os.pathsep.join(filter(None, [root, kept.get("PYTHONPATH")])),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    def start(self) -> None:
        self._output = self.log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bot", "--config", str(self._configuration), "run"],
            cwd=self._configuration.parent,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,  # Ctrl-C in the terminal is ours to hand on
        )
        (self._configuration.parent / PID_FILE).write_text(f"{self._process.pid}\n", encoding="utf-8")

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Ask it to leave, and make it when it does not. Idempotent."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_LEAVE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._output is not None:
            self._output.close()

    def get(self, path: str) -> bytes:
        """Return what its HTTP server answers, b"" while it does not."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=_HEALTH_SECONDS) as answer:
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as error:
            with error:
                return error.read()
        except OSError:
            return b""

    def health(self) -> Mapping[str, object]:
        """Return `/healthz`, or `{"status": "starting" | "ended"}`."""
        if not self.running:
            return {"status": "ended"}
        text = self.get("/healthz")
        found: Mapping[str, object] = orjson.loads(text) if text else {"status": "starting"}
        return found

    def last_words(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:] if self.log.exists() else ""
