"""The lock on one folder: whoever writes keeps every other writer away, threads and processes.

The git processes that a writer starts inherit the lock, so that it holds for as long as one of them lives, even if this
process is killed. While we hold it no other writer lives.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

_POLL_SECONDS: Final = 0.05  # flock has no timeout of its own


class LockTaken(Exception):
    """Another process has held the lock for longer than we wait."""


class WriteLock:
    """The lock file at `path`, whose folder must be there. Safe to use from several threads; re-entrant."""

    def __init__(self, path: Path, *, patience: timedelta) -> None:
        self._path, self._patience = path, patience
        self._writing = threading.RLock()
        self._file = -1  # the descriptor that holds the file lock; guarded by _writing
        self._owner = 0  # the thread that holds it

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the lock; False where this thread had it already. Raises `LockTaken` and `OSError`."""
        with self._writing:
            if self._file >= 0:
                yield False
                return
            self._file = self._taken()
            self._owner = threading.get_ident()
            try:
                yield True
            finally:
                # Closed, not unlocked: a git process that still lives keeps the lock until it ends.
                self._owner = 0
                os.close(self._file)
                self._file = -1

    @property
    def inherited(self) -> tuple[int, ...]:
        """The descriptors that a process started by this thread takes along."""
        # Only the thread that writes hands the lock on: its descriptor may be closed at any moment for the others.
        return (self._file,) if self._owner == threading.get_ident() else ()

    def _taken(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + self._patience.total_seconds()
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() < deadline:
                    time.sleep(_POLL_SECONDS)
                    continue
                os.close(descriptor)
                raise LockTaken from error
            return descriptor
