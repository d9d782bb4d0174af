"""Threads for the passes of each cluster: a cluster that hangs holds its own threads and nobody else's.

Threads begin when there is work and end when there has been none for a while. They are daemons: a pass that hangs in
a neighbour must not keep the process from leaving; the next start goes on from what is saved.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Final

_IDLE_SECONDS: Final = 10.0
WIDTH: Final = 64  # passes of one cluster at a time; its own limit of requests comes first


class Workers:
    """First come, first served, at most `width` at a time. Safe to use from several threads."""

    def __init__(self, name: str, *, width: int = WIDTH) -> None:
        self._name, self._width = name, width
        self._changed = threading.Condition()
        self._waiting: deque[Callable[[], None]] = deque()  # guarded by _changed
        self._threads: set[threading.Thread] = set()  # guarded by _changed
        self._idle = 0

    def submit(self, work: Callable[[], None]) -> None:
        """Run `work`, which raises nothing, as soon as there is room."""
        with self._changed:
            self._waiting.append(work)
            if self._idle >= len(self._waiting) or len(self._threads) >= self._width:
                self._changed.notify()
                return
            thread = threading.Thread(target=self._run, name=f"pass {self._name}", daemon=True)
            self._threads.add(thread)
            thread.start()

    def join(self, timeout: timedelta) -> bool:
        """Drop what waits and wait for what runs; True when all of it has ended."""
        with self._changed:
            self._waiting.clear()
            return self._changed.wait_for(lambda: len(self._threads) == self._idle, timeout.total_seconds())

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                self._changed.notify_all()
                found = self._changed.wait_for(lambda: bool(self._waiting), _IDLE_SECONDS)
                self._idle -= 1
                if not found:
                    self._threads.discard(threading.current_thread())
                    return
                work = self._waiting.popleft()
            work()
