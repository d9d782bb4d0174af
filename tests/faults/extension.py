"""An extension API server behind the real one: a sandbox with one kind, which may go away and come back."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

import yaml

from bot.sandbox.connections import ReservedPort
from tests.contract.engine import EngineWorld
from tests.contract.manifests import api_service, definition
from tests.contract.servers import SandboxServer
from tests.faults.proxy import Proxy
from tests.https import make_certificate
from tests.waiting import until

_SERVICES: Final = "/apis/apiregistration.k8s.io/v1/apiservices"
_DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_PATIENCE_SECONDS: Final = 90.0  # the aggregator looks every 30 s


class Extension:
    """Serves `Widget` of a group through the aggregator of the real API server; stop it with `close`."""

    def __init__(self, world: EngineWorld, group: str, folder: Path) -> None:
        self._world, self._folder = world, folder
        folder.mkdir()
        certificate = make_certificate(folder)
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(certificate.certificate, certificate.key)
        self._backend = SandboxServer(folder)
        place = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}}
        self._backend.request("POST", "/api/v1/namespaces", body=place)
        self._backend.request("POST", _DEFINITIONS, body=yaml.safe_load(definition(group)))
        self._port = ReservedPort()
        self._proxy = Proxy(self._backend, folder, tls=self._tls, port=self._port.number)
        outside = {"type": "ExternalName", "externalName": "localhost"}
        world.create(
            "services", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "extension"}, "spec": outside}
        )
        service = {"namespace": world.namespace, "name": "extension", "port": self._proxy.port}
        self._path = f"{_SERVICES}/v1.{group}"
        world.plane.request("POST", _SERVICES, body=api_service(group, service=service))
        self._await("True")

    def leave(self) -> None:
        self._proxy.close()
        self._await("False")

    def come_back(self) -> None:
        self._proxy = Proxy(self._backend, self._folder, tls=self._tls, port=self._port.number)
        self._await("True")

    def close(self) -> None:
        self._world.delete(self._path)
        self._proxy.close()
        self._backend.stop()
        self._port.close()

    def _await(self, status: str) -> None:
        def is_so() -> bool:
            found = self._world.read(self._path) or {}
            conditions = found.get("status", {}).get("conditions", ())
            return any(one["type"] == "Available" and one["status"] == status for one in conditions)

        until(is_so, f"the aggregator says available: {status}", seconds=_PATIENCE_SECONDS)
