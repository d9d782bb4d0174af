"""Carries parcels from the outbox to their sinks, lane by lane, in order, until they have arrived.

One dispatcher looks for due lanes; a few threads of each sink deliver, so that a sink that hangs holds no other. A lane
is worked on by one thread at a time and rests as long as its sink says: no thread sleeps for a neighbour. What fails is
tried again later, what cannot arrive is said and leaves the lane. The state is in the store alone: a restart goes on
where this process stopped.

The surprising part: lanes of one sink do not wait for each other either. A lane that hangs, or hung when it was tried
last, is counted apart, so that those that answer always find room.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from bot.delivery.carriers import Carriers
from bot.delivery.tidings import Fate
from bot.errors import DeliveryFailed, StateError
from bot.model.record import Consignment, Dispatch, SinkName
from bot.ports.delivery import Sink
from bot.ports.state import Store
from bot.ports.tracing import UNTRACED, Tracer

log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS: Final = 0.5  # rows may come from another process
_AT_ONCE: Final = 8  # for each sink; a lane is one at a time, and Slack takes one message a second and channel
_HANGING_AT_ONCE: Final = 24  # besides; more that hang take turns
_HANGS_AFTER_SECONDS: Final = 2.0  # what answers does so sooner
_HANGS_FOR: Final = timedelta(hours=2)  # a lane that is not tried for so long has nothing left to say
_FIRST_RETRY_SECONDS: Final = 1.0
_LONGEST_RETRY_SECONDS: Final = 60.0  # after an outage of hours, people hear within a minute
_LONGEST_WISH_SECONDS: Final = 3600.0  # of a sink that wants to be left alone: a broken proxy may say a thousand years
_KEPT: Final = timedelta(days=7)  # what was said and heard; a redelivery comes within the hour
_FORGET_EVERY: Final = timedelta(hours=1)


class Courier:
    """Start it once, stop it once.

    `tell` returns what is to be said of an attempt: its fate, and why; `failed` counts those that did not arrive.
    """

    def __init__(
        self,
        store: Store,
        sinks: Sequence[Sink],
        *,
        clock: Callable[[], datetime],
        tell: Callable[[Consignment, Fate, str], Sequence[Dispatch]],
        failed: Callable[[SinkName, str], None],
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._store, self._sinks, self._clock = store, tuple(sinks), clock
        self._tell, self._failed, self._tracer = tell, failed, tracer
        self._carriers = {sink.name: Carriers(sink.name.value, most=_AT_ONCE + _HANGING_AT_ONCE) for sink in sinks}
        self._changed = threading.Condition()
        self._busy: dict[tuple[SinkName, str], float] = {}  # since when, by the monotonic clock; guarded by _changed
        self._hung: dict[tuple[SinkName, str], datetime] = {}  # tried last then; guarded by _changed
        self._turned_away = False  # a lane had no room when it was looked at last; guarded by _changed
        self._rests: dict[tuple[SinkName, str], datetime] = {}  # guarded by _changed
        self._troubles: dict[tuple[SinkName, str], str] = {}  # guarded by _changed
        self._forgot_at: datetime | None = None
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Look for parcels now. From any thread."""
        self._awake.set()

    def stop(self, *, timeout: timedelta) -> None:
        """Start no more deliveries and wait for those under way; what is left waits in the store.

        A delivery that is cut off after it arrived would arrive again after the restart.
        """
        self._stopping.set()
        self._awake.set()
        deadline = time.monotonic() + timeout.total_seconds()
        if self._thread.is_alive():
            self._thread.join(timeout.total_seconds())
        with self._changed:
            self._changed.wait_for(lambda: not self._busy, max(deadline - time.monotonic(), 0))
        for carriers in self._carriers.values():
            carriers.close()

    def troubles(self) -> dict[str, str]:
        """Return the sinks whose last attempt on some lane failed, and why."""
        with self._changed:
            return {sink.value: why for (sink, _), why in self._troubles.items()}

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.wait(self._idle_seconds())
            self._awake.clear()
            with self._changed:
                self._turned_away = False
            self._forget()
            for sink in self._sinks:
                try:
                    lanes = self._store.due_lanes(sink.name, now=self._clock())
                except StateError as error:
                    log.error("the outbox cannot be read: %s", error)
                    break
                for lane in lanes:
                    self._submit(sink, lane)

    def _idle_seconds(self) -> float:
        """Return how long to wait for a wake: until a lane has rested, at most as long as rows of others may wait."""
        now = self._clock()
        with self._changed:
            rests = [(until - now).total_seconds() for until in self._rests.values() if until > now]
        return min([*rests, _LOOK_EVERY_SECONDS])

    def _submit(self, sink: Sink, lane: str) -> None:
        key = (sink.name, lane)
        with self._changed:
            rests_until = self._rests.get(key)
            resting = rests_until is not None and self._clock() < rests_until
            if key in self._busy or resting or self._stopping.is_set():
                return
            if not self._has_room(key):
                self._turned_away = True
                return
            self._busy[key] = time.monotonic()
        self._carriers[sink.name].submit(partial(self._deliver, sink, lane))

    def _has_room(self, key: tuple[SinkName, str]) -> bool:
        """Tell whether a lane may be worked on now; one that may not is looked at again. Under `_changed`."""
        late = time.monotonic() - _HANGS_AFTER_SECONDS
        busy = [(other, since) for other, since in self._busy.items() if other[0] is key[0]]
        hanging = sum(1 for other, since in busy if other in self._hung or since < late)
        if key in self._hung:
            return hanging < _HANGING_AT_ONCE
        return len(busy) - hanging < _AT_ONCE and len(busy) < _AT_ONCE + _HANGING_AT_ONCE

    def _deliver(self, sink: Sink, lane: str) -> None:
        """Deliver the first parcel of a lane."""
        rest = 0.0
        try:
            consignment = self._store.claim(sink.name, lane, now=self._clock())
            if consignment is not None:
                rest = self._hand_over(sink, consignment)
        except StateError as error:
            log.error("the outbox cannot be used: %s", error)
            rest = _FIRST_RETRY_SECONDS
        except Exception:  # the boundary for bugs outside of a sink: without a rest it would be tried without a pause
            log.exception("%s to %s: unexpected error", sink.name.value, lane)
            rest = _FIRST_RETRY_SECONDS
        finally:
            key = (sink.name, lane)
            with self._changed:
                took = time.monotonic() - self._busy.pop(key)
                now = self._clock()
                if took > _HANGS_AFTER_SECONDS:
                    self._hung[key] = now
                else:
                    self._hung.pop(key, None)
                self._rests[key] = now + timedelta(seconds=rest)
                self._changed.notify_all()
                turned_away = self._turned_away
            if rest == 0 or turned_away:
                self._awake.set()

    def _hand_over(self, sink: Sink, consignment: Consignment) -> float:
        try:
            with self._tracer.delivering(consignment):
                rest: float = sink.deliver(consignment)
        except DeliveryFailed as failed:
            self._note(consignment, str(failed))
            if failed.retry_after_seconds is None:
                log.error("%s to %s will not arrive: %s", sink.name.value, consignment.lane, failed)
                self._failed(sink.name, Fate.LOST.value)
                said = self._tell(consignment, Fate.LOST, str(failed))
                self._store.undeliverable(consignment.id, why=str(failed), dispatches=said)
                return 0.0
            wish = min(failed.retry_after_seconds, _LONGEST_WISH_SECONDS)
            self._postpone(consignment, max(wish, _back_off(consignment.attempts)), str(failed))
            return 0.0
        except Exception:  # the boundary for bugs of a sink: the lane waits, the others go on
            log.exception("%s to %s: unexpected error", sink.name.value, consignment.lane)
            self._postpone(consignment, _back_off(consignment.attempts), "unexpected error")
            return 0.0
        self._store.delivered(consignment.id, dispatches=self._tell(consignment, Fate.ARRIVED, ""))
        self._note(consignment, "")
        return rest

    def _postpone(self, consignment: Consignment, seconds: float, why: str) -> None:
        log.warning(
            "%s to %s did not arrive, tried again in %.0f s: %s", consignment.sink.value, consignment.lane, seconds, why
        )
        self._failed(consignment.sink, Fate.LATE.value)
        said = self._tell(consignment, Fate.LATE, why)
        self._store.postpone(consignment.id, until=self._clock() + timedelta(seconds=seconds), why=why, dispatches=said)

    def _note(self, consignment: Consignment, trouble: str) -> None:
        key = (consignment.sink, consignment.lane)
        with self._changed:
            if trouble:
                self._troubles[key] = trouble
            else:
                self._troubles.pop(key, None)

    def _forget(self) -> None:
        """Drop what is old, so that neither the store nor what is known of lanes grows for ever: an alert is one."""
        now = self._clock()
        if self._forgot_at is not None and now - self._forgot_at < _FORGET_EVERY:
            return
        with self._changed:
            self._rests = {key: until for key, until in self._rests.items() if until > now}
            self._hung = {key: at for key, at in self._hung.items() if now - at < _HANGS_FOR}
        try:
            self._store.tidy(before=now - _KEPT)
            self._forgot_at = now
        except StateError as error:
            log.error("the store cannot be tidied: %s", error)


def _back_off(attempts: int) -> float:
    return min(_FIRST_RETRY_SECONDS * 2.0 ** min(attempts, 20), _LONGEST_RETRY_SECONDS)
