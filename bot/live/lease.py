"""Two bots with one name on one cluster: a Lease lets one of them write.

The Lease (coordination.k8s.io) is named after the instance, beside the inventories. Its holder is the installation:
processes that share a state store share it and are kept apart by the store's locks. It is renewed while the bot runs
and given back when it stops; after a kill, a bot with another state store waits until it has run out.

Whoever holds it knows its version, and renews with one request: somebody else's write makes that a conflict, and only
then it is read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.errors import ClusterRefused, ClusterUnreachable
from bot.live.transport import Reply, Transport

LASTS: Final = timedelta(seconds=30)
_RENEW_AFTER: Final = timedelta(seconds=10)
_TRIES: Final = 3


class Lease:
    """The lease of one instance on one cluster. Safe to use from several threads."""

    def __init__(
        self,
        transport: Transport,
        *,
        namespace: str,
        name: str,
        clock: Callable[[], datetime],
        lacks_namespace: Callable[[], bool],
        make_namespace: Callable[[], None],
    ) -> None:
        """`lacks_namespace` tells whether the namespace seems to be missing; that it is, the server says."""
        self._transport, self._namespace, self._name, self._clock = transport, namespace, name, clock
        self._lacks_namespace, self._make_namespace = lacks_namespace, make_namespace
        self._lock = threading.Lock()
        self._renewed_at: datetime | None = None
        self._version = ""  # of our last write
        self._taken_here = False

    def hold(self, holder: str) -> None:
        """Take or renew the lease. Raises `ClusterRefused` while another installation holds it."""
        with self._lock:
            now = self._clock()
            if self._renewed_at is not None and timedelta(0) <= now - self._renewed_at < _RENEW_AFTER:
                return
            bare = not self._version and self._lacks_namespace()  # then there is no lease to read either
            for _ in range(_TRIES):
                held = bool(self._version)
                if held:
                    reply = self._renew(self._version, _spec(holder, now))
                elif bare:
                    reply, bare = self._create_in_new_namespace(holder, now), False
                else:
                    reply = self._take(holder, now)
                if reply.ok:
                    self._renewed_at = now
                    self._version = str(reply.body["metadata"]["resourceVersion"])
                    return
                self._version = ""
                if reply.status != 409 and not (held and reply.status == 404):
                    raise ClusterRefused(
                        self._says(f"the lease {self._name} cannot be held: {reply.message}"), cluster=self._cluster
                    )
            raise ClusterUnreachable(self._says(f"others keep writing the lease {self._name}"), cluster=self._cluster)

    def give_back(self) -> None:
        """End the lease if this process took it. Raises `ClusterError`."""
        with self._lock:
            if self._taken_here:
                self._taken_here = False
                self._renewed_at, self._version = None, ""
                patch = {"spec": {"holderIdentity": ""}}
                self._transport.request("PATCH", self._path, body=patch, content_type="application/merge-patch+json")

    def _take(self, holder: str, now: datetime) -> Reply:
        """Read the lease, and take it unless another installation has it."""
        found = self._transport.request("GET", self._path)
        if found.status == 404:
            return self._create(holder, now)
        if not found.ok:
            return found
        spec: dict[str, Any] = found.body.get("spec") or {}
        before = spec.get("holderIdentity") or ""
        wanted: dict[str, Any] = _spec(holder, now)
        if before != holder:
            renewed = datetime.fromisoformat(spec["renewTime"]) if spec.get("renewTime") else None
            lasts = timedelta(seconds=spec.get("leaseDurationSeconds") or 0)
            if before and renewed is not None and now < renewed + lasts:
                raise ClusterRefused(
                    self._says(
                        f"another bot named {self._name.removeprefix('gitops-bot-')} ({before}) writes to it until "
                        f"{renewed + lasts:%H:%M:%S} UTC; stop it, or give one of them another `instance`"
                    ),
                    cluster=self._cluster,
                )
            wanted["acquireTime"] = _micro(now)
        reply = self._renew(str(found.body["metadata"]["resourceVersion"]), wanted)
        self._taken_here = self._taken_here or (reply.ok and before != holder)
        return reply

    def _create_in_new_namespace(self, holder: str, now: datetime) -> Reply:
        with suppress(ClusterRefused):  # it may be there, and we may not be allowed to make one
            self._make_namespace()
        return self._create(holder, now)

    def _create(self, holder: str, now: datetime) -> Reply:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {**_spec(holder, now), "acquireTime": _micro(now)},
        }
        reply = self._transport.request("POST", self._path.rpartition("/")[0], body=body)
        if reply.status == 404:
            self._make_namespace()
            reply = self._transport.request("POST", self._path.rpartition("/")[0], body=body)
        self._taken_here = self._taken_here or reply.ok
        return reply

    def _renew(self, version: str, spec: Mapping[str, Any]) -> Reply:
        """Write the lease if it still has this version."""
        return self._transport.request(
            "PATCH",
            self._path,
            body={"metadata": {"resourceVersion": version}, "spec": spec},
            content_type="application/merge-patch+json",
        )

    @property
    def _cluster(self) -> str:
        return self._transport.spec.name

    @property
    def _path(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self._namespace}/leases/{self._name}"

    def _says(self, text: str) -> str:
        return f"cluster {self._cluster}: {text}"


def _spec(holder: str, now: datetime) -> dict[str, Any]:
    return {"holderIdentity": holder, "renewTime": _micro(now), "leaseDurationSeconds": int(LASTS.total_seconds())}


def _micro(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
