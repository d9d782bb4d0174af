"""The controllers of one cluster as a thing to start and stop."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from bot.sandbox.kube.controllers import logs
from bot.sandbox.kube.controllers.images import Images
from bot.sandbox.kube.controllers.nodes import sandbox_node
from bot.sandbox.kube.controllers.pace import Pace
from bot.sandbox.kube.controllers.quota import Bookkeeper
from bot.sandbox.kube.controllers.registry import deciders
from bot.sandbox.kube.controllers.runner import Runner
from bot.sandbox.kube.controllers.volumes import standard_class
from bot.sandbox.kube.errors import StatusError
from bot.sandbox.kube.ports import Body, Cluster


class Controllers:
    """`speed` multiplies the pace; `ca` is the certificate authority published in every namespace.

    `start` runs a thread. Tests with a clock of their own call `turn` instead.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        speed: float = 1.0,
        images: Images | None = None,
        pace: Pace | None = None,
        ca: str = "",
    ) -> None:
        self._cluster, self._ca = cluster, ca
        self._pace = (pace or Pace()).faster(speed)
        self._images = images or Images()
        self._images_changed = False
        self._stopped = threading.Event()
        for first in (sandbox_node(), standard_class()):
            try:
                cluster.create(first.resource, first.body, manager=first.manager)
            except StatusError as error:
                if error.reason != "AlreadyExists":
                    raise
        self._runner = Runner(cluster, deciders(self._pace, self._images, ca))
        self._thread = threading.Thread(target=self._run, name="sandbox-controllers")
        self._quotas = Bookkeeper(cluster)

    def start(self) -> None:
        self._thread.start()
        self._quotas.start()

    def stop(self) -> None:
        """End the thread; idempotent, and harmless before `start`."""
        self._stopped.set()
        self._runner.wake()
        if self._thread.is_alive():
            self._thread.join()
        self._runner.close()
        self._quotas.stop()

    def use(self, images: Images) -> None:
        """Let images behave otherwise from now on; from any thread. Containers that cannot pull try again at once."""
        self._images = images
        self._images_changed = True
        self._runner.wake()

    def logs(self, pod: Body, container: str, *, previous: bool) -> Sequence[tuple[datetime, str]]:
        """Return what a container wrote, oldest first. Raises `StatusError` when it never ran."""
        return logs.lines(pod, container, previous=previous, images=self._images)

    def turn(self, timeout_seconds: float | None = 0) -> datetime | None:
        """Do what there is to do by now, after waiting so long for a change; return when the next thing is due."""
        if self._images_changed:
            self._images_changed = False
            self._runner.deciders = deciders(self._pace, self._images, self._ca)
            self._runner.again("pods")
        self._runner.turn(timeout_seconds)
        return self._runner.next_due()

    def _run(self) -> None:
        due = self.turn()
        while not self._stopped.is_set():
            wait = None if due is None else max((due - self._cluster.now()).total_seconds(), 0)
            due = self.turn(wait)
