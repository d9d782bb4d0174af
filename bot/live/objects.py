"""What the API server serves, and single objects of it: read, listed, applied. Every call is a request.

What the server says of one object is a value, what it says of everything raises a `ClusterError`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from bot.errors import ApiUnavailable, ClusterError, ClusterRefused, ClusterUnreachable
from bot.live.discovery import discover, info_of, path_of
from bot.live.loss import loss
from bot.live.transport import APPLY, Reply, Transport, api_is_away
from bot.live.warned import warnings_in
from bot.live.workers import Workers
from bot.model import marks
from bot.model.complaints import readable
from bot.model.masking import is_secret, mask_text
from bot.model.plan import Rejected
from bot.model.resource import Body, KindInfo, KindTable, Manifest, ResourceId, ResourceRef, id_of, join_api_version

_LIST_FROM: Final = 4  # so many objects of one kind and namespace are read by one LIST, unless they are few of many
_LISTED_FOR_ONE: Final = 20  # so many objects of a LIST cost both sides what a GET does
_SERVED_WITHIN_SECONDS: Final = 10.0  # discovery is rebuilt within two or three seconds
_LOOK_AGAIN_SECONDS: Final = 0.2
_UNDECLARED: Final = "field not declared in schema"
_IMMUTABLE: Final = (
    "field is immutable",
    "is immutable",
    "may not be changed",
    "may not change once set",
    "updates to statefulset spec for fields other than",
    "pod updates may not change fields other than",
    "cannot be changed",
)


class Objects:
    """Safe to use from several threads; contacts nobody before its first call.

    `count` returns how many objects of a kind a namespace is known to have, 0 where nobody has looked.
    """

    def __init__(self, transport: Transport, workers: Workers, *, count: Callable[[KindInfo, str], int]) -> None:
        self._transport, self._workers, self._count = transport, workers, count
        self._lock = threading.Lock()
        self._table: KindTable | None = None  # guarded by _lock

    # --- kinds ------------------------------------------------------------------------------------------------

    def kinds(self, *, refresh: bool = False) -> KindTable:
        table = None if refresh else self._table
        if table is None:
            table = discover(self._transport)
            with self._lock:
                self._table = table
        return table

    def forget_kinds(self) -> None:
        """Ask anew what is served before it is needed again: a kind was not there, or not in that version."""
        with self._lock:
            self._table = None

    def served(self, manifest: Manifest) -> KindInfo | None:
        """Return the kind, waiting for it: discovery shows a CRD a moment after it is established."""
        wanted = (manifest.id.group, manifest.version, manifest.id.kind)
        found = self.kinds().find(*wanted)
        if found is not None:
            return found
        deadline = time.monotonic() + _SERVED_WITHIN_SECONDS
        while found is None and time.monotonic() < deadline:
            found = self.kinds(refresh=True).find(*wanted)
            if found is None:
                time.sleep(_LOOK_AGAIN_SECONDS)
        return found

    def is_away(self, ref: ResourceRef) -> bool:
        """Tell whether the kind of an object is unknown because what serves its group is away."""
        table = self.kinds()
        return table.lacks(ref.id.group) and info_of(table, ref) is None

    # --- reading ----------------------------------------------------------------------------------------------

    def readable(self, refs: Collection[ResourceRef]) -> tuple[Mapping[ResourceId, Body], Mapping[ResourceRef, str]]:
        """Read what can be read; return it, and why the rest cannot: what serves or converts its group is away."""
        if any(self.is_away(ref) for ref in refs):
            self.kinds(refresh=True)
        away = {ref.id.group: api_is_away(ref.id.group) for ref in refs if self.is_away(ref)}
        while True:
            try:
                found = self.read([ref for ref in refs if ref.id.group not in away])
            except ApiUnavailable as error:
                away[error.group] = str(error)
            else:
                return found, {ref: away[ref.id.group] for ref in refs if ref.id.group in away}

    def read(self, refs: Collection[ResourceRef]) -> Mapping[ResourceId, Body]:
        """Ask the server: one LIST per kind and namespace where that is cheaper; absent objects are left out."""
        groups: dict[tuple[KindInfo, str], list[ResourceRef]] = {}
        for ref in refs:
            if (info := info_of(self.kinds(), ref)) is not None:
                groups.setdefault((info, ref.id.namespace), []).append(ref)
        found: dict[ResourceId, Body] = {}
        few: list[tuple[KindInfo, ResourceRef]] = []
        many: list[tuple[KindInfo, str, Sequence[ResourceRef]]] = []
        for (info, namespace), some in groups.items():
            lists = "list" in info.verbs and len(some) >= _LIST_FROM
            if lists and self._count(info, namespace) <= _LISTED_FOR_ONE * len(some):
                many.append((info, namespace, some))
            else:
                few += [(info, ref) for ref in some]
        for bodies in self._workers.spread(lambda one: self._read_many(*one), many):
            found.update(bodies)
        for (_, ref), body in zip(few, self._workers.spread(lambda one: self._read_one(*one), few), strict=True):
            if body is not None:
                found[ref.id] = body
        return found

    def get(self, info: KindInfo, manifest: Manifest) -> Body | Rejected | None:
        """Return an object as it is; None when there is none."""
        reply = self._transport.request("GET", path_of(info, manifest.id.namespace, manifest.id.name))
        if reply.status == 404:
            return None
        return reply.body if reply.ok else rejected(reply, manifest, None)

    def _read_many(self, info: KindInfo, namespace: str, refs: Sequence[ResourceRef]) -> dict[ResourceId, Body]:
        wanted = {ref.id for ref in refs}
        bodies = {id_of(body): body for body in self._list(info, namespace)}
        return {id: body for id, body in bodies.items() if id in wanted}

    def _read_one(self, info: KindInfo, ref: ResourceRef) -> Body | None:
        reply = self._transport.request("GET", path_of(info, ref.id.namespace, ref.id.name))
        if reply.is_unserved:
            raise self._unserved(info)
        if not reply.ok and reply.status != 404:
            raise self._refused(reply, f"{ref.id} cannot be read")
        return reply.body if reply.ok else None

    def _list(self, info: KindInfo, namespace: str) -> list[Body]:
        bodies: list[Body] = []
        for reply in self._transport.pages(path_of(info, namespace)):
            if reply.is_unserved:
                raise self._unserved(info)
            if not reply.ok:
                raise self._refused(reply, f"{info.kind} objects cannot be listed")
            version = reply.body.get("apiVersion")
            bodies += [{"apiVersion": version, "kind": info.kind, **item} for item in reply.body.get("items") or ()]
        return bodies

    def _unserved(self, info: KindInfo) -> ApiUnavailable:
        """Return what is wrong where discovery names a kind, or did a moment ago: whether it is gone is not known."""
        self.forget_kinds()
        name = self._transport.spec.name
        return ApiUnavailable(f"cluster {name}: {unserved(info)}", cluster=name, group=info.group)

    def _refused(self, reply: Reply, what: str) -> ClusterError:
        name = self._transport.spec.name
        text = f"cluster {name}: {what}: {reply.message}"
        return (ClusterUnreachable if reply.status >= 500 else ClusterRefused)(text, cluster=name)

    # --- server-side apply ------------------------------------------------------------------------------------

    def apply(self, info: KindInfo, manifest: Manifest, text: bytes, *, user: str, dry_run: bool) -> Reply:
        """Apply a body, given as JSON, with forced ownership; `dry_run` only asks what it would do."""
        # Unknown fields are refused by the apply itself: Strict would parse the body once more, a tenth of the server's
        # work, to look for keys given twice, which our JSON cannot have.
        query = {"fieldManager": marks.FIELD_MANAGER, "force": "true", "fieldValidation": "Ignore"}
        if dry_run:
            query["dryRun"] = "All"
        reply = self._transport.request(
            "PATCH",
            path_of(info, manifest.id.namespace, manifest.id.name),
            query=query,
            text=text,
            content_type=APPLY,
            user=user,
        )
        if reply.is_unserved:
            self.forget_kinds()
            return Reply(status=404, body={"reason": "NotFound", "message": unserved(info)})
        return reply

    def losing(self, info: KindInfo, live: Body, predicted: Body, *, user: str) -> Body:
        """Return what becomes of an object that loses fields: the server sets those again that have a default.

        Where it does not say, what was predicted. Nothing is written: the deed is an apply, and one cannot be asked
        before the fields are ours.
        """
        metadata = live["metadata"]
        reply = self._transport.request(
            "PATCH",
            path_of(info, str(metadata.get("namespace") or ""), str(metadata["name"])),
            query={"fieldManager": marks.FIELD_MANAGER, "fieldValidation": "Ignore", "dryRun": "All"},
            body=loss(live, predicted),
            content_type="application/merge-patch+json",
            user=user,
        )
        return reply.body if reply.ok else predicted


def unserved(info: KindInfo) -> str:
    return f"the server does not serve {info.kind} at {join_api_version(info.group, info.version)} now"


def away(group: str) -> Rejected:
    """Return what is to be said of an object whose API group is away, instead of asking."""
    return Rejected(status=503, reason="ServiceUnavailable", message=api_is_away(group))


def refused(reply: Reply) -> Rejected:
    """Return what the server has against a request that carries no value of a Secret."""
    return Rejected(status=reply.status, reason=reply.reason, message=reply.message)


def warned(reply: Reply, manifest: Manifest) -> tuple[str, ...]:
    """Return what the server warns of as it takes an object, without values of Secrets."""
    secrets = [manifest.body] if is_secret(manifest.id) else []
    return tuple(mask_text(text, secrets) for text in warnings_in(reply.warning)) if reply.warning else ()


def rejected(reply: Reply, manifest: Manifest, live: Body | None) -> Rejected:
    """Return what the server has against an object, for people, and without values of Secrets."""
    bodies = [manifest.body] if live is None else [manifest.body, live]
    said = mask_text(reply.message, bodies if is_secret(manifest.id) else ())
    return Rejected(
        status=reply.status,
        reason=reply.reason,
        message=readable(said),
        immutable=reply.status in {403, 422} and any(word in said.lower() for word in _IMMUTABLE),
        undeclared=_UNDECLARED in said,
    )
