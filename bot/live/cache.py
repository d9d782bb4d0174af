"""The live state of one cluster as watches tell it, shared by plans, health waits and drift detection.

One feed per kind and scope. The scope follows from need and rights: the namespaces that are asked for while they are
few, the whole cluster when they are many and the server lets us list it, each namespace where it does not. The cache
knows which app attends to which object: a change that an app has to look at raises its `Stamp` and calls `stir`.

The surprising part: `attend` is a promise to look. What nobody attends to is kept, and makes no noise.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, Protocol

from bot.errors import ApiUnavailable, ClusterRefused
from bot.live.feeds import Change, Feed, Place, Seen, version_of
from bot.live.transport import Transport
from bot.live.verdicts import Verdicts
from bot.model.resource import Body, KindInfo, ResourceId, ResourceRef
from bot.ports.live import Stamp

if TYPE_CHECKING:
    from bot.live.streams import Streams

FEW: Final = 3  # namespaces that are watched one by one; with more of them one watch of all is cheaper
BELOW: Final = (
    KindInfo(group="", version="v1", kind="Pod", plural="pods", namespaced=True),
    KindInfo(group="apps", version="v1", kind="ReplicaSet", plural="replicasets", namespaced=True),
    KindInfo(group="batch", version="v1", kind="Job", plural="jobs", namespaced=True),
)
WORKLOADS: Final = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob", "Pod"}
)
_ASK_AGAIN: Final = timedelta(minutes=1)  # rights may have been granted meanwhile
_OWNED: Final = frozenset({"Pod", "ReplicaSet", "Job"})
_DEEPEST: Final = 4  # CronJob, Job, Pod and one to spare: owner references can be written in circles
_FeedKey = tuple[str, str, str, bool]
Scope = tuple[KindInfo | None, str]  # a kind, None where it is not served, and a namespace


class Listener(Protocol):
    """Hears that an object it asked about is another than before, in a thread that must not be kept."""

    def touched(self, id: ResourceId) -> None: ...


@dataclass(slots=True)
class _Kind:
    """The feeds of one kind in one version."""

    info: KindInfo
    lock: RLock = field(default_factory=RLock)  # held while a first LIST is under way: others wait for its answer
    whole: Feed | None = None
    parts: dict[str, Feed] = field(default_factory=dict)
    denied: bool = False  # the whole cluster may not be listed
    refused_at: datetime | None = None  # when a namespace could not be listed either

    def feed(self, namespace: str) -> Feed | None:
        return self.whole or self.parts.get(namespace if self.info.namespaced else "")


class LiveCache:
    """Safe to use from several threads. Contacts nobody before its first question."""

    def __init__(
        self,
        transport: Transport,
        verdicts: Verdicts,
        *,
        key: bytes,
        clock: Callable[[], datetime],
        follow: bool,
        stir: Callable[[str, bool], None],
        needs: Callable[[ResourceId], bool],
        unserved: Callable[[], None] = lambda: None,
    ) -> None:
        self._transport, self._verdicts, self._key, self._clock = transport, verdicts, key, clock
        self._follow, self._stir, self._needs, self._unserved = follow, stir, needs, unserved
        self._streams: Streams | None = None  # guarded by _lock; made when something is followed
        self._lock = RLock()
        self._kinds: dict[_FeedKey, _Kind] = {}  # only grows; written under _lock
        self._attended: dict[ResourceId, tuple[tuple[str, ResourceRef], ...]] = {}  # guarded by _lock
        self._apps: dict[str, set[ResourceRef]] = {}  # the same by app; guarded by _lock
        self._scopes: dict[str, frozenset[Scope]] = {}  # of each app; guarded by _lock
        self._stamps: dict[str, Stamp] = {}  # guarded by _lock
        self._touched: dict[str, dict[ResourceRef, Stamp]] = {}  # what raised it, and to what; guarded by _lock
        self._listeners: dict[ResourceId, set[Listener]] = {}  # guarded by _lock
        self._writing: set[ResourceId] = set()  # guarded by _lock
        self._owners: dict[str, tuple[ResourceId, Body]] = {}  # workloads and what is below them, by uid
        self._children: dict[str, dict[str, ResourceId]] = {}  # by the owner's uid, then by their own

    # --- reading ----------------------------------------------------------------------------------------------

    def cover(self, info: KindInfo, wanted: Set[Place]) -> bool:
        """Make sure that all these places are known; False when this kind cannot be listed or watched by us now.

        Raises `ClusterError` when the server does not answer.
        """
        if not {"list", "watch"} <= info.verbs:
            return False
        kind = self._kind(info)
        spaces = {namespace for namespace, _ in wanted} if info.namespaced else {""}
        if kind.refused_at is not None and self._clock() - kind.refused_at < _ASK_AGAIN:
            return False
        try:
            with kind.lock:
                self._cover(kind, spaces, wanted)
                for feed in {feed for one in spaces if (feed := kind.feed(one)) is not None}:
                    if feed.error is not None:
                        feed.list(wanted)  # the watch is down: the server says why, or answers
            kind.refused_at = None
        except ClusterRefused:
            kind.refused_at = self._clock()
            return False  # objects are then read one by one, which is another right
        except ApiUnavailable:
            return False  # who needs the objects hears of it when they are read
        return True

    def _kind(self, info: KindInfo) -> _Kind:
        key = (info.group, info.version, info.plural, info.namespaced)  # a CRD can be made anew with another scope
        known = self._kinds.get(key)
        if known is None:
            with self._lock:
                known = self._kinds.setdefault(key, _Kind(info))
        return known

    def _cover(self, kind: _Kind, spaces: Set[str], wanted: Set[Place]) -> None:
        missing = {one for one in spaces if kind.feed(one) is None}
        if not missing:
            return
        if kind.info.namespaced and not kind.denied and len(kind.parts) + len(missing) > FEW:
            whole = self._feed(kind.info, "")
            try:
                whole.list(wanted)
            except ClusterRefused:
                kind.denied = True
            else:
                former, kind.parts, kind.whole = tuple(kind.parts.values()), {}, whole
                for feed in former:
                    if self._streams is not None:
                        self._streams.leave(feed)
                    for change in whole.since(feed):
                        self._changed(change)
                self._begin(whole)
                return
        for namespace in sorted(missing):
            feed = self._feed(kind.info, namespace)
            feed.list(wanted)
            kind.parts[namespace] = feed
            self._begin(feed)

    def _feed(self, info: KindInfo, namespace: str) -> Feed:
        return Feed(
            self._transport,
            info,
            namespace,
            key=self._key,
            clock=self._clock,
            keeps=self._keeps,
            changed=self._changed,
            unserved=self._unserved,
            tells_first=info.kind in WORKLOADS,
        )

    def _begin(self, feed: Feed) -> None:
        if not self._follow:
            return
        from bot.live.streams import Streams  # imported late: a command that only looks does not pay for it

        with self._lock:
            if self._streams is None:
                self._streams = Streams(self._transport)
            self._streams.follow(feed)

    def seen(self, info: KindInfo, id: ResourceId) -> Seen | None:
        """Return an object of a covered place; None when it does not exist."""
        feed = self._kind(info).feed(id.namespace)
        return feed.get(id.namespace, id.name) if feed is not None else None

    def count(self, info: KindInfo, namespace: str) -> int:
        """Return how many objects of a kind a covered namespace has, 0 for one that is not."""
        feed = self._kind(info).feed(namespace)
        return feed.count(namespace) if feed is not None else 0

    def knows(self, info: KindInfo, id: ResourceId) -> bool:
        """Tell whether the absence of an object would be seen: where its kind is served, in this version."""
        feed = self._kind(info).feed(id.namespace)
        return feed is not None and feed.is_served

    def is_newer(self, info: KindInfo, places: Collection[Place], moment: datetime) -> bool:
        """Tell whether all these places were listed after a moment."""
        kind = self._kind(info)
        feeds = {kind.feed(namespace) for namespace, _ in places}
        return all(one is not None and one.listed_at is not None and one.listed_at >= moment for one in feeds)

    def release(self, info: KindInfo, id: ResourceId) -> None:
        """Keep the short form of an object only."""
        feed = self._kind(info).feed(id.namespace)
        if feed is not None:
            feed.release(id.namespace, id.name)

    def below(self, uid: str) -> tuple[Body, ...]:
        """Return the Pods below an object, through Jobs and its ReplicaSet of today: older ones are leaving."""
        with self._lock:
            return tuple(self._pods(uid, _DEEPEST))

    def _pods(self, uid: str, depth: int) -> Iterator[Body]:
        for child in self._children.get(uid, ()) if depth else ():
            id, body = self._owners[child]
            if id.kind == "Pod":
                yield body
            if not (id.kind == "ReplicaSet" and self._is_superseded(uid, body)):
                yield from self._pods(child, depth - 1)

    def _is_superseded(self, owner: str, replica_set: Body) -> bool:
        """Tell whether a Deployment has moved on from a ReplicaSet: its controller writes a revision on both."""
        today = _revision(self._owners[owner][1]) if owner in self._owners else ""
        return bool(today) and _revision(replica_set) not in {"", today}

    # --- our own writes ---------------------------------------------------------------------------------------

    def writing(self, id: ResourceId) -> None:
        """What the watch tells of this object from now on may be our own doing."""
        with self._lock:
            self._writing.add(id)

    def written(self, app: str, info: KindInfo, id: ResourceId, body: Body | None, digest: bytes | None = None) -> None:
        """The app's write has ended, with this answer if it succeeded. What came in between is judged now.

        Other apps that attend to the object hear of what was written in any case.
        """
        feed = self._kind(info).feed(id.namespace)
        if feed is not None and body is not None:
            feed.wrote(body, digest)
        with self._lock:
            self._writing.discard(id)
            if app in self._apps:  # what was deleted to be made again is attended to again
                self._heed(app, ResourceRef(id, info.version))
            attended = self._attended.get(id, ())
            # Its kind came with the same commit, and is watched from the next look on.
            blind = [one for one in attended if (None, id.namespace) in self._scopes.get(one[0], ())]
        for other, ref in blind if body is not None else ():
            self._raise(other, ref, drift=True)
        seen = feed.get(id.namespace, id.name) if feed is not None else None
        is_overtaken = body is not None and seen is not None and self._needs(id) and seen.version > version_of(body)
        for other, ref in attended if feed is not None else ():
            theirs = other != app and body is not None
            if theirs or seen is None or is_overtaken or seen.projection != self._verdicts.expects(ref):
                self._raise(other, ref, drift=True)
            else:
                self.release(info, id)  # the watch may have told of it before the server had answered

    def gone(self, info: KindInfo, id: ResourceId) -> None:
        """We deleted this object, and the server said that it is gone."""
        feed = self._kind(info).feed(id.namespace)
        if feed is not None:
            feed.forget({"metadata": {"namespace": id.namespace, "name": id.name}})

    def dropped(self, app: str, ref: ResourceRef) -> None:
        """The app does not want this object any more: its end is no news."""
        with self._lock:
            self._neglect(app, ref)

    # --- attending --------------------------------------------------------------------------------------------

    def attend(self, app: str, refs: Set[ResourceRef], scopes: frozenset[Scope]) -> None:
        """Raise the app's stamp from now on when one of these objects, and none other, changes.

        `scopes` are the kinds and namespaces they are of.
        """
        with self._lock:
            known = self._apps.setdefault(app, set())
            for ref in known - refs:
                self._neglect(app, ref)
            for ref in refs - known:
                self._heed(app, ref)
            self._scopes[app] = scopes

    def _heed(self, app: str, ref: ResourceRef) -> None:
        known = self._apps[app]
        if ref not in known:
            known.add(ref)
            self._attended[ref.id] = (*self._attended.get(ref.id, ()), (app, ref))

    def _neglect(self, app: str, ref: ResourceRef) -> None:
        self._apps.get(app, set()).discard(ref)
        self._touched.get(app, {}).pop(ref, None)
        rest = tuple(one for one in self._attended.get(ref.id, ()) if one != (app, ref))
        if rest:
            self._attended[ref.id] = rest
        else:
            self._attended.pop(ref.id, None)

    def stamp(self, app: str) -> Stamp:
        with self._lock:
            return self._stamps.get(app, Stamp())

    def touched(self, app: str, since: Stamp) -> Set[ResourceRef]:
        with self._lock:
            return {ref for ref, stamp in self._touched.get(app, {}).items() if stamp.is_after(since)}

    def is_followed(self, app: str) -> bool:
        """Tell whether watches follow all that the app attends to: what they do not show has not happened."""
        with self._lock:
            scopes = self._scopes.get(app)
        if scopes is None:
            return False
        feeds = [self._kind(info).feed(namespace) if info is not None else None for info, namespace in scopes]
        return all(one is not None and one.error is None for one in feeds)

    def subscribe(self, listener: Listener, ids: Collection[ResourceId]) -> None:
        with self._lock:
            for id in ids:
                self._listeners.setdefault(id, set()).add(listener)

    def unsubscribe(self, listener: Listener, ids: Collection[ResourceId]) -> None:
        with self._lock:
            for id in ids:
                heard = self._listeners.get(id)
                if heard is not None:
                    heard.discard(listener)
                    if not heard:
                        del self._listeners[id]

    def close(self) -> None:
        with self._lock:
            streams, self._streams, self._follow = self._streams, None, False
        if streams is not None:
            streams.close()

    # --- what feeds tell --------------------------------------------------------------------------------------

    def _keeps(self, id: ResourceId, projection: bytes) -> bool:
        """Keep the whole of an object that an app will have to look at: it saves the GET."""
        attended = self._attended.get(id)
        if attended and any(self._verdicts.expects(ref) != projection for _, ref in attended):
            return True
        return self._needs(id)

    def _changed(self, change: Change) -> None:
        id, before, after = change.id, change.before, change.after
        if id.kind in WORKLOADS:
            self._place(id, before, after)
        if change.first:
            return
        lively = before is None or after is None or before.uid != after.uid or before.slim != after.slim
        with self._lock:
            attended = () if id in self._writing else self._attended.get(id, ())
        for app, ref in attended:
            # Of what is read whole, an app's inventory, there is no verdict: whoever writes it but us has it read anew.
            if after is None or (
                ref.version == change.version and (self._needs(id) or after.projection != self._verdicts.expects(ref))
            ):
                self._raise(app, ref, drift=True)
            elif lively:
                self._raise(app, ref, drift=False)
        if lively:
            for one in (id, *self._above(after or before)):
                self._tell(one, direct=one == id)

    def _tell(self, id: ResourceId, *, direct: bool) -> None:
        with self._lock:
            listeners = tuple(self._listeners.get(id, ()))
            attended = () if direct else self._attended.get(id, ())
        for listener in listeners:
            listener.touched(id)
        for app, ref in attended:
            self._raise(app, ref, drift=False)

    def _raise(self, app: str, ref: ResourceRef, *, drift: bool) -> None:
        with self._lock:
            stamp = self._stamps[app] = self._stamps.get(app, Stamp()).raised(drift=drift)
            self._touched.setdefault(app, {})[ref] = stamp
        self._stir(app, drift)

    def _place(self, id: ResourceId, before: Seen | None, after: Seen | None) -> None:
        """Keep the tree of workloads, ReplicaSets, Jobs and Pods."""
        with self._lock:
            if before is not None and (after is None or after.uid != before.uid):
                self._owners.pop(before.uid, None)
                for owner in _owner_uids(before.slim):
                    below = self._children.get(owner)
                    if below is not None:
                        below.pop(before.uid, None)
                        if not below:
                            del self._children[owner]
            if after is not None and after.slim is not None:
                self._owners[after.uid] = (id, after.slim)
                if id.kind in _OWNED:
                    for owner in _owner_uids(after.slim):
                        self._children.setdefault(owner, {})[after.uid] = id

    def _above(self, seen: Seen | None) -> Iterator[ResourceId]:
        """Yield the owners of a Pod, ReplicaSet or Job, their owners, and so on."""
        body = seen.slim if seen is not None else None
        for _ in range(_DEEPEST):
            owner = next(iter(_owner_uids(body)), "")
            with self._lock:
                found = self._owners.get(owner)
            if found is None:
                return
            yield found[0]
            body = found[1]


def _revision(body: Body) -> str:
    return str(((body.get("metadata") or {}).get("annotations") or {}).get("deployment.kubernetes.io/revision") or "")


def _owner_uids(body: Body | None) -> Iterator[str]:
    metadata: Mapping[str, Any] = (body or {}).get("metadata") or {}
    for reference in metadata.get("ownerReferences") or ():
        yield str(reference.get("uid"))
