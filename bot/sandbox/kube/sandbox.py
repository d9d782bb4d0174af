"""The sandbox cluster as one thing: start it, point a kubeconfig at it, break it and heal it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from bot.sandbox.connections import ReservedPort
from bot.sandbox.faults import Fault, Faults
from bot.sandbox.kube import recorded
from bot.sandbox.kube.api import Api
from bot.sandbox.kube.authorization import MASTERS, User, known
from bot.sandbox.kube.controllers import Controllers, Images
from bot.sandbox.kube.door import Door
from bot.sandbox.kube.errors import StatusError
from bot.sandbox.kube.housekeeping import Housekeeper
from bot.sandbox.kube.ports import Cluster
from bot.sandbox.kube.server import KubeServer

_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


class KubeSandbox:
    """A Kubernetes API server on loopback. `stop` leaves no thread and no socket behind.

    `users` maps further tokens to user names, whose rights are what RBAC grants them; `token` is an administrator's.
    `controllers` give the objects a life, `speed` times as fast as `Pace` says; `images` tell what containers do.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        token: str = "",
        users: Mapping[str, str] | None = None,
        controllers: bool = True,
        speed: float = 1.0,
        images: Images | None = None,
        namespaces: Sequence[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(tz=UTC),
    ) -> None:
        self.token = token or secrets.token_urlsafe(24)
        self.faults = Faults()
        self._api = Api(clock=clock)
        self._people: dict[str, User] = {given: known(name) for given, name in (users or {}).items()}
        self._people[self.token] = known("admin", MASTERS)
        self.controllers = Controllers(self._api, speed=speed, images=images) if controllers else None
        logs = self.controllers.logs if self.controllers is not None else None
        self._door = Door(self._api, tokens=self._people, logs=logs)
        self._housekeeper = Housekeeper(self._api)
        self._server: KubeServer | None = None
        self._port = port
        self._reserved: ReservedPort | None = None
        self._namespaces = (*_NAMESPACES, *namespaces)

    @property
    def cluster(self) -> Cluster:
        """The same cluster in this process, for controllers and for tests."""
        return self._api

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def listen(self) -> None:
        """Take connections and let them wait: they are answered from `start` on. Idempotent."""
        if self._reserved is None:
            self._reserved = ReservedPort(self._port)
            self._port = self._reserved.number
        if self._server is None:
            self._server = KubeServer(self._port, self._door, self.faults)

    def start(self) -> None:
        """Answer, with what a new cluster has in it and the namespaces that were asked for."""
        self.listen()
        self._furnish()
        self._housekeeper.start()
        if self.controllers is not None:
            self.controllers.start()
        self._serve()

    def stop(self) -> None:
        self.pause()
        if self.controllers is not None:
            self.controllers.stop()
        self._housekeeper.stop()
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    def pause(self) -> None:
        """Be down: connections end and new ones are refused. What is stored stays, and the port. Idempotent."""
        server, self._server = self._server, None
        if server is not None:
            self.faults.heal()  # a request that hangs would outlive the server
            server.stop()

    def resume(self) -> None:
        """Be up again, on the same port. Idempotent."""
        if self._server is None:
            self.listen()
            self._serve()

    def _serve(self) -> None:
        assert self._server is not None, "it listens"
        self._server.start()

    def fail(self, fault: Fault, *, match: str = "*", times: int | None = None) -> None:
        """Let requests fail that match `PATCH /apis/apps/*`; see `bot.sandbox.faults`."""
        self.faults.add(fault, match=match, times=times)

    def heal(self) -> None:
        """End all faults, and be up."""
        self.faults.heal()
        self.resume()

    def kubeconfig(self, token: str = "", *, context: str = "sandbox") -> str:
        """Return a kubeconfig as text, of the administrator or of the owner of a token."""
        held = token or self.token
        # kubectl sends a token over TLS alone, but the password of a URL it does send: the server takes both.
        server = f"http://token:{held}@127.0.0.1:{self._port}"
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": context, "cluster": {"server": server}}],
                "users": [{"name": context, "user": {"token": held}}],
                "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
                "current-context": context,
            },
            indent=2,
        )

    def _furnish(self) -> None:
        for name in self._namespaces:
            self._create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for body in recorded.bootstrap():
            resource = self._api.kinds.of_kind(body["apiVersion"], body["kind"])
            assert resource is not None, "what a server makes for itself is of kinds it serves"
            self._create(resource.key, body)
        ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]
        labels = {"component": "apiserver", "provider": "kubernetes"}
        metadata = {"name": "kubernetes", "namespace": "default", "labels": labels}
        spec = {"clusterIP": "10.0.0.1", "ports": ports}
        self._create("services", {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})

    def _create(self, resource: str, body: Mapping[str, object]) -> None:
        try:
            self._api.create(resource, dict(body), manager="kube-apiserver")
        except StatusError as error:
            if error.reason != "AlreadyExists":  # a server that is started again finds what it made
                raise
