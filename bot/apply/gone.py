"""Waits until deleted objects are gone, for a moment: what a finalizer holds longer is left for a later pass."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Final

from bot.model.resource import ResourceRef
from bot.ports.live import Cluster

_PATIENCE: Final = timedelta(seconds=10)  # an operator needs a second or two; nobody waits for a stuck finalizer
_LOOK_UP: Final = timedelta(seconds=1)


def await_gone(cluster: Cluster, refs: Collection[ResourceRef], *, stop: Callable[[], bool]) -> tuple[ResourceRef, ...]:
    """Return those that are still there at the end, in order. Raises `ClusterError`."""
    deadline = time.monotonic() + _PATIENCE.total_seconds()
    with cluster.watch(refs) as watch:
        while True:
            left = tuple(ref for ref in refs if watch.current(ref) is not None)
            if not left or time.monotonic() >= deadline or stop():
                return left
            watch.wait(_LOOK_UP)
