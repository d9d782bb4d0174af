"""Whether the state store can be written, for a health check that waits for nobody.

Hundreds of passes may stand in line to write, and another process may hold the lock. The check stands in that line in
a thread of its own; who asks meanwhile hears what the one before it found.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import Final

from bot.errors import StateError

log = logging.getLogger(__name__)

_ANSWER_SECONDS: Final = 0.5  # a probe of Kubernetes waits for one second where nobody says otherwise
_STUCK_AFTER: Final = timedelta(seconds=60)


class Writable:
    """`check` writes and raises `StateError` where it cannot. Safe to use from several threads."""

    def __init__(self, check: Callable[[], None], *, clock: Callable[[], datetime]) -> None:
        self._check, self._clock = check, clock
        self._lock = threading.Lock()
        self._begun_at = clock()  # guarded by _lock, like what follows
        self._latest: Future[bool] = Future()
        self._latest.set_result(True)  # the store was written when it was opened
        self._found = True

    def __call__(self) -> bool:
        """Tell within half a second whether the last check that ended could write, and none has been at it for long."""
        with self._lock:
            if self._latest.done():
                self._latest, self._begun_at = Future(), self._clock()
                threading.Thread(target=self._run, args=(self._latest,), name="state check", daemon=True).start()
            latest = self._latest
        try:
            return latest.result(_ANSWER_SECONDS)
        except TimeoutError:
            with self._lock:
                return self._found and self._clock() - self._begun_at < _STUCK_AFTER

    def _run(self, latest: Future[bool]) -> None:
        found = False
        try:
            self._check()
            found = True
        except StateError as error:
            log.error("the state store cannot be written: %s", error)
        except Exception:  # a bug, which the one who asks hears as well
            log.exception("the state store cannot be written: unexpected error")
        with self._lock:
            self._found = found
        latest.set_result(found)
