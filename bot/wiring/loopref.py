"""The loop, as desk and clusters reach it: they are built before it, and some commands run none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command that only looks does not pay for the scheduler
    from bot.reconcile.schedule.loop import Loop


class LoopRef:
    """Passes on what wakes a loop; without one nobody hears of it. Safe to call from any thread."""

    def __init__(self) -> None:
        self._loop: Loop | None = None

    def attach(self, loop: Loop | None) -> None:
        """Wake this loop from now on, or none."""
        self._loop = loop

    def order(self, *keys: str) -> bool:
        """Have apps follow orders that stand in the store; True when one more pass follows one that was running."""
        loop = self._loop
        return loop is not None and loop.wake(*keys, urgent=True)

    def stir(self, key: str, drift: bool) -> None:
        """A watch has something of an app to look at."""
        if (loop := self._loop) is not None:
            loop.stir(key, drift)

    def returned(self, cluster: str) -> None:
        """A cluster answers again."""
        if (loop := self._loop) is not None:
            loop.returned(cluster)
