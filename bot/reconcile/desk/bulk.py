"""Orders about many apps: each app is asked as if the order were its own, then all is saved at once.

A crash leaves either all of an order or nothing of it. What an app would refuse is no reason to leave the others: it
is named with its reason. Nothing here knows what a person may: the apps are those that they may order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.errors import OrderRefused
from bot.model.announcement import Announcement, News, Page
from bot.model.app import AppSpec, Mode
from bot.model.bulk import BulkOrder, Foreseen, Kept, Swept
from bot.model.control import Control, Pause, Trigger
from bot.model.record import AuditEntry, Decision, Mute
from bot.model.status import Followed
from bot.ports.state import MessageRef, Store
from bot.reconcile.incidents.attention import Attention
from bot.reconcile.notify.post import Post
from bot.reconcile.orders import commands, gathering, muting
from bot.reconcile.orders.commands import Ordered, Person
from bot.reconcile.orders.muting import Muted

Asked = Ordered | Muted | AuditEntry  # of a sync it is the line of the audit alone


@dataclass(frozen=True, slots=True, kw_only=True)
class _Standing:
    """What the orders before have left of all apps."""

    controls: Mapping[str, Control]
    mutes: Mapping[str, Mute]


class Bulk:
    """`apps` are all there are. Safe to use from several threads; all methods raise `StateError`."""

    def __init__(
        self,
        apps: Mapping[str, AppSpec],
        *,
        store: Store,
        post: Post,
        attention: Attention,
        wake: Callable[..., bool],
    ) -> None:
        self._apps, self._store, self._post, self._attention, self._wake = apps, store, post, attention, wake

    def foresee(self, order: BulkOrder, apps: Sequence[AppSpec], *, person: Person) -> Foreseen:
        """Return what an order would change; changes nothing."""
        asked, kept = self._asked(order, apps, person, self._standing(person.at))
        return Foreseen(changes=tuple(app for app, _ in asked), kept=kept)

    def follow(
        self, order: BulkOrder, apps: Sequence[AppSpec], *, person: Person, words: str, denied: Sequence[AuditEntry]
    ) -> Swept:
        """Follow an order for the apps that its author may order; `denied` are the audit lines of the others.

        `words` is what was typed, for the audit of what is refused.
        """
        standing = self._standing(person.at)
        asked, kept = self._asked(order, apps, person, standing)
        refused = [
            replace(commands.audit(one.app, person, order.verb, words), decision=Decision.DENIED, why=one.why)
            for one in kept
        ]
        audits = [_noted(_audit(one), order) for _, one in asked]
        changed = {app.key: one for app, one in asked}
        said = self._said(order, changed, person, standing)
        controls = {key: one.control for key, one in changed.items() if isinstance(one, Ordered)}
        for key in said.shared & controls.keys():
            controls[key] = _sharing(controls[key], gathering.root(person.order, self._placed(key).channel))
        self._store.save_orders(
            [*audits, *refused, *denied],
            at=person.at,
            controls={key: _of_order(control, person) for key, control in controls.items()},
            mutes={key: one.mute for key, one in changed.items() if isinstance(one, Muted)},
            requests={} if order.verb in {"mute", "unmute"} else dict.fromkeys(changed, _trigger(order)),
            dispatches=[*self._post.exactly(said.said), *self._post.rows(self._notes(changed))],
        )
        if order.verb not in {"mute", "unmute"}:
            self._wake(*changed)
        roots = [one for one in said.said if not one.edits_only]
        # Who reads of some of the apps where they are has not read of all.
        heard = frozenset(one.channel for one in roots if max(len(one.apps), 1) == len(asked))
        text = _answer(order, [app for app, _ in asked], person) if asked else _nothing(order, kept)
        return Swept(
            done=Followed(text=text, heard_in=heard),
            channels=tuple(sorted({one.channel for one in roots})),
            apps=tuple(app for app, _ in asked),
            kept=kept,
        )

    def paused_by(self, order: str, now: datetime) -> tuple[AppSpec, ...]:
        """Return the apps that one order about many has paused, and that are so still."""
        controls = {key: control.at(now) for key, control in self._store.controls().items()}
        return tuple(self._apps[key] for key in gathering.held_by(order, self._apps, controls))

    def order_of(self, message: MessageRef) -> str:
        """Return the order about many apps of which a root message tells, while it holds any; "" for none."""
        pauses = [one.pause for one in self._store.controls().values() if one.pause is not None and one.pause.order]
        for order in dict.fromkeys(one.order for one in pauses):
            told = self._store.message(gathering.root(order, message.channel))
            if told is not None and (told.channel, told.ts) == (message.channel, message.ts):
                return order
        return ""

    def ends(self, pauses: Mapping[str, Pause], how: str, *, base: Announcement) -> tuple[Announcement, ...]:
        """Return how messages about many apps read once these pauses, by app key, have ended."""
        controls = self._store.controls()
        said: list[Announcement] = []
        for order in dict.fromkeys(pause.order for pause in pauses.values() if pause.order):
            members = gathering.held_by(order, self._apps, controls)
            channels = self._post.routing.channels
            news = replace(base, id=f"{base.id}:{order}")
            said += gathering.left(members, self._apps, ended=pauses, how=how, base=news, channels=channels)
        return tuple(said)

    # --- the order of each app --------------------------------------------------------------------------------

    def _standing(self, now: datetime) -> _Standing:
        controls = {key: control.at(now) for key, control in self._store.controls().items()}
        return _Standing(
            controls=controls, mutes={key: one for key, one in self._store.mutes().items() if one.until > now}
        )

    def _asked(
        self, order: BulkOrder, apps: Sequence[AppSpec], person: Person, standing: _Standing
    ) -> tuple[list[tuple[AppSpec, Asked]], tuple[Kept, ...]]:
        """Ask each app; return what changes, and the apps that stay as they are, with the reason.

        What is to be ended does not concern the apps that have nothing of it.
        """
        asked: list[tuple[AppSpec, Asked]] = []
        kept: list[Kept] = []
        for number, app in enumerate(apps):
            if not _concerns(order, app, standing):
                continue
            own = replace(person, order=f"{person.order}.{number}")  # what follows from it has ids of its own
            try:
                asked.append((app, _asked(order, app, own, standing)))
            except OrderRefused as refused:
                kept.append(Kept(app=app, why=str(refused)))
        return asked, tuple(kept)

    # --- what people hear -------------------------------------------------------------------------------------

    def _placed(self, key: str) -> AppSpec:
        return self._post.placed(self._apps[key])

    def _said(
        self, order: BulkOrder, changed: Mapping[str, Asked], person: Person, standing: _Standing
    ) -> gathering.Gathered:
        """Return a message for each channel, and the edits of those that were about pauses which end by it."""
        if order.verb == "sync" or not changed:
            return gathering.Gathered((), frozenset())
        own = {key: _own(one, self._placed(key), person) for key, one in changed.items()}
        heard = [
            gathering.Heard(app=self._placed(key), said=one)
            for key, said in own.items()
            for one in self._post.ringing(said)
        ]
        first, ended = next(iter(own.values())), self._ended(changed, standing)
        found = gathering.gathered(person.order, heard, _together(order, first, ended))
        did, when = "resumed" if order.verb == "resume" else "changed", f"at {person.at:%Y-%m-%d %H:%M} UTC."
        ends = [
            replace(one, channel=self._placed(key).channel)
            for key, pause in ended.items()
            for one in commands.over(pause, f"{person.who} has {did} it {when}", base=own[key])
        ]
        shared = self.ends(ended, f"{person.who} has {did} them {when}", base=first)
        return replace(found, said=(*found.said, *ends, *shared))

    def _ended(self, changed: Mapping[str, Asked], standing: _Standing) -> dict[str, Pause]:
        """Return the pauses that are no more, by app key."""
        before = {key: standing.controls[key].pause for key in changed if key in standing.controls}
        return {key: pause for key, pause in before.items() if pause is not None and isinstance(changed[key], Ordered)}

    def _notes(self, changed: Mapping[str, Asked]) -> list[Page]:
        """Return what open alerts hear of it."""
        paged = {one.app for incident, _ in self._attention.open_pages() for one in incident.failing}
        orders = {key: one for key, one in changed.items() if key in paged and isinstance(one, Ordered)}
        return [note for key, one in orders.items() for note in self._attention.notes(key, one)]


# --- of one app -----------------------------------------------------------------------------------------------


def _concerns(order: BulkOrder, app: AppSpec, standing: _Standing) -> bool:
    control = standing.controls.get(app.key, Control())
    ended = {"resume": control != Control(), "unmute": app.key in standing.mutes}
    return ended.get(order.verb, True)


def _asked(order: BulkOrder, app: AppSpec, person: Person, standing: _Standing) -> Asked:
    """Return what the order makes of one app. Raises `OrderRefused` for one that stays as it is."""
    control = standing.controls.get(app.key, Control()).at(person.at)
    mute = standing.mutes.get(app.key)
    until = person.at + order.span if order.span is not None else None
    match order.verb:
        case "sync":
            return commands.sync(app, control, person=person, words="")
        case "pause":
            held = control.pause
            if held is not None and held.by != person.who and _lasts(held.until, until):
                raise OrderRefused(f"{app.title} is {held} already, for as long or longer")
            # What it changes is said in a message of its own, or in that about many apps.
            asks = replace(control, pause=replace(held, operation="")) if held is not None else control
            return commands.pause(app, asks, person=person, until=until, reason=order.reason)
        case "resume":
            return commands.resume(app, control, person=person, ends_pin=order.ends_pins)
        case "mute" if until is not None:
            if mute is not None and mute.by != person.who and _lasts(mute.until, until):
                raise OrderRefused(f"{app.title} is muted by {mute.by} until {mute.until:%Y-%m-%d %H:%M} UTC already")
            return muting.mute(app.key, app.title, mute, person=person, until=until, reason=order.reason)
        case "unmute":
            return muting.unmute(app.key, app.title, mute, person=person)
        case _:
            raise OrderRefused(f"{order.verb} is of one app: name it")


def _lasts(held: datetime | None, until: datetime | None) -> bool:
    """Tell whether what holds lasts as long as what is ordered: somebody else had a reason for that."""
    return held is None or (until is not None and (until <= held or commands.is_about(until, held)))


def _own(asked: Asked, app: AppSpec, person: Person) -> Announcement:
    """Return what a channel hears that hears of this app alone."""
    if isinstance(asked, Ordered):
        return replace(asked.announcement, channel=app.channel, rings=False)
    assert isinstance(asked, Muted)  # a sync is not said: its pass is
    base = commands.announcement(app, replace(person, order=f"{person.order}:{app.key}"), News.MUTED)
    return muting.said(asked, base)


def _audit(asked: Asked) -> AuditEntry:
    return asked if isinstance(asked, AuditEntry) else asked.audit


def _noted(entry: AuditEntry, order: BulkOrder) -> AuditEntry:
    """Return an audit line that says which words chose the app."""
    return replace(entry, arguments=f"{entry.arguments} [{order.words}]".strip()) if order.words else entry


def _of_order(control: Control, person: Person) -> Control:
    """Return a control whose pause knows which order it is of."""
    pause = control.pause
    return replace(control, pause=replace(pause, order=person.order)) if pause is not None else control


def _sharing(control: Control, operation: str) -> Control:
    """Return a control whose pause is heard of in the thread of a message about many apps."""
    pause = control.pause
    return replace(control, pause=replace(pause, operation=operation)) if pause is not None else control


def _trigger(order: BulkOrder) -> Trigger:
    return Trigger(via=order.via, by=order.by, follows=order.verb != "sync")


# --- what is said of many -------------------------------------------------------------------------------------


def _together(order: BulkOrder, first: Announcement, ended: Mapping[str, Pause]) -> Announcement:
    """Return how the message about several apps reads; `first` is that of one of them."""
    meant = f"Ordered for {order.words}: the apps that this meant at that moment." if order.words else ""
    others = sorted({f"{key} was {pause}" for key, pause in ended.items() if pause.by != order.by})
    match first.news:
        case News.PAUSED:
            message, following = (
                f"Nothing is applied {gathering.ending(first.until)}. New commits wait.",
                gathering.RESUME,
            )
        case News.RESUMED:
            message, following = "They follow Git again." if order.ends_pins else "New commits are applied again.", ""
        case _:
            ends = f"/gitops unmute {order.words if 'state:' not in order.words else '<app>'} ends it"
            message, following = first.message, ends if first.news is News.MUTED else ""
    return replace(
        first,
        message=f"{message} {meant}".rstrip(),
        next_step=following,
        warnings=tuple(others) if order.verb == "resume" else (),
        reason=order.reason,
        rings=False,
        ref="",
    )


def _answer(order: BulkOrder, apps: Sequence[AppSpec], person: Person) -> str:
    """Return what the author of an order reads of what was done."""
    many = "1 app" if len(apps) == 1 else f"{len(apps)} apps"
    is_ = "is" if len(apps) == 1 else "are"
    until = person.at + order.span if order.span is not None else None
    match order.verb:
        case "sync":
            asks = sum(app.mode is Mode.APPROVE for app in apps)
            people = f" What differs in {asks} of them waits until somebody else approves." if asks else ""
            return f"{many} {is_} syncing. More is said only where something differs.{people}"
        case "pause":
            return f"{many} {is_} paused {gathering.ending(until)}."
        case "resume":
            return f"{many} {is_} running. New commits are applied again."
        case "mute" if until is not None:
            return f"{many} {is_} muted until {until:%Y-%m-%d %H:%M} UTC: no messages, no pages; syncs go on."
        case _:
            return f"{many} {is_} heard again."


def _nothing(order: BulkOrder, kept: Sequence[Kept]) -> str:
    """Return what the author of an order reads that has changed nothing."""
    ended = {"resume": "paused", "unmute": "muted"}.get(order.verb)
    return "Nothing has changed" + (f": none of these apps is {ended}." if ended and not kept else ".")
