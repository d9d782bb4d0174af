"""Writes of one object: server-side apply with forced ownership, and the creation of what nobody owns.

The surprising part: before an apply, fields that kubectl's managers own and Git does not have are moved to our entry of
managedFields, so that the apply removes them.
"""

from __future__ import annotations

from typing import Final

import orjson

from bot.live import fields
from bot.live.asking import Questions
from bot.live.cache import LiveCache
from bot.live.discovery import path_of
from bot.live.ignoring import respecting
from bot.live.objects import Objects, refused, rejected
from bot.live.parent import Parents
from bot.live.projection import projection
from bot.live.transport import Transport
from bot.live.verdicts import Verdicts
from bot.live.wanted import Asked, adoptable, adopts, wanted
from bot.model import marks
from bot.model.app import AppSpec
from bot.model.plan import Rejected
from bot.model.resource import Body, KindInfo, Manifest, id_of
from bot.ports.live import Applied

_ADOPT_TRIES: Final = 5


class Writer:
    """Safe to use from several threads."""

    def __init__(
        self,
        transport: Transport,
        objects: Objects,
        questions: Questions,
        cache: LiveCache,
        verdicts: Verdicts,
        parents: Parents,
        *,
        key: bytes,
    ) -> None:
        self._transport, self._objects, self._questions = transport, objects, questions
        self._cache, self._verdicts, self._parents = cache, verdicts, parents
        self._key = key

    def apply(self, app: AppSpec, manifest: Manifest) -> Applied | Rejected:
        info = self._objects.served(manifest)
        if info is None:
            return Rejected(status=404, reason="NotFound", message=f"the server does not serve {manifest.id.kind} yet")
        self._cache.writing(manifest.id)
        body: Body | None = None
        kept: bytes | None = None
        try:
            ready = self._ready(app, info, manifest)
            if isinstance(ready, Rejected):
                return ready
            reply = self._objects.apply(info, manifest, ready.text, user=app.user, dry_run=False)
            if not reply.ok:
                return rejected(reply, manifest, ready.live)
            body = reply.body
            kept = projection(body, self._key)
            if not self._is_left_over(app, manifest, ready, body):
                self._verdicts.give(app.key, manifest.ref, ready.wanted.digest, kept)
            return Applied(body=body, created=reply.status == 201)
        finally:
            self._cache.written(app.key, info, manifest.id, body, kept)

    def create(self, app: AppSpec, body: Body) -> Applied | Rejected:
        id = id_of(body)
        info = self._objects.kinds().find(id.group, str(body["apiVersion"]).rpartition("/")[2], id.kind)
        if info is None:
            return Rejected(status=404, reason="NotFound", message=f"the server does not serve {id.kind} any more")
        query = {"fieldManager": f"{marks.FIELD_MANAGER}-restore"}
        reply = self._transport.request("POST", path_of(info, id.namespace), query=query, body=body, user=app.user)
        if reply.ok:
            return Applied(body=reply.body, created=True)
        return refused(reply)

    def _ready(self, app: AppSpec, info: KindInfo, manifest: Manifest) -> Asked | Rejected:
        """Return what to send. The object is read again only if it was not asked of, or is another since."""
        asked = self._questions.take(manifest)
        if asked is None or self._is_other(info, asked):
            live = self._objects.get(info, manifest)
            if isinstance(live, Rejected):
                return live
            owner = self._parents.owner(app, live) if live is not None else None
            if owner is not None and owner.kind not in adoptable(app):
                return Rejected(status=409, reason="Conflict", message=f"it belongs to {owner}")
            takes_over = live is not None and fields.needs_adoption(live, adopts(app, manifest, owner))
            (one,) = wanted(app, [manifest], self._verdicts)
            asked = Asked(one, b"", live, adopts=takes_over)
        live = asked.live
        if asked.adopts and live is not None:
            live = self._adopt(app, info, manifest, live)
            if live is None or isinstance(live, Rejected):
                return live or Rejected(status=409, reason="Conflict", message="someone deleted the object meanwhile")
        if live is not asked.live or not asked.text:
            text = orjson.dumps(respecting(app, manifest, live))
            asked = Asked(asked.wanted, text, live, adopts=False)
        return asked

    def _is_left_over(self, app: AppSpec, manifest: Manifest, sent: Asked, body: Body) -> bool:
        """Tell whether kubectl wrote something between the look and our write: it is still there, and asked about."""
        managers = adopts(app, manifest, self._parents.owner(app, body))
        if not fields.needs_adoption(body, managers):
            return False
        return fields.without_adopted(body, body, orjson.loads(sent.text), managers) != body

    def _is_other(self, info: KindInfo, asked: Asked) -> bool:
        """Tell whether the watch has shown another object than the one that was asked of; its status may differ."""
        id = asked.wanted.manifest.id
        seen = self._cache.seen(info, id)
        if seen is None or asked.live is None:
            return (seen is None) is not (asked.live is None) and self._cache.knows(info, id)
        return seen.projection != projection(asked.live, self._key)

    def _adopt(self, app: AppSpec, info: KindInfo, manifest: Manifest, live: Body) -> Body | Rejected | None:
        """Move kubectl's fields of the live object to us; return the object, None when it is gone."""
        path = path_of(info, manifest.id.namespace, manifest.id.name)
        now: Body | Rejected | None = live
        for _ in range(_ADOPT_TRIES):
            if now is None or isinstance(now, Rejected):
                return now
            managers = adopts(app, manifest, self._parents.owner(app, now))
            if not fields.needs_adoption(now, managers):
                return now
            version = str((now.get("metadata") or {}).get("resourceVersion") or "")
            patch = [
                {"op": "test", "path": "/metadata/resourceVersion", "value": version},
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
                return rejected(moved, manifest, now)
            now = self._objects.get(info, manifest)
        return Rejected(status=409, reason="Conflict", message="someone keeps changing the object; tried again later")
