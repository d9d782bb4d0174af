"""The live state of some objects, kept current by watches: LIST, then WATCH from there, again after 410.

One thread per kind and namespace, from `__enter__` to `__exit__`. A wait that ends says only that something changed;
the state is read with `current` and `pods`. Kinds that are not served yet are tried again until they are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import orjson
import urllib3

from bot.errors import ClusterError
from bot.live.discovery import path_of
from bot.live.transport import Transport
from bot.model.resource import Body, KindInfo, ResourceId, ResourceRef, id_of, owned_pods

log = logging.getLogger(__name__)

_WATCH_SECONDS: Final = 240  # the server ends a watch after this; the next one goes on where it was
_PAUSE_SECONDS: Final = 1.0  # between attempts while the server does not answer
WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"})
BELOW: Final = (
    KindInfo(group="", version="v1", kind="Pod", plural="pods", namespaced=True),
    KindInfo(group="apps", version="v1", kind="ReplicaSet", plural="replicasets", namespaced=True),
    KindInfo(group="batch", version="v1", kind="Job", plural="jobs", namespaced=True),
)


class KubeWatch:
    """A `bot.ports.Watch`. Enter it before use."""

    def __init__(self, transport: Transport, wanted: Mapping[ResourceRef, KindInfo]) -> None:
        self._transport = transport
        self._changed = threading.Condition()
        self._events = 0
        self._seen = 0
        self._objects: dict[ResourceId, Body] = {}  # guarded by _changed
        self._stopping = threading.Event()
        self._streams: set[urllib3.BaseHTTPResponse] = set()  # guarded by _changed
        groups: dict[tuple[KindInfo, str], set[str]] = {}
        for ref, info in wanted.items():
            groups.setdefault((info, ref.id.namespace), set()).add(ref.id.name)
        for namespace in {ref.id.namespace for ref in wanted if ref.id.kind in WORKLOADS}:
            for info in BELOW:
                groups[(info, namespace)] = set()
        self._threads = [
            threading.Thread(
                target=self._follow, args=(info, namespace, names), daemon=True, name=f"watch {info.plural}"
            )
            for (info, namespace), names in groups.items()
        ]
        self._listed = threading.Semaphore(0)

    def __enter__(self) -> KubeWatch:
        for thread in self._threads:
            thread.start()
        for _ in self._threads:
            self._listed.acquire(timeout=60)  # an object nobody has listed would look absent
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with self._changed:
            streams = tuple(self._streams)
            self._changed.notify_all()
        for stream in streams:
            stream.shutdown()
        for thread in self._threads:
            thread.join(10)

    def current(self, ref: ResourceRef) -> Body | None:
        with self._changed:
            return self._objects.get(ref.id)

    def pods(self, ref: ResourceRef) -> tuple[Body, ...]:
        with self._changed:
            root = self._objects.get(ref.id)
            return owned_pods(root, self._objects.values()) if root is not None else ()

    def wait(self, timeout: timedelta) -> bool:
        with self._changed:
            if self._events == self._seen and not self._stopping.is_set():
                self._changed.wait(timeout.total_seconds())
            changed = self._events != self._seen
            self._seen = self._events
            return changed

    def interrupt(self) -> None:
        with self._changed:
            self._events += 1
            self._changed.notify_all()

    # --- threads ----------------------------------------------------------------------------------------------

    def _follow(self, info: KindInfo, namespace: str, names: set[str]) -> None:
        path = path_of(info, namespace)
        select = {"fieldSelector": f"metadata.name={next(iter(names))}"} if len(names) == 1 else {}
        first = True
        while not self._stopping.is_set():
            try:
                version = self._list(info, path, select)
                if first:
                    first = False
                    self._listed.release()
                while version and not self._stopping.is_set():
                    version = self._watch(path, select, version, info)
            except ClusterError as error:
                if first:
                    first = False
                    self._listed.release()
                log.debug("watch of %s: %s", path, error)
                self._stopping.wait(_PAUSE_SECONDS)

    def _list(self, info: KindInfo, path: str, select: Mapping[str, str]) -> str:
        reply = self._transport.request("GET", path, query=dict(select) or None)
        if not reply.ok:
            self._stopping.wait(_PAUSE_SECONDS)
            return ""
        fresh = {}
        for item in reply.body.get("items") or ():
            body = {"apiVersion": reply.body.get("apiVersion"), "kind": info.kind, **item}
            fresh[id_of(body)] = body
        with self._changed:
            namespace = path.partition("/namespaces/")[2].partition("/")[0]
            for id in list(self._objects):
                if (id.group, id.kind, id.namespace) == (info.group, info.kind, namespace) and id not in fresh:
                    del self._objects[id]
            self._objects.update(fresh)
            self._events += 1
            self._changed.notify_all()
        return str((reply.body.get("metadata") or {}).get("resourceVersion") or "")

    def _watch(self, path: str, select: Mapping[str, str], version: str, info: KindInfo) -> str:
        """Follow events until the server ends the watch; return where to go on, "" to list again."""
        query = {
            **select,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        with self._transport.stream(path, query=query) as stream:
            with self._changed:
                self._streams.add(stream)
            if self._stopping.is_set():
                return version  # the end came while the watch was opening: nobody would shut this stream down
            try:
                rest = b""
                while chunk := stream.read1(65536):
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in filter(None, lines):
                        event = orjson.loads(line)
                        if event["type"] == "ERROR":
                            return ""
                        version = str(event["object"]["metadata"]["resourceVersion"])
                        if event["type"] != "BOOKMARK":
                            self._take(event, info)
                return version
            finally:
                with self._changed:
                    self._streams.discard(stream)

    def _take(self, event: Mapping[str, Any], info: KindInfo) -> None:
        body = event["object"]
        with self._changed:
            if event["type"] == "DELETED":
                self._objects.pop(id_of(body), None)
            else:
                self._objects[id_of(body)] = body
            self._events += 1
            self._changed.notify_all()
