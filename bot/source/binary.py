"""Runs the git binary: one short process per question, or through GitPython one that stays for many.

In go arguments and standard input, out come the exit status and both outputs as bytes. Every process has a timeout
and its own process group, so that its helpers (git-remote-https, ssh) die with it: GitPython's own
`kill_after_timeout` needs `pgrep` or `ps`, which slim images lack. No process outlives `close`. Nothing here
decides what an output means.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bot.source.child import Child

log = logging.getLogger(__name__)


class GitNotStarted(Exception):
    """The machine has no room for another process; the message says of what."""


class GitMissing(Exception):
    """There is no git binary on the PATH."""


class GitTimedOut(Exception):
    """The process did not end in time and was killed with all its children."""


class GitClosed(Exception):
    """The runner was closed, before or while the process ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A process that ended by itself. `complaint` is its standard error as text."""

    status: int
    output: bytes
    complaint: str

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", errors="replace")


class GitBinary:
    """Starts git with one environment in one folder. Safe to use from several threads."""

    def __init__(self, *, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = str(directory)
        self._program: str | None = None  # guarded by _lock
        self._environment = dict(environment)
        english = {"LANGUAGE": "C", "LC_ALL": "C"}
        # Made once: copying it takes as long as starting git.
        self._surroundings = os.environb | {
            os.fsencode(k): os.fsencode(v) for k, v in (english | self._environment).items()
        }
        self._lock = threading.Lock()
        self._running: set[int] = set()  # pids, each the leader of its group; guarded by _lock
        self._closed = threading.Event()

    def run(
        self,
        arguments: Sequence[str],
        *,
        timeout: timedelta,
        stdin: bytes = b"",
        keep_open: Sequence[int] = (),
    ) -> Finished:
        """Run `git ARGUMENTS` to its end.

        `keep_open` are descriptors the children inherit: a file lock on one of them is held for as long as any of
        them lives, even if this process is killed. Raises `GitTimedOut`, `GitMissing`,
        `GitNotStarted`, `GitClosed`.
        """
        with self._lock:
            if self._closed.is_set():
                raise GitClosed
            # All paths in arguments are absolute, and the folder that we were started in may be gone.
            command = [self._git(), "-C", "/", *arguments]
            try:
                child = Child(command, environment=self._surroundings, keep_open=keep_open)
            except FileNotFoundError as error:
                raise GitMissing from error
            except OSError as error:
                raise GitNotStarted(error.strerror or str(error)) from error
            self._running.add(child.pid)
        try:
            status, output, complaint = child.answered(stdin, within=timeout)
        except TimeoutError as error:
            raise GitTimedOut from error
        finally:
            child.close()
            with self._lock:
                self._running.discard(child.pid)
        if self._closed.is_set() and status < 0:
            raise GitClosed
        log.debug("git %s: status %d", arguments[0] if arguments else "", status)
        return Finished(status=status, output=output, complaint=complaint.decode("utf-8", errors="replace").strip())

    def start(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start `git ARGUMENTS` with three pipes, to be asked more than once; `end` it.

        Raises `GitMissing`, `GitNotStarted`, `GitClosed`.
        """
        with self._lock:
            if self._closed.is_set():
                raise GitClosed
            try:
                # Imported late: most commands ask Git nothing. It looks for the binary while it loads.
                from git import Git
                from git.exc import GitCommandNotFound
            except ImportError as error:
                raise GitMissing from error
            try:
                handle = Git(self._directory).execute(
                    [self._git(), *arguments],
                    istream=subprocess.PIPE,
                    as_process=True,
                    env=self._environment,
                    start_new_session=True,
                )
            except GitCommandNotFound as error:
                raise GitMissing from error
            except OSError as error:
                raise GitNotStarted(error.strerror or str(error)) from error
            process, handle.proc = handle.proc, None  # ours from now on: its handle would end it when it is collected
            assert process is not None
            self._running.add(process.pid)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> str:
        """Kill a process that still runs with all its children, and return what is left of its complaint."""
        said = _kill_group(process)
        with self._lock:
            self._running.discard(process.pid)
        return said

    def _git(self) -> str:
        """Return the program, which is looked for until it is found: at each start, that would be 0.1 ms of CPU."""
        self._program = self._program or shutil.which("git")
        if self._program is None:
            raise GitMissing
        return self._program

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    def close(self) -> None:
        """Kill what runs and start nothing more. Idempotent; the callers of `run` get `GitClosed`."""
        with self._lock:
            self._closed.set()
            running = tuple(self._running)
        for pid in running:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def _kill_group(process: subprocess.Popen[bytes]) -> str:
    """Make sure that nothing of an unfinished process is left: its group killed, itself reaped, its pipes closed."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.stderr is not None
    said = b"" if process.stderr.closed else process.stderr.read()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()
    return said.decode("utf-8", errors="replace").strip()
