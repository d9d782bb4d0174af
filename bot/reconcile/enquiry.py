"""What people ask of the engine: how apps stand, what a sync would change, where an app can return to.

Reading commits and planning ask Git and the API server and take as long as those do; everything else is read from
the state store. What cannot be answered raises `OrderRefused` with the reason.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Final

from bot.errors import OrderRefused, PassError, SourceError
from bot.model.app import AppSpec
from bot.model.control import Control, ControlState
from bot.model.outcome import HealthState, Result
from bot.model.plan import Plan, PlanFailure
from bot.model.record import AppMemory, AuditEntry, Decision, HistoryEntry, SyncState
from bot.model.source import Revision
from bot.model.status import AppStatus, Choice, Settled
from bot.model.verification import Proof, Verification
from bot.ports import Repository, Store
from bot.reconcile.planning import plan_at, plan_or_failure, wanted_refs
from bot.reconcile.world import World

_LOG: Final = 200  # commits of the branch among which a person searches


class Enquiry:
    """Answers questions and changes nothing. Safe to use from several threads."""

    def __init__(self, apps: Mapping[str, AppSpec], *, world: World, store: Store) -> None:
        self._apps, self._world, self._store = apps, world, store

    def apps(self) -> tuple[AppSpec, ...]:
        return tuple(self._apps.values())

    def find(self, text: str) -> AppSpec:
        """Return the app a person means: `cluster/name`, a name, or a unique beginning of one."""
        if text in self._apps:
            return self._apps[text]
        found = [app for app in self._apps.values() if app.name == text]
        found = found or [app for app in self._apps.values() if text and app.name.startswith(text)]
        if len(found) == 1:
            return found[0]
        if found:
            raise OrderRefused(f"{text} can be {' or '.join(sorted(app.key for app in found))}: write one of them")
        close = difflib.get_close_matches(text, {app.name for app in self._apps.values()}, n=1)
        shown = text[:60]
        raise OrderRefused(f'unknown app "{shown}"' + (f", did you mean {close[0]}?" if close else ""))

    def status(self, apps: Sequence[str]) -> tuple[AppStatus, ...]:
        """Return one line for each app, in the order given."""
        memories, controls = self._store.memories(), self._store.controls()
        now = self._world.clock()
        lines = []
        for key in apps:
            app, control = self._apps[key], controls.get(key, Control()).at(now)
            memory = memories.get(key, AppMemory(app=key))
            held = control.pause or control.pin
            lines.append(
                AppStatus(
                    app=app.name,
                    cluster=app.cluster,
                    env=app.env,
                    sync=memory.sync,
                    health=memory.health,
                    control=control.state,
                    control_by=held.by if held else "",
                    control_reason=held.reason if held else "",
                    control_until=control.pause.until if control.pause else None,
                    revision=memory.revision,
                    target_revision=memory.target,
                    last_sync_at=memory.last_sync_at,
                    last_error=memory.last_error,
                    consecutive_failures=memory.consecutive_failures,
                    objects=memory.objects,
                )
            )
        return tuple(lines)

    def released(self) -> tuple[AppStatus, ...]:
        """Return the apps that the configuration has dropped and nobody has deleted: their objects stay."""
        lines = []
        for key, memory in sorted(self._store.memories().items()):
            if key in self._apps or memory.sync is SyncState.UNKNOWN:
                continue
            cluster, _, name = key.partition("/")
            lines.append(
                AppStatus(
                    app=name,
                    cluster=cluster,
                    env="",
                    sync=SyncState.RELEASED,
                    health=HealthState.UNKNOWN,
                    control=ControlState.RUNNING,
                    revision=memory.revision,
                    last_sync_at=memory.last_sync_at,
                    objects=memory.objects,
                )
            )
        return tuple(lines)

    def history(self, app: str, limit: int) -> tuple[HistoryEntry, ...]:
        return self._store.history(app, limit=limit)

    def plan(self, app: str, ref: str) -> Plan | PlanFailure:
        """Return the plan at the app's branch, at its pin, or at a commit given by a person."""
        spec = self._apps[app]
        pin = self._store.control(app).at(self._world.clock()).pin
        repo = self._world.repos[spec.repo]

        def revision() -> Revision:
            if ref and ref != str(spec.ref):
                return self._resolve(app, ref)
            if pin is not None and not ref:
                return repo.revision(pin.commit)
            return repo.revision(repo.head(spec.ref, newer_than=self._world.clock()))

        shown = ref or (pin.commit[:7] if pin else str(spec.ref))
        deployed = self._store.memory(app).digest
        return plan_or_failure(spec, ref=shown, revision=revision, world=self._world, deployed=deployed)

    def verify(self, app: str, ref: str) -> Verification:
        """Compare the cluster with a commit, the deployed one where none is given. Changes nothing.

        Raises `OrderRefused` for an app that never converged, and `PassError`.
        """
        spec, memory = self._apps[app], self._store.memory(app)
        if not memory.revision and not ref:
            raise OrderRefused(f"{spec.title} has never converged: name a commit with --ref")
        repo = self._world.repos[spec.repo]
        repo.head(spec.ref, newer_than=self._world.clock())  # brings what a person may mean
        revision = self._resolve(app, ref) if ref else repo.revision(memory.revision)
        made = plan_at(
            spec,
            revision,
            ref=revision.short,
            world=self._world,
            deployed=memory.digest,
            now=self._world.clock(),
        )
        live = self._world.clusters[spec.cluster].proof(wanted_refs(made.plan))
        return Verification(
            revision=revision,
            plan=made.plan,
            found=Proof(commit=revision.commit, rendered=made.desired.digest, live=live),
            recorded=Proof(commit=memory.revision, rendered=memory.digest, live=memory.live_digest),
        )

    def choices(self, app: str, query: str = "", *, limit: int = 100) -> tuple[Choice, ...]:
        """Return commits the app can return to: those that were deployed, newest first, then others of its branch.

        The commit that is deployed now is left out. `query` is a part of a hash, a subject or a name. Reads Git.
        """
        spec, memory = self._apps[app], self._store.memory(app)
        repo = self._world.repos[spec.repo]
        wanted = query.strip().lower()
        found: dict[str, Choice] = {}
        try:
            for entry in self._store.history(app, limit=_LOG):
                if entry.result is Result.CONVERGED and entry.revision not in found:
                    revision = _known(repo, entry.revision)
                    found[entry.revision] = Choice(revision=revision, deployed_at=entry.finished_at, by=entry.by)
            for revision in repo.log(memory.target or memory.revision, limit=_LOG) if memory.target else ():
                found.setdefault(revision.commit, Choice(revision=revision))
        except PassError as error:
            if not found:
                raise OrderRefused(str(error)) from error
        found.pop(memory.revision, None)
        return tuple(one for one in found.values() if _matches(one.revision, wanted))[:limit]

    def log(self, app: str | None, limit: int) -> tuple[AuditEntry, ...]:
        """Return the newest lines of the audit, newest first; None means all apps."""
        return self._store.audit(app=app, limit=limit)

    def settled(self, app: str, operation: str, *, at: str = "") -> Settled | None:
        """Return what became of an operation that is over; None while it is the app's present one.

        With `at`, the commit that a message showed, the operation is over as soon as another one was deployed: a commit
        that changes nothing of the app is none.
        """
        memory = self._store.memory(app)
        if operation == memory.operation or (at and at == memory.revision):
            return None
        entries = self._store.history(app, limit=_LOG)
        own = None if at else next((one for one in entries if one.operation == operation), None)
        newest = own or next((one for one in entries if one.result is Result.CONVERGED), None)
        if newest is None or newest.revision == at:
            return None
        what = f"{self._apps[app].title} {newest.result.value} at {newest.revision[:7]}"
        return Settled(by=newest.by or newest.via.value, at=newest.finished_at, what=what)

    def last(self, app: str, verb: str) -> AuditEntry | None:
        """Return the newest order of this verb that was followed."""
        lines = self._store.audit(app=app, limit=_LOG)
        return next((one for one in lines if one.verb == verb and one.decision is Decision.DONE), None)

    def _resolve(self, app: str, commit: str) -> Revision:
        spec = self._apps[app]
        try:
            return self._world.repos[spec.repo].resolve(commit, ref=spec.ref, deployed=self._store.deployed(app))
        except SourceError as error:
            raise OrderRefused(str(error)) from error


def _known(repo: Repository, commit: str) -> Revision:
    """Return what Git knows of a commit; only its hash when history was rewritten since."""
    try:
        return repo.revision(commit)
    except PassError:
        return Revision(commit=commit)


def _matches(revision: Revision, wanted: str) -> bool:
    return (
        not wanted
        or revision.commit.startswith(wanted)
        or wanted in revision.subject.lower()
        or wanted in revision.author.lower()
    )
