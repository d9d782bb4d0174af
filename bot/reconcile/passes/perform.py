"""Performs passes: what surrounds `run_pass` so that nothing is lost or said twice.

Under the app's lock it reads what people ordered and what the last pass left, runs the pass, and saves its end with
everything to be said in one transaction. Both the loop and a terminal's `sync` go through here. A pass that was
killed keeps its operation in memory: the next pass goes on in the same root message.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from bot.errors import PassError
from bot.model.announcement import Announcement, News, Page, Parcel
from bot.model.app import AppSpec
from bot.model.control import Control, Pause, Trigger, Via
from bot.model.incident import Incident
from bot.model.outcome import PassKind, Result, SyncReport
from bot.model.record import AppMemory, Approval, AuditEntry, Dispatch, SyncState
from bot.model.resource import ResourceId
from bot.model.source import Revision
from bot.oncall.escalation import escalate
from bot.ports.state import Store
from bot.ports.tracing import UNTRACED, Tracer
from bot.reconcile.incidents import fight_pages
from bot.reconcile.incidents.alone import TROUBLES, Alone
from bot.reconcile.incidents.attention import Attention
from bot.reconcile.incidents.folding import Folded, covered, fold
from bot.reconcile.incidents.ledger import entering
from bot.reconcile.notify import asking, fights, journal, news
from bot.reconcile.notify.telling import Links, Told, Waits
from bot.reconcile.orders import commands
from bot.reconcile.passes import cutting
from bot.reconcile.passes.applying import Ends
from bot.reconcile.passes.inputs import PassInput
from bot.reconcile.passes.narrator import Narrator, Outside
from bot.reconcile.passes.once import Ran, run_pass
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
        self._mirrored: dict[str, Control] = {}
        self._incidents = threading.Lock()  # spares the threads of one process the wait for the store's lock
        self._held: dict[str, object] = {}  # how the last pass was held, for the log
        self._silent: dict[str, AppMemory] = {}  # a pass that left an app at rest with this memory left no trace
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
            started = self.world.clock()
            stamp = self.world.clusters[app.cluster].stamp(app)
            rest = self.resting.disturbed(app)
            before, ordered = self._store.standing(app.key)
            control = self._control(app, before, ordered, started)
            stored = before
            asked_in = "" if asking.is_over(before) else before.operation
            before = asking.sent_elsewhere(before, control.pin)
            if trigger.manual and trigger.confirm is None and (before.waiting_hash or before.agreed):
                decided = self._verdicts(before, before.waiting_hash, started)
                before = asking.renewed(before, decided, objection=self._objection(before), now=started)
            pin = before.unreached(control.pin)
            operation = pin.operation if pin is not None else ""
            # A pass that was cut off has left its message at "syncing".
            told = before.said or before.planned is not None
            if operation and told and before.operation not in {"", operation, *before.overtaken}:
                before = replace(before, overtaken=(*before.overtaken, before.operation))
            operation = operation or asked_in or news.operation_at(started, secrets.token_hex(3))
            trace.of(operation)
            order = PassInput(
                app=app,
                trigger=trigger,
                control=control,
                memory=before,
                operation=operation,
                now=started,
                waits_for=self._waits_for(app),
                since=started if since is None else since,
                asks=since is None or trigger.manual or before.failing_since is not None,
                rest=rest,
                only=only,
                failures=failures,
                direct=since is None,
                recorded=lambda plan_hash: self._store.approvals(app.key, plan_hash),
            )
            base = self._base(app, operation, trigger, started)
            if pin is not None:
                base = replace(base, by=pin.by)
            narrator = Narrator(app, base, self._store, self._outside, before, fold=self._fold(app, before))

            def ends_writing() -> bool:
                if leaves() or self._store.control(app.key) != control:
                    return True
                return self._objection(narrator.memory) is not None

            ends = Ends(waiting=stop, writing=ends_writing)
            ran = run_pass(order, world=self.world, listener=narrator, ends=ends, steps=trace)
            report = ran.report
            # The end of a pass follows from what it found: the same rest, memory and orders again leave no trace again.
            same = ran.rest is not None and ran.rest is rest and self._silent.get(app.key) == before
            silent = same and not trigger.manual and control == Control()
            after, is_heard = (before, False) if silent else self._save(order, ran, narrator)
            if app.moved_from and report.result is Result.CONVERGED:
                former = f"{app.cluster}/{app.moved_from}"
                if self._store.memory(former) != AppMemory(app=former):
                    self._store.forget(
                        former, audit=journal.note(app.key, report.finished_at, "move", f"from {former}")
                    )
            if self._reverting.follow(order, ran, after, base=base):
                self.resting.settle(app, ran, after, control, stamp)
            self._traced.tell(trace, app, report, before=stored, after=after, is_heard=is_heard, noticed_at=noticed)
            held_by = (report.result, report.summary, report.revision) if report.result in _HELD else None
            again = held_by is not None and held_by == self._held.get(app.key) and not trigger.manual
            self._held[app.key] = held_by
            log.log(
                logging.DEBUG if again else logging.INFO,
                "pass %s of %s: %s, %s, %.1f s",
                report.operation,
                app.key,
                report.result.value,
                report.summary,
                (report.finished_at - report.started_at).total_seconds(),
            )
        return report

    def rest(self, report: SyncReport) -> timedelta:
        """Return how long what a pass has set back waits if it is changed again. Raises `StateError`."""
        return fights.rest(self._store.memory(report.app)) if report.kind is PassKind.DRIFT else timedelta(0)

    def remove(self, app: AppSpec, trigger: Trigger, *, keep_objects: bool, patience: timedelta) -> SyncReport | None:
        """Prune or release all that an app owns and forget it; one that is configured still is paused.

        None when another writer held the app's lock for all of `patience`. Raises `OrderRefused`.
        """
        with self._store.lock(app.key, timeout=patience) as held:
            if not held:
                return None
            before = self._store.memory(app.key)
            now = self.world.clock()
            operation = news.operation_at(now, secrets.token_hex(3))
            base = self._base(app, operation, trigger, now)
            narrator = Narrator(app, base, self._store, self._outside, before)
            order = Removal(app=app, trigger=trigger, memory=before, operation=operation, keep_objects=keep_objects)
            report = remove(order, world=self.world, keep=narrator.pruning, progress=lambda _: None)
            ended = replace(base, at=report.finished_at)
            self._store.save_pass(
                replace(before, app=app.key),
                history=journal.history(report, report.summary),
                audits=[journal.line(app, report, report.summary)] if report.result is not Result.CONVERGED else (),
                dispatches=self._parcels(news.removed(report, base=ended, keep_objects=keep_objects)),
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

    def _verdicts(self, memory: AppMemory, plan_hash: str, now: datetime) -> tuple[Approval, ...]:
        return asking.counted(memory, plan_hash, partial(self._store.approvals, memory.app), now=now)

    def _objection(self, memory: AppMemory) -> Approval | None:
        return asking.objection(memory, partial(self._store.approvals, memory.app))

    # --- orders -----------------------------------------------------------------------------------------------

    def _control(self, app: AppSpec, memory: AppMemory, stored: Control, now: datetime) -> Control:
        """Return what holds of what people ordered; the cluster's mirror when the database has never seen the app.

        The end of a pause of many apps is no pass's to say: it is said once.
        """
        cluster = self.world.clusters[app.cluster]
        if stored == Control() and memory.sync is SyncState.UNKNOWN:
            with suppress(PassError):  # the pass itself meets the same trouble and reports it
                mirrored = cluster.load_control(app)
                if mirrored != stored:
                    self._store.save_control(
                        app.key, mirrored, audit=journal.note(app.key, now, "restore", "from the cluster")
                    )
                    stored = mirrored
        current = stored.at(now)
        if current != stored and not (stored.pause is not None and stored.pause.order):
            ended = replace(
                self._base(app, news.operation_at(now, secrets.token_hex(3)), Trigger(via=Via.SCHEDULE), now),
                news=News.RESUMED,
                message="The pause has run out.",
            )
            ends = commands.over(stored.pause, ended.message, base=ended)
            self._store.save_control(
                app.key,
                current,
                audit=journal.note(app.key, now, "resume", "the pause ran out"),
                dispatches=self._parcels([ended, *ends]),
            )
        if self._mirrored.get(app.key) != current:
            try:
                cluster.save_control(app, current)
                self._mirrored[app.key] = current
            except PassError as error:
                log.warning("the control of %s is not mirrored on its cluster: %s", app.key, error)
        return current

    def _waits_for(self, app: AppSpec) -> str:
        for key in app.depends_on:
            memory = self._store.memory(key)
            ready = memory.sync is SyncState.SYNCED and memory.health.is_good
            if not ready:
                return self.apps[key].title if key in self.apps else key
        return ""

    # --- the end ----------------------------------------------------------------------------------------------

    def _save(self, order: PassInput, ran: Ran, narrator: Narrator) -> tuple[AppMemory, bool]:
        """Save the end of a pass; returns what is remembered of the app, and whether that is news to anybody."""
        app, report, stored = order.app, ran.report, narrator.memory
        before = replace(stored, path=app.path, app_set=app.app_set, channel=app.channel)
        base = self._base(app, order.operation, report.cause, report.finished_at)
        linked = self._linked(app, base, report.revision, before.revision)
        if report.result in {Result.FAILED, Result.UNHEALTHY}:
            pause = self._outside.retry(order.failures + 1)
            linked = replace(linked, next_at=report.finished_at + pause)
        if report.kind is PassKind.ROLLBACK and order.control.pin is not None:
            linked = replace(linked, reason=order.control.pin.reason)
        if report.result is Result.CONVERGED and report.agreed is not None:
            linked = replace(linked, given=report.agreed.by)
        deployed = report.revision.commit if report.revision and report.result is Result.CONVERGED else report.previous
        count, newest = self._behind(app, report, deployed)
        asked_for = report.plan if report.result in {Result.REFUSED, Result.WAITING_APPROVAL} else None
        decided = order.verdicts(asked_for.hash) if asked_for is not None else ()
        if report.unfinished is not None and report.unfinished.refused and (no := order.objection()) is not None:
            decided = (*decided, no)
        waits = Waits(
            verdicts=decided,
            requesters=order.requesters(asked_for) if asked_for is not None else (),
            behind=count,
            newest=newest,
            links=self._outside.links(app, newest, deployed) if newest is not None else Links(),
            thread=order.control.operation,
            until=order.control.pause.until if order.control.pause is not None else None,
        )
        told = news.ended(app, report, before, base=linked, targets=self._outside.targets, waits=waits)
        cut = stored.cut
        if cut is not None and cut is order.memory.cut and cutting.is_lost(cut, report, told.history):
            narrator.enter(cut)
        told = replace(told, memory=replace(told.memory, cut=cutting.left(cut, report)))
        if report.result is Result.CONVERGED and order.control.pin is not None:
            told = replace(told, memory=replace(told.memory, pin_operation=order.control.pin.operation))
        # Who pauses an app wakes it too, and asks for no sync.
        asked = report.trigger.manual and (order.direct or report.result is not Result.PAUSED)
        # Nor does who says yes to a plan for which others have to as well: that yes has its line.
        asked = asked and not (report.result is Result.WAITING_APPROVAL and report.trigger.confirm is not None)
        summary = told.history.summary if told.history is not None else report.summary
        ended = report.kind is not PassKind.ROLLBACK or report.result is Result.CONVERGED
        asked = asked and not (report.trigger.follows and ended)
        audits = [journal.line(app, report, summary)] if asked or report.did or summary != report.summary else []
        after, folded = told.memory, Folded(memory=told.memory, said=told.announcements)
        trouble = before.incident or before.paged or after.failing_since or after.degraded_since
        fight = next((one for one in told.announcements if one.news is News.FIGHT), None)
        if not (trouble or fight):
            return self._end(folded, told, audits, ran, stored)
        with self._incidents, entering(self._store):
            incidents = self._store.incidents()
            if trouble:
                failing = [one for one in incidents if not fight_pages.is_fight(one)]
                rests = order.control.pause is not None
                folded = self._folded(app, report, covered(before, incidents), told, failing, rests=rests)
            if fight is not None:
                folded = self._fought(app, folded, fight, incidents)
            return self._end(folded, told, audits, ran, stored)

    def _fought(self, app: AppSpec, folded: Folded, fight: Announcement, incidents: Sequence[Incident]) -> Folded:
        """Return it with the page of a fight that goes on, once that is due."""
        post, policy = self._outside.post, self._outside.policy
        if policy is None or post.is_muted(app.key, fight.at):
            return folded
        heard = post.heard(replace(fight, edits_only=False))
        incident, told, pages = fight_pages.entered(incidents, app, fight, heard=heard, policy=policy)
        said = tuple(told if one.id == fight.id else one for one in folded.said)
        return replace(folded, said=said, pages=(*folded.pages, *pages), incidents=(*folded.incidents, incident))

    def _folded(
        self,
        app: AppSpec,
        report: SyncReport,
        before: AppMemory,
        told: Told,
        incidents: Sequence[Incident],
        *,
        rests: bool,
    ) -> Folded:
        """Return what is said and paged, given what other apps fail for; an app that `rests` on order calls nobody."""
        post, policy = self._outside.post, self._outside.policy
        if not before.paged and (rests or post.is_muted(app.key, report.finished_at)):
            policy = None
        memory = replace(told.memory, paged=before.paged)
        pages: tuple[Page, ...] = ()
        if policy is not None:
            links = self._outside.links(app, report.revision, "") if report.revision is not None else Links()
            memory, pages = escalate(before, memory, app=app, report=report, policy=policy, link=links.commit)
        trouble = next((one for one in told.announcements if one.news in TROUBLES and not one.edits_only), None)
        alone = Alone(
            app=app,
            report=report,
            before=before,
            memory=memory,
            said=told.announcements,
            pages=pages,
            heard=post.heard(trouble) if trouble is not None else {},
            owns=not before.operation,
        )
        return fold(incidents, alone, policy=policy)

    def _end(
        self, folded: Folded, told: Told, audits: Sequence[AuditEntry], ran: Ran, stored: AppMemory
    ) -> tuple[AppMemory, bool]:
        """Save the end of a pass with all that is said of it. One that found the app at rest leaves no trace."""
        memory, post = folded.memory, self._outside.post
        if ran.report.result is not Result.SUPERSEDED:
            memory = replace(memory, operation=memory.operation if memory.said else "", planned=None, written=0)
        rows = post.rows([*folded.said, *told.writebacks, *folded.pages], hushed=folded.hushed)
        dispatches = (*rows, *post.exactly(folded.folds))
        same = replace(memory, last_sync_at=stored.last_sync_at) == stored
        if ran.rest is None or dispatches or folded.incidents or not same:
            self._store.save_pass(
                memory, history=told.history, audits=audits, dispatches=dispatches, incidents=folded.incidents
            )
        else:
            self._silent[memory.app] = stored
        rings = any(not one.edits_only for one in folded.said)
        return memory, rings or bool(told.writebacks or folded.pages)

    def _parcels(self, parcels: Sequence[Parcel]) -> tuple[Dispatch, ...]:
        return self._outside.post.rows(parcels)

    def _behind(self, app: AppSpec, report: SyncReport, deployed: str) -> tuple[int, Revision | None]:
        """Return how many commits of the app wait behind a pause, a pin or a question, and the newest of them.

        What fails does not wait.
        """
        target = report.target
        if target is None or report.result in {Result.FAILED, Result.UNHEALTHY} or deployed in {"", target.commit}:
            return 0, None
        repo, roots = self.world.repos[app.repo], self.world.renderer.roots(app)
        with suppress(PassError):
            count = repo.count_between(deployed, target.commit, paths=roots)
            if count is None:
                return 1, target  # history was rewritten: what is there now waits
            if count:
                return count, repo.last_touching(roots, after=deployed, upto=target.commit) or target
        return 0, None

    def _base(self, app: AppSpec, operation: str, trigger: Trigger, now: datetime) -> Announcement:
        return Announcement(
            id=operation,
            operation=operation,
            news=News.DIFF,
            app=app.name,
            cluster=app.cluster,
            env=app.env,
            channel=app.channel,
            at=now,
            by=trigger.by,
            via=trigger.via.value,
            ref=str(app.ref),
            prune=app.prune,
            every=app.interval,
        )

    def _linked(self, app: AppSpec, base: Announcement, revision: Revision | None, previous: str) -> Announcement:
        if revision is None:
            return base
        links = self._outside.links(app, revision, previous)
        return replace(base, revision_url=links.commit, compare_url=links.compare)
