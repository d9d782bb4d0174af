"""The threads that work on many objects of one cluster at a time, shared by all passes. Contacts nobody itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Final, TypeVar

from bot.live.gate import MOST, Gate

_BATCH: Final = 8  # one hand-over to a thread for so many objects; few enough to share the threads with others
_BATCHES_EACH: Final = 4  # a thread gets no larger share at once: batches end at about the same time

T = TypeVar("T")
R = TypeVar("R")


class Workers:
    """Safe to use from several threads."""

    def __init__(self, gate: Gate, *, name: str) -> None:
        self._gate = gate
        self._pool = ThreadPoolExecutor(max_workers=2 * MOST, thread_name_prefix=name)

    def spread(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Do `work` on all items, as many at a time as the gate lets in, and yield the results in order.

        One caller has no more than that waiting, so that a large app does not hold back a small one.
        """
        if len(items) < 2:
            yield from map(work, items)
            return
        size = max(1, min(_BATCH, len(items) // (self._gate.limit * _BATCHES_EACH)))
        batches = iter([items[at : at + size] for at in range(0, len(items), size)])
        waiting: deque[Future[list[R]]] = deque()
        ended: SimpleQueue[Future[list[R]]] = SimpleQueue()
        at_work = 0
        try:
            while True:
                while at_work < self._gate.limit and (batch := next(batches, None)) is not None:
                    future = self._pool.submit(_all, work, batch)
                    waiting.append(future)
                    at_work += 1
                    future.add_done_callback(ended.put)
                if not waiting:
                    return
                ended.get()
                at_work -= 1
                while waiting and waiting[0].done():
                    yield from waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _all(work: Callable[[T], R], batch: Sequence[T]) -> list[R]:
    return [work(item) for item in batch]
