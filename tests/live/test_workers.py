"""Work on many objects at a time: in order, bounded, and ended by the first thing that goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bot.live.gate import FIRST, Gate
from bot.live.workers import Workers
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(Gate(), name="test")
    yield made
    made.close()


@pytest.mark.parametrize("count", [0, 1, 2, FIRST, 1000])
def test_results_come_in_order(workers: Workers, count: int) -> None:
    assert list(workers.spread(lambda number: number * number, range(count))) == [n * n for n in range(count)]


def test_as_many_as_the_gate_lets_in_are_at_work(workers: Workers) -> None:
    together = threading.Barrier(FIRST, timeout=PATIENCE_SECONDS)  # breaks, and raises, unless so many meet there
    assert len(list(workers.spread(lambda _: together.wait(), range(FIRST)))) == FIRST


def test_first_that_raises_ends_it_and_what_has_not_begun_stays_undone(workers: Workers) -> None:
    done: list[int] = []

    def work(number: int) -> int:
        if number == 0:
            raise ValueError("no")
        done.append(number)
        return number

    with pytest.raises(ValueError, match="no"):
        list(workers.spread(work, range(100_000)))
    assert len(done) < 100_000


def test_large_work_leaves_room_for_small(workers: Workers) -> None:
    holding, go = threading.Event(), threading.Event()

    def large(_: int) -> None:
        holding.set()
        assert go.wait(PATIENCE_SECONDS)

    thread = threading.Thread(target=lambda: list(workers.spread(large, range(10_000))))
    thread.start()
    assert holding.wait(PATIENCE_SECONDS)
    assert list(workers.spread(lambda number: number, range(100))) == list(range(100))
    go.set()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
