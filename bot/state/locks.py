"""One writer per app, across threads and processes; freed by the kernel or the database when its holder dies."""

from __future__ import annotations

import fcntl
import hashlib
import os
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


@contextmanager
def advisory_lock(engine: sa.Engine, name: str, timeout: timedelta) -> Iterator[bool]:
    """Hold a session-level advisory lock of PostgreSQL on a connection of its own."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:

        def attempt() -> bool:
            return bool(connection.execute(sa.select(sa.func.pg_try_advisory_lock(number))).scalar())

        held = _until(time.monotonic() + timeout.total_seconds(), attempt)
        try:
            yield held
        finally:
            if held:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(number)))


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
