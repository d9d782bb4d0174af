"""Whether passes complete: what the dead man's switch goes by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

BEAT_EVERY: Final = timedelta(minutes=1)
_STUCK_AFTER: Final = timedelta(minutes=2)


class Pulse:
    """`beat` tells the dead man's switch. Each method from any thread: one write of one reference."""

    def __init__(self, beat: Callable[[], None], *, clock: Callable[[], datetime]) -> None:
        self._beat, self._clock = beat, clock
        self.completed_at: datetime | None = None

    def completed(self) -> None:
        """A pass has ended, well or not, or an app was found at rest."""
        self.completed_at = self._clock()

    def tick(self) -> None:
        """Beat, unless nothing has completed for two minutes. Called once a minute."""
        if self.completed_at is not None and self._clock() - self.completed_at < _STUCK_AFTER:
            self._beat()
