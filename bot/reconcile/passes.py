"""Performs passes: what surrounds `run_pass` so that nothing is lost or said twice.

Under the app's lock it reads what people ordered and what the last pass left, runs the pass, and saves its end with
everything to be said in one transaction. Both the loop and a terminal's `sync` go through here. A pass that was
killed keeps its operation in memory: the next pass goes on in the same root message.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bot.errors import PassError, StateError
from bot.model.announcement import Announcement, News, Page, Parcel
from bot.model.app import AppSpec
from bot.model.control import Control, Pause, Trigger, Via
from bot.model.incident import Incident
from bot.model.outcome import Health, HealthState, Outcome, PassKind, Result, SyncReport
from bot.model.plan import Plan
from bot.model.record import AppMemory, Approval, AuditEntry, Decision, Dispatch, Pruned, SyncState
from bot.model.resource import Body, ResourceId
from bot.model.source import GitRef, Revision
from bot.oncall.escalation import PagePolicy, escalate
from bot.plan.restoring import keepsake
from bot.ports import INCIDENTS, Stamp, Store
from bot.reconcile import asking, news
from bot.reconcile.attention import Attention
from bot.reconcile.folding import TROUBLES, Alone, Folded, covered, fold
from bot.reconcile.once import Order, Ran, World, run_pass
from bot.reconcile.post import Post
from bot.reconcile.removal import Removal, remove
from bot.reconcile.rest import Rest, are_good
from bot.reconcile.roster import Roster

log = logging.getLogger(__name__)

_INCIDENTS_PATIENCE: Final = timedelta(seconds=30)
_DECIDED: Final[Mapping[Result, Decision]] = {
    Result.CONVERGED: Decision.DONE,
    Result.SUPERSEDED: Decision.DONE,  # it has written; a newer pass sees to the rest
    Result.PAUSED: Decision.DENIED,
    Result.REFUSED: Decision.DENIED,
    Result.SKIPPED: Decision.DENIED,
    Result.WAITING_APPROVAL: Decision.DENIED,
}
_PROGRESS_EVERY: Final = timedelta(seconds=3)  # Slack takes 50 edits a minute; people read no faster


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Who is told what besides: links, write-backs, pages, when it is tried again, and the lanes it goes by."""

    links: Callable[[AppSpec, str, str], news.Links]
    targets: Sequence[news.Target]
    policy: PagePolicy | None
    retry: Callable[[int], timedelta]  # pause after the n-th failure in a row
    post: Post


class Passes:
    """Runs passes for the apps of one configuration. Safe to use from several threads and processes."""

    def __init__(self, apps: Roster, *, world: World, store: Store, outside: Outside) -> None:
        self.apps = apps
        self.world = world
        self._store = store
        self._outside = outside
        self._mirrored: dict[str, Control] = {}
        self._incidents = threading.Lock()  # spares the threads of one process the wait for the store's lock
        self._rests: dict[str, Rest] = {}  # each written whole, under its app's lock

    def perform(
        self,
        app: AppSpec,
        trigger: Trigger,
        *,
        stop: Callable[[str], bool],
        patience: timedelta,
        since: datetime | None = None,
        only: Callable[[ResourceId], bool] | None = None,
    ) -> SyncReport | None:
        """Run one pass, of all objects or `only` some, and save it. What Git said at `since` or later is new enough.

        Without `since`, and for a person, Git and the API server are asked for what they have now.

        None when another writer held the app's lock for all of `patience`. Raises `OrderRefused` for an `only` that
        means nothing.
        """
        with self._store.lock(app.key, timeout=patience) as held:
            if not held:
                return None
            app = self._outside.post.placed(app)
            started = self.world.clock()
            stamp = self.world.clusters[app.cluster].stamp(app)
            rest = self._rests.pop(app.key, None)
            before = self._store.memory(app.key)
            control = self._control(app, before, started)
            if trigger.manual and trigger.confirm is None and before.waiting_hash:
                decided = self._verdicts(before, before.waiting_hash, started)
                before = asking.renewed(before, decided, now=started)
            pin = control.pin
            operation = pin.operation if pin is not None and not before.has_reached(pin) else ""
            operation = operation or before.operation or news.operation_at(started, secrets.token_hex(3))
            order = Order(
                app=app,
                trigger=trigger,
                control=control,
                memory=before,
                operation=operation,
                waits_for=self._waits_for(app),
                since=started if since is None else since,
                asks=since is None or trigger.manual,
                rest=rest,
                only=only,
                direct=since is None,
                verdicts=lambda plan_hash: self._verdicts(before, plan_hash, started),
            )
            base = self._base(app, operation, trigger, started)
            narrator = _Narrator(app, base, self._store, self._outside, before, fold=self._fold(app, before))
            ran = run_pass(order, world=self.world, listener=narrator, stop=stop)
            report = ran.report
            after = self._save(order, ran, narrator.memory)
            if app.moved_from and report.result is Result.CONVERGED:
                former = f"{app.cluster}/{app.moved_from}"
                if self._store.memory(former) != AppMemory(app=former):
                    self._store.forget(former, audit=_note(app, report.finished_at, "move", f"from {former}"))
            self._settle(app, ran, after, control, stamp)
        log.info(
            "pass %s of %s: %s, %s, %.1f s",
            report.operation,
            app.key,
            report.result.value,
            report.summary,
            (report.finished_at - report.started_at).total_seconds(),
        )
        return report

    def is_settled(self, app: AppSpec, head: Callable[[GitRef], str] | None) -> bool:
        """Tell whether a pass would find nothing to do and nothing to say. Costs no request and no transaction.

        True when the last pass found everything equal and healthy, watches have followed all of its objects since and
        tell of no change, and the commit is the same; `head` returns it, None takes it for unchanged. Health that
        changed is looked at here: a workload on its way that stays healthy is no reason for a pass.
        """
        known = self._rests.get(app.key)
        if known is None or known.app != app or any(key not in self._rests for key in app.depends_on):
            return False
        cluster = self.world.clusters[app.cluster]
        if not known.is_current(cluster):
            return False
        try:
            now = known.surveyed(cluster)
            if now is not known:
                if not are_good(now.health):
                    return False
                self._rests[app.key] = now
            return head is None or head(app.ref) == known.head
        except PassError:
            return False  # the pass meets the same trouble and reports it

    def _settle(self, app: AppSpec, ran: Ran, memory: AppMemory, control: Control, before: Stamp) -> None:
        """Save what the server said to be equal, and remember a pass that left nothing to be done."""
        cluster, report = self.world.clusters[app.cluster], ran.report
        if ran.rest is None and ran.made is not None:
            refs = [change.ref for change in ran.made.plan.changes if change.manifest]
            if (saved := cluster.verdicts(app, refs)) is not None:
                self._store.save_verdicts(app.key, saved)
        quiet = not memory.said and memory.failing_since is None and memory.degraded_since is None
        if report.result is not Result.CONVERGED or report.partial or not quiet or control.pause is not None:
            return
        if ran.made is None or report.target is None or (app.helm is not None and app.helm.repo):
            return
        head = report.target.commit
        if ran.rest is not None:
            self._rests[app.key] = replace(ran.rest, head=head)
            return
        if cluster.stamp(app).drift != before.drift:
            return
        found = Rest(
            app=app,
            head=head,
            desired=ran.made.desired,
            plan=ran.made.plan,
            inventory=ran.made.inventory,
            health=report.health,
            proof=report.live_digest,
            stamp=before,
        )
        with suppress(PassError):  # the next pass asks again
            found = found.surveyed(cluster)
            if are_good(found.health):
                self._rests[app.key] = found

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
            narrator = _Narrator(app, base, self._store, self._outside, before)
            order = Removal(app=app, trigger=trigger, memory=before, operation=operation, keep_objects=keep_objects)
            report = remove(order, world=self.world, keep=narrator.pruning, progress=lambda _: None)
            ended = replace(base, at=report.finished_at)
            self._store.save_pass(
                replace(before, app=app.key),
                history=news.history(report, report.summary),
                dispatches=self._parcels(news.removed(report, base=ended, keep_objects=keep_objects)),
            )
            if report.result is Result.CONVERGED:
                verb = "release" if keep_objects else "delete"
                done = replace(
                    _note(app, report.finished_at, verb, str(report.summary)), who=trigger.by, via=trigger.via
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
        self._store.save_control(app.key, Control(pause=pause), audit=_note(app, now, "pause", reason))

    def _fold(self, app: AppSpec, memory: AppMemory) -> str:
        """Name the root message that speaks for the app and others in its channel; "" when it speaks for itself."""
        if not memory.incident:
            return ""
        incidents = [one for one in self._store.incidents() if one.id == memory.incident and one.fails(app.key)]
        return next((one.fold(app.channel) for one in incidents if one.is_folded(app.channel)), "")

    def _verdicts(self, memory: AppMemory, plan_hash: str, now: datetime) -> tuple[Approval, ...]:
        return asking.counted(memory, plan_hash, self._store.approvals(memory.app, plan_hash), now=now)

    # --- orders -----------------------------------------------------------------------------------------------

    def _control(self, app: AppSpec, memory: AppMemory, now: datetime) -> Control:
        """Return what people ordered; from the cluster's mirror when the database has never seen the app."""
        cluster = self.world.clusters[app.cluster]
        stored = self._store.control(app.key)
        if stored == Control() and memory.sync is SyncState.UNKNOWN:
            with suppress(PassError):  # the pass itself meets the same trouble and reports it
                mirrored = cluster.load_control(app)
                if mirrored != stored:
                    self._store.save_control(app.key, mirrored, audit=_note(app, now, "restore", "from the cluster"))
                    stored = mirrored
        current = stored.at(now)
        if current != stored:
            ended = replace(
                self._base(app, news.operation_at(now, secrets.token_hex(3)), Trigger(via=Via.SCHEDULE), now),
                news=News.RESUMED,
                message="The pause has run out.",
            )
            self._store.save_control(
                app.key,
                current,
                audit=_note(app, now, "resume", "the pause ran out"),
                dispatches=self._parcels([ended]),
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

    def _save(self, order: Order, ran: Ran, stored: AppMemory) -> AppMemory:
        app, report = order.app, ran.report
        before = replace(stored, path=app.path, app_set=app.app_set, channel=app.channel)
        base = self._base(app, order.operation, report.trigger, report.finished_at)
        linked = self._linked(app, base, report.revision, before.revision)
        if report.result in {Result.FAILED, Result.UNHEALTHY}:
            pause = self._outside.retry(before.consecutive_failures + 1)
            linked = replace(linked, next_at=report.finished_at + pause)
        if report.kind is PassKind.ROLLBACK and order.control.pin is not None:
            linked = replace(linked, reason=order.control.pin.reason, by=order.control.pin.by)
        asked_for = report.plan if report.result in {Result.REFUSED, Result.WAITING_APPROVAL} else None
        waits = news.Waits(
            verdicts=order.verdicts(asked_for.hash) if asked_for is not None else (),
            requesters=order.requesters(asked_for) if asked_for is not None else (),
            behind=self._behind(app, report),
            thread=order.control.operation,
        )
        told = news.ended(app, report, before, base=linked, targets=self._outside.targets, waits=waits)
        if report.result is Result.CONVERGED and order.control.pin is not None:
            told = replace(told, memory=replace(told.memory, pin_operation=order.control.pin.operation))
        # Who pauses an app wakes it too, and asks for no sync.
        asked = report.trigger.manual and (order.direct or report.result is not Result.PAUSED)
        audits = [_audit(app, report)] if asked or report.did else []
        after, trouble = told.memory, before.incident or before.paged or told.memory.failing_since
        if not (trouble or after.degraded_since):
            return self._end(Folded(memory=after, said=told.announcements), told, audits, ran, stored)
        with self._incidents, self._store.lock(INCIDENTS, timeout=_INCIDENTS_PATIENCE) as held:
            if not held:
                raise StateError(
                    "state: another process has been entering failures for too long; tried again by itself"
                )
            incidents = self._store.incidents()
            folded = self._folded(app, report, covered(before, incidents), told, incidents)
            return self._end(folded, told, audits, ran, stored)

    def _folded(
        self, app: AppSpec, report: SyncReport, before: AppMemory, told: news.Told, incidents: Sequence[Incident]
    ) -> Folded:
        """Return what is said and paged, given what other apps fail for."""
        post, policy = self._outside.post, self._outside.policy
        if not before.paged and post.is_muted(app.key, report.finished_at):
            policy = None
        memory = replace(told.memory, paged=before.paged)
        pages: tuple[Page, ...] = ()
        if policy is not None:
            memory, pages = escalate(before, memory, app=app, report=report, policy=policy)
        trouble = next((one for one in told.announcements if one.news in TROUBLES), None)
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
        self, folded: Folded, told: news.Told, audits: Sequence[AuditEntry], ran: Ran, stored: AppMemory
    ) -> AppMemory:
        """Save the end of a pass with all that is said of it. One that found the app at rest leaves no trace."""
        memory, post = folded.memory, self._outside.post
        if ran.report.result is not Result.SUPERSEDED:
            memory = replace(memory, operation=memory.operation if memory.said else "", planned=None)
        rows = post.rows([*folded.said, *told.writebacks, *folded.pages], hushed=folded.hushed)
        dispatches = (*rows, *post.exactly(folded.folds))
        same = replace(memory, last_sync_at=stored.last_sync_at) == stored
        if ran.rest is None or dispatches or folded.incidents or not same:
            self._store.save_pass(
                memory, history=told.history, audits=audits, dispatches=dispatches, incidents=folded.incidents
            )
        return memory

    def _parcels(self, parcels: Sequence[Parcel]) -> tuple[Dispatch, ...]:
        return self._outside.post.rows(parcels)

    def _behind(self, app: AppSpec, report: SyncReport) -> int:
        """Return how many commits wait behind a pause, a pin or a question; what fails does not wait."""
        if report.result in {Result.FAILED, Result.UNHEALTHY}:
            return 0
        converged = report.revision is not None and report.result is Result.CONVERGED
        deployed = report.revision.commit if report.revision is not None and converged else report.previous
        if report.target is None or not deployed or report.target.commit == deployed:
            return 0
        with suppress(PassError):
            return self.world.repos[app.repo].count_between(deployed, report.target.commit) or 0
        return 0

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
            next_at=now + app.interval,
        )

    def _linked(self, app: AppSpec, base: Announcement, revision: Revision | None, previous: str) -> Announcement:
        if revision is None:
            return base
        links = self._outside.links(app, revision.commit, previous)
        return replace(base, revision_url=links.commit, compare_url=links.compare)


class _Narrator:
    """Says in the outbox what a pass is about to do and how far it is.

    Where one message speaks for many apps, named by `fold`, each one's changes stand in its thread.
    """

    def __init__(
        self,
        app: AppSpec,
        base: Announcement,
        store: Store,
        outside: Outside,
        memory: AppMemory,
        *,
        fold: str = "",
    ) -> None:
        self.memory, self._fold = memory, fold
        self._app, self._base, self._store, self._outside = app, base, store, outside
        self._latest: Announcement | None = None
        self._plan: Plan | None = None
        self._done: set[ResourceId] = set()
        self._said_at = base.at

    def planned(self, plan: Plan, kind: PassKind) -> None:
        links = self._outside.links(self._app, plan.revision.commit, self.memory.revision)
        base = replace(self._base, revision_url=links.commit, compare_url=links.compare, previous=self.memory.revision)
        base = replace(base, started_at=self._base.at, total=plan.summary.total)
        said, backs = news.found(self._app, plan, kind, base=base, targets=self._outside.targets)
        rows = self._outside.post.rows([*said, *backs])
        if self._fold:
            thread = [replace(one, operation=self._fold) for one in said if one.in_thread]
            rows = (*self._outside.post.exactly(thread), *self._outside.post.rows(backs))
        self._latest, self._plan = None if self._fold else said[-1], plan
        # The operation is remembered first: a pass killed after this line goes on in the same message.
        self.memory = replace(self.memory, operation=self._base.operation, planned=plan.summary)
        self._store.save_pass(self.memory, dispatches=rows)

    def applied(self, outcome: Outcome) -> None:
        self._done.add(outcome.id)
        self._say(f"{outcome.deed.value} {outcome.id}")

    def pruning(self, bodies: list[Body]) -> None:
        kept = [one for one in map(keepsake, bodies) if one is not None]
        commit = self._plan.revision.commit if self._plan is not None else ""
        self._store.save_pruned([Pruned(app=self._app.key, at=self._now(), commit=commit, body=body) for body in kept])

    def waiting(self, health: Mapping[ResourceId, Health]) -> None:
        late = [id for id, one in health.items() if one.state is HealthState.PROGRESSING]
        more = f" and {len(late) - 1} more" if len(late) > 1 else ""
        self._say(f"waiting for {late[0]}: {health[late[0]].message}{more}" if late else "")

    def _say(self, message: str) -> None:
        now = self._now()
        if self._latest is None or self._plan is None or now - self._said_at < _PROGRESS_EVERY:
            return
        self._said_at = now
        progress = replace(
            self._latest,
            id=f"{self._base.operation}:progress:{now.timestamp():.0f}",
            at=now,
            done=len(self._done),
            message="",
            progress=news.progress(self._plan, self._done, message),
        )
        self._store.dispatch(self._outside.post.rows([progress]))

    def _now(self) -> datetime:
        return datetime.now(tz=self._base.at.tzinfo)


def _audit(app: AppSpec, report: SyncReport) -> AuditEntry:
    """Return the line of a pass that somebody ordered, or that touched the cluster."""
    detail = report.failure.message if report.failure is not None else report.reason or str(report.summary)
    return AuditEntry(
        at=report.finished_at,
        who=report.trigger.by or "gitops-bot",
        via=report.trigger.via,
        verb=report.kind.value,
        app=app.key,
        arguments=report.revision.commit if report.revision else "",
        decision=_DECIDED.get(report.result, Decision.FAILED),
        why=f"{report.result.value}: {detail}",
    )


def _note(app: AppSpec, now: datetime, verb: str, why: str) -> AuditEntry:
    return AuditEntry(
        at=now,
        who="gitops-bot",
        via=Via.SCHEDULE,
        verb=verb,
        app=app.key,
        arguments="",
        decision=Decision.DONE,
        why=why,
    )
