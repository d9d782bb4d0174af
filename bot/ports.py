"""What the engine needs from the world, as protocols: the rooms behind the doors implement them.

Implementations translate every vendor exception into the tree of `bot.errors`. All of them are safe to call from
several threads at once. Every network call has a timeout.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeVar

from bot.errors import Problem
from bot.model.announcement import Announcement
from bot.model.app import AppSpec
from bot.model.control import Control, Trigger
from bot.model.incident import Incident
from bot.model.outcome import Cause
from bot.model.plan import Observation, Rejected, Tracked
from bot.model.record import (
    AppMemory,
    Approval,
    AuditEntry,
    AuditHead,
    AuditLink,
    Consignment,
    Dispatch,
    HistoryEntry,
    Inventory,
    Mute,
    Pruned,
    SinkName,
)
from bot.model.resource import Body, KindTable, Manifest, ResourceId, ResourceRef
from bot.model.rights import Grant
from bot.model.source import GitRef, Revision, SourceFile, SourceTree

INCIDENTS: Final = "incidents"  # the name of a lock
T = TypeVar("T")
R = TypeVar("R")


class Repository(Protocol):
    """One Git repository. All methods raise `SourceError`."""

    name: str

    def head(self, ref: GitRef, *, newer_than: datetime) -> str:
        """Return the commit `ref` points to on the remote: a branch's tip, a tag, the highest tag of a range.

        Asks by ls-remote, fetches only when the commit is not here yet. An answer obtained after `newer_than` is
        shared, so that many apps of one repository cost one question. Raises `RefNotFound`, `RepositoryEmpty`,
        `SignatureRefused`.
        """

    def revision(self, commit: str) -> Revision:
        """Return author, subject and time of a full commit hash that is here."""

    def resolve(self, text: str, *, ref: GitRef, deployed: Collection[str]) -> Revision:
        """Return the commit a person means by 7 to 40 hex digits.

        Raises `RevisionRefused` with one message per reason: too short, not hex (a branch name), unknown, ambiguous,
        neither an ancestor of `ref` nor in `deployed`.
        """

    def tree(self, commit: str, path: str) -> SourceTree:
        """Return the files below `path` at `commit`. Raises `PathNotFound`."""

    def file(self, commit: str, path: str) -> SourceFile:
        """Return one file at `commit`. Raises `PathNotFound`."""

    def hashes(self, commit: str, paths: Sequence[str]) -> tuple[str, ...]:
        """Return Git's hash of the folder or file at each path, "" where nothing is.

        Costs one short process and reads no content: equal hashes, equal files.
        """

    def folders(self, commit: str) -> tuple[str, ...]:
        """Return every folder at `commit`, below its root. Reads no content."""

    def log(self, commit: str, *, limit: int, paths: Sequence[str] = (), without: str = "") -> tuple[Revision, ...]:
        """Return `commit` and its first-parent ancestors, newest first; with `paths` those that changed one of them.

        A merge counts for what it brought in. `without` leaves out a commit and all that it has.
        """

    def count_between(self, old: str, new: str, *, paths: Sequence[str] = ("",)) -> int | None:
        """Return how many commits below some paths `new` is ahead of `old`; None when `old` is no ancestor of it."""

    def descends(self, new: str, old: str) -> bool:
        """Tell whether `old` is `new` or an ancestor of it."""

    def last_touching(self, paths: Sequence[str], *, after: str, upto: str) -> Revision | None:
        """Return the newest commit of a range that touched one of the paths.

        None when there is none, or `after` is no ancestor.
        """

    def messages(self, old: str, new: str, *, paths: Sequence[str]) -> tuple[str, ...]:
        """Return the messages of the commits that `new` has and `old` has not and that touched one of the paths."""

    def propose(self, commit: str, files: Mapping[str, bytes], *, branch: str, message: str) -> str:
        """Commit files on top of `commit` on a new branch and push it; returns its tip.

        A branch that is there already is left as it is. Raises `PushRefused`.
        """

    def put_back(self, commit: str, path: str, *, of: str, message: str) -> str:
        """Commit the folder at `path` as it was at `of` on top of `commit`; nobody but this copy has it then.

        Raises `PushRefused`.
        """

    def advance(self, branch: str, commit: str, *, expects: str) -> None:
        """Push a commit of ours to a branch whose tip is `expects`, which it is built on, "" for a new branch.

        Raises `PushRefused`.
        """

    def beside(self, url: str) -> Repository:
        """Return the repository at another address; our credentials go there only if it is at our own host."""

    def check(self) -> tuple[Problem, ...]:
        """Try the connection and the branch as `gitops-bot check` does; return what is wrong, each with its fix."""

    def close(self) -> None:
        """Leave no process and no descriptor behind."""


class Proposals(Protocol):
    """Where a branch that is pushed becomes a question to people."""

    def open(self, *, branch: str, into: str, title: str, body: str) -> str:
        """Return the address of the open pull request of a branch; opens one where none is. Raises `DeliveryFailed`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The server took a write; `body` is what it stored."""

    body: Body
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """A delete was accepted: `gone` at once, or held by `finalizers`. `kept` says why nothing was deleted."""

    gone: bool
    finalizers: tuple[str, ...] = ()
    kept: str = ""


class Watch(AbstractContextManager["Watch"], Protocol):
    """The live state of some objects and of the Pods below them, kept current by watch events."""

    def current(self, ref: ResourceRef) -> Body | None:
        """Return the object as last seen; None when it does not exist."""

    def pods(self, ref: ResourceRef) -> tuple[Body, ...]:
        """Return the Pods that the object owns, directly or through a ReplicaSet or Job."""

    def wait(self, timeout: timedelta) -> frozenset[ResourceId]:
        """Block until something changed since the last call, or `timeout`; return the objects that did.

        A change of a Pod is a change of the workload it belongs to.
        """

    def interrupt(self) -> None:
        """Make a `wait` in another thread return at once."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """How often the objects an app attends to have become other: in what Git says of them, and in their health."""

    drift: int = 0
    health: int = 0

    def raised(self, *, drift: bool) -> Stamp:
        return Stamp(self.drift + 1, self.health) if drift else Stamp(self.drift, self.health + 1)


class Cluster(Protocol):
    """One API server. Pass-level trouble raises `ClusterError`; trouble with one object is a value."""

    name: str

    def kinds(self, *, refresh: bool = False) -> KindTable:
        """Return what the server serves, from memory unless `refresh`."""

    def observe(
        self, app: AppSpec, manifests: Sequence[Manifest], *, newer_than: datetime | None = None
    ) -> tuple[Observation, ...]:
        """Return each object and what the server's dry-run says of applying it, in the order given.

        `manifests` are placed and marked. Objects known to be equal since the server last said so cost no dry-run,
        and come with a body that says little more than their uid. What watches tell is good enough, unless a person
        asks: what they did a moment before must be seen, so that `newer_than` asks the server itself.
        Predicted bodies have the fields removed that only kubectl's managers own and Git does not have.
        """

    def track(
        self, app: AppSpec, refs: Collection[ResourceRef], *, newer_than: datetime | None = None
    ) -> tuple[Tracked, ...]:
        """Read objects of the inventory that Git no longer has, with their owners."""

    def spread(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Do `work` on all items, as many at a time as suits the server, and yield the results in order."""

    def apply(self, app: AppSpec, manifest: Manifest) -> Applied | Rejected:
        """Server-side apply one object, adopting kubectl's fields first. Idempotent."""

    def delete(self, app: AppSpec, ref: ResourceRef, uid: str) -> Deleted | Rejected:
        """Delete one object if it still has this uid and still is ours; an absent object counts as gone. Idempotent."""

    def create(self, app: AppSpec, body: Body) -> Applied | Rejected:
        """Create one object that nobody owns; one that exists is rejected."""

    def release(self, app: AppSpec, ref: ResourceRef) -> Rejected | None:
        """Take the app's marks off one object that is still its own; the object stays. Idempotent."""

    def hold(self, holder: str) -> None:
        """Take or renew the right to write for our instance; `holder` is the installation.

        Costs a request every ten seconds. Raises `ClusterRefused` while another installation has it.
        """

    def forget(self, app: AppSpec) -> None:
        """Delete the app's parent object, and with it its inventory and its mirrored control. Idempotent."""

    def read(self, refs: Collection[ResourceRef]) -> Mapping[ResourceId, Body]:
        """Ask the server, by one LIST per kind and namespace where that is cheaper; absent objects are left out."""

    def watch(self, refs: Collection[ResourceRef]) -> Watch:
        """Start to watch objects, and the Pods of the workloads among them."""

    def attend(self, app: AppSpec, refs: Collection[ResourceRef]) -> None:
        """Raise the app's stamp from now on when one of these objects, and none other, changes."""

    def stamp(self, app: AppSpec) -> Stamp:
        """Return the app's stamp. The same one twice: nothing the app attends to has changed in between."""

    def is_followed(self, app: AppSpec) -> bool:
        """Tell whether watches follow all the app attends to now; otherwise its stamp says nothing."""

    def verdicts(self, app: AppSpec, refs: Collection[ResourceRef]) -> bytes | None:
        """Return what to save so that a later process need not ask again; None when that is saved already."""

    def proof(self, refs: Collection[ResourceRef]) -> str:
        """Return a keyed digest of the live fields we own of objects known to be equal; "" when one is not."""

    def explain(self, body: Body, pods: Sequence[Body]) -> Cause | None:
        """Find what a person would look for: the worst Pod's reason, its newest warning event, last log lines."""

    def load_inventory(self, app: AppSpec) -> Inventory:
        """Read what the app owns from its parent object; an empty one when there is none."""

    def save_inventory(self, app: AppSpec, inventory: Inventory) -> Inventory:
        """Write what the app owns, creating namespace and parent if missing; returns it with its new version.

        Raises `ClusterUnreachable` when someone else wrote since `inventory.version`.
        """

    def save_control(self, app: AppSpec, control: Control) -> None:
        """Mirror pause and pin on the parent object, so that a lost database loses no decision."""

    def load_control(self, app: AppSpec) -> Control:
        """Read the mirrored control; a running one when there is none."""

    def check(self, grants: Sequence[Grant]) -> tuple[Problem, ...]:
        """Try the connection, and whether we have these rights; return what is wrong, each with its fix."""

    def close(self) -> None:
        """Give back the right to write, free threads and connections. Idempotent."""


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
        """Return the lanes whose first waiting row may be tried at `now`."""

    def claim(self, sink: SinkName, lane: str, *, now: datetime) -> Consignment | None:
        """Take the first waiting row of a lane; None when it is not due. A claim counts as an attempt."""

    def delivered(self, id: int, *, dispatches: Sequence[Dispatch] = ()) -> None:
        """The row has arrived; what is said of that is saved with it."""

    def postpone(self, id: int, *, until: datetime, why: str, dispatches: Sequence[Dispatch] = ()) -> None:
        """The row did not arrive; its lane rests until then."""

    def undeliverable(self, id: int, *, why: str, dispatches: Sequence[Dispatch] = ()) -> None:
        """The row will never arrive; it leaves the lane and stays readable."""

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
        """Write and read something, for `/healthz`."""

    def close(self) -> None:
        """Close every connection."""


class Sink(Protocol):
    """A way out of the outbox, called from one thread per lane."""

    name: SinkName

    def deliver(self, consignment: Consignment) -> float:
        """Deliver one parcel and return the seconds its lane rests afterwards.

        Raises `DeliveryFailed`, with `retry_after_seconds` None when trying again is useless. Must tolerate that an
        earlier attempt arrived although it seemed to fail.
        """
