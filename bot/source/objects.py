"""Git objects by name, from one `git cat-file` that stays: a process per question costs more than the answer.

In go names that were checked before (ids, `commit:path`), in bulk; out come kinds, sizes and bytes. The process starts
with the first question and ends when nobody has asked for a while, at `close`, and before the copy is made anew. It
sees what is fetched meanwhile: git looks for new packs before it says that an object is missing.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Final, TypeVar

from bot.source.binary import GitBinary, GitClosed, GitTimedOut

IDLE_SECONDS: Final = 10.0  # hundreds of repositories are asked once a minute or less; each process takes some MiB
_AT_ONCE: Final = 256  # questions before their answers are read: a pipe holds 64 KiB, and nobody reads while we write
_LONGEST_BYTES: Final = 32_000  # the same in bytes, for long names
_CHUNK_BYTES: Final = 1 << 20
_FOUND: Final = re.compile(rb"([0-9a-f]{40}) (blob|tree|commit|tag) ([0-9]+)")
_DELTA_CACHE: Final = "core.deltaBaseCacheLimit=8m"  # git takes 96 MiB by itself, and keeps them while it lives


T = TypeVar("T")


class ObjectsBroken(Exception):
    """git ended in the middle; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Info:
    """What is known of an object without its bytes."""

    id: str
    kind: str  # blob, tree, commit, tag
    size: int


class Objects:
    """Reads from the repository at `git_dir`. Safe to use from several threads: one question after the other."""

    def __init__(self, binary: GitBinary, *, git_dir: str, timeout: timedelta) -> None:
        self._binary, self._git_dir, self._timeout = binary, git_dir, timeout
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None  # guarded by _lock, like what follows
        self._rest = b""
        self._used_at = 0.0
        self._timer: threading.Timer | None = None

    def infos(self, names: Sequence[str]) -> list[Info | None]:
        """Return what each name stands for, None for what is not here."""
        return self._ask("info", names, self._info)

    def contents(self, ids: Collection[str]) -> dict[str, bytes]:
        """Return the bytes of each object; what is not here is left out."""
        found = self._ask("contents", list(ids), self._content)
        return dict(one for one in found if one is not None)

    def close(self) -> None:
        """End the process; a later question starts another. Idempotent."""
        with self._lock:
            self._end()

    # --- one question -----------------------------------------------------------------------------------------

    def _ask(self, verb: str, names: Sequence[str], read: Callable[[], T]) -> list[T]:
        found: list[T] = []
        with self._lock:
            process = self._running()
            assert process.stdin is not None
            try:
                for some in _portions(f"{verb} {name}\n".encode() for name in names):
                    process.stdin.write(b"".join(some) + b"flush\n")
                    process.stdin.flush()
                    found += [read() for _ in some]
            except (_Ended, BrokenPipeError) as error:
                raise self._broken(self._end()) from error
            except BaseException:
                self._end()  # its answers would be taken for those of the next question
                raise
            self._used_at = time.monotonic()
        return found

    def _info(self) -> Info | None:
        header = _FOUND.fullmatch(self._line())
        return Info(header[1].decode(), header[2].decode(), int(header[3])) if header is not None else None

    def _content(self) -> tuple[str, bytes] | None:
        header = _FOUND.fullmatch(self._line())
        return (header[1].decode(), self._bytes(int(header[3]) + 1)[:-1]) if header is not None else None

    def _line(self) -> bytes:
        while (end := self._rest.find(b"\n")) < 0:
            self._rest += self._more()
        line, self._rest = self._rest[:end], self._rest[end + 1 :]
        return line

    def _bytes(self, size: int) -> bytes:
        parts, missing = [self._rest], size - len(self._rest)
        while missing > 0:
            parts.append(self._more())
            missing -= len(parts[-1])
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]

    def _more(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        poll = select.poll()  # `select` refuses descriptors above 1,023
        poll.register(pipe, select.POLLIN)
        if not poll.poll(self._timeout / timedelta(milliseconds=1)):
            raise GitTimedOut
        data = os.read(pipe, _CHUNK_BYTES)
        if not data:
            raise _Ended
        return data

    # --- the process ------------------------------------------------------------------------------------------

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = ["-c", _DELTA_CACHE, f"--git-dir={self._git_dir}", "cat-file", "--batch-command", "--buffer"]
            self._process = self._binary.start(command)
            self._rest = b""
            self._watch(IDLE_SECONDS)
        return self._process

    def _watch(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._rested)
        self._timer.daemon = True
        self._timer.start()

    def _rested(self) -> None:
        """End the process when nobody has asked for a while, else look again when that will be."""
        with self._lock:
            if self._timer is not threading.current_thread():
                return  # of a process that has ended
            left = IDLE_SECONDS - (time.monotonic() - self._used_at)
            if left > 0:
                self._watch(left)
            else:
                self._end()

    def _end(self) -> str:
        """End the process and return what it complained of."""
        process, self._process = self._process, None
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        return self._binary.end(process) if process is not None else ""

    def _broken(self, said: str) -> Exception:
        return GitClosed() if self._binary.is_closed else ObjectsBroken(said or "git ended before it had answered")


class _Ended(Exception):
    """The process closed its output."""


def _portions(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines in portions that a pipe holds."""
    while some := list(islice(lines, _AT_ONCE)):
        while sum(map(len, some)) > _LONGEST_BYTES and len(some) > 1:
            half = len(some) // 2
            yield some[:half]
            some = some[half:]
        yield some
