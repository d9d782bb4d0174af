"""The objects that the controllers see, indexed as they ask for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from bot.sandbox.kube.controllers.objects import controller_of, name_of, namespace_of, uid_of
from bot.sandbox.kube.ports import Body


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which object: resource as kubectl names it in full, namespace ("" if cluster-scoped), name."""

    resource: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why the last object that a controller wanted to create was refused; it is not tried again before `until`."""

    message: str
    until: datetime
    times: int


class View:
    """The state of a cluster as far as changes were put in. Not thread-safe: the runner's thread owns it."""

    def __init__(self) -> None:
        self._objects: dict[Key, Body] = {}
        self._since: dict[Key, datetime] = {}
        self._troubles: dict[Key, Trouble] = {}
        self._places: defaultdict[tuple[str, str], dict[str, Key]] = defaultdict(dict)
        self._owned: defaultdict[str, dict[Key, None]] = defaultdict(dict)

    @classmethod
    def of(cls, objects: Iterable[tuple[str, Body]], at: datetime) -> View:
        """Return a view of (resource, object) pairs."""
        view = cls()
        for resource, body in objects:
            view.put(resource, body, at)
        return view

    def put(self, resource: str, body: Body, at: datetime) -> Key:
        key = key_of(resource, body)
        before, after = _owner_uid(self._objects.get(key)), _owner_uid(body)
        if before != after:
            self._forget_owner(before, key)
        if after:
            self._owned[after][key] = None
        self._objects[key] = body
        self._since[key] = at
        self._places[resource, key.namespace][key.name] = key
        return key

    def drop(self, resource: str, body: Body) -> Key:
        key = key_of(resource, body)
        self._forget_owner(_owner_uid(self._objects.pop(key, None)), key)
        self._since.pop(key, None)
        self._troubles.pop(key, None)
        self._places[resource, key.namespace].pop(key.name, None)
        return key

    def at(self, key: Key) -> Body | None:
        return self._objects.get(key)

    def get(self, resource: str, namespace: str, name: str) -> Body | None:
        return self._objects.get(Key(resource, namespace, name))

    def since(self, key: Key) -> datetime:
        """Return when an object got the state it has: with parts of seconds, which its own timestamps lack."""
        return self._since[key]

    def trouble(self, key: Key) -> Trouble | None:
        return self._troubles.get(key)

    def note_trouble(self, key: Key, trouble: Trouble | None) -> None:
        """Remember what a controller met, or that it is over."""
        if trouble is not None:
            self._troubles[key] = trouble
        else:
            self._troubles.pop(key, None)

    def within(self, resource: str, namespace: str = "") -> Iterator[Body]:
        """Iterate over the objects of one namespace, or over the cluster-scoped ones."""
        for key in tuple(self._places.get((resource, namespace), {}).values()):
            yield self._objects[key]

    def everywhere(self, resource: str) -> Iterator[Body]:
        for kind, namespace in tuple(self._places):
            if kind == resource:
                yield from self.within(resource, namespace)

    def owned(self, resource: str, owner: Body) -> list[Body]:
        """Return the objects of a resource whose controller is `owner`, in the order they were seen first."""
        return [self._objects[key] for key in self._owned.get(uid_of(owner), ()) if key.resource == resource]

    def _forget_owner(self, uid: str, key: Key) -> None:
        if keys := self._owned.get(uid):
            keys.pop(key, None)
            if not keys:
                del self._owned[uid]


def _owner_uid(body: Body | None) -> str:
    return str((controller_of(body or {}) or {}).get("uid") or "")


def key_of(resource: str, body: Body) -> Key:
    return Key(resource, namespace_of(body), name_of(body))
