"""The outbox on its way: order, patience, nothing lost or doubled, on a real store with real threads."""

from __future__ import annotations

import math
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from bot.delivery.courier import Courier
from bot.delivery.tidings import Fate
from bot.errors import DeliveryFailed
from bot.model.record import Consignment, Dispatch, SinkName
from bot.state.store import SqlStore
from tests.state.test_store import row
from tests.waiting import PATIENCE_SECONDS, until

PATIENCE = timedelta(seconds=PATIENCE_SECONDS)


class Recorder:
    """A sink that keeps what arrives; `failures` are raised first, one for each attempt."""

    name = SinkName.SLACK

    def __init__(self, *failures: Exception) -> None:
        self.arrived: list[str] = []
        self.changed = threading.Condition()
        self._failures = list(failures)

    def deliver(self, consignment: Consignment) -> float:
        with self.changed:
            if self._failures:
                raise self._failures.pop(0)
            self.arrived.append(consignment.parcel.id)
            self.changed.notify_all()
        return 0.0

    def wait_for(self, count: int) -> list[str]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.arrived) >= count, timeout=PATIENCE_SECONDS)
            return list(self.arrived)


class Hanging(Recorder):
    """Lanes whose names begin with H hang until they are `released`, which fails them."""

    def __init__(self) -> None:
        super().__init__()
        self.released, self.hanging = threading.Event(), 0

    def deliver(self, consignment: Consignment) -> float:
        if not consignment.lane.startswith("H"):
            return super().deliver(consignment)
        with self.changed:
            self.hanging += 1
            self.changed.notify_all()
        self.released.wait(PATIENCE_SECONDS)
        raise DeliveryFailed("it hung", retry_after_seconds=3600)


def now() -> datetime:
    return datetime.now(tz=UTC)


def run(store: SqlStore, sink: Recorder, lost: list[str] | None = None) -> Courier:
    heard = lost if lost is not None else []

    def tell(one: Consignment, fate: Fate, why: str) -> tuple[Dispatch, ...]:
        if fate is Fate.LOST:
            heard.append(f"{one.parcel.id} {why}")
        return ()

    courier = Courier(store, [sink], clock=now, tell=tell, failed=lambda *_: None)
    courier.start()
    return courier


def test_lane_arrives_in_order(store: SqlStore) -> None:
    sink = Recorder()
    courier = run(store, sink)
    store.dispatch([row(str(number)) for number in range(30)])
    assert sink.wait_for(30) == [str(number) for number in range(30)]
    courier.stop(timeout=PATIENCE)
    assert store.waiting(SinkName.SLACK) == 0


def test_failed_attempt_is_repeated_before_the_next_parcel(store: SqlStore) -> None:
    sink = Recorder(DeliveryFailed("down", retry_after_seconds=0.0), ValueError("a bug"))
    courier = run(store, sink)
    store.dispatch([row("1"), row("2")])
    assert sink.wait_for(2) == ["1", "2"]
    courier.stop(timeout=PATIENCE)


def test_bug_beside_a_sink_lets_the_lane_rest_and_is_logged(store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    """The lane was tried again without a pause, with a traceback each time."""
    sink, bugs = Recorder(), [ValueError("a bug"), ValueError("a bug")]

    def tell(one: Consignment, fate: Fate, why: str) -> tuple[Dispatch, ...]:
        if bugs:
            raise bugs.pop()
        return ()

    store.dispatch([row("1")])
    courier = Courier(store, [sink], clock=now, tell=tell, failed=lambda *_: None)
    began = time.monotonic()
    courier.start()
    assert sink.wait_for(3) == ["1", "1", "1"]
    took = time.monotonic() - began
    courier.stop(timeout=PATIENCE)
    assert took > 1.9
    assert caplog.text.count("slack to C1: unexpected error") == 2
    assert store.waiting(SinkName.SLACK) == 0


def test_parcel_that_cannot_arrive_is_reported_and_leaves_the_lane(store: SqlStore) -> None:
    lost: list[str] = []
    sink = Recorder(DeliveryFailed("no such channel", retry_after_seconds=None))
    courier = run(store, sink, lost)
    store.dispatch([row("1"), row("2")])
    assert sink.wait_for(1) == ["2"]
    courier.stop(timeout=PATIENCE)
    assert lost == ["1 no such channel"]


@pytest.mark.parametrize("wish", [3600.0, 1e12, math.inf])
def test_lane_that_waits_holds_no_other(store: SqlStore, wish: float) -> None:
    """A wish beyond all dates was an unexpected error, and the parcel sent again and again without a pause."""
    sink = Recorder(DeliveryFailed("429", retry_after_seconds=wish))
    courier = run(store, sink)
    store.dispatch([row("1", lane="C1")])
    store.dispatch([row("2", lane="C2"), row("3", lane="C3")])
    arrived = sink.wait_for(2)
    courier.stop(timeout=PATIENCE)
    assert len(arrived) == 2
    assert store.waiting(SinkName.SLACK) == 1
    assert len(store.due_lanes(SinkName.SLACK, now=now() + timedelta(hours=1))) == 1


def test_what_is_left_at_a_stop_arrives_after_the_restart(store: SqlStore) -> None:
    first = Recorder()
    courier = run(store, first)
    courier.stop(timeout=PATIENCE)
    store.dispatch([row("1")])
    second = Recorder()
    again = run(store, second)
    assert second.wait_for(1) == ["1"]
    again.stop(timeout=PATIENCE)
    assert first.arrived == []


def test_lanes_that_hang_hold_no_other(store: SqlStore) -> None:
    """Eight threads were all there were: with as many receivers hanging, those that answer waited behind them."""
    sink = Hanging()
    courier = run(store, sink)
    store.dispatch([row(f"hangs {number}", lane=f"H{number}") for number in range(12)])
    store.dispatch([row(f"answers {number}", lane="C1") for number in range(3)])
    assert sink.wait_for(3) == ["answers 0", "answers 1", "answers 2"]
    with sink.changed:
        assert sink.changed.wait_for(lambda: sink.hanging == 12, timeout=PATIENCE_SECONDS)
    sink.released.set()
    courier.stop(timeout=PATIENCE)
    assert store.waiting(SinkName.SLACK) == 12


def test_delivery_that_hangs_does_not_hold_a_stop_nor_the_process(store: SqlStore) -> None:
    sink = Hanging()
    courier = run(store, sink)
    store.dispatch([row("hangs", lane="H1")])
    with sink.changed:
        assert sink.changed.wait_for(lambda: sink.hanging == 1, timeout=PATIENCE_SECONDS)
    courier.stop(timeout=timedelta(seconds=0.2))
    left = [one for one in threading.enumerate() if one.name == SinkName.SLACK.value]
    assert left  # it is with the receiver still
    assert all(one.daemon for one in left)
    sink.released.set()
    for one in left:
        one.join(PATIENCE_SECONDS)


def test_many_lanes_arrive_without_a_look_at_the_clock(store: SqlStore) -> None:
    """More lanes than are worked on at a time: each that ends lets the next one in."""
    sink = Recorder()
    courier = run(store, sink)
    store.dispatch([row(str(number), lane=f"C{number}") for number in range(100)])
    assert len(sink.wait_for(100)) == 100
    courier.stop(timeout=PATIENCE)


def test_lanes_of_which_nothing_comes_any_more_are_forgotten(store: SqlStore) -> None:
    """Each alert is a lane of its own: what was known of them stayed until the process ended."""
    sink, later = Hanging(), timedelta()
    courier = Courier(store, [sink], clock=lambda: now() + later, tell=lambda *_: (), failed=lambda *_: None)
    courier.start()
    store.dispatch([row("hangs", lane="H1"), *(row(str(number), lane=f"C{number}") for number in range(20))])
    sink.wait_for(20)
    with sink.changed:
        assert sink.changed.wait_for(lambda: sink.hanging == 1, timeout=PATIENCE_SECONDS)
    time.sleep(2.1)
    sink.released.set()
    until(lambda: courier._hung.keys() == {(SinkName.SLACK, "H1")})
    hung = store.claim(SinkName.SLACK, "H1", now=now() + timedelta(hours=2))
    assert hung is not None
    store.delivered(hung.id)
    later = timedelta(minutes=61)
    courier.wake()
    until(lambda: not courier._rests)
    assert len(courier._hung) == 1  # it might have been tried again by now, and then it is counted apart
    later = timedelta(hours=3)
    courier.wake()
    until(lambda: not courier._hung)
    courier.stop(timeout=PATIENCE)
