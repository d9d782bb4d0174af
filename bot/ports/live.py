"""One API server: what it serves, what an app owns there, and what becomes of both."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from bot.errors import Problem
from bot.model.app import AppSpec
from bot.model.control import Control
from bot.model.outcome import Cause
from bot.model.plan import Observation, Rejected, Tracked
from bot.model.record import Inventory
from bot.model.resource import Body, KindTable, Manifest, ResourceId, ResourceRef
from bot.model.rights import Grant

T = TypeVar("T")
R = TypeVar("R")


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

    def is_after(self, other: Stamp) -> bool:
        """Tell whether something was raised between the two."""
        return self.drift > other.drift or self.health > other.health

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

    def touched(self, app: AppSpec, since: Stamp) -> Set[ResourceRef]:
        """Return the objects that have raised the app's stamp since it was this one, and perhaps some from before."""

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
