"""A client-side limit of requests a second, for who wants one: `cluster_defaults.qps`. Pure but for its memory."""

from __future__ import annotations

from threading import Lock


class Pace:
    """Hands out moments at which requests may be sent, evenly spread; `qps` 0 is no limit. Thread-safe."""

    def __init__(self, qps: float) -> None:
        self._gap_seconds = 1 / qps if qps else 0.0
        self._lock = Lock()
        self._next = float("-inf")  # guarded by _lock

    def wait_seconds(self, now: float) -> float:
        """Take the next moment and return how long after `now`, a monotonic time in seconds, it is."""
        if not self._gap_seconds:
            return 0.0
        with self._lock:
            moment = max(self._next, now)
            self._next = moment + self._gap_seconds
            return moment - now
