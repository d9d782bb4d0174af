"""ResourceQuotas: how much of what they limit is used. Source: k8s.io/kubernetes/pkg/controller/resourcequota."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import Final

from bot.sandbox.kube.controllers.decision import CONTROLLER_MANAGER
from bot.sandbox.kube.controllers.objects import namespace_of, spec_of, status_of
from bot.sandbox.kube.errors import StatusError
from bot.sandbox.kube.ports import Body, Cluster, Event
from bot.sandbox.kube.quotas import RESOURCE, used

_log: Final = logging.getLogger(__name__)


class Bookkeeper:
    """Counts anew what a namespace with quotas uses after any change in it, in a thread of its own.

    The controllers' runner sees a few kinds; a quota counts objects of every kind.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._changes = cluster.watch()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-quotas")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._changes.close()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._count(self._changes.take())

    def _count(self, events: Iterable[Event]) -> None:
        for namespace in sorted({namespace_of(event.object) for event in events} - {""}):
            for quota in self._cluster.list(RESOURCE, namespace):
                try:
                    self._settle(quota)
                except StatusError as error:
                    # Somebody changed the quota meanwhile: that change comes here too.
                    _log.debug("quota %s: %s", namespace, error)

    def _settle(self, quota: Body) -> None:
        namespace = namespace_of(quota)
        total = used(quota, lambda resource: self._cluster.list(resource, namespace))
        status = {"hard": spec_of(quota).get("hard") or {}, "used": total}
        if status_of(quota) != status:
            self._cluster.update(
                RESOURCE, {**quota, "status": status}, manager=CONTROLLER_MANAGER, subresource="status"
            )
