"""Objects in memory with revisions, the history of changes, and those who follow it: what etcd is to a cluster.

INVARIANT: an object in the store is never changed; a write puts another object in its place. So readers need no
lock and no copy, and the history shares what did not change. The lock is held for the commit alone, never for
defaulting, merging or validation: who writes says which state the new one was made from, and is told when it is stale.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from queue import Empty, SimpleQueue
from typing import Any, Final

from bot.sandbox.kube.ports import Body, Event, EventType

_HISTORY: Final = 4_000  # changes; a client that was away longer has to list again, as after etcd's compaction
Key = tuple[str, str]


class Provisional(dict[str, Any]):
    """A body whose stored bytes lack defaults that every reader sees: a write that changes nothing stores it anew."""


class Taken(Exception):
    """There is an object of that name."""


class Stale(Exception):
    """The object is no longer what the new one was made from."""


class Compacted(Exception):
    """The history no longer reaches that far back; `oldest` is the first revision it can still tell."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"compacted before {oldest}")
        self.oldest = oldest


class Future(Exception):
    """The revision has not been reached yet; `current` is the newest one."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the current revision is {current}")
        self.current = current


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Event):
    """An event and the revision it made."""

    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The objects of a resource at one revision, ordered by namespace and name."""

    revision: int
    objects: Sequence[Body]


class Follower:
    """Changes of some resources in commit order. A `bot.sandbox.kube.ports.Subscription`."""

    def __init__(self, store: Store, resources: frozenset[str]) -> None:
        self._resources = resources
        self._store = store
        self._queue: SimpleQueue[Change | None] = SimpleQueue()
        self.closed = False

    def offer(self, change: Change) -> None:
        """Take a change that is wanted here; without resources every one is."""
        if not self._resources or change.resource in self._resources:
            self._queue.put(change)

    def take(self, timeout_seconds: float | None = None) -> Sequence[Change]:
        found: list[Change] = []
        try:
            first = self._queue.get(timeout=timeout_seconds)
            while first is not None:
                found.append(first)
                first = self._queue.get_nowait()
        except Empty:
            pass
        return found

    def wake(self) -> None:
        self._queue.put(None)

    def close(self) -> None:
        self.closed = True
        self._store.forget(self)
        self.wake()

    @property
    def idle(self) -> bool:
        return self._queue.empty()


class Store:
    """Thread-safe. Resources are named `deployments.apps`."""

    def __init__(self, *, history: int = _HISTORY) -> None:
        self._lock = threading.Lock()
        self._revision = 1  # guarded by _lock, as everything below
        self._objects: dict[str, dict[Key, Body]] = {}
        self._changes: deque[Change] = deque(maxlen=history)
        self._oldest = 1
        self._followers: set[Follower] = set()

    @property
    def revision(self) -> int:
        return self._revision

    def get(self, resource: str, namespace: str, name: str) -> Body | None:
        found = self._objects.get(resource)
        return found.get((namespace, name)) if found else None

    def list(self, resource: str, namespace: str = "", *, at: int | None = None) -> Snapshot:
        """Return the objects of a namespace ("" is all), now or `at` a revision. Raises `Compacted`, `Future`."""
        with self._lock:
            revision = self._revision
            found = dict(self._objects.get(resource, {}))
            undone: Sequence[Change] = ()
            if at is not None and at < revision:
                self._reachable(at)
                undone = [one for one in self._since(at) if one.resource == resource]
        if at is not None and at > revision:
            raise Future(revision)
        for change in reversed(undone):
            key = key_of(change.object)
            if change.before is None:
                found.pop(key, None)
            else:
                found[key] = change.before
        keys = sorted(key for key in found if not namespace or key[0] == namespace)
        return Snapshot(revision=revision if at is None else at, objects=[found[key] for key in keys])

    def create(self, resource: str, body: dict[str, Any]) -> Body:
        """Keep a new object and return it with its resourceVersion. Raises `Taken`."""
        with self._lock:
            objects = self._objects.setdefault(resource, {})
            key = key_of(body)
            if key in objects:
                raise Taken
            return self._commit(EventType.ADDED, resource, body, None)

    def replace(self, resource: str, old: Body, new: dict[str, Any]) -> Body:
        """Put `new` in the place of `old` and return it with its resourceVersion. Raises `Stale`."""
        with self._lock:
            self._expect(resource, old)
            return self._commit(EventType.MODIFIED, resource, new, old)

    def remove(self, resource: str, old: Body, last: dict[str, Any]) -> Body:
        """Forget `old` and return its `last` state with the revision of its end. Raises `Stale`."""
        with self._lock:
            self._expect(resource, old)
            return self._commit(EventType.DELETED, resource, last, old)

    def follow(self, resources: Iterable[str] = (), *, since: int | None = None) -> Follower:
        """Return what happens to some resources, or to all, after a revision.

        None begins with an ADDED of every object there is, each with the current revision. Raises `Compacted`.
        """
        follower = Follower(self, frozenset(resources))
        with self._lock:
            if since is not None:
                self._reachable(since)
                for change in self._since(since):
                    follower.offer(change)
            else:
                for resource, objects in self._objects.items():
                    for body in objects.values():
                        follower.offer(
                            Change(type=EventType.ADDED, resource=resource, object=body, revision=self._revision)
                        )
            self._followers.add(follower)
        return follower

    def forget(self, follower: Follower) -> None:
        with self._lock:
            self._followers.discard(follower)

    def quiet_revision(self, follower: Follower) -> int:
        """Return the revision up to which a follower has heard everything, 0 when something waits for it."""
        with self._lock:
            return self._revision if follower.idle else 0

    def compact(self) -> None:
        """Forget the history, as etcd does every five minutes."""
        with self._lock:
            self._changes.clear()
            self._oldest = self._revision

    def resources(self) -> Sequence[str]:
        """Return the resources that have objects."""
        with self._lock:
            return [name for name, objects in self._objects.items() if objects]

    def _commit(self, type: EventType, resource: str, body: dict[str, Any], before: Body | None) -> Body:
        self._revision += 1
        body["metadata"] = {**body["metadata"], "resourceVersion": str(self._revision)}
        key = key_of(body)
        if type is EventType.DELETED:
            del self._objects[resource][key]
        else:
            self._objects[resource][key] = body
        if len(self._changes) == self._changes.maxlen:
            self._oldest = self._changes[0].revision
        change = Change(type=type, resource=resource, object=body, before=before, revision=self._revision)
        self._changes.append(change)
        for follower in self._followers:
            follower.offer(change)
        return body

    def _expect(self, resource: str, old: Body) -> None:
        if self._objects.get(resource, {}).get(key_of(old)) is not old:
            raise Stale

    def _reachable(self, revision: int) -> None:
        if revision < self._oldest:
            raise Compacted(self._oldest)

    def _since(self, revision: int) -> Sequence[Change]:
        newest_first = takewhile(lambda one: one.revision > revision, reversed(self._changes))
        return tuple(newest_first)[::-1]


def key_of(body: Body) -> Key:
    metadata = body["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
