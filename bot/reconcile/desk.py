"""The desk where orders arrive, from Slack and from a terminal: it stores them and wakes the loop.

No order touches a cluster here. Reading commits and planning ask Git and the API server and take as long as those do;
everything else is a transaction on the state store. What cannot be followed raises `OrderRefused` with the reason.
"""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from bot.errors import OrderRefused, SourceError
from bot.model.announcement import Announcement, News
from bot.model.app import AppSpec
from bot.model.control import ControlState, Trigger, Via
from bot.model.outcome import HealthState
from bot.model.plan import Plan, PlanFailure, Rejected
from bot.model.record import AuditEntry, HistoryEntry, Pruned, SyncState
from bot.model.resource import ResourceId, id_of
from bot.model.source import RefKind, Revision
from bot.model.status import AppStatus
from bot.plan.order import rank
from bot.ports import Store
from bot.reconcile import commands, news
from bot.reconcile.once import World, plan_or_failure
from bot.reconcile.passes import dispatches
from bot.reconcile.removal import released_app
from bot.reconcile.roster import Roster


class Desk:
    """`wake` marks an app as due and says whether a pass of it runs; without a running bot it returns False."""

    def __init__(self, apps: Roster, *, world: World, store: Store, wake: Callable[[str], bool]) -> None:
        self._apps, self._world, self._store, self._wake = apps, world, store, wake

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
        memories = self._store.memories()
        now = self._world.clock()
        lines = []
        for key in apps:
            app, control = self._apps[key], self._store.control(key).at(now)
            memory = memories.get(key) or self._store.memory(key)
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

    def sync(self, app: str, *, trigger: Trigger) -> str:
        """Ask for a pass at once; the request survives a restart."""
        control = self._store.control(app).at(self._world.clock())
        title = self._apps[app].title
        if control.pause is not None:
            raise OrderRefused(f"{title} is paused by {control.pause.by}: /gitops resume {self._apps[app].name} first")
        self._store.request(app, trigger, at=self._world.clock())
        if self._wake(app):
            return f"{title} is already running {self._store.memory(app).operation}, queued one more."
        return f"{title} is syncing."

    def pause(self, app: str, *, by: str, until: datetime | None, reason: str, via: Via) -> str:
        control = self._store.control(app).at(self._world.clock())
        return self._follow(
            commands.pause(self._apps[app], control, person=self._person(by, via), until=until, reason=reason)
        )

    def resume(self, app: str, *, by: str, via: Via) -> str:
        control = self._store.control(app).at(self._world.clock())
        return self._follow(commands.resume(self._apps[app], control, person=self._person(by, via)))

    def rollback(self, app: str, commit: str, *, by: str, reason: str, via: Via) -> str:
        """Pin the app at a commit; the loop does the rest."""
        control = self._store.control(app).at(self._world.clock())
        revision = self._resolve(app, commit)
        return self._follow(
            commands.roll_back(self._apps[app], control, revision, person=self._person(by, via), reason=reason)
        )

    def approve(self, app: str, plan_hash: str, *, by: str, via: Via) -> str:
        """Grant the plan that waits and ask for a pass, which counts the approvals. The caller knows that `by` may."""
        person, memory = self._person(by, via), self._store.memory(app)
        verdict = commands.verdict(self._apps[app], memory, plan_hash, granted=True, person=person)
        self._store.save_approval(verdict, audit=commands.audit(self._apps[app], person, "approve", verdict.plan_hash))
        # The hash in `confirm` tells an approver from a requester.
        self._store.request(app, Trigger(via=via, by=by, confirm=verdict.plan_hash), at=person.at)
        self._wake(app)
        return f"{self._apps[app].title}: you approved plan {verdict.plan_hash}."

    def reject(self, app: str, *, by: str, via: Via, reason: str) -> str:
        """Hold the plan that waits; a newer plan asks anew."""
        person, memory = self._person(by, via), self._store.memory(app)
        verdict = commands.verdict(self._apps[app], memory, "", granted=False, person=person, reason=reason)
        arguments = f"{verdict.plan_hash} {reason}".strip()
        self._store.save_approval(verdict, audit=commands.audit(self._apps[app], person, "reject", arguments))
        return f"{self._apps[app].title}: you rejected plan {verdict.plan_hash}; nothing is applied."

    def unwanted(self, text: str) -> AppSpec:
        """Return the app to delete: one of the configuration, or one that it has dropped."""
        dropped = [one for one in self.released() if text in {one.app, f"{one.cluster}/{one.app}"}]
        if len(dropped) == 1 and text not in self._apps:
            key = f"{dropped[0].cluster}/{dropped[0].app}"
            return released_app(key, self._store.memory(key))
        return self.find(text)

    def restorable(self, app: str) -> tuple[Pruned, ...]:
        """Return what was pruned of an app and can be created again, newest first, each object once."""
        seen: dict[ResourceId, Pruned] = {}
        for one in self._store.pruned(app):
            seen.setdefault(id_of(one.body), one)
        return tuple(seen.values())

    def restore(
        self, app: str, wanted: Callable[[ResourceId], bool], *, by: str, via: Via
    ) -> tuple[tuple[ResourceId, str], ...]:
        """Create what was pruned again; returns each object with what stood in its way, "" for done.

        The objects belong to nobody until Git has them again: no sync touches them.
        """
        spec, person = self._apps[app], self._person(by, via)
        kept = [one for one in self.restorable(app) if wanted(id_of(one.body))]
        done: list[tuple[ResourceId, str]] = []
        for one in sorted(kept, key=lambda one: (rank(id_of(one.body)), id_of(one.body))):
            answer = self._world.clusters[spec.cluster].create(spec, one.body)
            done.append((id_of(one.body), answer.message if isinstance(answer, Rejected) else ""))
        if done:
            self._store.add_audit(commands.audit(spec, person, "restore", ", ".join(str(id) for id, _ in done)))
        return tuple(done)

    def preview_rollback(self, app: str, commit: str) -> Plan | PlanFailure:
        """Return what a rollback would change back; changes nothing."""
        spec, revision = self._apps[app], self._resolve(app, commit)
        deployed = self._store.memory(app).digest
        return plan_or_failure(
            spec, ref=revision.short, revision=lambda: revision, world=self._world, deployed=deployed
        )

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

    def audit(self, entry: AuditEntry) -> None:
        self._store.add_audit(entry)

    def first_time(self, key: str) -> bool:
        return self._store.first_time(key, at=self._world.clock())

    def acknowledge(self, alias: str, by: str) -> None:
        """Say in the thread that a person has the page; an alias that is not ours is ignored."""
        now = self._world.clock()
        for app in self._apps.values():
            memory = self._store.memory(app.key)
            if alias != f"gitops-bot:{app.cluster}:{app.name}" or not memory.page_operation:
                continue
            said = Announcement(
                id=f"{memory.page_operation}:acknowledged:{by[:60]}",
                operation=memory.page_operation,
                news=News.ACKNOWLEDGED,
                app=app.name,
                cluster=app.cluster,
                env=app.env,
                channel=app.channel,
                at=now,
                in_thread=True,
                by=by,
                message=f"{by} has the page.",
            )
            self._store.dispatch(dispatches([said]))

    def pushed(self, repo: str, tips: Mapping[str, str]) -> tuple[str, ...]:
        """Wake the apps that follow a moved ref (full name to commit, "" when deleted); returns their keys."""
        self._apps.expire(repo)
        now = self._world.clock()
        woken = []
        for app in self._apps.values():
            moved = [name for name in tips if app.ref.follows(name)] if app.repo == repo else []
            if moved:
                # A tag's event may name the tag object, which is no commit that could become visible.
                expects = tips[moved[0]] if app.ref.kind is RefKind.BRANCH else ""
                self._store.request(app.key, Trigger(via=Via.WEBHOOK), at=now, expects=expects)
                self._wake(app.key)
                woken.append(app.key)
        return tuple(woken)

    def _resolve(self, app: str, commit: str) -> Revision:
        spec = self._apps[app]
        try:
            return self._world.repos[spec.repo].resolve(commit, ref=spec.ref, deployed=self._store.deployed(app))
        except SourceError as error:
            raise OrderRefused(str(error)) from error

    def _person(self, who: str, via: Via) -> commands.Person:
        now = self._world.clock()
        return commands.Person(who=who, via=via, at=now, order=news.operation_at(now, secrets.token_hex(3)))

    def _follow(self, ordered: commands.Ordered) -> str:
        app = ordered.audit.app
        self._store.save_control(
            app, ordered.control, audit=ordered.audit, dispatches=dispatches([ordered.announcement])
        )
        self._store.request(app, Trigger(via=ordered.audit.via, by=ordered.audit.who), at=ordered.audit.at)
        self._wake(app)
        return ordered.answer
