"""What would become of the objects that Git wants: known from watches and verdicts, or asked of the server's dry-run.

The dry-run is the only predictor. What is known from watches and verdicts is not asked again; it never decides what to
write. The surprising part: a prediction has those fields subtracted that the write takes over from kubectl's managers,
and so removes, where Git does not have them.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson

from bot.live import fields
from bot.live.cache import LiveCache
from bot.live.discovery import info_of
from bot.live.ignoring import respecting
from bot.live.objects import Objects, rejected, warned
from bot.live.parent import Parents
from bot.live.projection import projection
from bot.live.verdicts import Verdicts
from bot.live.wanted import Asked, Wanted, adoptable, adopts, left, wanted
from bot.live.workers import Workers
from bot.model import marks
from bot.model.app import AppSpec
from bot.model.plan import Accepted, Answer, NotAskable, Observation, Owner, Rejected, Tracked
from bot.model.resource import Body, KindInfo, Manifest, ResourceId, ResourceRef

_VOLATILE: Final = frozenset({"managedFields", "resourceVersion", "generation"})
_LOOKS: Final = 3  # at an object that a controller keeps changing
_NAMESPACE: Final = ("", "Namespace")
_DEFINITION: Final = ("apiextensions.k8s.io", "CustomResourceDefinition")


class Questions:
    """Safe to use from several threads."""

    def __init__(
        self,
        objects: Objects,
        workers: Workers,
        cache: LiveCache,
        verdicts: Verdicts,
        parents: Parents,
        *,
        key: bytes,
        follow: bool,
    ) -> None:
        self._objects, self._workers = objects, workers
        self._cache, self._verdicts, self._parents = cache, verdicts, parents
        self._key, self._follow = key, follow
        self._lock = threading.Lock()
        self._asked: dict[ResourceRef, Asked] = {}  # guarded by _lock
        self._known: dict[str, tuple[AppSpec, dict[ResourceRef, Wanted]]] = {}  # what each app wants; guarded by _lock

    def observe(
        self, app: AppSpec, manifests: Sequence[Manifest], *, newer_than: datetime | None
    ) -> tuple[Observation, ...]:
        table = self._objects.kinds()
        all_wanted = self._wanted(app, manifests)
        infos = {one.ref: table.find(one.ref.id.group, one.ref.version, one.ref.id.kind) for one in all_wanted}
        covered = self._cover({ref: info for ref, info in infos.items() if info is not None}, newer_than)
        found: dict[ResourceId, Body] = {}
        equal: set[ResourceId] = set()
        unknown: list[ResourceRef] = []
        for one in all_wanted:
            ref, info = one.ref, infos[one.ref]
            if info is None:
                continue
            if info not in covered:
                unknown.append(ref)
                continue
            seen = self._cache.seen(info, ref.id)
            if seen is None:
                continue
            if self._verdicts.holds(app.key, ref, one.digest, seen.projection):
                found[ref.id] = _short(ref, seen.uid)
                equal.add(ref.id)
                self._cache.release(info, ref.id)
            elif seen.full is not None:
                found[ref.id] = seen.full
            else:
                unknown.append(ref)
        if unknown:
            found.update(self._objects.read(unknown))
        coming = {one.id.name for one in manifests if (one.id.group, one.id.kind) == _NAMESPACE}
        coming -= {id.name for id in found if (id.group, id.kind) == _NAMESPACE}

        def look(one: Wanted) -> Observation:
            return self._observe(app, one, infos[one.ref], found.get(one.manifest.id), coming)

        answers = self._workers.spread(look, [one for one in all_wanted if one.manifest.id not in equal])
        return self._postponed(
            tuple(
                _unchanged(one.manifest, found[one.manifest.id]) if one.manifest.id in equal else next(answers)
                for one in all_wanted
            )
        )

    def _postponed(self, observations: tuple[Observation, ...]) -> tuple[Observation, ...]:
        """Return them without what was refused by a schema that this same commit changes."""
        changing = {kind for one in observations if (kind := _changing(one)) is not None}
        if not changing:
            return observations
        return tuple(
            replace(one, answer=NotAskable(waits_for=f"the new CustomResourceDefinition of {one.manifest.id.kind}"))
            if isinstance(one.answer, Rejected) and (one.manifest.id.group, one.manifest.id.kind) in changing
            else one
            for one in observations
        )

    def _wanted(self, app: AppSpec, manifests: Sequence[Manifest]) -> list[Wanted]:
        """Return each object as it will be sent, those that were looked at before as they are."""
        with self._lock:
            then, known = self._known.get(app.key, (app, {}))
        found = wanted(app, manifests, self._verdicts, known if then == app else {})
        with self._lock:
            if then == app:
                known.update((one.ref, one) for one in found)
                self._known[app.key] = (app, known)
        return found

    def attend(self, app: AppSpec, refs: Set[ResourceRef]) -> None:
        """Nothing but these objects is wanted of the app, which may be another than before."""
        with self._lock:
            then, known = self._known.get(app.key, (app, {}))
            if then != app:
                del self._known[app.key]
            elif len(known) > len(refs):
                self._known[app.key] = (app, {ref: one for ref, one in known.items() if ref in refs})

    def forget(self, app: AppSpec) -> None:
        """Nothing is wanted of the app any more. Idempotent."""
        with self._lock:
            self._known.pop(app.key, None)

    def track(self, app: AppSpec, refs: Collection[ResourceRef], *, newer_than: datetime | None) -> tuple[Tracked, ...]:
        table = self._objects.kinds()
        infos = {ref: info for ref in refs if (info := info_of(table, ref)) is not None}
        covered = self._cover(infos, newer_than)
        known = {ref: info for ref, info in infos.items() if info in covered and self._cache.knows(info, ref.id)}
        absent = {ref for ref, info in known.items() if not self._cache.seen(info, ref.id)}
        live, unknown = self._objects.readable([ref for ref in refs if ref not in absent])
        return tuple(
            Tracked(
                ref=ref,
                live=body,
                owner=self._parents.owner(app, body) if body is not None else None,
                unknown=unknown.get(ref, ""),
            )
            for ref in sorted(refs)
            for body in (live.get(ref.id),)
        )

    def take(self, manifest: Manifest) -> Asked | None:
        """Return what was asked of exactly this object since it was last taken."""
        with self._lock:
            asked = self._asked.pop(manifest.ref, None)
        return asked if asked is not None and asked.wanted.manifest is manifest else None

    def _cover(self, infos: Mapping[ResourceRef, KindInfo], newer_than: datetime | None) -> set[KindInfo]:
        """Return the kinds whose objects the cache knows well enough."""
        places: dict[KindInfo, set[tuple[str, str]]] = {}
        for ref, info in infos.items():
            places.setdefault(info, set()).add((ref.id.namespace, ref.id.name))
        known = set()
        for info, some in places.items():
            if self._cache.cover(info, some) and (
                newer_than is None or not self._follow or self._cache.is_newer(info, some, newer_than)
            ):
                known.add(info)
        return known

    def _observe(
        self,
        app: AppSpec,
        one: Wanted,
        info: KindInfo | None,
        live: Body | None,
        coming: Collection[str],
        looks: int = _LOOKS,
    ) -> Observation:
        manifest = one.manifest
        owner = self._parents.owner(app, live) if live is not None else None
        why = left(manifest, live)
        former: Owner | None = None
        if owner is not None and owner.kind in adoptable(app):
            owner, former = None, owner
        if why or owner is not None:
            answer: Answer = NotAskable(waits_for="its owner")
        else:
            answer = self._ask(app, one, info, live, former, coming)
            if looks > 1 and live is not None and isinstance(answer, Accepted) and _has_moved(live, answer.predicted):
                fresh = self._objects.read([manifest.ref]).get(manifest.id)
                return self._observe(app, one, info, fresh, coming, looks - 1)
        return Observation(manifest=manifest, live=live, answer=answer, owner=owner, left=why, former=former)

    def _ask(
        self,
        app: AppSpec,
        one: Wanted,
        info: KindInfo | None,
        live: Body | None,
        former: Owner | None,
        coming: Collection[str],
    ) -> Answer:
        manifest = one.manifest
        if info is None:
            return NotAskable(waits_for=f"the CustomResourceDefinition of {manifest.id.kind}")
        if manifest.id.namespace in coming:
            return NotAskable(waits_for=f"Namespace {manifest.id.namespace}")
        if live is not None:
            if manifest.annotations.get(marks.APPLY) == "if-not-present":
                return Accepted(predicted=live)
            kept = projection(live, self._key)
            if self._verdicts.holds(app.key, manifest.ref, one.digest, kept):
                return Accepted(predicted=live)
        body = respecting(app, manifest, live)
        text = one.text if body is manifest.body else orjson.dumps(body)
        reply = self._objects.apply(info, manifest, text, user=app.user, dry_run=True)
        if not reply.ok:
            return rejected(reply, manifest, live)
        predicted, takes_over = reply.body, False
        if live is not None:
            predicted = fields.without_adopted(predicted, live, body, adopts(app, manifest, former))
            takes_over = predicted is not reply.body and predicted != reply.body
            if takes_over:
                predicted = self._objects.losing(info, live, predicted, user=app.user)
        if live is not None and _same(live, predicted):
            self._verdicts.give(app.key, manifest.ref, one.digest, kept)
            self._cache.release(info, manifest.id)
        else:
            with self._lock:
                self._asked[manifest.ref] = Asked(one, text, live, adopts=takes_over)
        return Accepted(predicted=predicted, warnings=warned(reply, manifest))


def _changing(one: Observation) -> tuple[str, str] | None:
    """Return the group and kind of a CRD that is there and will be another; None for anything else."""
    id, live, answer = one.manifest.id, one.live, one.answer
    if (id.group, id.kind) != _DEFINITION or live is None or not isinstance(answer, Accepted):
        return None
    if answer.predicted is live or _same(live, answer.predicted):
        return None
    spec = one.manifest.body.get("spec") or {}
    return str(spec.get("group")), str((spec.get("names") or {}).get("kind"))


def _unchanged(manifest: Manifest, live: Body) -> Observation:
    return Observation(manifest=manifest, live=live, answer=Accepted(predicted=live))


def _same(live: Body, predicted: Body) -> bool:
    return _stable(live) == _stable(predicted)


def _stable(body: Body) -> dict[str, Any]:
    metadata = {key: value for key, value in body["metadata"].items() if key not in _VOLATILE}
    return {**{key: value for key, value in body.items() if key != "status"}, "metadata": metadata}


def _has_moved(live: Body, predicted: Body) -> bool:
    """Tell whether a difference may be somebody's write between the look and the question: a dry-run keeps versions."""
    versions = {str(one["metadata"].get("resourceVersion")) for one in (live, predicted)}
    return len(versions) > 1 and not _same(live, predicted)


def _short(ref: ResourceRef, uid: str) -> Body:
    """Return what a plan needs of an object that does not change."""
    metadata = {"name": ref.id.name, "namespace": ref.id.namespace, "uid": uid}
    return {"apiVersion": ref.api_version, "kind": ref.id.kind, "metadata": metadata}
