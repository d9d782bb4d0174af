"""One API server as the engine sees it: observe, apply, delete, inventories, watches.

Server-side apply with forced ownership is the only write; the server's dry-run is the only predictor. What the
server says of one object is a value, what it says of everything raises a `ClusterError`. What is known from watches
and verdicts is not asked again; it never decides what to write. The surprising part: before an apply, fields that
kubectl's managers own and Git does not have are moved to our entry, so that the apply removes them; a prediction
subtracts the same fields.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

import orjson

from bot.errors import ClusterError, ClusterRefused, ClusterUnreachable, Problem
from bot.live import causes, fields, rights
from bot.live.cache import LiveCache
from bot.live.discovery import discover, info_of, path_of
from bot.live.gate import FIRST
from bot.live.ignoring import pointers, respecting
from bot.live.lease import Lease
from bot.live.ownership import MANAGERS, owner_of
from bot.live.parent import Parents
from bot.live.projection import projection
from bot.live.spec import ClusterSpec
from bot.live.transport import Reply, Transport
from bot.live.verdicts import Verdicts
from bot.live.watching import KubeWatch
from bot.model import marks
from bot.model.app import AppSpec
from bot.model.control import Control
from bot.model.masking import mask_text
from bot.model.outcome import Cause
from bot.model.plan import Accepted, Answer, NotAskable, Observation, Owner, OwnerKind, Rejected, Tracked
from bot.model.record import Inventory
from bot.model.resource import Body, KindInfo, KindTable, Manifest, ResourceId, ResourceRef, id_of
from bot.model.rights import Grant
from bot.ports import Applied, Deleted, Stamp

_LIST_FROM: Final = 4  # this many objects of one kind and namespace are read by one LIST
_ADOPT_TRIES: Final = 5
_SERVED_WITHIN_SECONDS: Final = 10.0  # discovery is rebuilt within two or three seconds
_LOOK_AGAIN_SECONDS: Final = 0.2
_IMMUTABLE: Final = (
    "field is immutable",
    "is immutable",
    "may not be changed",
    "updates to statefulset spec for fields other than",
    "pod updates may not change fields other than",
    "cannot be changed",
)
_VOLATILE: Final = frozenset({"managedFields", "resourceVersion", "generation"})

T = TypeVar("T")
R = TypeVar("R")
_END: Final = object()


@dataclass(frozen=True, slots=True)
class _Observed:
    """What a dry-run was asked of: the write that follows says the same and needs no other look."""

    manifest: Manifest
    text: bytes  # the body to apply, as JSON
    desired: bytes  # the digest of what Git wants
    live: Body | None
    adopts: bool  # kubectl's managers own what Git does not have


class KubeCluster:
    """A `bot.ports.Cluster`. Safe to use from several threads; contacts nobody before its first call.

    `follow` False takes every LIST for the truth for as long as this object lives: for a command that only looks.
    `recall` returns the verdicts an app had when they were last saved; `stir` hears that an app has something to
    look at, in a thread that must not be kept.
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
        follow: bool = True,
    ) -> None:
        self.name = spec.name
        self._spec = spec
        self._key = key
        self._clock = clock
        self._follow = follow
        self._transport = Transport(spec)
        self._pool = ThreadPoolExecutor(max_workers=2 * FIRST, thread_name_prefix=f"api {spec.name}")
        self._verdicts = Verdicts(key=key, load=recall)
        self._cache = LiveCache(
            self._transport,
            self._verdicts,
            key=key,
            follow=follow,
            clock=clock,
            stir=stir,
            needs=self._is_parent,  # its list is read whole
        )
        self._parents = Parents(self._transport, self._cache, spec, instance=instance)
        self._lease = Lease(self._transport, namespace=spec.namespace, name=f"gitops-bot-{instance}", clock=clock)
        self._lock = threading.Lock()
        self._table: KindTable | None = None  # guarded by _lock
        self._observed: dict[ResourceRef, _Observed] = {}  # guarded by _lock

    # --- reading ----------------------------------------------------------------------------------------------

    def kinds(self, *, refresh: bool = False) -> KindTable:
        with self._lock:
            table = None if refresh else self._table
        if table is None:
            table = discover(self._transport)
            with self._lock:
                self._table = table
        return table

    def spread(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Do `work` on all items, some at a time, and yield the results in order.

        One caller has no more than a window of them waiting, so that a large app does not hold back a small one.
        """
        if len(items) < 2:
            yield from map(work, items)
            return
        waiting: list[Future[R]] = []
        todo = iter(items)
        try:
            while True:
                while len(waiting) < FIRST and (item := next(todo, _END)) is not _END:
                    waiting.append(self._pool.submit(work, item))  # type: ignore[arg-type]
                if not waiting:
                    return
                yield waiting.pop(0).result()
        finally:
            for one in waiting:
                one.cancel()

    def read(self, refs: Collection[ResourceRef]) -> Mapping[ResourceId, Body]:
        """Ask the server: one LIST per kind and namespace where that is cheaper; absent objects are left out."""
        groups: dict[tuple[KindInfo, str], list[ResourceRef]] = {}
        for ref in refs:
            if (info := info_of(self.kinds(), ref)) is not None:
                groups.setdefault((info, ref.id.namespace), []).append(ref)
        found: dict[ResourceId, Body] = {}
        for some in self.spread(lambda one: self._read_group(*one[0], one[1]), list(groups.items())):
            found.update(some)
        return found

    def _read_group(self, info: KindInfo, namespace: str, refs: Sequence[ResourceRef]) -> dict[ResourceId, Body]:
        if len(refs) >= _LIST_FROM and "list" in info.verbs:
            wanted = {ref.id for ref in refs}
            listed = {id_of(body): body for body in self._list(path_of(info, namespace), info.kind)}
            return {id: body for id, body in listed.items() if id in wanted}
        found: dict[ResourceId, Body] = {}
        for ref in refs:
            reply = self._transport.request("GET", path_of(info, namespace, ref.id.name))
            if reply.ok:
                found[ref.id] = reply.body
            elif reply.status != 404:
                raise self._refused(reply, f"{ref.id} cannot be read")
        return found

    def _list(self, path: str, kind: str) -> list[Body]:
        bodies: list[Body] = []
        query: dict[str, str] = {"limit": "1000"}
        while True:
            reply = self._transport.request("GET", path, query=query)
            if reply.status == 404:
                return bodies
            if not reply.ok:
                raise self._refused(reply, f"{kind} objects cannot be listed")
            version = reply.body.get("apiVersion")
            bodies += [{"apiVersion": version, "kind": kind, **item} for item in reply.body.get("items") or ()]
            token = (reply.body.get("metadata") or {}).get("continue")
            if not token:
                return bodies
            query = {**query, "continue": token}

    # --- planning ---------------------------------------------------------------------------------------------

    def observe(
        self, app: AppSpec, manifests: Sequence[Manifest], *, newer_than: datetime | None = None
    ) -> tuple[Observation, ...]:
        table = self.kinds()
        infos = {one.ref: table.find(one.id.group, one.version, one.id.kind) for one in manifests}
        covered = self._cover({ref: info for ref, info in infos.items() if info is not None}, newer_than)
        wanted = [self._wanted(app, one) for one in manifests]
        found: dict[ResourceId, Body] = {}
        equal: set[ResourceId] = set()
        unknown: list[ResourceRef] = []
        for one in wanted:
            ref, info = one.manifest.ref, infos[one.manifest.ref]
            if info is None:
                continue
            if info not in covered:
                unknown.append(ref)
                continue
            seen = self._cache.seen(info, ref.id)
            if seen is None:
                continue
            if self._verdicts.holds(app.key, ref, one.desired, seen.projection):
                found[ref.id] = _short(ref, seen.uid)
                equal.add(ref.id)
                self._cache.release(info, ref.id)
            elif seen.full is not None:
                found[ref.id] = seen.full
            else:
                unknown.append(ref)
        if unknown:
            found.update(self.read(unknown))
        coming = {one.id.name for one in manifests if (one.id.group, one.id.kind) == ("", "Namespace")}
        coming -= {id.name for id in found if (id.group, id.kind) == ("", "Namespace")}

        def look(one: _Observed) -> Observation:
            live = found.get(one.manifest.id)
            if live is not None and one.manifest.id in equal:
                return Observation(manifest=one.manifest, live=live, answer=Accepted(predicted=live))
            return self._observe(app, one, infos[one.manifest.ref], live, coming)

        asked = [one for one in wanted if one.manifest.id not in equal]
        answers = iter(self.spread(look, asked))
        return tuple(look(one) if one.manifest.id in equal else next(answers) for one in wanted)

    def _cover(self, infos: Mapping[ResourceRef, KindInfo], newer_than: datetime | None) -> set[KindInfo]:
        """Return the kinds whose objects the cache knows well enough."""
        places: dict[KindInfo, list[tuple[str, str]]] = {}
        for ref, info in infos.items():
            places.setdefault(info, []).append((ref.id.namespace, ref.id.name))
        known = set()
        for info, some in places.items():
            if self._cache.cover(info, some) and (
                newer_than is None or not self._follow or self._cache.is_newer(info, some, newer_than)
            ):
                known.add(info)
        return known

    def _wanted(self, app: AppSpec, manifest: Manifest) -> _Observed:
        text = orjson.dumps(manifest.body, option=orjson.OPT_SORT_KEYS)
        rules = [pointers(app, manifest), sorted(app.adopt), app.moved_from]
        return _Observed(manifest, text, self._verdicts.digest(text, rules), None, adopts=False)

    def _observe(
        self, app: AppSpec, one: _Observed, info: KindInfo | None, live: Body | None, coming: Collection[str]
    ) -> Observation:
        manifest = one.manifest
        owner = self._owner(app, live) if live is not None else None
        left = _left(manifest, live)
        former: Owner | None = None
        if owner is not None and owner.kind in _adoptable(app):
            owner, former = None, owner
        if left or owner is not None:
            answer: Answer = NotAskable(waits_for="its owner")
        else:
            answer = self._ask(app, one, info, live, coming)
        return Observation(manifest=manifest, live=live, answer=answer, owner=owner, left=left, former=former)

    def _owner(self, app: AppSpec, live: Body) -> Owner | None:
        former = self._parents.labels(replace(app, name=app.moved_from)) if app.moved_from else None
        return owner_of(live, labels=self._parents.labels(app), former=former)

    def _adopts(self, app: AppSpec, manifest: Manifest, live: Body) -> frozenset[str]:
        """Return the field managers whose fields become ours, and go away where Git does not have them."""
        if manifest.annotations.get(marks.APPLY) == "merge":
            return frozenset()
        owner = self._owner(app, live)
        theirs = MANAGERS[owner.kind] if owner is not None and owner.kind in _adoptable(app) else frozenset()
        return fields.KUBECTL | theirs

    def _ask(
        self, app: AppSpec, one: _Observed, info: KindInfo | None, live: Body | None, coming: Collection[str]
    ) -> Answer:
        manifest = one.manifest
        if info is None:
            return NotAskable(waits_for=f"the CustomResourceDefinition of {manifest.id.kind}")
        if manifest.id.namespace in coming:
            return NotAskable(waits_for=f"Namespace {manifest.id.namespace}")
        if manifest.annotations.get(marks.APPLY) == "if-not-present" and live is not None:
            return Accepted(predicted=live)
        if live is not None:
            kept = projection(live, self._key)
            if self._verdicts.holds(app.key, manifest.ref, one.desired, kept):
                return Accepted(predicted=live)
        wanted = respecting(app, manifest, live)
        text = one.text if wanted is manifest.body else orjson.dumps(wanted)
        reply = self._patch(info, manifest, text, user=app.user, dry_run=True)
        if not reply.ok:
            return _rejected(reply, manifest, live)
        predicted = reply.body
        if live is not None:
            predicted = fields.without_adopted(predicted, live, wanted, self._adopts(app, manifest, live))
        if live is not None and _same(live, predicted):
            self._verdicts.give(app.key, manifest.ref, one.desired, kept)
            self._cache.release(info, manifest.id)
        else:
            with self._lock:
                self._observed[manifest.ref] = _Observed(
                    manifest, text, one.desired, live, adopts=predicted is not reply.body and predicted != reply.body
                )
        return Accepted(predicted=predicted)

    def track(
        self, app: AppSpec, refs: Collection[ResourceRef], *, newer_than: datetime | None = None
    ) -> tuple[Tracked, ...]:
        table = self.kinds()
        infos = {ref: info for ref in refs if (info := info_of(table, ref)) is not None}
        covered = self._cover(infos, newer_than)
        there = [ref for ref, info in infos.items() if info not in covered or self._cache.seen(info, ref.id)]
        live = self.read(there)
        return tuple(
            Tracked(ref=ref, live=body, owner=self._owner(app, body) if body is not None else None)
            for ref in sorted(refs)
            for body in (live.get(ref.id),)
        )

    # --- writing ----------------------------------------------------------------------------------------------

    def apply(self, app: AppSpec, manifest: Manifest) -> Applied | Rejected:
        info = self._served(manifest)
        if info is None:
            return Rejected(status=404, reason="NotFound", message=f"the server does not serve {manifest.id.kind} yet")
        self._cache.writing(manifest.id)
        body: Body | None = None
        kept: bytes | None = None
        try:
            ready = self._ready(app, info, manifest)
            if isinstance(ready, Rejected):
                return ready
            reply = self._patch(info, manifest, ready.text, user=app.user, dry_run=False)
            if not reply.ok:
                return _rejected(reply, manifest, ready.live)
            body = reply.body
            kept = projection(body, self._key)
            self._verdicts.give(app.key, manifest.ref, ready.desired, kept)
            return Applied(body=body, created=reply.status == 201)
        finally:
            self._cache.written(info, manifest.id, body, kept)

    def _ready(self, app: AppSpec, info: KindInfo, manifest: Manifest) -> _Observed | Rejected:
        """Return what to send. The object is read again only if it was not observed, or is another since."""
        with self._lock:
            observed = self._observed.pop(manifest.ref, None)
        if observed is None or observed.manifest is not manifest or self._is_other(info, observed):
            live = self._get(info, manifest)
            if isinstance(live, Rejected):
                return live
            owner = self._owner(app, live) if live is not None else None
            if owner is not None and owner.kind not in _adoptable(app):
                return Rejected(status=409, reason="Conflict", message=f"it belongs to {owner}")
            asked = self._wanted(app, manifest)
            adopts = live is not None and fields.needs_adoption(live, self._adopts(app, manifest, live))
            observed = _Observed(manifest, b"", asked.desired, live, adopts=adopts)
        live = observed.live
        if observed.adopts and live is not None:
            live = self._adopt(app, info, manifest, live)
            if live is None or isinstance(live, Rejected):
                return live or Rejected(status=409, reason="Conflict", message="someone deleted the object meanwhile")
        if live is not observed.live or not observed.text:
            text = orjson.dumps(respecting(app, manifest, live))
            observed = _Observed(manifest, text, observed.desired, live, adopts=False)
        return observed

    def _is_other(self, info: KindInfo, observed: _Observed) -> bool:
        """Tell whether the watch has shown another object than the one that was observed; its status may differ."""
        seen = self._cache.seen(info, observed.manifest.id)
        if seen is None or observed.live is None:
            return (seen is None) is not (observed.live is None) and self._cache.knows(info, observed.manifest.id)
        return seen.projection != projection(observed.live, self._key)

    def _get(self, info: KindInfo, manifest: Manifest) -> Body | Rejected | None:
        reply = self._transport.request("GET", path_of(info, manifest.id.namespace, manifest.id.name))
        if reply.status == 404:
            return None
        return reply.body if reply.ok else _rejected(reply, manifest, None)

    def _served(self, manifest: Manifest) -> KindInfo | None:
        """Return the kind, waiting for it: discovery shows a CRD a moment after it is established."""
        wanted = (manifest.id.group, manifest.version, manifest.id.kind)
        deadline = time.monotonic() + _SERVED_WITHIN_SECONDS
        found = self.kinds().find(*wanted)
        while found is None and time.monotonic() < deadline:
            found = self.kinds(refresh=True).find(*wanted)
            if found is None:
                time.sleep(_LOOK_AGAIN_SECONDS)
        return found

    def _adopt(self, app: AppSpec, info: KindInfo, manifest: Manifest, live: Body) -> Body | Rejected | None:
        """Move kubectl's fields of the live object to us; return the object, None when it is gone."""
        path = path_of(info, manifest.id.namespace, manifest.id.name)
        now: Body | Rejected | None = live
        for _ in range(_ADOPT_TRIES):
            if now is None or isinstance(now, Rejected):
                return now
            managers = self._adopts(app, manifest, now)
            if not fields.needs_adoption(now, managers):
                return now
            patch = [
                {"op": "test", "path": "/metadata/resourceVersion", "value": _version(now)},
                {"op": "replace", "path": "/metadata/managedFields", "value": fields.adopted(now, managers)},
            ]
            moved = self._transport.request(
                "PATCH",
                path,
                query={"fieldManager": marks.FIELD_MANAGER},
                body=patch,
                content_type="application/json-patch+json",
                user=app.user,
            )
            if moved.ok:
                return moved.body
            if moved.status not in {404, 409, 422}:
                return _rejected(moved, manifest, now)
            now = self._get(info, manifest)
        return Rejected(status=409, reason="Conflict", message="someone keeps changing the object; tried again later")

    def _patch(self, info: KindInfo, manifest: Manifest, text: bytes, *, user: str, dry_run: bool) -> Reply:
        # Unknown fields are refused by the apply itself: Strict would parse the body once more, a tenth of the server's
        # work, to look for keys given twice, which our JSON cannot have.
        query = {"fieldManager": marks.FIELD_MANAGER, "force": "true", "fieldValidation": "Ignore"}
        if dry_run:
            query["dryRun"] = "All"
        return self._transport.request(
            "PATCH",
            path_of(info, manifest.id.namespace, manifest.id.name),
            query=query,
            text=text,
            content_type="application/apply-patch+yaml",
            user=user,
        )

    def delete(self, app: AppSpec, ref: ResourceRef, uid: str) -> Deleted | Rejected:
        info = info_of(self.kinds(), ref)
        if info is None:
            return Deleted(gone=True)  # its kind is gone, and all objects with it
        path = path_of(info, ref.id.namespace, ref.id.name)
        reply = self._transport.request("GET", path)
        if reply.status == 404:
            return Deleted(gone=True)
        if not reply.ok:
            return Rejected(status=reply.status, reason=reply.reason, message=reply.message)
        owner = self._owner(app, reply.body)
        if owner is not None:
            return Deleted(gone=False, kept=f"it belongs to {owner} now")
        if uid and reply.body["metadata"].get("uid") != uid:
            return Deleted(gone=False, kept="another object has its name now")
        self._cache.dropped(ref.id)
        self._verdicts.take_back(app.key, ref)
        options = {"preconditions": {"uid": reply.body["metadata"].get("uid")}, "propagationPolicy": "Background"}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        answer = self._transport.request("DELETE", path, body=body, user=app.user)
        if answer.status == 404:
            return Deleted(gone=True)
        if answer.status == 409 and self._is_another(path, reply.body):
            return Deleted(gone=False, kept="another object has its name now")
        if not answer.ok:
            return Rejected(status=answer.status, reason=answer.reason, message=answer.message)
        metadata = answer.body.get("metadata") or {}
        if not metadata.get("deletionTimestamp"):
            return Deleted(gone=True)
        held = (*(metadata.get("finalizers") or ()), *((answer.body.get("spec") or {}).get("finalizers") or ()))
        return Deleted(gone=False, finalizers=tuple(str(one) for one in held))

    def _is_another(self, path: str, before: Body) -> bool:
        """Tell whether a conflict is about the uid: every other one says that somebody was faster, and try again."""
        reply = self._transport.request("GET", path)
        return reply.ok and reply.body["metadata"].get("uid") != before["metadata"].get("uid")

    def create(self, app: AppSpec, body: Body) -> Applied | Rejected:
        id = id_of(body)
        info = self.kinds().find(id.group, str(body["apiVersion"]).rpartition("/")[2], id.kind)
        if info is None:
            return Rejected(status=404, reason="NotFound", message=f"the server does not serve {id.kind} any more")
        query = {"fieldManager": f"{marks.FIELD_MANAGER}-restore"}
        reply = self._transport.request("POST", path_of(info, id.namespace), query=query, body=body, user=app.user)
        if reply.ok:
            return Applied(body=reply.body, created=True)
        return Rejected(status=reply.status, reason=reply.reason, message=reply.message)

    def release(self, app: AppSpec, ref: ResourceRef) -> Rejected | None:
        info = info_of(self.kinds(), ref)
        if info is None:
            return None
        path = path_of(info, ref.id.namespace, ref.id.name)
        reply = self._transport.request("GET", path)
        if reply.status == 404 or (reply.ok and self._owner(app, reply.body) is not None):
            return None
        self._verdicts.take_back(app.key, ref)
        patch = {"metadata": {"labels": dict.fromkeys(self._parents.labels(app))}}
        if reply.ok:
            reply = self._transport.request(
                "PATCH", path, body=patch, content_type="application/merge-patch+json", user=app.user
            )
        return (
            None
            if reply.ok or reply.status == 404
            else Rejected(status=reply.status, reason=reply.reason, message=reply.message)
        )

    # --- watching ---------------------------------------------------------------------------------------------

    def watch(self, refs: Collection[ResourceRef]) -> KubeWatch:
        table = self.kinds()
        if any(info_of(table, ref) is None for ref in refs):
            table = self.kinds(refresh=True)
        wanted = {ref: info for ref in refs if (info := info_of(table, ref)) is not None}
        return KubeWatch(self._cache, wanted, read=self.read)

    def attend(self, app: AppSpec, refs: Collection[ResourceRef]) -> None:
        table = self.kinds()
        infos = {ref: info_of(table, ref) for ref in [*refs, ResourceRef(self._parents.id(app), "v1")]}
        self._cache.attend(app.key, infos)

    def stamp(self, app: AppSpec) -> Stamp:
        return self._cache.stamp(app.key)

    def is_followed(self, app: AppSpec) -> bool:
        return self._follow and self._cache.is_followed(app.key)

    def verdicts(self, app: AppSpec, refs: Collection[ResourceRef]) -> bytes | None:
        return self._verdicts.changed(app.key, refs)

    def proof(self, refs: Collection[ResourceRef]) -> str:
        return self._verdicts.proof(refs)

    def explain(self, body: Body, pods: Sequence[Body]) -> Cause | None:
        return causes.explain(self._transport, body, pods)

    # --- inventory --------------------------------------------------------------------------------------------

    def load_inventory(self, app: AppSpec) -> Inventory:
        return self._parents.load_inventory(app)

    def save_inventory(self, app: AppSpec, inventory: Inventory) -> Inventory:
        return self._parents.save_inventory(app, inventory)

    def hold(self, holder: str) -> None:
        self._lease.hold(holder)

    def forget(self, app: AppSpec) -> None:
        self._parents.forget(app)

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
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._transport.close()

    def _refused(self, reply: Reply, what: str) -> ClusterError:
        text = f"cluster {self.name}: {what}: {reply.message}"
        if reply.status >= 500:
            return ClusterUnreachable(text, cluster=self.name)
        return ClusterRefused(text, cluster=self.name)


def _adoptable(app: AppSpec) -> frozenset[OwnerKind]:
    return frozenset(kind for kind in MANAGERS if kind.name.lower() in app.adopt)


def _left(manifest: Manifest, live: Body | None) -> str:
    """Return why an object is left alone; "" when it is not."""
    if manifest.annotations.get(marks.RECONCILE) == "disabled":
        return f"Git says {marks.RECONCILE}: disabled"
    notes = ((live or {}).get("metadata") or {}).get("annotations") or {}
    if notes.get(marks.RECONCILE) == "disabled":
        return f"its annotation on the cluster says {marks.RECONCILE}: disabled"
    return ""


def _rejected(reply: Reply, manifest: Manifest, live: Body | None) -> Rejected:
    secrets = [manifest.body] if live is None else [manifest.body, live]
    message = mask_text(reply.message, secrets)
    immutable = reply.status in {403, 422} and any(word in message.lower() for word in _IMMUTABLE)
    return Rejected(status=reply.status, reason=reply.reason, message=message, immutable=immutable)


def _same(live: Body, predicted: Body) -> bool:
    return _stable(live) == _stable(predicted)


def _stable(body: Body) -> dict[str, Any]:
    metadata = {key: value for key, value in body["metadata"].items() if key not in _VOLATILE}
    return {**{key: value for key, value in body.items() if key != "status"}, "metadata": metadata}


def _version(body: Body) -> str:
    return str((body.get("metadata") or {}).get("resourceVersion") or "")


def _short(ref: ResourceRef, uid: str) -> Body:
    """Return what a plan needs of an object that does not change."""
    metadata = {"name": ref.id.name, "namespace": ref.id.namespace, "uid": uid}
    return {"apiVersion": ref.api_version, "kind": ref.id.kind, "metadata": metadata}
