"""How many requests one API server is asked at a time, found by its answers.

Begins with what a small server is best off with: more in flight wait in its queue, fewer let its processors go to
sleep between two requests. An answer of 429 halves the number, at most once a second. Good answers raise it by one a
round: back to where it began, and beyond that only while answers hardly take longer than the fastest ones do. So a
server that is far away, or has many processors, is asked more at a time (additive increase, multiplicative decrease;
the delay as signal as in TCP Vegas).
"""

from __future__ import annotations

import threading
import time
from typing import Final

FIRST: Final = 16  # measured on two cores: 8 cost the server a tenth more CPU each, 4 a quarter, one at a time twice
MOST: Final = 64  # each is a thread and a connection of ours, and a seat of the server's fair queues
_HALVED_EVERY_SECONDS: Final = 1.0  # what was in flight at the first 429 says nothing new
_QUEUED: Final = 2.0  # answers that take so many times the fastest wait for others
_FORGETS: Final = 1.001  # the fastest answer is believed a little less with each answer: servers change


class Passage:
    """One request on its way, as a context; `throttled` is set when its answer was 429."""

    __slots__ = ("_entered", "_gate", "throttled")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.throttled = False

    def __enter__(self) -> Passage:
        self._gate.enter()
        self._entered = time.monotonic()
        return self

    def __exit__(self, failed: object, *_: object) -> None:
        if failed is None:
            now = time.monotonic()
            self._gate.answered(now - self._entered, throttled=self.throttled, now=now)
        self._gate.leave()


class Gate:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._limit = float(FIRST)  # guarded by _changed
        self._inside = 0  # guarded by _changed
        self._halved_at = float("-inf")
        self._fastest_seconds = float("inf")

    @property
    def limit(self) -> int:
        """How many may be inside now, 1 to MOST."""
        return int(self._limit)

    def one(self) -> Passage:
        """Return the way of one request: entering it waits for room, leaving it learns from the answer."""
        return Passage(self)

    def enter(self) -> None:
        with self._changed:
            while self._inside >= int(self._limit):
                self._changed.wait()
            self._inside += 1

    def leave(self) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify()

    def answered(self, seconds: float, *, throttled: bool, now: float) -> None:
        """Learn from an answer that took so long, while its request is still counted as inside."""
        with self._changed:
            if throttled:
                if now - self._halved_at >= _HALVED_EVERY_SECONDS:
                    self._limit, self._halved_at = max(self._limit / 2, 1.0), now
                return
            self._fastest_seconds = min(self._fastest_seconds * _FORGETS, seconds)
            if self._limit < FIRST:
                self._limit = min(self._limit + 1 / self._limit, FIRST)
            elif seconds > _QUEUED * self._fastest_seconds:
                self._limit = max(self._limit - 1 / self._limit, FIRST)
            elif self._inside >= int(self._limit):  # one that was not used up says nothing of a higher one
                self._limit = min(self._limit + 1 / self._limit, MOST)
