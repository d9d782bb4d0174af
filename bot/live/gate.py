"""How many requests one API server is asked at a time, found by its answers.

Begins with as many as reach the limit of a server that has nothing else to do. An answer of 429 halves the number at
most once a second, every round of good answers raises it by one again (additive increase, multiplicative decrease).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MOST: Final = 16  # measured: more gains nothing at the API server, one at a time doubles its cost
_HALVED_EVERY_SECONDS: Final = 1.0  # what was in flight at the first 429 says nothing new


class Gate:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._limit = float(MOST)  # guarded by _changed
        self._inside = 0  # guarded by _changed
        self._halved_at = 0.0

    @property
    def limit(self) -> int:
        """How many may be inside now, 1 to MOST."""
        return int(self._limit)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for room for one request."""
        with self._changed:
            self._changed.wait_for(lambda: self._inside < self.limit)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify()

    def answered(self, *, throttled: bool) -> None:
        """Learn from an answer."""
        now = time.monotonic()
        with self._changed:
            if not throttled:
                self._limit = min(self._limit + 1 / self._limit, MOST)
            elif now - self._halved_at >= _HALVED_EVERY_SECONDS:
                self._limit, self._halved_at = max(self._limit / 2, 1.0), now
