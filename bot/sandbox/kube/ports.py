"""What the simulated controllers see of the sandbox API server: a cluster in the same process, without HTTP.

A resource is named as kubectl names it in full: `pods`, `deployments.apps`, `cronjobs.batch`. Objects are read and
written in the version the server stores, and always carry `apiVersion` and `kind`.

INVARIANT: an object that came from here is shared with the server and with every other reader. Nobody changes it;
who wants to write makes a copy first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

Body = Mapping[str, Any]


class EventType(Enum):
    """What a watch says happened."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class Propagation(Enum):
    """What becomes of the objects that an object owns, `propagationPolicy` in the API."""

    BACKGROUND = "Background"
    FOREGROUND = "Foreground"
    ORPHAN = "Orphan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change; `object` is the state after it, or the last state for DELETED."""

    type: EventType
    resource: str
    object: Body
    before: Body | None = None


class Subscription(Protocol):
    """Changes of some resources in commit order, beginning with an ADDED for each object that exists."""

    def take(self, timeout_seconds: float | None = None) -> Sequence[Event]:
        """Wait for changes and return all that are there; empty after the timeout and after `close`."""
        ...

    def wake(self) -> None:
        """Let a waiting `take` return now; from any thread."""
        ...

    def close(self) -> None:
        """End the subscription; idempotent, from any thread."""
        ...


class Cluster(Protocol):
    """Reads and writes as administrator. Thread-safe. Writes raise `bot.sandbox.kube.errors.StatusError`."""

    def now(self) -> datetime:
        """Return the server's time, aware and in UTC."""
        ...

    def get(self, resource: str, namespace: str, name: str) -> Body | None: ...

    def list(self, resource: str, namespace: str = "") -> Sequence[Body]:
        """Return the objects of a namespace, or of all; in no order that means anything."""
        ...

    def create(self, resource: str, body: Body, *, manager: str) -> Body:
        """Create an object in `metadata.namespace`; defaults, validation and `generateName` apply."""
        ...

    def update(self, resource: str, body: Body, *, manager: str, subresource: str = "") -> Body:
        """Replace an object, or its `status`. A `metadata.resourceVersion` that is not the current one is a 409."""
        ...

    def patch(
        self, resource: str, namespace: str, name: str, patch: Body, *, manager: str, subresource: str = ""
    ) -> Body:
        """Apply a JSON merge patch (RFC 7386) to an object, or to its `status` or `scale`."""
        ...

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
        """Delete an object. `grace_seconds=0` is what a kubelet says when a Pod's containers have ended."""
        ...

    def watch(self, *resources: str) -> Subscription: ...


class Logs(Protocol):
    """What the containers of a Pod wrote; asked for `kubectl logs`."""

    def __call__(self, pod: Body, container: str, *, previous: bool) -> Sequence[tuple[datetime, str]]:
        """Return lines with their times, oldest first. Raises `bot.sandbox.kube.errors.StatusError`."""
        ...
