"""How many requests one API server is asked at a time, found by its answers.

Begins with what a small server is best off with: more in flight wait in its queue, fewer let its processors go to
sleep between two requests. An answer of 429 halves the number, at most once a second. Good answers raise it by one a
round: back to where it began, and beyond that only while answers hardly take longer than the fastest ones do. So a
server that is far away, or has many processors, is asked more at a time (additive increase, multiplicative decrease;
the delay as signal as in TCP Vegas).
"""

from __future__ import annotations

import threading
from typing import Final

FIRST: Final = 16  # measured on two cores: 8 cost the server a tenth more CPU each, 4 a quarter, one at a time twice
MOST: Final = 64  # each is a thread and a connection of ours, and a seat of the server's fair queues
_HALVED_EVERY_SECONDS: Final = 1.0  # what was in flight at the first 429 says nothing new
_QUEUED: Final = 2.0  # answers that take so many times the fastest wait for others
_FORGETS: Final = 1.001  # the fastest answer is believed a little less with each answer: servers change


class Gate:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._limit = float(FIRST)  # guarded by _lock, like what follows
        self._inside = self._waiting = 0
        self._halved_at = float("-inf")
        self._fastest_seconds = float("inf")

    @property
    def limit(self) -> int:
        """How many may be inside now, 1 to MOST."""
        return int(self._limit)

    def enter(self) -> None:
        """Wait for room and take it."""
        with self._lock:
            if self._inside >= int(self._limit):
                self._waiting += 1
                while self._inside >= int(self._limit):
                    self._room.wait()
                self._waiting -= 1
            self._inside += 1

    def leave(self) -> None:
        """Give the room back of a request that had no answer."""
        with self._lock:
            self._left()

    def answered(self, seconds: float, *, throttled: bool, now: float) -> None:
        """Give the room back of a request whose answer took so long, and learn from that."""
        with self._lock:
            if throttled:
                if now - self._halved_at >= _HALVED_EVERY_SECONDS:
                    self._limit, self._halved_at = max(self._limit / 2, 1.0), now
            else:
                self._learn(seconds)
            self._left()

    def _learn(self, seconds: float) -> None:
        self._fastest_seconds = min(self._fastest_seconds * _FORGETS, seconds)
        if self._limit < FIRST:
            self._limit = min(self._limit + 1 / self._limit, FIRST)
        elif seconds > _QUEUED * self._fastest_seconds:
            self._limit = max(self._limit - 1 / self._limit, FIRST)
        elif self._inside >= int(self._limit):  # one that was not used up says nothing of a higher one
            self._limit = min(self._limit + 1 / self._limit, MOST)

    def _left(self) -> None:
        self._inside -= 1
        if self._waiting:
            self._room.notify()
