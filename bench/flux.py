"""Flux beside us: its source-controller and kustomize-controller, as they are shipped, on the API server of a world.

They run as processes of this machine, by the flags of `flux install` without leader election. The repository comes over
HTTPS from `git http-backend`, since source-controller takes no folder.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from bench.running import until
from bench.world import ROOT, Measured, World
from bot.sandbox.connections import LOOPBACK, ReservedPort
from tests.gobuild import Program, build_missing, locked
from tests.https import PASSWORD, USER, HttpsServer, make_certificate
from tests.source.backend import Backend

_MODULES: Final = ROOT / "bench" / "go"
_STAMP: Final = "-s -w"
_CONTROLLERS: Final = tuple(
    Program(name, name, f"github.com/fluxcd/{name}") for name in ("source-controller", "kustomize-controller")
)
_SPACE: Final = "flux-system"
_SOURCES: Final = f"/apis/source.toolkit.fluxcd.io/v1/namespaces/{_SPACE}/gitrepositories"
_APPS: Final = f"/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{_SPACE}/kustomizations"
_REQUESTED: Final = "reconcile.fluxcd.io/requestedAt"


class Flux:
    """Use it as a context. `interval` is that of its source and of its apps."""

    def __init__(self, world: World, *, interval: str) -> None:
        self._world, self._interval = world, interval
        self._folder = world.path / "flux"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._ports: list[ReservedPort] = []

    def __enter__(self) -> Flux:
        self._folder.mkdir()
        self._certificate = make_certificate(self._folder)
        self._server = HttpsServer(Backend(self._world.upstream.path.parent).answer, self._certificate, private=True)
        self._world.namespaces([_SPACE])
        for program in _CONTROLLERS:
            for body in _definitions(program):
                _define(self._world, body)
        artifacts = self._address()
        self._start(
            _CONTROLLERS[0],
            f"--storage-path={self._folder}",
            f"--storage-addr={artifacts}",
            f"--storage-adv-addr={artifacts}",
        )
        self._start(_CONTROLLERS[1])
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self._server.stop()
        for port in self._ports:
            port.close()

    def follow(self, apps: Sequence[str]) -> None:
        """Make the source and one Kustomization for each folder `apps/NAME`; returns when all are applied."""
        login = {"username": USER, "password": PASSWORD, "ca.crt": self._certificate.certificate.read_text()}
        source = {
            "interval": self._interval,
            "url": f"{self._server.url}/{self._world.upstream.path.name}",
            "ref": {"branch": "main"},
            "secretRef": {"name": "fleet"},
        }
        post = self._world.plane.request
        post("POST", f"/api/v1/namespaces/{_SPACE}/secrets", body={"metadata": {"name": "fleet"}, "stringData": login})
        post("POST", _SOURCES, body=_object("source", "GitRepository", "fleet", source))
        for app in apps:
            spec = {
                "interval": self._interval,
                "path": f"./apps/{app}",
                "prune": True,
                "sourceRef": {"kind": "GitRepository", "name": "fleet"},
            }
            post("POST", _APPS, body=_object("kustomize", "Kustomization", app, spec))
        until(lambda: self._ready() == len(apps), "Flux has applied its apps", every=0.2)

    def push(self, commit: str) -> None:
        """Say that there is a commit, as Flux's Receiver does when a webhook comes."""
        body = {"metadata": {"annotations": {_REQUESTED: commit}}}
        self._world.plane.request("PATCH", f"{_SOURCES}/fleet", body=body, kind="merge")

    @contextmanager
    def measured(self) -> Iterator[Callable[[float, int], Measured]]:
        """Yield what makes a `Measured` of both controllers together, as `RunningBot.measured` does."""
        pids = [process.pid for process in self._processes]
        with self._world.measured(pids) as made:
            yield made

    def _ready(self) -> int:
        found = self._world.plane.request("GET", _APPS)["items"]
        return sum(
            one["type"] == "Ready" and one["status"] == "True"
            for app in found
            for one in app.get("status", {}).get("conditions", ())
        )

    def _start(self, program: Program, *flags: str) -> None:
        folder = build_missing(
            [program], modules=_MODULES, target=locked(program, modules=_MODULES, stamp=_STAMP), stamp=_STAMP
        )
        command = [
            str(folder / program.name),
            *flags,
            "--watch-all-namespaces=true",
            "--log-level=info",
            "--log-encoding=json",
            f"--metrics-addr={self._address()}",
            f"--health-addr={self._address()}",
        ]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
            "KUBECONFIG": self._world.kubeconfig,
            "RUNTIME_NAMESPACE": _SPACE,
        }
        with (self._folder / f"{program.name}.log").open("wb") as log:
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))

    def _address(self) -> str:
        self._ports.append(ReservedPort())
        return f"{LOOPBACK}:{self._ports[-1].number}"


def _object(group: str, kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": _SPACE}
    return {"apiVersion": f"{group}.toolkit.fluxcd.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _definitions(program: Program) -> Iterator[dict[str, Any]]:
    """Yield the CustomResourceDefinitions in a controller's module."""
    command = ["go", "list", "-m", "-f", "{{.Dir}}", program.package]
    found = subprocess.run(command, cwd=_MODULES / program.module, capture_output=True, check=True, text=True)
    for file in sorted(Path(found.stdout.strip()).glob("config/crd/bases/*.yaml")):
        yield yaml.safe_load(file.read_bytes())


def _define(world: World, body: Mapping[str, Any]) -> None:
    path, name = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body["metadata"]["name"]
    world.plane.request("POST", path, body=body)

    def is_served() -> bool:
        conditions = world.plane.request("GET", f"{path}/{name}").get("status", {}).get("conditions") or ()
        return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)

    until(is_served, f"{name} is served", every=0.05)
