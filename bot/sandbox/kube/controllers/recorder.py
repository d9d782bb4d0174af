"""Events as the components record them: the same words about the same object raise a count, and an hour forgets them.

Source: k8s.io/client-go/tools/record/events_cache.go; --event-ttl of kube-apiserver.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from bot.sandbox.kube.controllers.decision import Tell
from bot.sandbox.kube.controllers.nodes import NAME
from bot.sandbox.kube.controllers.objects import digest, metadata, name_of, namespace_of, stamp, uid_of
from bot.sandbox.kube.errors import StatusError
from bot.sandbox.kube.ports import Body, Cluster

_KEPT: Final = timedelta(hours=1)
_log = logging.getLogger(__name__)

_Words = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    namespace: str
    name: str
    count: int
    at: datetime


class Recorder:
    """Writes Events to a cluster. Not thread-safe."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._told: OrderedDict[_Words, _Told] = OrderedDict()
        self._number = 0

    def record(self, tell: Tell, now: datetime) -> None:
        """Write one Event. One that is refused (its namespace is going) is left out, as components do."""
        self._forget(now)
        words = (uid_of(tell.about), tell.component, tell.reason, tell.message, tell.field_path)
        known = self._told.pop(words, None)
        try:
            if known is not None and self._repeat(known, tell, now):
                self._told[words] = replace(known, count=known.count + 1, at=now)
                return
            body = self._event(tell, now)
            self._cluster.create("events", body, manager=tell.component)
        except StatusError as error:
            _log.debug("event not recorded: %s", error)
            return
        self._told[words] = _Told(namespace=namespace_of(body), name=name_of(body), count=1, at=now)

    def _repeat(self, known: _Told, tell: Tell, now: datetime) -> bool:
        patch = {"count": known.count + 1, "lastTimestamp": stamp(now)}
        if self._cluster.get("events", known.namespace, known.name) is None:
            return False
        self._cluster.patch("events", known.namespace, known.name, patch, manager=tell.component)
        return True

    def _forget(self, now: datetime) -> None:
        while self._told:
            words, oldest = next(iter(self._told.items()))
            if now - oldest.at < _KEPT:
                return
            del self._told[words]
            if self._cluster.get("events", oldest.namespace, oldest.name) is not None:
                self._cluster.delete("events", oldest.namespace, oldest.name)

    def _event(self, tell: Tell, now: datetime) -> Body:
        about, self._number = tell.about, self._number + 1
        involved: dict[str, Any] = {
            "kind": about["kind"],
            "namespace": namespace_of(about),
            "name": name_of(about),
            "uid": uid_of(about),
            "apiVersion": about["apiVersion"],
            "resourceVersion": str(metadata(about).get("resourceVersion") or ""),
            "fieldPath": tell.field_path,
        }
        source = {"component": tell.component}
        if tell.component == "kubelet":
            source["host"] = NAME
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{name_of(about)}.{digest([tell.message, stamp(now), self._number], length=16)}",
                "namespace": namespace_of(about) or "default",
            },
            "involvedObject": {key: value for key, value in involved.items() if value},
            "reason": tell.reason,
            "message": tell.message,
            "source": source,
            "firstTimestamp": stamp(now),
            "lastTimestamp": stamp(now),
            "count": 1,
            "type": "Warning" if tell.warning else "Normal",
            "reportingComponent": tell.component,
            "reportingInstance": source.get("host", ""),
        }
