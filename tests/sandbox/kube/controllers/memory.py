"""A cluster in memory, as small as the controllers need it: versions, generations, finalizers, owners."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.sandbox.kube.errors import StatusError
from bot.sandbox.kube.ports import Body, Event, EventType, Propagation

Place = tuple[str, str, str]


class MemorySubscription:
    def __init__(self, resources: tuple[str, ...]) -> None:
        self.resources = resources
        self.events: deque[Event] = deque()

    def take(self, timeout_seconds: float | None = None) -> Sequence[Event]:
        taken = tuple(self.events)
        self.events.clear()
        return taken

    def wake(self) -> None:
        pass

    def close(self) -> None:
        pass


class MemoryCluster:
    def __init__(self, now: datetime) -> None:
        self.time = now
        self.objects: dict[Place, dict[str, Any]] = {}
        self._subscriptions: list[MemorySubscription] = []
        self._version = 0

    def now(self) -> datetime:
        return self.time

    def get(self, resource: str, namespace: str, name: str) -> Body | None:
        return self.objects.get((resource, namespace, name))

    def list(self, resource: str, namespace: str = "") -> Sequence[Body]:
        return [
            body
            for (kind, place, _), body in self.objects.items()
            if kind == resource and (not namespace or place == namespace)
        ]

    def create(self, resource: str, body: Body, *, manager: str) -> Body:
        place = _place(resource, body)
        if place in self.objects:
            raise StatusError(409, "AlreadyExists", f"{place} already exists")
        self._version += 1
        metadata = {
            **body["metadata"],
            "uid": f"{self._version:08x}-0000-0000-0000-{self._version:012x}",
            "generation": 1,
            "creationTimestamp": self.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        created = {**body, "metadata": metadata}
        if resource == "pods":
            created["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
        if resource == "persistentvolumeclaims":
            created["status"] = {"phase": "Pending"}
        return self._store(EventType.ADDED, place, resource, created)

    def update(self, resource: str, body: Body, *, manager: str, subresource: str = "") -> Body:
        place = _place(resource, body)
        old = self._existing(place)
        if body["metadata"].get("resourceVersion") not in (None, old["metadata"]["resourceVersion"]):
            raise StatusError(409, "Conflict", f"{place} has changed")
        new = dict(body)
        if subresource == "status":
            new = {**old, "status": body.get("status") or {}, "metadata": dict(body["metadata"])}
        elif subresource == "":
            new["status"] = old.get("status") or {}
        new = {key: value for key, value in new.items() if key != "status" or value}
        if new == old:
            return old
        if new.get("spec") != old.get("spec") and subresource != "binding":
            new["metadata"] = {**new["metadata"], "generation": old["metadata"]["generation"] + 1}
        return self._store(EventType.MODIFIED, place, resource, new)

    def patch(
        self, resource: str, namespace: str, name: str, patch: Body, *, manager: str, subresource: str = ""
    ) -> Body:
        old = self._existing((resource, namespace, name))
        return self.update(resource, _merged(old, patch), manager=manager)

    def delete(
        self,
        resource: str,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        grace_seconds: int | None = None,
        propagation: Propagation | None = None,
    ) -> None:
        place = (resource, namespace, name)
        old = self._existing(place)
        if uid and uid != old["metadata"]["uid"]:
            raise StatusError(409, "Conflict", "another object")
        waits = resource == "pods" and (old.get("spec") or {}).get("nodeName") and grace_seconds != 0
        if waits or old["metadata"].get("finalizers"):
            metadata = {**old["metadata"], "deletionTimestamp": self.time.strftime("%Y-%m-%dT%H:%M:%SZ")}
            metadata["deletionGracePeriodSeconds"] = 30 if grace_seconds is None else grace_seconds
            if metadata != old["metadata"]:
                self._store(EventType.MODIFIED, place, resource, {**old, "metadata": metadata})
            return
        self._remove(place)

    def watch(self, *resources: str) -> MemorySubscription:
        subscription = MemorySubscription(resources)
        for (resource, _, _), body in self.objects.items():
            if resource in resources:
                subscription.events.append(Event(type=EventType.ADDED, resource=resource, object=body))
        self._subscriptions.append(subscription)
        return subscription

    def _existing(self, place: Place) -> dict[str, Any]:
        if place not in self.objects:
            raise StatusError(404, "NotFound", f"{place} not found")
        return self.objects[place]

    def _store(self, type: EventType, place: Place, resource: str, body: dict[str, Any]) -> Body:
        self._version += 1
        body["metadata"] = {**body["metadata"], "resourceVersion": str(self._version)}
        before = self.objects.get(place)
        metadata = body["metadata"]
        graceful = resource == "pods" and metadata.get("deletionGracePeriodSeconds") != 0
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers") and not graceful:
            self.objects[place] = body
            self._remove(place)
            return body
        self.objects[place] = body
        self._announce(Event(type=type, resource=resource, object=body, before=before))
        return body

    def _remove(self, place: Place) -> None:
        old = self.objects.pop(place)
        self._announce(Event(type=EventType.DELETED, resource=place[0], object=old, before=old))
        for resource, namespace, name in list(self.objects):
            body = self.objects.get((resource, namespace, name), {})
            owners = (body.get("metadata") or {}).get("ownerReferences") or ()
            if any(owner["uid"] == old["metadata"]["uid"] for owner in owners):
                self.delete(resource, namespace, name)

    def _announce(self, event: Event) -> None:
        for subscription in self._subscriptions:
            if event.resource in subscription.resources:
                subscription.events.append(event)


def _place(resource: str, body: Body) -> Place:
    return resource, body["metadata"].get("namespace") or "", body["metadata"]["name"]


def _merged(old: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in patch.items():
        merged[key] = _merged(merged.get(key) or {}, value) if isinstance(value, Mapping) else value
    return merged
