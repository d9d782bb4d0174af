"""After a rollback with `rollback: revert`: Git takes the app's folder back too, and then the pin ends by itself.

The cluster comes first: people roll back because something is broken, and a pin holds while Git is on its way. When
the rollback has converged, the folder as it was is one commit on top of the branch, which is pushed where the remote
lets us and proposed as a branch of its own where it does not. Nothing is pushed that would render something else than
what the cluster has: an app that takes files from outside its folder may. Once the branch renders what the app is
pinned to, whoever brought it there, the app follows its branch again. Doing all this twice does it once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Final

from bot.errors import DeliveryFailed, PassError, PushRefused
from bot.model.announcement import Announcement, News
from bot.model.app import AppSpec, Rollback
from bot.model.control import Control, Pin, Via
from bot.model.outcome import Result
from bot.model.people import named
from bot.model.record import AppMemory, AuditEntry, Decision
from bot.model.source import Revision
from bot.ports.source import ProposalHosts
from bot.ports.state import Store
from bot.reconcile.notify.post import Post
from bot.reconcile.passes.inputs import PassInput
from bot.reconcile.passes.once import PassResult
from bot.reconcile.planning.world import World
from bot.render import CommitFiles

log = logging.getLogger(__name__)

_UNDONE: Final = 20  # commits that a message lists


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What became of a revert; `head` is the branch's commit when it was pushed there, "" when people have to."""

    text: str
    head: str = ""


class Reverting:
    """Brings Git along for the apps of one configuration. Call it under the app's lock."""

    def __init__(self, *, world: World, store: Store, post: Post, hosts: ProposalHosts) -> None:
        self._world, self._store, self._post, self._hosts = world, store, post, hosts

    def follow(self, given: PassInput, ran: PassResult, memory: AppMemory, *, base: Announcement) -> bool:
        """Do what is due after a pass; False when the next one has something to do: follow the branch, or try again.

        `base` carries the app and its channel. Raises `StateError`.
        """
        app, pin, report = given.app, given.control.pin, ran.report
        if app.rollback is not Rollback.REVERT or pin is None or given.control.pause is not None:
            return True
        if report.result is not Result.CONVERGED or report.target is None or not memory.has_reached(pin):
            return True
        operation = pin.operation or base.operation
        said = replace(base, at=report.finished_at, operation=operation, in_thread=bool(pin.operation))
        try:
            if self._renders_the_same(app, report.target.commit, memory.digest):
                self._resume(app, pin, report.target, said)
                return False
            if memory.reverted == pin.operation:
                return True  # it waits for people to merge it
            done = self._revert(app, pin, report.target, memory.digest)
        except PushRefused as error:
            done = _Done(text=f"Git is not changed: {error}.")
        except PassError as error:
            log.warning("the rollback of %s is not in Git yet: %s", app.key, error)
            return False
        if done is None:
            return False
        if done.head:
            self._resume(app, pin, self._world.repos[app.repo].revision(done.head), said, text=done.text)
            return False
        proposed = replace(
            said,
            id=f"{said.operation}:revert",
            news=News.PROPOSED,
            message=done.text,
            next_step=f"The app stays at {pin.commit[:7]} until {app.ref} has the same, or /gitops resume {app.name}",
        )
        self._store.save_pass(replace(memory, reverted=pin.operation), dispatches=self._post.rows([proposed]))
        return True

    def _renders_the_same(self, app: AppSpec, commit: str, digest: str) -> bool:
        """True when a commit renders what the cluster has; one that cannot be rendered does not."""
        files = CommitFiles(self._world.repos[app.repo], commit)
        kinds = self._world.clusters[app.cluster].kinds
        try:
            return self._world.renderer.render(app, files, kinds=kinds).digest == digest
        except PassError as error:
            if error.transient:
                raise
            return False

    def _revert(self, app: AppSpec, pin: Pin, head: Revision, digest: str) -> _Done | None:
        """Push the folder as it was, or propose it; None when somebody pushed meanwhile.

        Raises `PushRefused` where neither can be done.
        """
        repo = self._world.repos[app.repo]
        title, message = self._message(app, pin, head)
        made = repo.put_back(head.commit, app.path, of=pin.commit, message=message)
        if not self._renders_the_same(app, made, digest):
            raise PushRefused(
                f"with {app.path or 'the repository'} as it was at {pin.commit[:7]} it would render something else,"
                " because the app takes files from outside; revert those by hand",
                repo=app.repo,
            )
        try:
            repo.advance(app.ref.name, made, expects=head.commit)
        except PushRefused as error:
            if repo.head(app.ref, newer_than=self._world.clock()) != head.commit:
                return None
            return self._propose(app, pin, made, title=title, message=message, why=str(error))
        return _Done(text=f"Reverted on {app.ref.name} by {made[:7]}.", head=made)

    def _propose(self, app: AppSpec, pin: Pin, made: str, *, title: str, message: str, why: str) -> _Done:
        repo = self._world.repos[app.repo]
        branch = f"gitops-bot/revert/{app.name}-{pin.commit[:7]}-{made[:7]}"
        repo.advance(branch, made, expects="")
        url, note = self._hosts.link(app, app.ref.name, branch), ""
        if (host := self._hosts.apis.get(app.repo)) is not None:
            try:
                url = host.open(branch=branch, into=app.ref.name, title=title, body=message.partition("\n")[2].strip())
            except DeliveryFailed as error:
                note = f" {error}."
        where = f"{url} (branch {branch})" if url else f"branch {branch}"
        return _Done(text=f"To revert: review and merge it: {where}. Not pushed to {app.ref.name}: {why}.{note}")

    def _message(self, app: AppSpec, pin: Pin, head: Revision) -> tuple[str, str]:
        """Return the subject and the whole message of the commit: what, by whom, why, and what it undoes."""
        repo = self._world.repos[app.repo]
        good = repo.revision(pin.commit)
        title = f"Roll {app.name} back to {good.short}"
        by = named(pin.by, self._store.names())
        undone = repo.log(head.commit, limit=_UNDONE, paths=(app.path,), without=pin.commit)
        lines = [
            title,
            "",
            f"{app.title}: {app.path or 'all files'} as at {good.short} ({good.subject}), as {by} ordered.",
            *([f"Reason: {pin.reason}"] if pin.reason else []),
            *(["", "The app is without what came after, the last first:"] if undone else []),
            *(f"- {one.short} {one.subject}" for one in undone),
        ]
        return title, "\n".join(lines)

    def _resume(self, app: AppSpec, pin: Pin, head: Revision, said: Announcement, *, text: str = "") -> None:
        """End the pin: the branch says what the cluster has."""
        why = f"{app.ref} at {head.short} says what the cluster has"
        audit = AuditEntry(
            at=said.at,
            who="gitops-bot",
            via=Via.SCHEDULE,
            verb="resume",
            app=app.key,
            arguments="",
            decision=Decision.DONE,
            why=f"{text} {why}".strip(),
        )
        resumed = replace(
            said,
            id=f"{said.operation}:in-git:{head.short}",
            news=News.RESUMED,
            revision=head,
            message=f"{text} The app follows {app.ref} again: {head.short} says what the cluster has.".strip(),
        )
        root = replace(
            said,
            id=f"{resumed.id}:root",
            in_thread=False,
            edits_only=True,
            news=News.ROLLED_BACK,
            revision=self._world.repos[app.repo].revision(pin.commit),
            by=pin.by,
            reason=pin.reason,
            message=f"The cluster is equal to {pin.commit[:7]}. {resumed.message}",
        )
        self._store.save_control(app.key, Control(), audit=audit, dispatches=self._post.rows([resumed, root]))
