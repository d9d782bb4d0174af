"""When passes run: ticks, orders, pushes and what watches tell only mark an app as due; a worker runs it.

One app's passes never overlap; a wake-up during a pass means one more pass after it. Apps do not wait for each other:
a hanging cluster holds the workers of its own apps and nobody else's. A failed pass backs off; an order and a commit
that is newer than the failed one do not wait for that, unless the commit changes nothing that the app is rendered of.
What failed because its cluster was away is tried as soon as that answers again.
The apps that a commit does concern go first, before those at rest that only learn of it. APScheduler ticks once per
repository and interval, not per app: one question to Git tells which of hundreds of apps have anything to do, and the
others cost nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from bot.errors import PassError, StateError
from bot.model.outcome import SyncReport
from bot.model.source import GitRef
from bot.ports.live import Cluster
from bot.ports.state import Store
from bot.reconcile.passes.perform import Passes
from bot.reconcile.schedule.errands import Errands
from bot.reconcile.schedule.pulse import BEAT_EVERY, Pulse
from bot.reconcile.schedule.retry import Retry
from bot.reconcile.schedule.turns import ANY_ANSWER, Slot, Turns
from bot.reconcile.schedule.workers import Workers

log = logging.getLogger(__name__)

_STIR_EVERY: Final = timedelta(seconds=1)  # a workload on its way changes many times a second
_ROUND_SECONDS: Final = 5  # reminders, expiries and digests are as late as that
_NOTING: Final = 4  # passes at a time that only note a commit: each costs a transaction, and they are in no hurry
_FIRST_BEAT: Final = timedelta(seconds=10)


class Loop:
    """Keeps all apps going. `start` and `stop` once each; every other method may be called from any thread."""

    def __init__(
        self,
        passes: Passes,
        *,
        store: Store,
        retry: Retry,
        clock: Callable[[], datetime],
        beat: Callable[[], None],
        ended: Callable[[SyncReport], None],
        rounds: Callable[[], None],
        errands: Callable[[], Iterable[tuple[str, Callable[[], None]]]] = tuple,
    ) -> None:
        self._due_errands = errands
        self._passes, self._store, self._clock = passes, store, clock
        self._pulse, self._make_rounds = Pulse(beat, clock=clock), rounds
        self._lock = threading.Lock()
        self._slots = {key: Slot(app) for key, app in passes.apps.items()}
        self._stopping = threading.Event()
        self._workers: dict[tuple[str, bool], Workers] = {}  # by cluster and whether it only notes; guarded by _lock
        self._rounds: set[tuple[str, int]] = set()  # by repository and seconds
        self._errands = Errands()
        self._returned: dict[str, datetime] = {}  # when each cluster last came back; guarded by _lock
        self._scheduler = BackgroundScheduler(
            timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True}
        )
        self._known: set[int] = set()
        self._turns = Turns(
            passes,
            store=store,
            retry=retry,
            clock=clock,
            guard=self._lock,
            stopping=self._stopping.is_set,
            wake_at=self._wake_at,
            ended=self._completed,
            returned_at=lambda cluster: self._returned.get(cluster, ANY_ANSWER),
        )
        self._ended = ended
        self.alive_at = clock()

    @property
    def completed_at(self) -> datetime | None:
        """When the last pass ended, or an app was found at rest."""
        return self._pulse.completed_at

    def start(self) -> None:
        """Begin to tick; every app is due at once."""
        for key in self._slots:
            self._tick(key)
        if self._passes.apps.sets:
            self._scheduler.add_job(self._look, IntervalTrigger(seconds=1), next_run_time=self._clock())
        self._scheduler.add_job(self._poll, IntervalTrigger(seconds=1), next_run_time=self._clock(), max_instances=1)
        for name, cluster in self._passes.world.clusters.items():
            errand = f"lease of {name}", partial(self._hold, cluster)
            self._scheduler.add_job(self._errands.begin, IntervalTrigger(seconds=10), args=errand)
        every = int(BEAT_EVERY.total_seconds())
        soon = self._clock() + _FIRST_BEAT  # a restart is no minute of silence
        self._scheduler.add_job(self._pulse.tick, IntervalTrigger(seconds=every, start_date=soon), max_instances=1)
        self._scheduler.add_job(self._remind, IntervalTrigger(seconds=_ROUND_SECONDS), max_instances=1)
        self._scheduler.start()

    def stop(self, *, timeout: timedelta) -> bool:
        """Take no more work and let the passes leave at their next safe point; True when all have left."""
        self._stopping.set()
        self._errands.stop()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
        deadline = self._clock() + timeout
        with self._lock:
            pools = tuple(self._workers.values())
        left = [pool.join(max(deadline - self._clock(), timedelta(0))) for pool in pools]
        return all(left)

    def wake(self, *keys: str, urgent: bool = False) -> bool:
        """Mark apps as due; True when a pass of one of them was running, so that one more follows.

        `urgent` is for orders that stand in the store: the pass must be that order's, and not one of the schedule
        before it.
        """
        now = self._clock()
        for other in self._orders().difference(keys) if urgent else ():
            self._wake(other, since=now, urgent=True)
        running = [self._wake(key, since=now, urgent=urgent) for key in keys]
        return any(running)

    def stir(self, key: str, drift: bool) -> None:
        """The cluster says that an app has something to look at. Costs no question to Git.

        Health changes often while a workload is on its way: it is looked at once a second. What fails waits for its
        next try as before.
        """
        now = self._clock()
        with self._lock:
            slot = self._slots.get(key)
            if slot is None or slot.tries.rests(now):
                return
            if slot.running:
                slot.due = True
                return
            early = not drift and now - slot.stirred_at < _STIR_EVERY
            if early and slot.stirs:
                return
            slot.stirs = early
            slot.stirred_at = now
        if early:
            self._later(self._wake, now + _STIR_EVERY, key)
        else:
            self._wake(key)

    def returned(self, cluster: str) -> None:
        """The outage of a cluster is over: try what failed of it before its time. Its few workers bound the herd."""
        now = self._clock()
        with self._lock:
            self._returned[cluster] = now
            there = [(key, slot) for key, slot in self._slots.items() if slot.app.cluster == cluster]
            again = [(key, at) for key, slot in there if (at := slot.tries.cluster_returned(now)) is not None]
        for key, at in again:
            if at <= now:
                self._wake(key, since=now)
            else:
                self._wake_at(at, key)

    def _wake_at(self, at: datetime, key: str) -> None:
        self._later(self.wake, at, key)

    def _later(self, wake: Callable[[str], bool], at: datetime, key: str) -> None:
        if not self._stopping.is_set():
            self._scheduler.add_job(wake, DateTrigger(at), args=[key])

    def _completed(self, report: SyncReport) -> None:
        self._pulse.completed()
        self._ended(report)

    def _wake(self, key: str, *, since: datetime = ANY_ANSWER, urgent: bool = False) -> bool:
        with self._lock:
            slot = self._slots.get(key)
            if slot is None:  # its folder is gone
                return False
            slot.due = True
            slot.stirs = False
            slot.urgent = slot.urgent or urgent
            slot.since = max(slot.since, since)
            if since > ANY_ANSWER:
                slot.asked_at = since
            if slot.running or self._stopping.is_set():
                return slot.running
            slot.running = True
        self._submit(slot)
        return False

    def _tick(self, key: str) -> None:
        """Let the schedule wake an app from now on: with all of its repository that have its interval."""
        app = self._slots[key].app
        group = (app.repo, max(int(app.interval.total_seconds()), 1))
        self.wake(key)
        if group not in self._rounds:
            self._rounds.add(group)
            errand = f"round of {app.repo}, {group[1]} s", partial(self._round, *group)
            self._scheduler.add_job(self._errands.begin, IntervalTrigger(seconds=group[1]), args=errand)

    def _round(self, repo: str, seconds: int) -> None:
        """Wake the apps of one repository and interval that have anything to do."""
        now = self._clock()
        with self._lock:
            slots = [
                slot
                for slot in self._slots.values()
                if slot.app.repo == repo and max(int(slot.app.interval.total_seconds()), 1) == seconds
            ]

        def head(ref: GitRef) -> str:
            return self._passes.world.repos[repo].head(ref, newer_than=now)

        for slot in slots:
            if self._stopping.is_set():
                return
            if not slot.requests and self._passes.resting.is_settled(slot.app, head):
                self._pulse.completed()
            else:
                self._wake(slot.app.key, since=now)

    def _hold(self, cluster: Cluster) -> None:
        """Keep the right to write, for the time between passes; a pass that writes meets the same trouble."""
        with suppress(PassError):
            cluster.hold(self._passes.world.holder)

    def _look(self) -> None:
        """Follow the app sets: an app for each folder that came; one whose folder went is woken no more."""
        try:
            self._passes.apps.refresh()
        except StateError as error:
            log.error("the app sets cannot be followed: %s", error)
            return
        apps = dict(self._passes.apps)
        with self._lock:
            came = [key for key in apps if key not in self._slots]
            went = [key for key in self._slots if key not in apps]
            for key in went:
                del self._slots[key]
            self._slots |= {key: Slot(apps[key]) for key in came}
            for key, slot in self._slots.items():
                slot.app = apps[key]
        for key in went:
            log.info("%s is released: its folder is gone, its objects stay", key)
        for key in came:
            self._tick(key)

    def _poll(self) -> None:
        self.alive_at = self._clock()
        for key in self._orders():
            self._wake(key, since=self._clock(), urgent=True)
        for name, work in self._due_errands():
            self._errands.begin(name, work)

    def _orders(self) -> set[str]:
        """Give the orders in the store to their apps; returns the apps that have a new one."""
        try:
            requests = self._store.requests()
        except StateError as error:
            log.error("orders cannot be read: %s", error)
            return set()
        fresh: set[str] = set()
        with self._lock:
            for request in requests:
                if request.id not in self._known and request.app in self._slots:
                    self._known.add(request.id)
                    self._slots[request.app].requests.append(request)
                    fresh.add(request.app)
        return fresh

    def _remind(self) -> None:
        try:
            self._make_rounds()
        except PassError as error:
            log.error("reminders and digests cannot be made: %s", error)
        except Exception:  # the boundary for bugs of a round: the next one is made all the same
            log.exception("reminders and digests: unexpected error")

    # --- workers ----------------------------------------------------------------------------------------------

    def _work(self, slot: Slot, *, notes: bool = False) -> None:
        """Run passes of one app until it is no longer due; `notes` by workers of those that only learn of a commit."""
        while self._take(slot):
            if self._only_notes(slot) is not notes:
                with self._lock:
                    slot.due = True
                self._submit(slot, notes=not notes)
                return
            self._turns.run(slot)

    def _only_notes(self, slot: Slot) -> bool:
        """Tell whether an app at rest was woken for a commit that is not about it.

        One push to a repository of hundreds of apps wakes them all; most have nothing to do but to note it.
        """
        with self._lock:
            since, ordered = slot.since, slot.is_ordered
        if ordered or since == ANY_ANSWER:
            return False
        repo = self._passes.world.repos[slot.app.repo]
        return self._passes.resting.is_untouched(slot.app, lambda ref: repo.head(ref, newer_than=since))

    def _submit(self, slot: Slot, *, notes: bool = False) -> None:
        cluster = slot.app.cluster
        with self._lock:
            pool = self._workers.get((cluster, notes))
            if pool is None:
                pool = Workers(f"{cluster} noting", width=_NOTING) if notes else Workers(cluster)
                self._workers[(cluster, notes)] = pool
        pool.submit(lambda: self._work(slot, notes=notes))

    def _take(self, slot: Slot) -> bool:
        with self._lock:
            if not slot.due or self._stopping.is_set():
                slot.running = False
                return False
            slot.due = False
            slot.asked_at = None
            return True
