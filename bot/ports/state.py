"""The state store: what people ordered, what passes found, and what is still to be said."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from bot.model.announcement import Announcement, Parcel
from bot.model.control import Control, Trigger
from bot.model.incident import Incident
from bot.model.record import (
    AppMemory,
    Approval,
    AuditEntry,
    AuditHead,
    AuditLink,
    Consignment,
    Dispatch,
    Followed,
    HistoryEntry,
    Mute,
    Pruned,
    SinkName,
)
from bot.model.rollout import Rollout

INCIDENTS: Final = "incidents"  # the name of a lock


@dataclass(frozen=True, slots=True, kw_only=True)
class PassRequest:
    """A person or a push asked for a pass; kept until a pass that began later has ended."""

    id: int
    app: str
    trigger: Trigger
    at: datetime
    expects: str = ""  # the commit a push event named: waited for when the host does not show it yet


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRef:
    """A Slack message: channel id and timestamp."""

    channel: str
    ts: str
    taken: bool = False  # another operation goes on in it; the thread stays


class Store(Protocol):
    """All that must survive a restart. Every method is one transaction; all raise `StateError`."""

    def control(self, app: str) -> Control:
        """Return the control of an app key; running when nobody ever ordered anything."""

    def controls(self) -> Mapping[str, Control]:
        """Return the control of every app that anybody ever ordered anything of, by key."""

    def save_control(
        self, app: str, control: Control, *, audit: AuditEntry, dispatches: Sequence[Dispatch] = ()
    ) -> None:
        """Save an order with its audit line and its announcements, all or nothing."""

    def save_approval(self, approval: Approval, *, audit: AuditEntry, dispatches: Sequence[Dispatch] = ()) -> None:
        """Save a verdict on a plan; it replaces an earlier one of the same person on that plan."""

    def approvals(self, app: str, plan_hash: str) -> tuple[Approval, ...]:
        """Return the verdicts on one plan of an app, oldest first."""

    def forget(self, app: str, *, audit: AuditEntry) -> None:
        """Forget an app that is no longer wanted: all but its history and its audit lines."""

    def save_pruned(self, pruned: Sequence[Pruned]) -> None:
        """Keep objects that are about to be deleted, for thirty days."""

    def pruned(self, app: str) -> tuple[Pruned, ...]:
        """Return what was pruned of an app in the last thirty days, newest first."""

    def folders(self, app_set: str) -> tuple[str, ...]:
        """Return the folders of an app set that `save_folders` saved last."""

    def save_folders(self, app_set: str, folders: Sequence[str]) -> None:
        """Remember the folders of an app set, for the time when Git does not answer."""

    def followed(self, app: str, image: str) -> Followed:
        """Return what `save_followed` saved of an image that an app follows; `app` "" is a registry's."""

    def save_followed(
        self,
        app: str,
        image: str,
        followed: Followed,
        *,
        audits: Sequence[AuditEntry] = (),
        dispatches: Sequence[Dispatch] = (),
    ) -> None:
        """Save how far an image was followed, with all that the world hears of it, all or nothing."""

    def save_orders(
        self,
        audits: Sequence[AuditEntry],
        *,
        at: datetime,
        controls: Mapping[str, Control] | None = None,
        mutes: Mapping[str, Mute | None] | None = None,
        requests: Mapping[str, Trigger] | None = None,
        dispatches: Sequence[Dispatch] = (),
    ) -> None:
        """Save orders about many apps, the passes they ask for and all that they make people hear, all or nothing."""

    def mutes(self) -> Mapping[str, Mute]:
        """Return every mute by app key (`*` for all), those that have run out included."""

    def save_mute(self, app: str, mute: Mute | None, *, audit: AuditEntry, dispatches: Sequence[Dispatch] = ()) -> None:
        """Save a mute, or end it with None, with its audit line and its announcements."""

    def memory(self, app: str) -> AppMemory:
        """Return what the last pass left; an empty memory for a new app."""

    def standing(self, app: str) -> tuple[AppMemory, Control]:
        """Return `memory` and `control` of an app, read at once."""

    def memories(self) -> Mapping[str, AppMemory]:
        """Return the memory of every app ever seen, by key."""

    def save_pass(
        self,
        memory: AppMemory,
        *,
        history: HistoryEntry | None = None,
        audits: Sequence[AuditEntry] = (),
        dispatches: Sequence[Dispatch] = (),
        incidents: Sequence[Incident] = (),
    ) -> None:
        """Save the end of a pass and all it makes the world hear, all or nothing; an incident without failures ends."""

    def incidents(self) -> tuple[Incident, ...]:
        """Return what apps fail for now. Whoever changes one holds the lock `INCIDENTS` from the read to the save."""

    def save_incidents(self, incidents: Sequence[Incident], *, dispatches: Sequence[Dispatch] = ()) -> None:
        """Replace incidents; one without failures ends."""

    def history(self, app: str, *, limit: int) -> tuple[HistoryEntry, ...]:
        """Return an app's history, newest first."""

    def deployed(self, app: str) -> frozenset[str]:
        """Return every commit that ever converged for the app."""

    def add_audit(self, entry: AuditEntry) -> None:
        """Append one line."""

    def audit(self, *, app: str | None, limit: int) -> tuple[AuditEntry, ...]:
        """Return the newest lines, newest first; `app` None means all."""

    def introduce(self, who: str, name: str) -> None:
        """Remember the name of somebody whom the audit knows by an id."""

    def names(self) -> Mapping[str, str]:
        """Return the names that are known, by id."""

    def audit_chain(self) -> tuple[AuditLink, ...]:
        """Return every line, oldest first, and whether it is what was written at that place."""

    def audit_head(self) -> AuditHead:
        """Return where the chain ends now: kept elsewhere, it shows later that lines are missing."""

    def request(self, *apps: str, trigger: Trigger, at: datetime, expects: str = "") -> None:
        """Ask for a pass of each of these apps."""

    def requests(self) -> tuple[PassRequest, ...]:
        """Return what is asked for and not done, oldest first."""

    def finish_requests(self, ids: Collection[int]) -> None:
        """Forget requests whose pass has ended. Idempotent."""

    def dispatch(self, dispatches: Sequence[Dispatch]) -> None:
        """Put parcels into the outbox. A parcel id that is there already is ignored."""

    def due_lanes(self, sink: SinkName, *, now: datetime) -> tuple[str, ...]:
        """Return the lanes none of whose waiting rows rests at `now`; those that wake or ask people first."""

    def claim(self, sink: SinkName, lane: str, *, now: datetime) -> Consignment | None:
        """Take the first waiting row of a lane; None while one of them rests. A claim counts as an attempt."""

    def delivered(self, id: int, *, dispatches: Sequence[Dispatch] = ()) -> None:
        """The row has arrived; what is said of that is saved with it."""

    def postpone(self, id: int, *, until: datetime, why: str, dispatches: Sequence[Dispatch] = ()) -> None:
        """The row did not arrive; its lane rests until then."""

    def undeliverable(self, id: int, *, why: str, dispatches: Sequence[Dispatch] = ()) -> None:
        """The row will never arrive; it leaves the lane and stays readable."""

    def lost(self, sink: SinkName) -> tuple[Consignment, ...]:
        """Return what will never arrive, as far as nothing has arrived on its lane since; oldest first.

        Of the calls about an alert those count that open or close it: a note arrives where there is none, too.
        """

    def send_again(self, id: int, parcel: Parcel) -> None:
        """Let a lost row wait in its old place, with this parcel, as if it had never been tried."""

    def tidy(self, *, before: datetime) -> None:
        """Drop parcels that have arrived or were lost before then, and keys of `first_time` of that age. Idempotent."""

    def waiting(self, sink: SinkName) -> int:
        """Return how many rows wait."""

    def message(self, operation: str) -> MessageRef | None:
        """Return the root message of an operation."""

    def root(self, operation: str) -> Announcement | None:
        """Return what was said last in a root message about a trouble that lasts; None when it is over."""

    def shown(self, operation: str) -> tuple[Announcement, ...]:
        """Return what the root message of an operation has asked people, as far as it was sent, newest first."""

    def inherit(self, operation: str, heir: str, *, about: str) -> MessageRef | None:
        """Let another operation go on in a root message; None when there is none, or it was taken already."""

    def save_message(self, operation: str, message: MessageRef, *, about: str) -> None:
        """Remember (or replace) the root message of an operation, and the app (key) it is about; "" for many."""

    def subject(self, message: MessageRef) -> str:
        """Return the app that a root message is about now; "" for one of many apps, and for one that is not ours."""

    def released(self, apps: Collection[str], *, at: datetime) -> None:
        """Let messages about one commit of many apps say of those that are none of `apps` any more that they left."""

    def rollouts(self, *, since: datetime) -> tuple[Rollout, ...]:
        """Return the messages about one commit of many apps that somebody joined or left since then, or is to join."""

    def awaits(self, root: str, awaited: Sequence[str], *, at: datetime) -> None:
        """Let a message about one commit of many apps say who may join it still (keys); it is edited soon."""

    def first_time(self, key: str, *, at: datetime) -> bool:
        """True exactly once per key, across restarts: for redelivered commands, clicks and events."""

    def lock(self, app: str, *, timeout: timedelta) -> AbstractContextManager[bool]:
        """Keep two writers of one app apart, across threads and processes; freed when the holder dies.

        Yields False when somebody else held it for the whole `timeout`.
        """

    def verdicts(self, app: str) -> bytes:
        """Return what `save_verdicts` saved of an app key; b"" when nothing was."""

    def save_verdicts(self, app: str, value: bytes) -> None:
        """Replace what the server said to be equal, as the cluster's room packs it."""

    def began_at(self) -> datetime | None:
        """Return since when this store is written: nothing before it is known. None where it did not note that yet."""

    def key(self) -> bytes:
        """Return the random 32-byte key of this installation, for digests of secrets."""

    def check(self) -> None:
        """Write something, for `/healthz`. Raises `StateError`, also where others would not read what was written."""

    def close(self) -> None:
        """Close every connection."""
