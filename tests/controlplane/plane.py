"""Starts etcd, kube-apiserver, controller-manager, scheduler and kwok on loopback, and stops them without leftovers."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bot.sandbox.connections import ReservedPort
from tests.administrator import Administrator
from tests.controlplane.building import HERE, build

_READY_SECONDS: Final = 90.0
_STOP_SECONDS: Final = 20.0
_DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG, prctl(2)
TOKEN: Final = "admin-token"
LIMITED_TOKEN: Final = "limited-token"
COUNTED_TOKEN: Final = "counted-token"  # an administrator whose requests the API server writes down
_AUDIT_POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "users": ["counted"]}, {"level": "None"}],
}


@dataclass(frozen=True, slots=True)
class Served:
    """One request of the counted user, as the audit log of the API server has it."""

    verb: str
    path: str
    status: int


class ControlPlane(Administrator):
    """A cluster with one fake node. `start` returns when the API server and the node are ready.

    Without `controllers` nobody but the caller writes: there is the API server and nothing else.
    """

    def __init__(self, *, controllers: bool = True) -> None:
        self._controllers = controllers
        self._folder = tempfile.TemporaryDirectory(prefix="gitops-bot-control-plane-")
        self.path = Path(self._folder.name)
        self.binaries = build()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._reserved = {name: ReservedPort() for name in ("etcd", "peer", "api", "manager", "scheduler", "kwok")}
        self._ports = {name: one.number for name, one in self._reserved.items()}
        self.url = f"https://127.0.0.1:{self._ports['api']}"
        self.token = TOKEN
        self.ca_file = str(self.path / "certs" / "apiserver.crt")
        self.kubeconfig = str(self.path / "kubeconfig")

    def start(self) -> None:
        key = self.path / "service-account.key"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        (self.path / "tokens.csv").write_text(
            f'{TOKEN},admin,admin,"system:masters"\n{LIMITED_TOKEN},limited,limited\n'
            f'{COUNTED_TOKEN},counted,counted,"system:masters"\n',
            encoding="utf-8",
        )
        (self.path / "audit-policy.json").write_text(json.dumps(_AUDIT_POLICY), encoding="utf-8")
        self._etcd = self._start_etcd()
        self._api = self._start_api(self._etcd_url, key)
        self._until(lambda: self.request("GET", "/readyz", raw=True) == "ok", "the API server")
        Path(self.kubeconfig).write_text(self.kubeconfig_for(TOKEN), encoding="utf-8")
        if self._controllers:
            self._start_controllers(key)

    def _start_etcd(self) -> subprocess.Popen[bytes]:
        ports, etcd = self._ports, self._etcd_url
        return self._run(
            "etcd",
            f"--data-dir={self.path}/etcd",
            "--unsafe-no-fsync",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{ports['peer']}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{ports['peer']}",
            f"--initial-cluster=default=http://127.0.0.1:{ports['peer']}",
        )

    @property
    def _etcd_url(self) -> str:
        return f"http://127.0.0.1:{self._ports['etcd']}"

    def _start_controllers(self, key: Path) -> None:
        ports = self._ports
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={key}",
            "--leader-elect=false",
            "--controllers=*,-node-ipam-controller",
            # The fake node sends no heartbeats: after the usual 50 s its Pods would be marked as not ready for ever.
            "--node-monitor-grace-period=24h",
            f"--secure-port={ports['manager']}",
            f"--cert-dir={self.path}/manager",
        )
        self._run(
            "kube-scheduler",
            f"--kubeconfig={self.kubeconfig}",
            "--leader-elect=false",
            f"--secure-port={ports['scheduler']}",
            f"--cert-dir={self.path}/scheduler",
        )
        self._run(
            "kwok",
            f"--config={HERE / 'stages.yaml'}",
            f"--kubeconfig={self.kubeconfig}",
            "--manage-all-nodes=true",
            f"--server-address=127.0.0.1:{ports['kwok']}",
        )
        labels = {"kubernetes.io/os": "linux", "kubernetes.io/hostname": "fake"}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "fake", "labels": labels}}
        self.request("POST", "/api/v1/nodes", body=node)
        self._until(self._node_is_ready, "the fake node")
        self._until(lambda: bool(self.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")), "accounts")

    def restart_api(self) -> None:
        """End the API server and start it anew, on the same data."""
        self._api.kill()
        self._end(self._api)
        self._begin_api()

    def back_up(self) -> None:
        """Keep what is stored now. The API server starts anew."""
        self._with_store(lambda store, kept: shutil.copytree(store, kept))

    def restore(self) -> None:
        """Go back to what was stored at the last backup; versions of resources go back with it."""

        def replace(store: Path, kept: Path) -> None:
            shutil.rmtree(store)
            shutil.copytree(kept, store)

        self._with_store(replace)

    def _with_store(self, work: Callable[[Path, Path], object]) -> None:
        self._api.kill()
        self._end(self._api)
        self._etcd.terminate()
        self._end(self._etcd)
        work(self.path / "etcd", self.path / "backup")
        self._etcd = self._start_etcd()
        self._begin_api()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._processes.remove(process)

    def _begin_api(self) -> None:
        self._api = self._start_api(self._etcd_url, self.path / "service-account.key")
        self._until(lambda: self.request("GET", "/readyz", raw=True) == "ok", "the API server")

    def _start_api(self, etcd: str, key: Path) -> subprocess.Popen[bytes]:
        return self._run(
            "kube-apiserver",
            f"--etcd-servers={etcd}",
            f"--secure-port={self._ports['api']}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.path}/certs",
            "--service-cluster-ip-range=10.0.0.0/16",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--token-auth-file={self.path}/tokens.csv",
            "--authorization-mode=RBAC",
            f"--audit-policy-file={self.path}/audit-policy.json",
            f"--audit-log-path={self.path}/audit.log",
        )

    def stop(self) -> None:
        """Stop everything, etcd last: an API server that lost etcd takes minutes to leave. Idempotent."""
        for process in reversed(self._processes):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self._processes.clear()
        self._folder.cleanup()
        for one in self._reserved.values():
            one.close()

    def served(self) -> tuple[Served, ...]:
        """Return what the counted user has asked so far; a watch counts when it begins."""
        log = self.path / "audit.log"
        whole, _, _ = (log.read_text(encoding="utf-8") if log.exists() else "").rpartition("\n")
        return tuple(
            Served(one["verb"], one["requestURI"], int((one.get("responseStatus") or {}).get("code") or 0))
            for one in map(json.loads, whole.splitlines())
            if (one["verb"] == "watch") is (one["stage"] == "ResponseStarted")
        )

    @property
    def api_pid(self) -> int:
        """The process of the API server."""
        return self._api.pid

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl as administrator and return what it prints."""
        command = [str(self.binaries / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def kubeconfig_for(self, token: str) -> str:
        """Return a kubeconfig as text."""
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "test", "cluster": {"server": self.url, "certificate-authority": self.ca_file}}],
                "users": [{"name": "test", "user": {"token": token}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "current-context": "test",
            }
        )

    def _node_is_ready(self) -> bool:
        status = self.request("GET", "/api/v1/nodes/fake").get("status", {})
        return any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", ()))

    def _run(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with open(self.path / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [str(self.binaries / name), *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.path,
                preexec_fn=_die_with_parent if threading.current_thread() is threading.main_thread() else None,
            )
        self._processes.append(process)
        return process

    def _until(self, ready: Any, what: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                if ready():
                    return
            except (OSError, urllib.error.URLError, ssl.SSLError, FileNotFoundError):
                pass
            if time.monotonic() > deadline or any(process.poll() is not None for process in self._processes):
                logs = "\n".join(f"{log.name}: {log.read_text()[-800:]}" for log in self.path.glob("*.log"))
                raise RuntimeError(f"{what} did not become ready\n{logs}")
            time.sleep(0.1)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    os.setpgrp()
