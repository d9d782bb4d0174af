"""What the schedule has done by others: each errand in a thread of its own, and never twice at a time.

A neighbour that hangs keeps its own errand away for as long, and neither the schedule nor any other errand. Threads
are daemons, as those of passes are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Errands:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: set[str] = set()  # guarded by _lock
        self._stopping = False

    def begin(self, name: str, work: Callable[[], None]) -> None:
        """Do `work` unless an errand of that name is under way, or all has been stopped."""
        with self._lock:
            if self._stopping or name in self._under_way:
                return
            self._under_way.add(name)
        threading.Thread(target=self._do, args=(name, work), name=name, daemon=True).start()

    def stop(self) -> None:
        """Begin no more; what is under way is not waited for."""
        with self._lock:
            self._stopping = True

    def _do(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:  # the boundary for bugs of an errand: the next one of its name is run all the same
            log.exception("%s: unexpected error", name)
        finally:
            with self._lock:
                self._under_way.discard(name)
