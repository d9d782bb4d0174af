"""One turn of an app that is due: whether a pass is run now, what it hears meanwhile, and when the next one is due.

An app that failed rests; an order and a commit that may mend it end that rest. A request whose commit the Git host does
not show yet is kept for the next turn.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from bot.errors import PassError, StateError
from bot.model.app import AppSpec
from bot.model.control import Trigger, Via
from bot.model.outcome import Result, SyncReport
from bot.ports.state import PassRequest, Store
from bot.reconcile.passes.perform import Passes
from bot.reconcile.schedule.retry import Retry, Tries, has_failed

log = logging.getLogger(__name__)

ANY_ANSWER: Final = datetime.min.replace(tzinfo=UTC)
_PUSH_VISIBLE_WITHIN: Final = timedelta(minutes=2)  # a push event may come before the host shows the commit
_PUSH_ASK_AGAIN: Final = timedelta(seconds=2)
_NUDGED_AFTER: Final = timedelta(seconds=5)  # a failed app that a newer commit does not concern


@dataclass(slots=True)
class Slot:
    """One app's turn; guarded by the lock of the loop, which shares it with `Turns`."""

    app: AppSpec
    due: bool = False
    running: bool = False
    urgent: bool = False
    tries: Tries = field(default_factory=Tries)
    asked_at: datetime | None = None  # when a wake-up came during a pass and its commit was not compared yet
    since: datetime = ANY_ANSWER  # what Git said then or later is new enough for the next pass
    stirred_at: datetime = ANY_ANSWER
    stirs: bool = False  # a stir waits for its second
    requests: list[PassRequest] = field(default_factory=list)

    @property
    def is_ordered(self) -> bool:
        """Whether a person waits for the next pass."""
        return any(one.trigger.manual for one in self.requests)


class Turns:
    """Runs the turns of apps, each on one thread at a time.

    `guard` is held for every look at a slot, and never while anybody is asked. `ended` hears of each pass; `wake_at`
    makes an app due at a time. `returned_at`, asked with `guard` held, tells when a cluster last came back.
    """

    def __init__(
        self,
        passes: Passes,
        *,
        store: Store,
        retry: Retry,
        clock: Callable[[], datetime],
        guard: threading.Lock,
        stopping: Callable[[], bool],
        wake_at: Callable[[datetime, str], None],
        ended: Callable[[SyncReport], None],
        returned_at: Callable[[str], datetime],
    ) -> None:
        self._passes, self._store, self._retry, self._clock = passes, store, retry, clock
        self._guard, self._stopping = guard, stopping
        self._wake_at, self._ended, self._returned_at = wake_at, ended, returned_at

    def run(self, slot: Slot) -> None:
        """Run the pass that an app is due for, unless it rests or there is nothing to look at."""
        with self._guard:
            urgent, slot.urgent = slot.urgent, False
            since, slot.since = slot.since, ANY_ANSWER
            resting = slot.tries.rests(self._clock())
            ordered = slot.is_ordered
        if resting and not ordered and not self._may_be_mended(slot, since, pushed=urgent):
            return
        with self._guard:
            requests, slot.requests = slot.requests, []
        if not requests and since == ANY_ANSWER and self._passes.resting.is_settled(slot.app, None):
            return
        trigger = next(
            (one.trigger for one in reversed(requests) if one.trigger.manual),
            requests[-1].trigger if requests else Trigger(via=Via.SCHEDULE),
        )
        report: SyncReport | None = None
        try:
            report = self._passes.perform(
                slot.app,
                trigger,
                stop=lambda commit: self._superseded(slot, commit),
                patience=timedelta(seconds=5),
                since=since,
                noticed=min((one.at for one in requests), default=since if since > ANY_ANSWER else None),
                failures=slot.tries.failures,
                leaves=self._stopping,
            )
        except PassError as error:  # the state store: nothing of this pass is recorded, so that it is run again
            log.error("pass of %s: %s", slot.app.key, error)
        except Exception:  # the one boundary for bugs: the loop goes on
            log.exception("pass of %s: unexpected error", slot.app.key)
        self._after(slot, report, requests)

    def _after(self, slot: Slot, report: SyncReport | None, requests: list[PassRequest]) -> None:
        now = self._clock()
        if report is not None:
            self._ended(report)
        waiting = [one for one in requests if report is None or self._not_visible(slot.app, one, report, now)]
        done = [one.id for one in requests if one not in waiting]
        with suppress(StateError):  # they are done again after a restart, which changes nothing
            self._store.finish_requests(done)
        calm = timedelta(0)
        with suppress(StateError):  # the next pass meets the same trouble
            calm = self._passes.rest(report) if report is not None and not has_failed(report) else calm
        with self._guard:
            slot.requests = [*waiting, *slot.requests]
            returned = self._returned_at(slot.app.cluster)
            slot.tries.ended(report, self._retry, calm=calm, now=now, returned=returned)
            again = slot.tries.not_before or (now + _PUSH_ASK_AGAIN if waiting else None)
            if report is not None and report.result is Result.SUPERSEDED:
                slot.due = True
        if again is not None:
            self._wake_at(again, slot.app.key)

    def _not_visible(self, app: AppSpec, request: PassRequest, report: SyncReport, now: datetime) -> bool:
        """True while the host does not show the commit that its push event named."""
        if not request.expects or now - request.at > _PUSH_VISIBLE_WITHIN or report.target is None:
            return False
        if report.target.commit == request.expects:
            return False
        try:
            repo = self._passes.world.repos[app.repo]
            return not repo.descends(report.target.commit, request.expects)
        except PassError:
            return True

    def _may_be_mended(self, slot: Slot, since: datetime, *, pushed: bool) -> bool:
        """Tell whether a failed app is tried before its time: for a newer commit, or a push of the one that failed.

        A newer commit that does not concern the app brings its next try closer, so that a push to a large repository
        does not have all that fails in it run beside what was pushed.
        """
        try:
            head = self._passes.world.repos[slot.app.repo].head(slot.app.ref, newer_than=since)
            failed = slot.tries.commit
            if not failed or head == failed:
                return pushed
            if self._passes.resting.concerns(slot.app, failed, head):
                return True
        except PassError:
            return pushed
        soon = self._clock() + _NUDGED_AFTER
        with self._guard:
            nudged = slot.tries.sooner(soon)
        if nudged:
            self._wake_at(soon, slot.app.key)
        return False

    def _superseded(self, slot: Slot, commit: str) -> bool:
        """True when a running pass need not wait on: we stop, or a wake-up came and the branch has moved on."""
        if self._stopping():
            return True
        with self._guard:
            asked_at, slot.asked_at = slot.asked_at, None
            ordered = slot.is_ordered
        if ordered and asked_at is not None:
            return True  # an order changes what the pass works from: pause, rollback, sync
        if asked_at is None or self._store.control(slot.app.key).pin is not None:
            return False
        try:
            return self._passes.world.repos[slot.app.repo].head(slot.app.ref, newer_than=asked_at) != commit
        except PassError:
            return False
