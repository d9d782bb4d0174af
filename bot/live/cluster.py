"""One API server as the engine sees it: observe, apply, delete, inventories, watches.

Server-side apply with forced ownership is the only write; the server's dry-run is the only predictor. What the
server says of one object is a value, what it says of everything raises a `ClusterError`. The surprising part: before
an apply, fields that kubectl's managers own are moved to our entry, so that what Git does not have goes away; a
prediction subtracts the same fields.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson

from bot.errors import ClusterError, ClusterRefused, ClusterUnreachable, Problem
from bot.live import causes, fields, inventory, rights
from bot.live.discovery import discover, info_of, path_of
from bot.live.ownership import MANAGERS, owner_of
from bot.live.spec import ClusterSpec
from bot.live.transport import Reply, Transport
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
from bot.ports import Applied, Deleted

IN_FLIGHT: Final = 16  # more gains nothing at the API server, one at a time doubles its cost
_LIST_FROM: Final = 4  # this many objects of one kind and namespace are read by one LIST
_ADOPT_TRIES: Final = 5
_SERVED_WITHIN_SECONDS: Final = 10.0  # discovery is rebuilt within two or three seconds
_LOOK_AGAIN_SECONDS: Final = 0.2
_VERDICTS: Final = 100_000
_IMMUTABLE: Final = (
    "field is immutable",
    "is immutable",
    "may not be changed",
    "updates to statefulset spec for fields other than",
    "pod updates may not change fields other than",
    "cannot be changed",
)
_VOLATILE: Final = frozenset({"managedFields", "resourceVersion", "generation"})


class KubeCluster:
    """A `bot.ports.Cluster`. Safe to use from several threads; contacts nobody before its first call."""

    def __init__(self, spec: ClusterSpec, *, instance: str, clock: Callable[[], datetime]) -> None:
        self.name = spec.name
        self._spec = spec
        self._instance = instance
        self._clock = clock
        self._transport = Transport(spec)
        self._pool = ThreadPoolExecutor(max_workers=IN_FLIGHT, thread_name_prefix=f"api {spec.name}")
        self._lock = threading.Lock()
        self._table: KindTable | None = None  # guarded by _lock
        self._verdicts: dict[ResourceRef, tuple[bytes, str]] = {}  # guarded by _lock

    # --- reading ----------------------------------------------------------------------------------------------

    def kinds(self, *, refresh: bool = False) -> KindTable:
        with self._lock:
            table = None if refresh else self._table
        if table is None:
            table = discover(self._transport)
            with self._lock:
                self._table = table
        return table

    def read(self, refs: Collection[ResourceRef]) -> Mapping[ResourceId, Body]:
        groups: dict[tuple[KindInfo, str], list[ResourceRef]] = {}
        for ref in refs:
            if (info := info_of(self.kinds(), ref)) is not None:
                groups.setdefault((info, ref.id.namespace), []).append(ref)
        found: dict[ResourceId, Body] = {}
        reading = [
            self._pool.submit(self._read_group, info, namespace, some) for (info, namespace), some in groups.items()
        ]
        for one in reading:
            found.update(one.result())
        return found

    def pods(self, namespaces: Collection[str]) -> tuple[Body, ...]:
        """Return the Pods, ReplicaSets and Jobs of some namespaces: what owner chains are followed through."""
        paths = [
            (f"/apis/{group}/v1/namespaces/{one}/{plural}" if group else f"/api/v1/namespaces/{one}/{plural}", kind)
            for one in namespaces
            for group, plural, kind in (
                ("", "pods", "Pod"),
                ("apps", "replicasets", "ReplicaSet"),
                ("batch", "jobs", "Job"),
            )
        ]
        return tuple(body for bodies in self._pool.map(lambda one: self._list(*one), paths) for body in bodies)

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

    def observe(self, app: AppSpec, manifests: Sequence[Manifest]) -> tuple[Observation, ...]:
        live = self.read([manifest.ref for manifest in manifests])
        coming = {
            manifest.id.name for manifest in manifests if (manifest.id.group, manifest.id.kind) == ("", "Namespace")
        }
        coming -= {id.name for id in live if (id.group, id.kind) == ("", "Namespace")}
        return tuple(self._pool.map(lambda one: self._observe(app, one, live.get(one.id), coming), manifests))

    def _observe(self, app: AppSpec, manifest: Manifest, live: Body | None, coming: Collection[str]) -> Observation:
        owner = self._owner(app, live) if live is not None else None
        left = _left(manifest, live)
        former: Owner | None = None
        if owner is not None and owner.kind in _adoptable(app):
            owner, former = None, owner
        if left or owner is not None:
            answer: Answer = NotAskable(waits_for="its owner")
        else:
            answer = self._ask(app, manifest, live, coming)
        return Observation(manifest=manifest, live=live, answer=answer, owner=owner, left=left, former=former)

    def _owner(self, app: AppSpec, live: Body) -> Owner | None:
        former = self._labels(replace(app, name=app.moved_from)) if app.moved_from else None
        return owner_of(live, labels=self._labels(app), former=former)

    def _adopts(self, app: AppSpec, manifest: Manifest, live: Body) -> frozenset[str]:
        """Return the field managers whose fields become ours, and go away where Git does not have them."""
        if manifest.annotations.get(marks.APPLY) == "merge":
            return frozenset()
        owner = self._owner(app, live)
        theirs = MANAGERS[owner.kind] if owner is not None and owner.kind in _adoptable(app) else frozenset()
        return fields.KUBECTL | theirs

    def _ask(self, app: AppSpec, manifest: Manifest, live: Body | None, coming: Collection[str]) -> Answer:
        info = self.kinds().find(manifest.id.group, manifest.version, manifest.id.kind)
        if info is None:
            return NotAskable(waits_for=f"the CustomResourceDefinition of {manifest.id.kind}")
        if manifest.id.namespace in coming:
            return NotAskable(waits_for=f"Namespace {manifest.id.namespace}")
        if manifest.annotations.get(marks.APPLY) == "if-not-present" and live is not None:
            return Accepted(predicted=live)
        wanted = _respecting(app, manifest, live)
        verdict = (_digest(wanted), _version(live))
        with self._lock:
            known = self._verdicts.get(manifest.ref)
        if live is not None and known == verdict:
            return Accepted(predicted=live)
        reply = self._patch(info, manifest, wanted, user=app.user, dry_run=True)
        if not reply.ok:
            return _rejected(reply, manifest, live)
        predicted = reply.body
        if live is not None:
            predicted = fields.without_adopted(predicted, live, wanted, self._adopts(app, manifest, live))
        if live is not None and _same(live, predicted):
            with self._lock:
                if len(self._verdicts) >= _VERDICTS:
                    self._verdicts.clear()
                self._verdicts[manifest.ref] = verdict
        return Accepted(predicted=predicted)

    def track(self, app: AppSpec, refs: Collection[ResourceRef]) -> tuple[Tracked, ...]:
        live = self.read(refs)
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
        live = self._adopt(app, info, manifest)
        if isinstance(live, Rejected):
            return live
        reply = self._patch(info, manifest, _respecting(app, manifest, live), user=app.user, dry_run=False)
        return Applied(body=reply.body, created=reply.status == 201) if reply.ok else _rejected(reply, manifest, live)

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

    def _adopt(self, app: AppSpec, info: KindInfo, manifest: Manifest) -> Body | Rejected | None:
        """Move kubectl's fields of the live object to us; return the object, None when there is none."""
        path = path_of(info, manifest.id.namespace, manifest.id.name)
        for _ in range(_ADOPT_TRIES):
            reply = self._transport.request("GET", path)
            if reply.status == 404:
                return None
            if not reply.ok:
                return _rejected(reply, manifest, None)
            managers = self._adopts(app, manifest, reply.body)
            if not fields.needs_adoption(reply.body, managers):
                return reply.body
            patch = [
                {"op": "test", "path": "/metadata/resourceVersion", "value": _version(reply.body)},
                {"op": "replace", "path": "/metadata/managedFields", "value": fields.adopted(reply.body, managers)},
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
            if moved.status not in {409, 422}:
                return _rejected(moved, manifest, reply.body)
        return Rejected(status=409, reason="Conflict", message="someone keeps changing the object; tried again later")

    def _patch(self, info: KindInfo, manifest: Manifest, body: Body, *, user: str, dry_run: bool) -> Reply:
        query = {"fieldManager": marks.FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        return self._transport.request(
            "PATCH",
            path_of(info, manifest.id.namespace, manifest.id.name),
            query=query,
            body=body,
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
        options = {"preconditions": {"uid": reply.body["metadata"].get("uid")}, "propagationPolicy": "Background"}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        answer = self._transport.request("DELETE", path, body=body, user=app.user)
        if answer.status == 404:
            return Deleted(gone=True)
        if answer.status == 409:
            return Deleted(gone=False, kept="another object has its name now")
        if not answer.ok:
            return Rejected(status=answer.status, reason=answer.reason, message=answer.message)
        metadata = answer.body.get("metadata") or {}
        if not metadata.get("deletionTimestamp"):
            return Deleted(gone=True)
        held = (*(metadata.get("finalizers") or ()), *((answer.body.get("spec") or {}).get("finalizers") or ()))
        return Deleted(gone=False, finalizers=tuple(str(one) for one in held))

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
        patch = {"metadata": {"labels": dict.fromkeys(self._labels(app))}}
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
        return KubeWatch(self._transport, wanted)

    def explain(self, body: Body, pods: Sequence[Body]) -> Cause | None:
        return causes.explain(self._transport, body, pods)

    # --- inventory --------------------------------------------------------------------------------------------

    def load_inventory(self, app: AppSpec) -> Inventory:
        reply = self._transport.request("GET", self._parent_path(app))
        if reply.status == 404:
            return Inventory(app=app.name, refs=frozenset())
        if not reply.ok:
            raise self._refused(reply, f"the inventory of {app.name} cannot be read")
        return inventory.read(app, reply.body)

    def save_inventory(self, app: AppSpec, inventory_: Inventory) -> Inventory:
        body = inventory.patch(
            app, inventory_, instance=self._instance, parent=self._parent(app), namespace=self._spec.namespace
        )
        reply = self._write_parent(app, body, exists=bool(inventory_.version))
        if reply.status == 409:
            raise ClusterUnreachable(
                f"cluster {self.name}: someone else wrote the inventory of {app.name}; is another bot named "
                f"{self._instance} running?",
                cluster=self.name,
            )
        if not reply.ok:
            raise self._refused(reply, f"the inventory of {app.name} cannot be written")
        return inventory.read(app, reply.body)

    def forget(self, app: AppSpec) -> None:
        reply = self._transport.request("DELETE", self._parent_path(app))
        if not reply.ok and reply.status != 404:
            raise self._refused(reply, f"the inventory of {app.name} cannot be deleted")

    def save_control(self, app: AppSpec, control: Control) -> None:
        value = inventory.write_control(control)
        reply = self._transport.request("GET", self._parent_path(app))
        if reply.status == 404 and not value:
            return
        known = (reply.body.get("metadata") or {}).get("annotations") or {}
        if reply.ok and known.get(inventory.CONTROL, "") == value:
            return
        body = {
            "metadata": {
                "labels": {marks.INSTANCE_LABEL: self._instance, marks.APP_LABEL: app.name},
                "annotations": {inventory.CONTROL: value or None},
            }
        }
        written = self._write_parent(app, body, exists=reply.ok)
        if not written.ok:
            raise self._refused(written, f"the control of {app.name} cannot be mirrored")

    def load_control(self, app: AppSpec) -> Control:
        reply = self._transport.request("GET", self._parent_path(app))
        if reply.status != 404 and not reply.ok:
            raise self._refused(reply, f"the control of {app.name} cannot be read")
        return inventory.read_control(reply.body) if reply.ok else Control()

    def _write_parent(self, app: AppSpec, patch: dict[str, Any], *, exists: bool) -> Reply:
        if exists:
            return self._transport.request(
                "PATCH", self._parent_path(app), body=patch, content_type="application/merge-patch+json"
            )
        namespace = self._spec.namespace
        body = _without_nulls(patch)
        body = {"apiVersion": "v1", "kind": "ConfigMap", **body}
        body["metadata"] = {**body["metadata"], "name": self._parent(app), "namespace": namespace}
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        reply = self._transport.request("POST", path, body=body)
        if reply.status == 404:
            made = self._transport.request(
                "POST",
                "/api/v1/namespaces",
                body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
            )
            if not made.ok and made.status != 409:
                raise self._refused(made, f"the namespace {namespace} cannot be created")
            reply = self._transport.request("POST", path, body=body)
        return reply

    def _parent(self, app: AppSpec) -> str:
        return marks.parent_name(app.name, self._instance)

    def _parent_path(self, app: AppSpec) -> str:
        return f"/api/v1/namespaces/{self._spec.namespace}/configmaps/{self._parent(app)}"

    def _labels(self, app: AppSpec) -> Mapping[str, str]:
        return marks.app_labels(app.name, marks.applyset_id(self._parent(app), self._spec.namespace))

    # --- check ------------------------------------------------------------------------------------------------

    def check(self, grants: Sequence[Grant]) -> tuple[Problem, ...]:
        try:
            self.kinds(refresh=True)
            return rights.lacking(self._transport, grants)
        except ClusterError as error:
            return (Problem(message=str(error), subject=self.name),)

    def close(self) -> None:
        """Free threads and connections. Idempotent."""
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


def _respecting(app: AppSpec, manifest: Manifest, live: Body | None) -> Body:
    """Return the body to apply, with ignored fields left out, or as they are where we are their only owner."""
    pointers = [one for rule in app.ignore if rule.matches(manifest.id) for one in rule.pointers]
    if not pointers or live is None:
        return manifest.body
    body: dict[str, Any] = orjson.loads(orjson.dumps(manifest.body))
    for pointer in pointers:
        *above, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.lstrip("/").split("/")]
        want: Any = body
        have: Any = live
        for part in above:
            want = want.get(part) if isinstance(want, dict) else None
            have = have.get(part) if isinstance(have, Mapping) else None
        if not isinstance(want, dict) or last not in want:
            continue
        if fields.owned_by_others(live, pointer):
            del want[last]
        elif isinstance(have, Mapping) and last in have:
            want[last] = have[last]
    return body


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


def _digest(body: Body) -> bytes:
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()


def _version(body: Body | None) -> str:
    return str(((body or {}).get("metadata") or {}).get("resourceVersion") or "")


def _without_nulls(patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a merge patch as a new object: null means absent."""
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in patch.items()
        if value is not None
    }
