"""Two bots with one name on one cluster: a Lease lets one of them write.

The Lease (coordination.k8s.io) is named after the instance, beside the inventories. Its holder is the installation:
processes that share a state store share it and are kept apart by the store's locks. It is renewed while the bot runs
and given back when it stops; after a kill, a bot with another state store waits until it has run out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.errors import ClusterRefused, ClusterUnreachable
from bot.live.transport import Reply, Transport

LASTS: Final = timedelta(seconds=30)
_RENEW_AFTER: Final = timedelta(seconds=10)
_TRIES: Final = 3


class Lease:
    """The lease of one instance on one cluster. Safe to use from several threads."""

    def __init__(self, transport: Transport, *, namespace: str, name: str, clock: Callable[[], datetime]) -> None:
        self._transport, self._namespace, self._name, self._clock = transport, namespace, name, clock
        self._lock = threading.Lock()
        self._renewed_at: datetime | None = None
        self._taken_here = False

    def hold(self, holder: str) -> None:
        """Take or renew the lease. Raises `ClusterRefused` while another installation holds it."""
        with self._lock:
            now = self._clock()
            if self._renewed_at is not None and timedelta(0) <= now - self._renewed_at < _RENEW_AFTER:
                return
            for _ in range(_TRIES):
                reply = self._transport.request("GET", self._path)
                if reply.status == 404:
                    reply = self._create(holder, now)
                    if reply.status == 404:
                        return  # the namespace is not there yet: nobody else is
                elif reply.ok:
                    reply = self._renew(reply, holder, now)
                if reply.ok:
                    self._renewed_at = now
                    return
                if reply.status != 409:
                    raise ClusterRefused(
                        self._says(f"the lease {self._name} cannot be held: {reply.message}"), cluster=self._cluster
                    )
            raise ClusterUnreachable(self._says(f"others keep writing the lease {self._name}"), cluster=self._cluster)

    def give_back(self) -> None:
        """End the lease if this process took it. Raises `ClusterError`."""
        with self._lock:
            if self._taken_here:
                self._taken_here = False
                self._renewed_at = None
                patch = {"spec": {"holderIdentity": ""}}
                self._transport.request("PATCH", self._path, body=patch, content_type="application/merge-patch+json")

    def _create(self, holder: str, now: datetime) -> Reply:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {**_spec(holder, now), "acquireTime": _micro(now)},
        }
        reply = self._transport.request("POST", self._path.rpartition("/")[0], body=body)
        self._taken_here = self._taken_here or reply.ok
        return reply

    def _renew(self, found: Reply, holder: str, now: datetime) -> Reply:
        spec: dict[str, Any] = found.body.get("spec") or {}
        before = spec.get("holderIdentity") or ""
        patch: dict[str, Any] = _spec(holder, now)
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
            patch["acquireTime"] = _micro(now)
        metadata = {"resourceVersion": found.body["metadata"]["resourceVersion"]}
        reply = self._transport.request(
            "PATCH",
            self._path,
            body={"metadata": metadata, "spec": patch},
            content_type="application/merge-patch+json",
        )
        self._taken_here = self._taken_here or (reply.ok and before != holder)
        return reply

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
