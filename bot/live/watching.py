"""A view on the cache for one health wait: some objects, the Pods below them, and what changed since one last looked.

Kinds that we may not list or watch are read one by one, at the beginning and whenever a wait has run out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Final

from bot.live.cache import BELOW, WORKLOADS, LiveCache
from bot.model.resource import Body, KindInfo, ResourceId, ResourceRef

_THROUGH: Final[Mapping[str, tuple[str, ...]]] = {"Deployment": ("ReplicaSet",), "CronJob": ("Job",)}


class KubeWatch:
    """A `bot.ports.live.Watch`. Enter it before use."""

    def __init__(
        self,
        cache: LiveCache,
        wanted: Mapping[ResourceRef, KindInfo],
        *,
        read: Callable[[Collection[ResourceRef]], Mapping[ResourceId, Body]],
    ) -> None:
        self._cache, self._wanted, self._read = cache, wanted, read
        self._unlisted: tuple[ResourceRef, ...] = ()
        self._bodies: Mapping[ResourceId, Body] = {}  # of what cannot be listed
        self._changed = threading.Condition()
        self._touched: set[ResourceId] = set()  # guarded by _changed
        self._interrupted = False  # guarded by _changed

    def __enter__(self) -> KubeWatch:
        places: dict[KindInfo, set[tuple[str, str]]] = {}
        for ref, info in self._wanted.items():
            places.setdefault(info, set()).add((ref.id.namespace, ref.id.name))
            if ref.id.kind in WORKLOADS:
                for below in BELOW:
                    if below.kind == "Pod" or below.kind in _THROUGH.get(ref.id.kind, ()):
                        places.setdefault(below, set()).add((ref.id.namespace, ""))
        self._cache.subscribe(self, [ref.id for ref in self._wanted])
        denied = {info for info, some in places.items() if not self._cache.cover(info, some)}
        self._unlisted = tuple(ref for ref, info in self._wanted.items() if info in denied)
        self._bodies = self._read(self._unlisted)
        return self

    def __exit__(self, *_: object) -> None:
        self._cache.unsubscribe(self, [ref.id for ref in self._wanted])

    def touched(self, id: ResourceId) -> None:
        with self._changed:
            self._touched.add(id)
            self._changed.notify_all()

    def current(self, ref: ResourceRef) -> Body | None:
        info = self._wanted.get(ref)
        if ref in self._unlisted:
            return self._bodies.get(ref.id)
        seen = self._cache.seen(info, ref.id) if info is not None else None
        if seen is None:
            return None
        if seen.slim is not None:
            return seen.slim
        metadata = {"name": ref.id.name, "namespace": ref.id.namespace, "uid": seen.uid}
        return {"apiVersion": ref.api_version, "kind": ref.id.kind, "metadata": metadata}

    def pods(self, ref: ResourceRef) -> tuple[Body, ...]:
        body = self.current(ref)
        if body is None:
            return ()
        return (body,) if ref.id.kind == "Pod" else self._cache.below(str(body["metadata"].get("uid")))

    def wait(self, timeout: timedelta) -> frozenset[ResourceId]:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._touched) or self._interrupted, timeout.total_seconds())
            touched, self._touched, self._interrupted = self._touched, set(), False
        if self._unlisted and not touched:
            self._bodies = self._read(self._unlisted)
            touched.update(ref.id for ref in self._unlisted)
        return frozenset(touched)

    def interrupt(self) -> None:
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()
