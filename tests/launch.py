"""Commands of the bot as processes: executed as people execute them, or forked from one that has imported the bot.

To import all that the bot needs takes two seconds of a processor, and a suite starts hundreds of processes. What runs
after that is the same: its own folder, environment, output, signals and exit status.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from bot.__main__ import main

_ROOT: Final = Path(__file__).parent.parent
_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "bot.cli.commands",
        "bot.cli.serve",
        "bot.cli.doors",
        "bot.chat.app",
        "bot.chat.http",
        "bot.chat.socket",
        "tests.launch",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What is started: `out` and `errors` are files that the output is added to."""

    arguments: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    out: Path
    errors: Path


class Process(Protocol):
    """As much of `subprocess.Popen` as both kinds of processes have."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...


def executed(launch: Launch) -> Process:
    """Start `python -m bot`."""
    with launch.out.open("ab") as out, launch.errors.open("ab") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "bot", *launch.arguments],
            cwd=launch.folder,
            env={**launch.environment, "PYTHONPATH": str(_ROOT)},
            stdout=out,
            stderr=errors,
        )


def forked(launch: Launch) -> Process:
    """Start the same in a process that has imported it already."""
    return _Forked(launch)


class _Forked:
    def __init__(self, launch: Launch) -> None:
        self._process: Any = _FORKS.Process(target=_become, args=(launch,), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    def poll(self) -> int | None:
        status: int | None = self._process.exitcode
        return status

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired("gitops-bot", timeout or 0)
        return status

    def send_signal(self, number: int, /) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


def _become(launch: Launch) -> None:
    """Be the command from here on."""
    os.chdir(launch.folder)
    os.environ.clear()
    os.environ.update(launch.environment)
    for stream, file in ((sys.stdout, launch.out), (sys.stderr, launch.errors)):
        with file.open("ab") as opened:
            os.dup2(opened.fileno(), stream.fileno())
    warnings.simplefilter("default")
    sys.argv = ["gitops-bot", *launch.arguments]
    main()
