"""What people ask of the engine: how apps stand, what a sync would change, where an app can return to.

Reading commits and planning ask Git and the API server and take as long as those do; everything else is read from
the state store. What cannot be answered raises `OrderRefused` with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache, partial
from typing import Final

from bot.errors import NotThere, OrderRefused, PassError, SourceError
from bot.model.agreed import Unfinished
from bot.model.app import AppSpec, Mode
from bot.model.control import Control, ControlState
from bot.model.image import known_as
from bot.model.incident import Incident
from bot.model.outcome import HealthState, Result
from bot.model.plan import Plan, PlanFailure
from bot.model.record import EVERY_APP, AppMemory, AuditEntry, Decision, HistoryEntry, SyncState
from bot.model.source import Revision
from bot.model.status import REJECTED, UNDECIDED, AppStatus, Choice, Question, Settled
from bot.model.verification import Proof, Verification
from bot.ports.source import Repository
from bot.ports.state import Store
from bot.reconcile.desk import choosing
from bot.reconcile.notify import asking
from bot.reconcile.orders import approval, commands, muting
from bot.reconcile.planning.plans import plan_at, plan_or_failure, wanted_refs
from bot.reconcile.planning.world import World

_CHOICES: Final = frozenset({"keep", "ignore"})
_LOG: Final = 200  # commits of the branch among which a person searches


class Enquiry:
    """Answers questions and changes nothing. Safe to use from several threads."""

    def __init__(self, apps: Mapping[str, AppSpec], *, world: World, store: Store) -> None:
        self._apps, self._world, self._store = apps, world, store

    def apps(self) -> tuple[AppSpec, ...]:
        return tuple(self._apps.values())

    def find(self, text: str) -> AppSpec:
        """Return the app a person means: `cluster/name`, a name, or a unique beginning of one."""
        found = self.named(text)
        if len(found) > 1:
            raise choosing.ambiguous(text, found)
        return found[0]

    def named(self, text: str) -> tuple[AppSpec, ...]:
        """Return the apps of that name, one for each cluster; a beginning will do that only one name has."""
        return choosing.named(self._apps, text)

    def choose(self, words: Sequence[str]) -> tuple[AppStatus, ...]:
        """Return a line for each app that the words are about, released ones included; for all without words.

        A word is an app, a cluster, an env, a team or a state, or says which, as `cluster:prod` does, or the beginning
        of a commit that an app is at or on its way to; of a line all but the first are true. Raises `NotThere`.
        """
        released = self.released()
        wanted = choosing.wanted(self._apps, words, dropped=released)
        lines = (*self.status([key for key, app in self._apps.items() if wanted.may_be(app)]), *released)
        found = tuple(one for one in lines if wanted.means(one, self._apps.get(one.key)))
        if not found and wanted.commits:
            commit = " and ".join(sorted(wanted.commits))
            raise NotThere(
                f"no app is at {commit}, or on its way there; the history of an app has what was live before"
            )
        return found

    def status(self, apps: Sequence[str]) -> tuple[AppStatus, ...]:
        """Return one line for each app, in the order given."""
        memories, controls = self._store.memories(), self._store.controls()
        mutes, pages = self._store.mutes(), _unacknowledged(self._store.incidents())
        now = self._world.clock()
        unseen_since = cache(self._unseen_since)
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
                    sync=_stands(memory),
                    health=_rolls_out(memory) or memory.health,
                    seen_health=memory.seen_health,
                    unseen_since=memory.unseen_since,
                    control=control.state,
                    control_by=held.by if held else "",
                    control_reason=held.reason if held else "",
                    control_until=control.pause.until if control.pause else None,
                    pin=control.pin,
                    revision=memory.revision,
                    target_revision=memory.target,
                    last_sync_at=memory.last_sync_at,
                    last_error=memory.last_error,
                    consecutive_failures=memory.consecutive_failures,
                    objects=memory.objects,
                    question=self._question(app, memory, now),
                    mute=muting.longest([mutes.get(key), mutes.get(EVERY_APP)], now),
                    page=pages.get(key, ""),
                    decided=self._decided(key, memory),
                    failing_commit=memory.failing_commit,
                    is_syncing=_is_under_way(memory),
                    written=memory.written,
                    writes=_writes(memory),
                    is_begun=memory.begun not in {"", memory.digest},
                    ref=str(app.ref),
                    images=tuple(one.what for one in app.images),
                    unseen=tuple(
                        (host, since)
                        for host in dict.fromkeys(one.image.host for one in app.images)
                        if (since := unseen_since(known_as(host, app.repo))) is not None
                    ),
                )
            )
        return tuple(lines)

    def _unseen_since(self, registry: str) -> datetime | None:
        """Return since when people know that a registry's new tags are not seen; None while they are."""
        known = self._store.followed("", registry)
        return known.since if known.said else None

    def _decided(self, app: str, memory: AppMemory) -> AuditEntry | None:
        """Return what was chosen about a drift; only an app that has drifted costs a question to the store."""
        if memory.sync is not SyncState.DRIFTED:
            return None
        lines = self._store.audit(app=app, limit=_LOG)
        newest = next((one for one in lines if one.verb in _CHOICES and one.decision is Decision.DONE), None)
        since = memory.last_sync_at
        return newest if newest is not None and (since is None or newest.at > since) else None

    def _question(self, app: AppSpec, memory: AppMemory, now: datetime) -> Question | None:
        """Return what waits for people; only an app that waits costs a question to the store."""
        ends = commands.expires_at(memory)
        if not memory.waiting_hash or ends is None or _is_under_way(memory):
            return None
        recorded = partial(self._store.approvals, app.key)
        verdicts = asking.standing(memory, memory.waiting_hash, recorded, now=now)
        refused = next((one for one in verdicts if not one.granted), None)
        begun = memory.agreed
        no = refused.by if refused is not None else asking.refused_by(memory)
        return Question(
            plan_hash=memory.waiting_hash,
            until=ends,
            needed=app.approvals,
            given=approval.granted_by(app, verdicts, requesters=memory.requested_by),
            requesters=memory.requested_by if app.mode is Mode.APPROVE else (),
            over=f"{no} {REJECTED}" if no else (UNDECIDED if now >= ends else ""),
            reason=refused.reason if refused is not None else "",
            live=Unfinished(agreed=begun, live=begun.live).sentence if begun is not None and begun.live else "",
        )

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

    def revisions(self, app: str, commits: Collection[str]) -> Mapping[str, Revision]:
        """Return commits with those that changed the app; the ones that Git has no more are left out."""
        spec, found = self._apps[app], {}
        for commit in commits:
            with suppress(PassError):
                found[commit] = self._blamed(spec, self._world.repos[spec.repo].revision(commit))
        return found

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
        """Return commits that changed the app: those that were deployed, newest first, then others of its branch.

        What the app is equal to now is left out, and what several commits rendered alike is there once. `query` is a
        part of a hash, a subject or a name. Reads Git.
        """
        spec, memory = self._apps[app], self._store.memory(app)
        repo, paths = self._world.repos[spec.repo], self._world.renderer.roots(spec)
        stands = memory.sync in {SyncState.SYNCED, SyncState.DRIFTED}
        wanted = query.strip().lower()
        found: dict[str, Choice] = {}
        try:
            good = [one for one in self._store.history(app, limit=_LOG) if one.result is Result.CONVERGED]
            deployed = {entry.revision for entry in good}
            for entry in _renderings(good, memory if stands else None):
                revision = _changed(repo, entry.revision, paths, deployed)
                found.setdefault(revision.commit, Choice(revision=revision, deployed_at=entry.finished_at, by=entry.by))
            for revision in repo.log(memory.target, limit=_LOG, paths=paths) if memory.target else ():
                found.setdefault(revision.commit, Choice(revision=revision))
            for now in repo.log(memory.revision, limit=1, paths=paths) if stands and memory.revision else ():
                found.pop(now.commit, None)
        except PassError as error:
            if not found:
                raise OrderRefused(str(error)) from error
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

    def _blamed(self, app: AppSpec, revision: Revision) -> Revision:
        """Return a revision with the newest commit up to it that changed the app. Raises `SourceError`."""
        paths = self._world.renderer.roots(app)
        return revision.caused_by(
            next(iter(self._world.repos[app.repo].log(revision.commit, limit=1, paths=paths)), None)
        )

    def _resolve(self, app: str, commit: str) -> Revision:
        spec = self._apps[app]
        try:
            return self._world.repos[spec.repo].resolve(commit, ref=spec.ref, deployed=self._store.deployed(app))
        except SourceError as error:
            refused = OrderRefused if error.transient else NotThere
            raise refused(str(error)) from error


def _is_under_way(memory: AppMemory) -> bool:
    """Tell whether a pass has begun to change an app whose last one converged, or waited for people who have agreed.

    What that one found is not true now.
    """
    if memory.sync in {SyncState.WAITING_APPROVAL, SyncState.REFUSED}:
        return memory.planned is not None and memory.agreed is not None and not memory.agreed.over
    return memory.planned is not None and memory.sync is SyncState.SYNCED


def _writes(memory: AppMemory) -> int:
    """Return how many objects a pass under way changes, a first one or a retry too; 0 for what waits for people."""
    if memory.planned is None or (memory.waiting_hash and not _is_under_way(memory)):
        return 0
    return memory.planned.total


def _stands(memory: AppMemory) -> SyncState:
    if not _is_under_way(memory):
        return memory.sync
    return SyncState.DRIFTED if memory.begun == memory.digest else SyncState.BEHIND


def _rolls_out(memory: AppMemory) -> HealthState | None:
    return HealthState.PROGRESSING if _is_under_way(memory) and memory.health.is_good else None


def _unacknowledged(incidents: Sequence[Incident]) -> dict[str, str]:
    """Return the alias of the open page that speaks for each failing app, where nobody has it in hand."""
    return {
        one.app: page.alias
        for incident in incidents
        for one in incident.failing
        if (page := incident.page(one.team)) is not None
        if page.arrived and not (page.acknowledged_by or page.closed_by)
    }


def _renderings(good: Sequence[HistoryEntry], now: AppMemory | None) -> list[HistoryEntry]:
    """Return the newest entry of each rendering, but of the one that the app is equal to now."""
    seen = {now.digest, now.revision} if now is not None else set()
    found = []
    for entry in good:
        rendering = entry.digest or entry.revision
        if rendering not in seen:
            seen.add(rendering)
            found.append(entry)
    return found


def _changed(repo: Repository, commit: str, paths: Sequence[str], deployed: Collection[str]) -> Revision:
    """Return a deployed commit as the one that changed the app, where that was deployed as itself too.

    Else with that one as its cause; only the hash when history was rewritten since.
    """
    try:
        revision = repo.revision(commit)
        newest = next(iter(repo.log(commit, limit=1, paths=paths)), revision)
    except PassError:
        return Revision(commit=commit)
    if newest.commit in {commit, *deployed}:
        return newest
    return revision.caused_by(newest)


def _matches(revision: Revision, wanted: str) -> bool:
    return any(
        not wanted or one.commit.startswith(wanted) or wanted in one.subject.lower() or wanted in one.author.lower()
        for one in (revision, revision.blamed)
    )
