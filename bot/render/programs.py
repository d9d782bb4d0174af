"""Runs the tools that render, each in its own short process with bounds and without our secrets.

In go a tool's name, arguments and a folder; out come its exit status and outputs. The environment is made for each
run: a private HOME, no PATH but for what is named, no variable of ours. Time, output, written files and memory are
bounded; a process that passes a bound ends with all its children. What an output means is not decided here.

The memory bound is RLIMIT_DATA, set by a shell that then becomes the tool: Go reserves far more address space than it
uses, so that RLIMIT_AS would have to be useless or deadly, and a limit set after the start could come too late.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

_READ_BYTES: Final = 65536
_COMPLAINT_BYTES: Final = 65536  # of standard error: more is repetition

HOW_TO_GET: Final[Mapping[str, str]] = {
    "kustomize": "https://kubectl.docs.kubernetes.io/installation/kustomize/",
    "helm": "https://helm.sh/docs/intro/install/",
    "sops": "https://getsops.io/",
    "gpg": "the package gnupg",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use."""

    time: timedelta = timedelta(seconds=60)
    memory_bytes: int = 1024**3
    output_bytes: int = 64 * 1024**2
    file_bytes: int = 256 * 1024**2  # of each file it writes


class ProgramFailed(Exception):
    """The tool could not be run to its end; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run that ended by itself. `complaint` is the beginning of its standard error."""

    status: int
    output: bytes
    complaint: str


class Programs:
    """Finds tools by name, or at the paths given, and runs them. Safe to use from several threads."""

    def __init__(self, *, paths: Mapping[str, str], limits: Limits) -> None:
        self._paths = dict(paths)
        self._limits = limits

    def missing(self, name: str) -> str:
        """Return "" when the tool is there, otherwise what to say."""
        return "" if self._found(name) else f"{name} is needed and is not on the PATH: get it from {HOW_TO_GET[name]}"

    def run(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        cwd: Path,
        home: Path,
        environment: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Finished:
        """Run a tool to its end. Raises `ProgramFailed`."""
        found = self._found(name)
        if found is None:
            raise ProgramFailed(self.missing(name))
        limits = self._limits
        bounds = f"ulimit -c 0; ulimit -f {limits.file_bytes // 512}; ulimit -d {limits.memory_bytes // 1024}"
        command = ["/bin/sh", "-c", f'{bounds}; exec "$@"', "sh", found, *arguments]
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = {
            "HOME": str(home),
            "TMPDIR": str(home),
            "PATH": "",
            "GOMEMLIMIT": str(limits.memory_bytes * 3 // 4),
            **(environment or {}),
        }
        with subprocess.Popen(
            command,
            cwd=cwd,
            env=made,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            try:
                output, complaint = _communicate(process, stdin, limits)
                process.wait()
            except _TooMuch as error:
                raise ProgramFailed(f"{name} {error}") from error
            finally:
                _kill(process)
        if process.returncode < 0:
            raise ProgramFailed(f"{name} was killed by signal {-process.returncode}")
        return Finished(status=process.returncode, output=output, complaint=complaint.decode("utf-8", "replace"))

    def _found(self, name: str) -> str | None:
        path = self._paths.get(name)
        return shutil.which(path) if path else shutil.which(name)


class _TooMuch(Exception):
    """A bound was passed."""


def _communicate(process: subprocess.Popen[bytes], stdin: bytes, limits: Limits) -> tuple[bytes, bytes]:
    """Feed and read a process until it closes its outputs. Raises `_TooMuch`."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    deadline = time.monotonic() + limits.time.total_seconds()
    kept: dict[int, list[bytes]] = {process.stdout.fileno(): [], process.stderr.fileno(): []}
    sizes = dict.fromkeys(kept, 0)
    rest = memoryview(stdin)
    os.set_blocking(process.stdin.fileno(), False)
    with selectors.DefaultSelector() as selector:
        for descriptor in kept:
            selector.register(descriptor, selectors.EVENT_READ)
        selector.register(process.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            ready = selector.select(timeout=max(0.0, deadline - time.monotonic()))
            if not ready:
                raise _TooMuch(f"did not end within {limits.time.total_seconds():g} s and was ended")
            for key, _ in ready:
                if key.fileobj is process.stdin:
                    rest = _fed(process, rest)
                    if not rest:
                        selector.unregister(process.stdin)
                        process.stdin.close()
                    continue
                chunk = os.read(key.fd, _READ_BYTES)
                if not chunk:
                    selector.unregister(key.fd)
                    continue
                sizes[key.fd] += len(chunk)
                limit = limits.output_bytes if key.fd == process.stdout.fileno() else _COMPLAINT_BYTES
                if sizes[key.fd] <= limit:
                    kept[key.fd].append(chunk)
                elif key.fd == process.stdout.fileno():
                    raise _TooMuch(f"wrote more than {limits.output_bytes // 1024**2} MiB and was ended")
    return b"".join(kept[process.stdout.fileno()]), b"".join(kept[process.stderr.fileno()])


def _fed(process: subprocess.Popen[bytes], rest: memoryview) -> memoryview:
    """Write some of the input; a process that does not want it gets no more."""
    assert process.stdin is not None
    try:
        return rest[os.write(process.stdin.fileno(), rest[:_READ_BYTES]) :] if rest else rest
    except BrokenPipeError:
        return rest[:0]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the process's group, itself included."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
