"""One API server as the engine sees it: the parts of this room put together behind one door.

Server-side apply with forced ownership is the only write; the server's dry-run is the only predictor. What the server
says of one object is a value, what it says of everything raises a `ClusterError`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from bot.errors import ClusterError, Problem
from bot.live import causes, rights
from bot.live.asking import Questions
from bot.live.cache import LiveCache
from bot.live.discovery import info_of
from bot.live.lease import Lease
from bot.live.objects import Objects
from bot.live.parent import Parents
from bot.live.removing import Remover
from bot.live.spec import ClusterSpec
from bot.live.transport import Transport
from bot.live.verdicts import Verdicts
from bot.live.watching import KubeWatch
from bot.live.workers import Workers
from bot.live.writing import Writer
from bot.model.app import AppSpec
from bot.model.control import Control
from bot.model.outcome import Cause
from bot.model.plan import Observation, Rejected, Tracked
from bot.model.record import Inventory
from bot.model.resource import Body, KindTable, Manifest, ResourceId, ResourceRef
from bot.model.rights import Grant
from bot.ports.live import Applied, Deleted, Stamp

T = TypeVar("T")
R = TypeVar("R")


class KubeCluster:
    """A `bot.ports.live.Cluster`. Safe to use from several threads; contacts nobody before its first call.

    `follow` False takes every LIST for the truth for as long as this object lives: for a command that only looks.
    `recall` returns the verdicts an app had when they were last saved; `stir` hears that an app has something to
    look at, and `returned` that an outage of the cluster is over, in a thread that must not be kept.
    """

    def __init__(
        self,
        spec: ClusterSpec,
        *,
        instance: str,
        key: bytes,
        clock: Callable[[], datetime],
        recall: Callable[[str], bytes] = lambda _: b"",
        stir: Callable[[str, bool], None] = lambda *_: None,
        returned: Callable[[], None] = lambda: None,
        follow: bool = True,
    ) -> None:
        self.name = spec.name
        self._spec = spec
        self._follow = follow
        transport = self._transport = Transport(spec, returned=returned)
        workers = self._workers = Workers(transport.gate, name=f"api {spec.name}")
        verdicts = self._verdicts = Verdicts(key=key, load=recall)
        cache = self._cache = LiveCache(
            transport,
            verdicts,
            key=key,
            follow=follow,
            clock=clock,
            stir=stir,
            needs=self._is_parent,  # its list is read whole
            unserved=lambda: self._objects.forget_kinds(),
        )
        parents = self._parents = Parents(transport, cache, spec, instance=instance)
        objects = self._objects = Objects(transport, workers, count=cache.count)
        self._questions = Questions(objects, workers, cache, verdicts, parents, key=key, follow=follow)
        self._writer = Writer(transport, objects, self._questions, cache, verdicts, parents, key=key)
        self._remover = Remover(transport, objects, cache, verdicts, parents)
        self._lease = Lease(
            transport,
            namespace=spec.namespace,
            name=f"gitops-bot-{instance}",
            clock=clock,
            lacks_namespace=parents.lacks_namespace,
            make_namespace=parents.make_namespace,
        )

    # --- reading and asking -----------------------------------------------------------------------------------

    def kinds(self, *, refresh: bool = False) -> KindTable:
        return self._objects.kinds(refresh=refresh)

    def spread(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        return self._workers.spread(work, items)

    def read(self, refs: Collection[ResourceRef]) -> Mapping[ResourceId, Body]:
        return self._objects.read(refs)

    def observe(
        self, app: AppSpec, manifests: Sequence[Manifest], *, newer_than: datetime | None = None
    ) -> tuple[Observation, ...]:
        return self._questions.observe(app, manifests, newer_than=newer_than)

    def track(
        self, app: AppSpec, refs: Collection[ResourceRef], *, newer_than: datetime | None = None
    ) -> tuple[Tracked, ...]:
        return self._questions.track(app, refs, newer_than=newer_than)

    def explain(self, body: Body, pods: Sequence[Body]) -> Cause | None:
        return causes.explain(self._transport, body, pods)

    # --- writing ----------------------------------------------------------------------------------------------

    def hold(self, holder: str) -> None:
        self._lease.hold(holder)

    def apply(self, app: AppSpec, manifest: Manifest) -> Applied | Rejected:
        return self._writer.apply(app, manifest)

    def create(self, app: AppSpec, body: Body) -> Applied | Rejected:
        return self._writer.create(app, body)

    def delete(self, app: AppSpec, ref: ResourceRef, uid: str) -> Deleted | Rejected:
        return self._remover.delete(app, ref, uid)

    def release(self, app: AppSpec, ref: ResourceRef) -> Rejected | None:
        return self._remover.release(app, ref)

    # --- watching ---------------------------------------------------------------------------------------------

    def watch(self, refs: Collection[ResourceRef]) -> KubeWatch:
        table = self.kinds()
        if any(info_of(table, ref) is None for ref in refs):
            table = self.kinds(refresh=True)
        wanted = {ref: info for ref in refs if (info := info_of(table, ref)) is not None}
        return KubeWatch(self._cache, wanted, read=self.read)

    def attend(self, app: AppSpec, refs: Collection[ResourceRef]) -> None:
        table = self.kinds()
        attended = frozenset([*refs, ResourceRef(self._parents.id(app), "v1")])
        one_of_each = {(ref.id.group, ref.version, ref.id.kind, ref.id.namespace): ref for ref in attended}
        scopes = frozenset((info_of(table, ref), ref.id.namespace) for ref in one_of_each.values())
        self._cache.attend(app.key, attended, scopes)
        self._questions.attend(app, attended)

    def stamp(self, app: AppSpec) -> Stamp:
        return self._cache.stamp(app.key)

    def touched(self, app: AppSpec, since: Stamp) -> Set[ResourceRef]:
        return self._cache.touched(app.key, since)

    def is_followed(self, app: AppSpec) -> bool:
        return self._follow and self._cache.is_followed(app.key)

    def verdicts(self, app: AppSpec, refs: Collection[ResourceRef]) -> bytes | None:
        return self._verdicts.changed(app.key, refs)

    def proof(self, refs: Collection[ResourceRef]) -> str:
        return self._verdicts.proof(refs)

    # --- the parent of an app ---------------------------------------------------------------------------------

    def load_inventory(self, app: AppSpec) -> Inventory:
        return self._parents.load_inventory(app)

    def save_inventory(self, app: AppSpec, inventory: Inventory) -> Inventory:
        return self._parents.save_inventory(app, inventory)

    def forget(self, app: AppSpec) -> None:
        self._parents.forget(app)
        self._questions.forget(app)

    def save_control(self, app: AppSpec, control: Control) -> None:
        self._parents.save_control(app, control)

    def load_control(self, app: AppSpec) -> Control:
        return self._parents.load_control(app)

    def _is_parent(self, id: ResourceId) -> bool:
        return id.kind == "ConfigMap" and id.namespace == self._spec.namespace and id.name.startswith("gitops-bot-")

    # --- the rest ---------------------------------------------------------------------------------------------

    def check(self, grants: Sequence[Grant]) -> tuple[Problem, ...]:
        try:
            self.kinds(refresh=True)
            return rights.lacking(self._transport, grants)
        except ClusterError as error:
            return (Problem(message=str(error), subject=self.name),)

    def close(self) -> None:
        """Give back the lease, free threads and connections. Idempotent."""
        self._cache.close()
        with suppress(ClusterError):  # it runs out by itself
            self._lease.give_back()
        self._workers.close()
        self._transport.close()
