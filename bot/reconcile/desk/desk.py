"""The desk where orders arrive, from Slack and from a terminal: it stores them and wakes the loop.

No order touches a cluster here: each is a transaction on the state store. What cannot be followed raises
`OrderRefused` with the reason.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from bot.errors import NotThere, OrderRefused
from bot.model.announcement import Announcement, News
from bot.model.app import AppSpec, Mode
from bot.model.bulk import BulkOrder, Foreseen, Swept
from bot.model.control import Trigger, Via
from bot.model.plan import Plan, PlanFailure
from bot.model.record import EVERY_APP, AppMemory, AuditEntry, Decision, Pruned, SyncState
from bot.model.resource import ResourceId
from bot.model.source import RefKind
from bot.model.status import Followed
from bot.ports.source import ProposalHosts
from bot.ports.state import MessageRef, Store
from bot.reconcile.desk import keeping, restoring
from bot.reconcile.desk.bulk import Bulk
from bot.reconcile.desk.enquiry import Enquiry
from bot.reconcile.desk.keeping import Keeping, Proposal
from bot.reconcile.desk.mutes import Mutes
from bot.reconcile.desk.pages import Pages
from bot.reconcile.desk.verdicts import Given, Verdicts
from bot.reconcile.incidents.attention import Attention
from bot.reconcile.notify import holding, news
from bot.reconcile.notify.post import Post
from bot.reconcile.orders import commands
from bot.reconcile.passes.removal import released_app
from bot.reconcile.planning.plans import plan_or_failure
from bot.reconcile.planning.roster import Roster
from bot.reconcile.planning.world import World


class Desk(Enquiry):
    """`wake` marks apps as due and says whether a pass of one runs; without a running bot it returns False.

    `pager` describes who is paged when.
    """

    def __init__(
        self,
        apps: Roster,
        *,
        world: World,
        store: Store,
        post: Post,
        wake: Callable[..., bool],
        pager: Callable[[Sequence[AppSpec]], Sequence[str]],
        hosts: ProposalHosts,
    ) -> None:
        super().__init__(apps, world=world, store=store)
        self._roster = apps
        self._post, self._wake = post, wake
        self._attention = Attention(store, post=post)
        self._pages = Pages(store, post=post, attention=self._attention, pager=pager)
        self._bulk = Bulk(apps, store=store, post=post, attention=self._attention, wake=wake)
        self._mutes = Mutes(apps, store=store, post=post, clock=world.clock)
        self._keeping = Keeping(world, hosts)
        self._introduced: dict[str, str] = {}
        self._verdicts = Verdicts(store, post=post)

    def sync(self, app: str, *, trigger: Trigger, words: str) -> str:
        """Ask for a pass at once; the request survives a restart. `words` is what was typed, for the audit."""
        control = self._store.control(app).at(self._world.clock())
        title, person = self._apps[app].title, self._person(trigger.by, trigger.via)
        self._store.add_audit(commands.sync(self._apps[app], control, person=person, words=words))
        self._store.request(app, trigger=trigger, at=self._world.clock())
        if self._wake(app):
            operation = self._store.memory(app).operation or "a pass"
            return f"{title} is already running {operation}, queued one more."
        if self._apps[app].mode is Mode.APPROVE:
            return f"{title} is looked at; what differs is applied when somebody else has approved the plan."
        memory = self._store.memory(app)
        was = f" It was equal to {memory.revision[:7]}: m" if memory.sync is SyncState.SYNCED else " M"
        return f"{title} is syncing.{was}ore is said only if something differs."

    def pause(self, app: str, *, by: str, until: datetime | None, reason: str, via: Via) -> Followed:
        control = self._store.control(app).at(self._world.clock())
        return self._follow(
            commands.pause(self._apps[app], control, person=self._person(by, via), until=until, reason=reason)
        )

    def resume(self, app: str, *, by: str, via: Via) -> Followed:
        control = self._store.control(app).at(self._world.clock())
        return self._follow(commands.resume(self._apps[app], control, person=self._person(by, via)))

    def rollback(self, app: str, commit: str, *, by: str, reason: str, via: Via, confirm: str | None = None) -> str:
        """Pin the app at a commit; the loop does the rest. `confirm` is the plan that person has seen and agreed to."""
        control, memory = self._store.control(app).at(self._world.clock()), self._store.memory(app)
        revision = self._resolve(app, commit)
        if control.pin is None and revision.commit == memory.revision and memory.sync is SyncState.SYNCED:
            raise OrderRefused(f"{self._apps[app].title} is at {revision.short} now: there is nothing to roll back")
        person = self._person(by, via)
        return self._follow(
            commands.roll_back(self._apps[app], control, revision, person=person, reason=reason), confirm=confirm
        ).text

    # --- many apps at once ------------------------------------------------------------------------------------

    def meant(self, words: str) -> tuple[AppSpec, ...]:
        """Return the apps that words choose now. Raises `NotThere` where they choose none."""
        found = tuple(self._apps[one.key] for one in self.choose(words.split()) if one.key in self._apps)
        if not found:
            raise NotThere(f"no app is like that: {words}; `status` shows which there are")
        return found

    def foresee(self, order: BulkOrder, apps: Sequence[AppSpec]) -> Foreseen:
        """Return what an order about many apps would change, and what not and why; changes nothing."""
        return self._bulk.foresee(order, apps, person=self._person(order.by, order.via))

    def sweep(self, order: BulkOrder, apps: Sequence[AppSpec], *, words: str, denied: Sequence[AuditEntry]) -> Swept:
        """Follow an order for apps that its author may order, all or nothing; `denied` stands in the audit with it.

        `words` is what was typed.
        """
        return self._bulk.follow(order, apps, person=self._person(order.by, order.via), words=words, denied=denied)

    def paused_by(self, order: str) -> tuple[AppSpec, ...]:
        """Return the apps that one order about many has paused, and that are so still."""
        return self._bulk.paused_by(order, self._world.clock())

    def order_of(self, channel: str, ts: str) -> str:
        """Return the order about many apps that a root message tells of, while it holds any of them; "" for none."""
        return self._bulk.order_of(MessageRef(channel=channel, ts=ts))

    def unwanted(self, text: str) -> AppSpec:
        """Return the app to delete: one of the configuration, or one that it has dropped."""
        dropped = [one for one in self.released() if text in {one.app, one.key}]
        if len(dropped) == 1 and text not in self._apps:
            key = f"{dropped[0].cluster}/{dropped[0].app}"
            return released_app(key, self._store.memory(key))
        return self.find(text)

    def restorable(self, app: str) -> tuple[Pruned, ...]:
        """Return what was pruned of an app and can be created again, newest first, each object once."""
        return restoring.restorable(app, store=self._store)

    def restore(
        self, app: str, wanted: Callable[[ResourceId], bool], *, by: str, via: Via
    ) -> tuple[tuple[ResourceId, str], ...]:
        """Create what was pruned again; returns each object with what stood in its way, "" for done."""
        spec, person = self._apps[app], self._person(by, via)
        cluster = self._world.clusters[spec.cluster]
        return restoring.restore(spec, wanted, person=person, store=self._store, cluster=cluster)

    def preview_rollback(self, app: str, commit: str) -> Plan | PlanFailure:
        """Return what a rollback would change back; changes nothing."""
        spec, revision = self._apps[app], self._resolve(app, commit)
        memory, pin = self._store.memory(app), self._store.control(app).at(self._world.clock()).pin
        if pin is None and revision.commit == memory.revision and memory.sync is SyncState.SYNCED:
            raise OrderRefused(f"{spec.title} is at {revision.short} now: there is nothing to roll back")
        if pin is not None and pin.commit == revision.commit:
            since = f"{pin.since:%Y-%m-%d %H:%M} UTC"
            raise OrderRefused(f"{spec.title} is already pinned at {revision.short} by {pin.by} since {since}")
        blamed = self._blamed(spec, revision)
        return plan_or_failure(
            spec, ref=revision.short, revision=lambda: blamed, world=self._world, deployed=memory.digest
        )

    def approve(self, app: str, plan_hash: str, *, by: str, via: Via) -> str:
        """Grant the plan that waits and ask for a pass. The caller knows that `by` may.

        Without a hash it is the plan that its message shows.
        """
        spec, memory = self._apps[app], self._store.memory(app)
        return self._follow_verdict(self._verdicts.approve(spec, memory, plan_hash, person=self._person(by, via)))

    def reject(self, app: str, *, by: str, via: Via, reason: str, plan_hash: str = "") -> str:
        """Hold the plan that waits; a newer plan asks anew. One that is being applied is stopped where it is."""
        spec, memory, person = self._apps[app], self._store.memory(app), self._person(by, via)
        return self._follow_verdict(self._verdicts.reject(spec, memory, plan_hash, person=person, reason=reason))

    def _follow_verdict(self, given: Given) -> str:
        verdict = given.verdict
        trigger = Trigger(via=verdict.via, by=verdict.by, confirm=given.confirm)
        self._store.request(verdict.app, trigger=trigger, at=verdict.at)
        self._wake(verdict.app)
        return given.answer

    # --- drift as a choice ------------------------------------------------------------------------------------

    def keep(self, app: str, *, by: str, name: str, reason: str, via: Via) -> str:
        """Propose to Git what people changed on the cluster; nothing else changes. Raises `OrderRefused`."""
        spec, memory, person = self._apps[app], self._store.memory(app), self._person(by, via)
        made = self._keeping.keep(spec, memory, person=person, name=name, reason=reason)
        return self._proposed(spec, memory, made, "keep", person, reason)

    def ignore(self, app: str, field: str, *, by: str, name: str, reason: str, via: Via) -> str:
        """Propose to leave one field alone from now on; "" means the only one that differs. Raises `OrderRefused`."""
        spec, memory, person = self._apps[app], self._store.memory(app), self._person(by, via)
        made = self._keeping.ignore(spec, memory, field, person=person, name=name, reason=reason)
        return self._proposed(spec, memory, made, "ignore", person, reason)

    def _proposed(
        self, app: AppSpec, memory: AppMemory, made: Proposal, verb: str, person: commands.Person, reason: str
    ) -> str:
        why = f" ({reason})" if reason else ""
        base = self._base(app, person, memory.operation or person.order)
        said = replace(keeping.told(made, base=base, verb=verb, reason=reason), in_thread=bool(memory.operation))
        self._store.add_audit(commands.audit(app, person, verb, f"{made.branch}: {'; '.join(made.changes)}{why}"))
        asked = [keeping.chosen(made, said)] if memory.said.startswith(holding.DRIFT) else []
        self._store.dispatch(self._post.rows([said, *asked]))
        return f"Proposed, to {verb}: {made.text}"

    # --- mutes, routes, on-call -------------------------------------------------------------------------------

    def mute(self, app: str, *, by: str, until: datetime, reason: str, via: Via) -> Followed:
        """Mute an app, or all (`*`)."""
        return self._mutes.mute(app, person=self._person(by, via), until=until, reason=reason)

    def unmute(self, app: str, *, by: str, via: Via) -> Followed:
        return self._mutes.unmute(app, person=self._person(by, via))

    def mutes_all(self) -> bool:
        """Tell whether one mute holds for all apps, those that come later included."""
        return self._mutes.of(EVERY_APP) is not None

    def bound(self, app: str, channel: str) -> bool:
        """True when the app is heard in that channel."""
        return channel in self._post.routing.channels(self._apps[app])

    def subject(self, channel: str, ts: str) -> str:
        """Return the app that a root message and its thread are about; "" for one of many apps, or of none."""
        about = self._store.subject(MessageRef(channel=channel, ts=ts))
        return about if about in self._apps else ""

    def routes(self, app: str) -> tuple[str, ...]:
        """Return which channel hears what of an app, and why."""
        return (*self._post.routing.explained(self._apps[app]), *self._mutes.explained(app))

    def oncall(self) -> tuple[str, ...]:
        """Return who is paged when, and what is open now."""
        return self._pages.standing(self.apps())

    def test_page(self, *, by: str, via: Via, channel: str) -> str:
        """Open an alert of our own and close it at once. Raises `OrderRefused` when on-call is off."""
        return self._pages.test(self.apps(), self._person(by, via), channel=channel)

    def paged(self, alias: str) -> tuple[AppSpec, ...]:
        """Return the apps that an open page speaks for."""
        return tuple(self._apps[key] for key in self._attention.speaks_for(alias) if key in self._apps)

    def acknowledge(self, alias: str, *, by: str, via: Via) -> str:
        """Tell the on-call service who has a page. Raises `OrderRefused` when it is not open."""
        self._attention.acknowledge(alias, self._person(by, via), tell_service=True)
        return "You have the page."

    def heard(self, action: str, alias: str, by: str) -> None:
        """Follow what a person did with an alert over there; an alias that is not ours is ignored."""
        self._pages.heard(action, alias, self._person(by, Via.WEBHOOK))

    # --- the rest ---------------------------------------------------------------------------------------------

    def introduce(self, who: str, name: str) -> None:
        """Remember the name of somebody who gives orders; costs a write only when it is another one."""
        if name and self._introduced.get(who) != name:
            self._store.introduce(who, name)
            self._introduced[who] = name

    def audit(self, entry: AuditEntry) -> None:
        self._store.add_audit(entry)

    @contextmanager
    def noting(self, app: str, verb: str, words: str, *, by: str, via: Via) -> Iterator[None]:
        """Follow an order: one that is refused stands in the audit with its reason, whichever door it came by."""
        try:
            yield
        except NotThere:
            raise
        except OrderRefused as refused:
            entry = replace(commands.audit_of(self._person(by, via), verb, words), app=app, decision=Decision.DENIED)
            self._store.add_audit(replace(entry, why=str(refused)))
            raise

    def first_time(self, key: str) -> bool:
        return self._store.first_time(key, at=self._world.clock())

    def pushed(self, repo: str, tips: Mapping[str, str], *, trace: str = "") -> tuple[str, ...]:
        """Wake the apps that follow a moved ref (full name to commit, "" when deleted); returns their keys.

        `trace` is the `traceparent` of whoever says so.
        """
        self._roster.expire(repo)
        now = self._world.clock()
        woken: dict[str, list[str]] = {}  # by the commit to expect
        for app in self._apps.values():
            moved = [name for name in tips if app.ref.follows(name)] if app.repo == repo else []
            if moved:
                # A tag's event may name the tag object, which is no commit that could become visible.
                expects = tips[moved[0]] if app.ref.kind is RefKind.BRANCH else ""
                woken.setdefault(expects, []).append(app.key)
        for expects, keys in woken.items():
            self._store.request(*keys, trigger=Trigger(via=Via.WEBHOOK, trace=trace), at=now, expects=expects)
        everyone = tuple(key for keys in woken.values() for key in keys)
        self._wake(*everyone)
        return everyone

    def _person(self, who: str, via: Via) -> commands.Person:
        now = self._world.clock()
        return commands.Person(who=who, via=via, at=now, order=news.operation_at(now, secrets.token_hex(3)))

    def _base(self, app: AppSpec, person: commands.Person, operation: str) -> Announcement:
        return replace(commands.announcement(self._post.placed(app), person, News.DIFF), operation=operation)

    def _follow(self, ordered: commands.Ordered, *, confirm: str | None = None) -> Followed:
        app, audit, said = ordered.audit.app, ordered.audit, ordered.announcement
        channel = self._post.placed(self._apps[app]).channel
        said, *ends = (replace(one, channel=channel) for one in (said, *ordered.ends))
        notes = self._attention.notes(app, ordered)
        shared = self._post.exactly(self._shared(app, audit, base=said))
        rows = [*self._post.rows([said, *ends, *notes]), *shared]
        self._store.save_control(app, ordered.control, audit=audit, dispatches=rows)
        self._store.request(
            app, trigger=Trigger(via=audit.via, by=audit.who, confirm=confirm, follows=True), at=audit.at
        )
        self._wake(app)
        return Followed(text=ordered.answer, heard_in=frozenset(self._post.heard(said)))

    def _shared(self, app: str, audit: AuditEntry, *, base: Announcement) -> tuple[Announcement, ...]:
        """Return how a message about many apps reads once an order of one of them has ended its pause there."""
        held = self._store.control(app).at(audit.at).pause
        if held is None or not held.order:
            return ()
        did = {"pause": "changed", "resume": "resumed"}.get(audit.verb, "rolled back")
        how = f"{self._apps[app].title} was {did} by {audit.who} at {audit.at:%Y-%m-%d %H:%M} UTC."
        return self._bulk.ends({app: held}, how, base=base)
