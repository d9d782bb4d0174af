"""Performs passes: what surrounds `run_pass` so that nothing is lost or said twice.

Under the app's lock it reads what people ordered and what the last pass left, runs the pass, and has its end saved with
everything to be said. Both the loop and a terminal's `sync` go through here. A pass that was killed keeps its operation
in memory: the next pass goes on in the same root message.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from bot.model.app import AppSpec
from bot.model.control import Control, Pause, Trigger
from bot.model.outcome import PassKind, Result, SyncReport
from bot.model.record import AppMemory, SyncState
from bot.model.resource import ResourceId
from bot.ports.state import Store
from bot.ports.tracing import UNTRACED, Tracer
from bot.reconcile.incidents import fight_pages
from bot.reconcile.incidents.attention import Attention
from bot.reconcile.notify import asking, fights, journal, news
from bot.reconcile.passes.applying import Ends
from bot.reconcile.passes.controls import Controls
from bot.reconcile.passes.ending import Ending
from bot.reconcile.passes.inputs import PassInput, announced, taken_up
from bot.reconcile.passes.narrator import Narrator, Outside
from bot.reconcile.passes.once import run_pass
from bot.reconcile.passes.removal import Removal, remove
from bot.reconcile.passes.resting import Resting
from bot.reconcile.passes.reverting import Reverting
from bot.reconcile.passes.traced import Traced
from bot.reconcile.planning.roster import Roster
from bot.reconcile.planning.world import World

log = logging.getLogger(__name__)

_HELD = frozenset({Result.WAITING_APPROVAL, Result.REFUSED, Result.PAUSED, Result.SKIPPED})  # until people, or an hour


class Passes:
    """Runs passes for the apps of one configuration. Safe to use from several threads and processes."""

    def __init__(
        self, apps: Roster, *, world: World, store: Store, outside: Outside, tracer: Tracer = UNTRACED
    ) -> None:
        self.apps = apps
        self.world = world
        self.resting = Resting(apps, world=world, store=store)
        self._store = store
        self._outside = outside
        self._traced = Traced(tracer)
        self._held: dict[str, object] = {}  # how the last pass was held, for the log
        self._controls = Controls(world=world, store=store, post=outside.post)
        self._ending = Ending(world=world, store=store, outside=outside)
        self._reverting = Reverting(world=world, store=store, post=outside.post, hosts=outside.hosts)

    def perform(
        self,
        app: AppSpec,
        trigger: Trigger,
        *,
        stop: Callable[[str], bool],
        patience: timedelta,
        since: datetime | None = None,
        noticed: datetime | None = None,
        only: Callable[[ResourceId], bool] | None = None,
        failures: int = 0,
        leaves: Callable[[], bool] = lambda: False,
    ) -> SyncReport | None:
        """Run one pass, of all objects or `only` some, and save it. What Git said at `since` or later is new enough.

        Without `since`, and for a person, Git and the API server are asked for what they have now; after a pass that
        failed the API server is. `noticed` is when the pass was asked for, where that was before it began. `failures`
        is how many passes failed before this one, by which the loop goes for the next. `stop` ends what the pass waits
        for, asked with its commit; `leaves` tells that the process does not write on.

        None when another writer held the app's lock for all of `patience`. Raises `OrderRefused` for an `only` that
        means nothing.
        """
        with self._traced.passing() as trace, self._store.lock(app.key, timeout=patience) as held:
            if not held:
                return None
            app = self._outside.post.placed(app)
            now = self.world.clock()
            stamp = self.world.clusters[app.cluster].stamp(app)
            rest = self.resting.disturbed(app)
            recorded = partial(self._store.approvals, app.key)
            stored, ordered = self._store.standing(app.key)
            control = self._controls.current(app, stored, ordered, now)
            memory, operation = taken_up(stored, control, trigger, recorded, now=now)
            given = PassInput(
                app=app,
                trigger=trigger,
                control=control,
                memory=memory,
                operation=operation or news.operation_at(now, secrets.token_hex(3)),
                now=now,
                waits_for=self._waits_for(app),
                since=now if since is None else since,
                asks=since is None or trigger.manual or memory.failing_since is not None,
                rest=rest,
                only=only,
                failures=failures,
                direct=since is None,
                recorded=recorded,
            )
            trace.of(given.operation)
            base = given.begun
            narrator = Narrator(app, base, self._store, self._outside, memory, fold=self._fold(app, memory))
            ends = Ends(waiting=stop, writing=lambda: leaves() or self._is_recalled(given, narrator))
            ran = run_pass(given, world=self.world, listener=narrator, ends=ends, steps=trace)
            after, is_heard = self._ending.save(given, ran, narrator)
            self._forget_former(app, ran.report)
            if self._reverting.follow(given, ran, after, base=base):
                self.resting.settle(app, ran, after, control, stamp)
            self._traced.tell(trace, app, ran.report, before=stored, after=after, is_heard=is_heard, noticed_at=noticed)
            self._log(ran.report)
        return ran.report

    def _is_recalled(self, given: PassInput, narrator: Narrator) -> bool:
        """Tell whether people have ordered something else since a pass began, or said no to what it applies."""
        if self._store.control(given.app.key) != given.control:
            return True
        return asking.objection(narrator.memory, given.recorded) is not None

    def _forget_former(self, app: AppSpec, report: SyncReport) -> None:
        """Forget the app that this one was before its folder moved, once this one has all objects of that."""
        if not app.moved_from or report.result is not Result.CONVERGED:
            return
        former = f"{app.cluster}/{app.moved_from}"
        if self._store.memory(former) != AppMemory(app=former):
            self._store.forget(former, audit=journal.note(app.key, report.finished_at, "move", f"from {former}"))

    def _log(self, report: SyncReport) -> None:
        held_by = (report.result, report.summary, report.revision) if report.result in _HELD else None
        again = held_by is not None and held_by == self._held.get(report.app) and not report.trigger.manual
        self._held[report.app] = held_by
        seconds = (report.finished_at - report.started_at).total_seconds()
        log.log(
            logging.DEBUG if again else logging.INFO,
            "pass %s of %s: %s, %s, %.1f s",
            report.operation,
            report.app,
            report.result.value,
            report.summary,
            seconds,
            extra={
                "facts": {
                    "app": report.app,
                    "operation": report.operation,
                    "commit": report.revision.commit if report.revision is not None else "",
                    "result": report.result.value,
                    "seconds": round(seconds, 3),
                }
            },
        )

    def rest(self, report: SyncReport) -> timedelta:
        """Return how long what a pass has set back waits if it is changed again. Raises `StateError`."""
        return fights.rest(self._store.memory(report.app)) if report.kind is PassKind.DRIFT else timedelta(0)

    def remove(self, app: AppSpec, trigger: Trigger, *, keep_objects: bool, patience: timedelta) -> SyncReport | None:
        """Prune or release all that an app owns and forget it; one that is configured still is paused.

        None when another writer held the app's lock for all of `patience`. Raises `OrderRefused`.
        """
        with self._traced.passing() as trace, self._store.lock(app.key, timeout=patience) as held:
            if not held:
                return None
            before = self._store.memory(app.key)
            now = self.world.clock()
            operation = news.operation_at(now, secrets.token_hex(3))
            trace.of(operation)
            base = announced(app, operation, trigger, at=now)
            narrator = Narrator(app, base, self._store, self._outside, before)
            order = Removal(app=app, trigger=trigger, memory=before, operation=operation, keep_objects=keep_objects)
            report = remove(order, world=self.world, keep=narrator.pruning, steps=trace)
            ended = replace(base, at=report.finished_at)
            self._store.save_pass(
                replace(before, app=app.key),
                history=journal.history(report, report.summary),
                audits=[journal.line(app, report, report.summary)] if report.result is not Result.CONVERGED else (),
                dispatches=self._outside.post.rows(news.removed(report, base=ended, keep_objects=keep_objects)),
            )
            if report.result is Result.CONVERGED:
                verb = "release" if keep_objects else "delete"
                done = replace(
                    journal.note(app.key, report.finished_at, verb, str(report.summary)),
                    who=trigger.by,
                    via=trigger.via,
                )
                self._store.forget(app.key, audit=done)
                Attention(self._store, post=self._outside.post).gone(app.key, "was deleted", at=report.finished_at)
                if app.key in self.apps:
                    self._hold(app, trigger, report.finished_at)
            self._traced.removed(trace, app, report)
        return report

    def _hold(self, app: AppSpec, trigger: Trigger, now: datetime) -> None:
        """Keep a deleted app that is still configured from being deployed again."""
        reason = "it was deleted; drop it from the configuration, or resume it to deploy it again"
        pause = Pause(by=trigger.by, reason=reason, since=now)
        self._store.save_control(app.key, Control(pause=pause), audit=journal.note(app.key, now, "pause", reason))

    def _fold(self, app: AppSpec, memory: AppMemory) -> str:
        """Name the root message that speaks for the app and others in its channel; "" when it speaks for itself."""
        if not memory.incident:
            return ""
        incidents = [one for one in self._store.incidents() if one.fails(app.key) and not fight_pages.is_fight(one)]
        return next((one.fold(app.channel) for one in incidents if one.is_folded(app.channel)), "")

    def _waits_for(self, app: AppSpec) -> str:
        for key in app.depends_on:
            memory = self._store.memory(key)
            ready = memory.sync is SyncState.SYNCED and memory.health.is_good
            if not ready:
                return self.apps[key].title if key in self.apps else key
        return ""
