"""The end of a pass: what is said of it, noted of it and paged for it, saved in one transaction.

What an app fails for may be what others fail for: then one message and one page speak for all of them. The store's lock
on incidents is held from the read to the save.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from bot.errors import PassError
from bot.model.announcement import Announcement, News, Page
from bot.model.app import AppSpec
from bot.model.control import Control
from bot.model.incident import Incident
from bot.model.outcome import PassKind, Result, SyncReport
from bot.model.record import AppMemory, AuditEntry
from bot.model.source import Revision
from bot.oncall.escalation import escalate
from bot.ports.state import Store
from bot.reconcile.incidents import fight_pages
from bot.reconcile.incidents.folding import Folded, covered, fold
from bot.reconcile.incidents.ledger import entering
from bot.reconcile.incidents.own import TROUBLES, OwnNews
from bot.reconcile.notify import journal, news
from bot.reconcile.notify.telling import Links, Told, Waits
from bot.reconcile.passes import interrupted
from bot.reconcile.passes.inputs import PassInput
from bot.reconcile.passes.narrator import Narrator, Outside
from bot.reconcile.passes.once import PassResult
from bot.reconcile.planning.world import World


class Ending:
    """Saves how passes end. Safe to use from several threads and processes."""

    def __init__(self, *, world: World, store: Store, outside: Outside) -> None:
        self._world, self._store, self._outside = world, store, outside
        self._incidents = threading.Lock()  # spares the threads of one process the wait for the store's lock
        self._silent: dict[str, AppMemory] = {}  # a pass that left an app at rest with this memory left no trace

    def save(self, given: PassInput, ran: PassResult, narrator: Narrator) -> tuple[AppMemory, bool]:
        """Save the end of a pass; returns what is remembered of the app, and whether that is news to anybody."""
        if self._is_silent(given, ran):
            return given.memory, False
        app, report, stored = given.app, ran.report, narrator.memory
        before = replace(stored, path=app.path, app_set=app.app_set, channel=app.channel)
        told = self._told(given, report, before, narrator)
        audits = _audits(given, report, told)
        after, folded = told.memory, Folded(memory=told.memory, said=told.announcements)
        trouble = before.incident or before.paged or after.failing_since or after.degraded_since
        fight = next((one for one in told.announcements if one.news is News.FIGHT), None)
        if not (trouble or fight):
            return self._end(folded, told, audits, ran, stored)
        with self._incidents, entering(self._store):
            incidents = self._store.incidents()
            if trouble:
                failing = [one for one in incidents if not fight_pages.is_fight(one)]
                rests = given.control.pause is not None
                folded = self._folded(app, report, covered(before, incidents), told, failing, rests=rests)
            if fight is not None:
                folded = self._fought(app, folded, fight, incidents)
            return self._end(folded, told, audits, ran, stored)

    def _is_silent(self, given: PassInput, ran: PassResult) -> bool:
        """Tell whether a pass ends as the one before it did, which left no trace.

        Its end follows from what it found: the same rest, memory and orders.
        """
        same = ran.rest is not None and ran.rest is given.rest and self._silent.get(given.app.key) == given.memory
        return same and not given.trigger.manual and given.control == Control()

    def _told(self, given: PassInput, report: SyncReport, before: AppMemory, narrator: Narrator) -> Told:
        """Return what is said of a pass, and what is remembered of it and of one before it that was cut off."""
        app, pin, cut = given.app, given.control.pin, narrator.memory.cut
        deployed = report.revision.commit if report.revision and report.result is Result.CONVERGED else report.previous
        base, waits = self._announced(given, report, before), self._waits(given, report, deployed)
        told = news.ended(app, report, before, base=base, targets=self._outside.targets, waits=waits)
        if cut is not None and cut is given.memory.cut and interrupted.is_lost(cut, report, told.history):
            narrator.enter(cut)
        memory = replace(told.memory, cut=interrupted.left(cut, report))
        if report.result is Result.CONVERGED and pin is not None:
            memory = replace(memory, pin_operation=pin.operation)
        return replace(told, memory=memory)

    def _announced(self, given: PassInput, report: SyncReport, before: AppMemory) -> Announcement:
        """Return what all that is said of the end has in common."""
        base = given.announced(report.cause, at=report.finished_at)
        if report.revision is not None:
            links = self._outside.links(given.app, report.revision, before.revision)
            base = replace(base, revision_url=links.commit, compare_url=links.compare)
        if report.result in {Result.FAILED, Result.UNHEALTHY}:
            base = replace(base, next_at=report.finished_at + self._outside.retry(given.failures + 1))
        if report.kind is PassKind.ROLLBACK and given.control.pin is not None:
            base = replace(base, reason=given.control.pin.reason)
        if report.result is Result.CONVERGED and report.agreed is not None:
            base = replace(base, given=report.agreed.by)
        return base

    def _waits(self, given: PassInput, report: SyncReport, deployed: str) -> Waits:
        """Return what waits for people now: the plan they are asked about, and commits behind the one `deployed`."""
        count, newest = self._behind(given.app, report, deployed)
        asked_for = report.plan if report.result in {Result.REFUSED, Result.WAITING_APPROVAL} else None
        decided = given.verdicts(asked_for.hash) if asked_for is not None else ()
        if report.unfinished is not None and report.unfinished.refused and (no := given.objection()) is not None:
            decided = (*decided, no)
        return Waits(
            verdicts=decided,
            requesters=given.requesters(asked_for) if asked_for is not None else (),
            behind=count,
            newest=newest,
            links=self._outside.links(given.app, newest, deployed) if newest is not None else Links(),
            thread=given.control.operation,
            until=given.control.pause.until if given.control.pause is not None else None,
        )

    def _behind(self, app: AppSpec, report: SyncReport, deployed: str) -> tuple[int, Revision | None]:
        """Return how many commits of the app wait behind a pause, a pin or a question, and the newest of them.

        What fails does not wait.
        """
        target = report.target
        if target is None or report.result in {Result.FAILED, Result.UNHEALTHY} or deployed in {"", target.commit}:
            return 0, None
        repo, roots = self._world.repos[app.repo], self._world.renderer.roots(app)
        with suppress(PassError):
            count = repo.count_between(deployed, target.commit, paths=roots)
            if count is None:
                return 1, target  # history was rewritten: what is there now waits
            if count:
                return count, repo.last_touching(roots, after=deployed, upto=target.commit) or target
        return 0, None

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
        own = OwnNews(
            app=app,
            report=report,
            before=before,
            memory=memory,
            said=told.announcements,
            pages=pages,
            heard=post.heard(trouble) if trouble is not None else {},
            owns=not before.operation,
        )
        return fold(incidents, own, policy=policy)

    def _end(
        self, folded: Folded, told: Told, audits: Sequence[AuditEntry], ran: PassResult, stored: AppMemory
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


def _audits(given: PassInput, report: SyncReport, told: Told) -> tuple[AuditEntry, ...]:
    """Return the audit line of a pass that somebody asked for or that changed something; () of any other."""
    # Who pauses an app wakes it too, and asks for no sync.
    asked = report.trigger.manual and (given.direct or report.result is not Result.PAUSED)
    # Nor does who says yes to a plan for which others have to as well: that yes has its line.
    asked = asked and not (report.result is Result.WAITING_APPROVAL and report.trigger.confirm is not None)
    summary = told.history.summary if told.history is not None else report.summary
    ended = report.kind is not PassKind.ROLLBACK or report.result is Result.CONVERGED
    asked = asked and not (report.trigger.follows and ended)
    return (journal.line(given.app, report, summary),) if asked or report.did or summary != report.summary else ()
