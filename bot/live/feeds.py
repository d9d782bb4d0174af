"""What a LIST and the WATCH after it say of one kind in one scope, kept small.

A feed holds one `Seen` for each object of its scope. It knows no app and decides nothing: every change goes to the
`changed` callback with the state before and after, in the thread that learned it. The surprising part: our own writes
are learned from their answers, before the watch tells of them; an older event never overwrites a newer state.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from threading import RLock
from typing import Any, NamedTuple

from bot.errors import ClusterError, ClusterRefused, ClusterUnreachable
from bot.live.discovery import path_of
from bot.live.projection import projection, slim
from bot.live.transport import Reply, Transport
from bot.model.resource import Body, KindInfo, ResourceId, join_api_version

Place = tuple[str, str]  # namespace and name


class Seen(NamedTuple):
    """One object as last seen. `projection` is b"" for what we never applied; `full` is kept only while needed.

    A tuple: a start makes one for each object of the cluster.
    """

    version: int  # of the resource, as a number (KEP-5504); 0 when the server's is none
    uid: str
    projection: bytes
    slim: Body | None
    full: Body | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """An object is another than before; None stands for absent. `version` is that of the API it was read in."""

    id: ResourceId
    version: str
    before: Seen | None
    after: Seen | None
    first: bool = False  # the first LIST of a feed tells what is there, not what has changed


class Feed:
    """One kind in one namespace, or in all of them (""). Safe to use from several threads.

    `tells_first`: what the first LIST finds is a change as well. `unserved` hears each time that the kind is not there.
    """

    def __init__(
        self,
        transport: Transport,
        info: KindInfo,
        namespace: str,
        *,
        key: bytes,
        clock: Callable[[], datetime],
        keeps: Callable[[ResourceId, bytes], bool],
        changed: Callable[[Change], None],
        unserved: Callable[[], None],
        tells_first: bool,
    ) -> None:
        self.info, self.namespace = info, namespace
        self.path = path_of(info, namespace)
        self.version = ""  # where a watch goes on; "" when a LIST has to come first
        self.listed_at: datetime | None = None  # before the newest LIST was sent
        self.error: ClusterError | None = None  # why the watch is not following, if it is not
        self.is_served = True  # as the newest LIST found
        self._transport, self._key, self._clock = transport, key, clock
        self._keeps, self._changed, self._unserved, self._tells_first = keeps, changed, unserved, tells_first
        self._api_version = join_api_version(info.group, info.version)
        self._lock = RLock()
        self._objects: dict[Place, Seen] = {}  # guarded by _lock

    # --- reading ----------------------------------------------------------------------------------------------

    def get(self, namespace: str, name: str) -> Seen | None:
        return self._objects.get((namespace, name))

    def count(self, namespace: str) -> int:
        """Return how many objects a namespace of the scope has."""
        with self._lock:
            if self.namespace == namespace:
                return len(self._objects)
            return sum(1 for place in self._objects if place[0] == namespace)

    def items(self) -> Collection[tuple[Place, Seen]]:
        with self._lock:
            return tuple(self._objects.items())

    def since(self, former: Feed) -> Iterator[Change]:
        """Yield what is other here than in a feed of a part of this scope, whose place this one takes."""
        then = dict(former.items())
        with self._lock:
            now = {place: one for place, one in self._objects.items() if place[0] == former.namespace}
        for place in then.keys() | now.keys():
            before, after = then.get(place), now.get(place)
            if before is None or after is None or before.version != after.version:
                yield self._change(place, before, after)

    def release(self, namespace: str, name: str) -> None:
        """Keep the short form of an object only: nobody needs the rest any more."""
        with self._lock:
            seen = self._objects.get((namespace, name))
            if seen is not None and seen.full is not None:
                self._objects[(namespace, name)] = Seen(seen.version, seen.uid, seen.projection, seen.slim)

    # --- learning ---------------------------------------------------------------------------------------------

    def list(self, wanted: Set[Place] = frozenset()) -> None:
        """Read the whole scope anew and keep what is `wanted` whole.

        Raises `ClusterError`; what was known stays then.
        """
        started = self._clock()
        with self._lock:
            known = dict(self._objects)
        fresh: dict[Place, Seen] = {}
        version, is_served = "", True
        for reply in self._pages():
            if reply.status == 410:  # the pages grew too old while we read them
                fresh.clear()
                continue
            if reply.status == 404:  # the kind is gone, and its objects with it
                fresh, version, is_served = {}, "", False
                break
            if not reply.ok:
                raise self._refused(reply.status, reply.message)
            for item in reply.body.get("items") or ():
                item["apiVersion"], item["kind"] = self._api_version, self.info.kind  # a list names them once
                place = _place(item)
                fresh[place] = self._seen(item, place, always=place in wanted)
            version = str((reply.body.get("metadata") or {}).get("resourceVersion") or "")
        if not is_served:  # before anybody hears of it: who looks because of that must ask what is served
            self._unserved()
        self.is_served = is_served
        self._replace(fresh, version, known)
        self.listed_at = started
        if not is_served:
            self.error = self._refused(404, "the server does not serve them")

    def _pages(self) -> Iterator[Reply]:
        """Yield the pages of a LIST; after a 410 those of another follow."""
        status = 410
        while status == 410:
            for reply in self._transport.pages(self.path):
                status = reply.status
                yield reply

    def _replace(self, fresh: dict[Place, Seen], version: str, known: Mapping[Place, Seen]) -> None:
        """Take what a LIST found; `known` is what was known before it was sent.

        A LIST tells of all that was answered before. Where it is older than that, the server itself has gone back, to a
        backup of its store, and is believed.
        """
        told: list[Change] = []
        first = self.listed_at is None
        at = number(version) if version else 1 << 64
        with self._lock:
            before, self._objects = self._objects, fresh
            self.version, self.error = version, None
            for place, seen in before.items():
                now = fresh.get(place)
                if seen.version > at and known.get(place) is not seen:
                    fresh[place] = seen  # learned from a write of ours meanwhile
                elif now is not None and now.version and now[:3] == seen[:3]:
                    fresh[place] = seen  # the same as before
                elif now is None:
                    told.append(self._change(place, seen, None))
            for place, seen in fresh.items() if self._tells_first or not first else ():
                if before.get(place) is not seen:
                    told.append(self._change(place, before.get(place), seen, first=first))
        for change in told:
            self._changed(change)

    def take(self, event: Mapping[str, Any]) -> bool:
        """Learn from one watch event; False when the watch cannot go on and a LIST has to come first."""
        body: Mapping[str, Any] = event["object"]
        match event["type"]:
            case "ERROR":
                return False
            case "BOOKMARK":
                self.version = str(body["metadata"]["resourceVersion"])
            case "DELETED":
                self.version = str(body["metadata"]["resourceVersion"])
                self.forget(body)
            case _:
                self.version = str(body["metadata"]["resourceVersion"])
                self.learn(body)
        return True

    def wrote(self, body: Body, digest: bytes | None = None) -> None:
        """Take the answer to a write of ours, whose projection is known, unless the watch has told what came after it.

        One that the watch has passed and does not know is deleted already.
        """
        version = version_of(body)
        if _place(body) in self._objects or not 0 < version <= number(self.version):
            self.learn(body, digest)

    def learn(self, body: Body, digest: bytes | None = None) -> None:
        """Take an object as it is now, whose projection may be known."""
        place = _place(body)
        known = self._objects.get(place)
        version = version_of(body)
        if known is not None and 0 < version <= known.version:
            return  # the watch tells of our own write
        seen = self._seen(body, place, always=False, digest=digest)
        with self._lock:
            before = self._objects.get(place)
            if before is not None and before.version >= seen.version and seen.version:
                return
            self._objects[place] = seen
        self._changed(self._change(place, before, seen))

    def forget(self, body: Body) -> None:
        """Take it that this object is gone, unless another has its name already."""
        place = _place(body)
        uid = str((body.get("metadata") or {}).get("uid") or "")
        with self._lock:
            before = self._objects.get(place)
            if before is None or (uid and before.uid != uid):
                return
            del self._objects[place]
        self._changed(self._change(place, before, None))

    def _seen(self, body: Body, place: Place, *, always: bool, digest: bytes | None = None) -> Seen:
        metadata: Mapping[str, Any] = body.get("metadata") or {}
        digest = projection(body, self._key) if digest is None else digest
        keeps = always or self._keeps(self._id(place), digest)
        return Seen(
            version_of(body),
            str(metadata.get("uid") or ""),
            digest,
            slim(body),
            body if keeps else None,
        )

    def _change(self, place: Place, before: Seen | None, after: Seen | None, *, first: bool = False) -> Change:
        return Change(self._id(place), self.info.version, before, after, first)

    def _id(self, place: Place) -> ResourceId:
        return ResourceId(self.info.group, self.info.kind, *place)

    def _refused(self, status: int, message: str) -> ClusterError:
        name = self._transport.spec.name
        text = f"cluster {name}: {self.info.kind} objects cannot be listed: {message}"
        return (ClusterUnreachable if status >= 500 else ClusterRefused)(text, cluster=name)


def number(version: str) -> int:
    """Return a resource version as a number, 0 for one that is none."""
    return int(version) if version.isdecimal() else 0


def version_of(body: Body) -> int:
    """Return the resource version of an object as a number, 0 where there is none."""
    return number(str((body.get("metadata") or {}).get("resourceVersion") or ""))


def _place(body: Body) -> Place:
    metadata: Mapping[str, Any] = body.get("metadata") or {}
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
