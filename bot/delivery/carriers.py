"""Threads that deliver: begun when there is work for one more, kept for the next one.

They stay, because a sink keeps its connections by thread. They are daemons: a receiver that hangs must not keep the
process from leaving; what it was sent is in the store.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue


class Carriers:
    """Does what is submitted, as much at a time as `most`. Safe to use from several threads."""

    def __init__(self, name: str, *, most: int) -> None:
        self._name, self._most = name, most
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._free = 0  # guarded by _lock; what is free has nothing under way or waiting for it

    def submit(self, work: Callable[[], None]) -> None:
        """Do `work`, which raises nothing, as soon as a thread is free."""
        with self._lock:
            if self._free:
                self._free -= 1
            elif self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
        self._waiting.put(work)

    def close(self) -> None:
        """Let the threads end when what was submitted is done; nobody waits for them."""
        for _ in range(self._most):
            self._waiting.put(None)

    def _run(self) -> None:
        while (work := self._waiting.get()) is not None:
            work()
            with self._lock:
                self._free += 1
