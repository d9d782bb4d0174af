"""Runs the git binary through GitPython, one short process per question, or one that stays for many.

In go arguments and standard input, out come the exit status and both outputs as bytes. Every process has a timeout
and its own process group, so that its helpers (git-remote-https, ssh) die with it: GitPython's own
`kill_after_timeout` needs `pgrep` or `ps`, which slim images lack. No process outlives `close`. Nothing here
decides what an output means.
"""

from __future__ import annotations

import logging
import os
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_CHUNK_BYTES: Final = 1 << 16  # what a pipe holds


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
        self._program = shutil.which("git") or "git"  # looking for it at each start takes 0.1 ms of CPU
        self._environment = dict(environment)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
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
        them lives, even if this process is killed. Raises `GitTimedOut`, `GitMissing`, `GitClosed`.
        """
        process = self.start(arguments, keep_open=keep_open)
        try:
            if stdin:
                output, complaint = process.communicate(stdin, timeout=timeout.total_seconds())
            else:
                output, complaint = _outputs(process, within=timeout)
        except subprocess.TimeoutExpired as error:
            raise GitTimedOut from error
        finally:
            self.end(process)
        if self._closed.is_set() and process.returncode < 0:
            raise GitClosed
        log.debug("git %s: status %d", arguments[0] if arguments else "", process.returncode)
        return Finished(
            status=process.returncode, output=output, complaint=complaint.decode("utf-8", errors="replace").strip()
        )

    def start(self, arguments: Sequence[str], *, keep_open: Sequence[int] = ()) -> subprocess.Popen[bytes]:
        """Start `git ARGUMENTS` with three pipes; `end` it. Raises `GitMissing` and `GitClosed`."""
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
                    [self._program, *arguments],
                    istream=subprocess.PIPE,
                    as_process=True,
                    env=self._environment,
                    start_new_session=True,
                    pass_fds=tuple(keep_open),
                )
            except GitCommandNotFound as error:
                raise GitMissing from error
            process, handle.proc = handle.proc, None  # ours from now on: its handle would end it when it is collected
            assert process is not None
            self._running.add(process)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> str:
        """Kill a process that still runs with all its children, and return what is left of its complaint."""
        said = _kill_group(process)
        with self._lock:
            self._running.discard(process)
        return said

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    def close(self) -> None:
        """Kill what runs and start nothing more. Idempotent; the callers of `run` get `GitClosed`."""
        with self._lock:
            self._closed.set()
            running = tuple(self._running)
        for process in running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _outputs(process: subprocess.Popen[bytes], *, within: timedelta) -> tuple[bytes, bytes]:
    """Read both outputs of a process that is told nothing, and wait for its end. Raises `subprocess.TimeoutExpired`.

    As `communicate` does for a tenth of a millisecond more, which is a tenth of what an app at rest costs.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    deadline = time.monotonic() + within.total_seconds()
    process.stdin.close()
    parts: dict[int, list[bytes]] = {process.stdout.fileno(): [], process.stderr.fileno(): []}
    poll = select.poll()  # `select` refuses descriptors above 1,023
    for pipe in parts:
        poll.register(pipe, select.POLLIN)
    left = len(parts)
    while left:
        ready = poll.poll(max(deadline - time.monotonic(), 0) * 1000)
        if not ready:
            raise subprocess.TimeoutExpired(process.args, within.total_seconds())
        for pipe, _ in ready:
            if data := os.read(pipe, _CHUNK_BYTES):
                parts[pipe].append(data)
            else:
                poll.unregister(pipe)
                left -= 1
    process.wait(max(deadline - time.monotonic(), 0))
    output, complaint = parts.values()
    return b"".join(output), b"".join(complaint)


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
