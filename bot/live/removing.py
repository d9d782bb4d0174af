"""Objects that the app gives up: deleted, or released with our marks taken off. Each is looked at right before."""

from __future__ import annotations

from bot.live.cache import LiveCache
from bot.live.discovery import info_of, path_of
from bot.live.objects import Objects, away, refused
from bot.live.parent import Parents
from bot.live.transport import Transport
from bot.live.verdicts import Verdicts
from bot.model.app import AppSpec
from bot.model.plan import Rejected
from bot.model.resource import Body, ResourceRef
from bot.ports.live import Deleted

_ANOTHER = Deleted(gone=False, kept="another object has its name now")


class Remover:
    """Safe to use from several threads."""

    def __init__(
        self, transport: Transport, objects: Objects, cache: LiveCache, verdicts: Verdicts, parents: Parents
    ) -> None:
        self._transport, self._objects = transport, objects
        self._cache, self._verdicts, self._parents = cache, verdicts, parents

    def delete(self, app: AppSpec, ref: ResourceRef, uid: str) -> Deleted | Rejected:
        info = info_of(self._objects.kinds(), ref)
        if info is None:  # its kind is gone, and all objects with it
            return away(ref.id.group) if self._objects.is_away(ref) else Deleted(gone=True)
        path = path_of(info, ref.id.namespace, ref.id.name)
        reply = self._transport.request("GET", path)
        if reply.status == 404:
            return Deleted(gone=True)
        if not reply.ok:
            return refused(reply)
        owner = self._parents.owner(app, reply.body)
        if owner is not None:
            return Deleted(gone=False, kept=f"it belongs to {owner} now")
        if uid and reply.body["metadata"].get("uid") != uid:
            return _ANOTHER
        self._cache.dropped(app.key, ref)
        self._verdicts.take_back(app.key, ref)
        options = {"preconditions": {"uid": reply.body["metadata"].get("uid")}, "propagationPolicy": "Background"}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        answer = self._transport.request("DELETE", path, body=body, user=app.user)
        if answer.status == 404:
            return Deleted(gone=True)
        if answer.status == 409 and self._is_another(path, reply.body):
            return _ANOTHER
        if not answer.ok:
            return refused(answer)
        metadata = answer.body.get("metadata") or {}
        if not metadata.get("deletionTimestamp"):
            return Deleted(gone=True)
        held = (*(metadata.get("finalizers") or ()), *((answer.body.get("spec") or {}).get("finalizers") or ()))
        return Deleted(gone=False, finalizers=tuple(str(one) for one in held))

    def release(self, app: AppSpec, ref: ResourceRef) -> Rejected | None:
        info = info_of(self._objects.kinds(), ref)
        if info is None:
            return away(ref.id.group) if self._objects.is_away(ref) else None
        path = path_of(info, ref.id.namespace, ref.id.name)
        reply = self._transport.request("GET", path)
        if reply.status == 404 or (reply.ok and self._parents.owner(app, reply.body) is not None):
            return None
        self._verdicts.take_back(app.key, ref)
        patch = {"metadata": {"labels": dict.fromkeys(self._parents.labels(app))}}
        if reply.ok:
            reply = self._transport.request(
                "PATCH", path, body=patch, content_type="application/merge-patch+json", user=app.user
            )
        return None if reply.ok or reply.status == 404 else refused(reply)

    def _is_another(self, path: str, before: Body) -> bool:
        """Tell whether a conflict is about the uid: every other one says that somebody was faster, and try again."""
        reply = self._transport.request("GET", path)
        return reply.ok and reply.body["metadata"].get("uid") != before["metadata"].get("uid")
