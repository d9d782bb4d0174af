"""What apps fail for is one ledger for all processes: whoever enters something holds it from the read to the save."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from bot.errors import StateError
from bot.ports.state import INCIDENTS, Store

_PATIENCE: Final = timedelta(seconds=30)  # an entry is one short transaction: longer means that a process hangs


@contextmanager
def entering(store: Store) -> Iterator[None]:
    """Hold the ledger. Raises `StateError` when another process does for too long; the pass or order is tried again."""
    with store.lock(INCIDENTS, timeout=_PATIENCE) as held:
        if not held:
            raise StateError(
                f"state: another process has been entering failures for {_PATIENCE.total_seconds():.0f} s; "
                "tried again by itself"
            )
        yield
