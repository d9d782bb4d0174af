"""One writer per app, across threads and processes; freed by the kernel or the database when its holder dies."""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

_POLL_SECONDS: Final = 0.05  # neither flock nor advisory locks wait with a timeout


@contextmanager
def file_lock(folder: Path, name: str, timeout: timedelta) -> Iterator[bool]:
    """Hold a file lock; yields False when somebody else held it for the whole timeout."""
    path = folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.lock"
    try:
        descriptor = _opened(path)
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _opened(path)
    try:
        yield _until(time.monotonic() + timeout.total_seconds(), lambda: _flock(descriptor))
    finally:
        os.close(descriptor)


class AdvisoryLocks:
    """Session-level advisory locks of PostgreSQL, all in one session: a connection for each would be hundreds.

    A session that ends takes its locks along, in the middle of a pass too; the next question begins another one.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._turn = threading.Lock()
        self._session: sa.Connection | None = None  # guarded by _turn, like what follows
        self._held: set[int] = set()  # a session is given a lock that it holds a second time

    @contextmanager
    def hold(self, name: str, timeout: timedelta) -> Iterator[bool]:
        """Hold a lock; yields False when somebody else held it for the whole timeout."""
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        held = _until(time.monotonic() + timeout.total_seconds(), lambda: self._attempt(number))
        try:
            yield held
        finally:
            if held:
                self._release(number)

    def close(self) -> None:
        """End the session, and with it what it holds as soon as its connection is closed. Idempotent."""
        with self._turn:
            self._end()

    def _attempt(self, number: int) -> bool:
        with self._turn:
            if number in self._held or not self._ask(sa.func.pg_try_advisory_lock(number)):
                return False
            self._held.add(number)
            return True

    def _release(self, number: int) -> None:
        with self._turn:
            self._held.discard(number)
            self._ask(sa.func.pg_advisory_unlock(number))

    def _ask(self, question: sa.Function[bool]) -> bool:
        try:
            return self._asked(question)
        except sa.exc.OperationalError:  # the session has ended
            self._end()
            return self._asked(question)

    def _asked(self, question: sa.Function[bool]) -> bool:
        if self._session is None:
            self._session = self._engine.connect()
        return bool(self._session.execute(sa.select(question)).scalar())

    def _end(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _until(deadline: float, attempt: Callable[[], bool]) -> bool:
    while not attempt():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
