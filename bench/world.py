"""The world of one measurement: a fresh control plane, a repository, a configuration, and the processes measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.workloads import Body, request, text
from tests.controlplane.plane import COUNTED_TOKEN, ControlPlane, Served
from tests.source.upstream import Upstream

ROOT: Final = Path(__file__).parents[1]
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one run cost: wall and CPU seconds of the client, CPU seconds of the API server, requests, peak memory."""

    seconds: float
    cpu: float
    server: float = 0.0
    requests: Mapping[str, float] = field(default_factory=dict)
    peak: int = 0


class World:
    """Use it as a context. Everything in it ends with it."""

    def __init__(self, *, controllers: bool = True) -> None:
        self.plane = ControlPlane(controllers=controllers)
        self._folder = tempfile.TemporaryDirectory(prefix="gitops-bot-bench-")
        self.path = Path(self._folder.name)
        self.upstream = Upstream(self.path / "fleet.git")
        self.kubeconfig = str(self.path / "kubeconfig")
        self.kubectl_path = str(self.plane.binaries / "kubectl")

    def __enter__(self) -> World:
        self.plane.start()
        Path(self.kubeconfig).write_text(self.plane.kubeconfig_for(COUNTED_TOKEN), encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self.plane.stop()
        self._folder.cleanup()

    # --- input ------------------------------------------------------------------------------------------------

    def namespaces(self, names: Iterable[str]) -> None:
        for name in names:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            self.plane.request("POST", "/api/v1/namespaces", body=body)

    def commit(self, path: str, bodies: Iterable[Body]) -> str:
        return self.upstream.commit(
            {f"{path}/{one['kind'].lower()}-{one['metadata']['name']}.json": text(one) for one in bodies}
        )

    def configure(self, apps: Sequence[Mapping[str, Any]], **more: Any) -> Path:
        """Write the configuration of apps that each name `name`, `path` and `namespace`."""
        file = self.path / "gitops-bot.yaml"
        common = {"repo": "fleet", "cluster": "prod", "interval": "60s", "timeout": "5m"}
        configuration = {
            "clusters": [{"name": "prod", "kubeconfig": self.kubeconfig, "namespace": "gitops-bot"}],
            "repos": [{"name": "fleet", "url": str(self.upstream.path)}],
            "apps": [{**common, **app} for app in apps],
            **more,
        }
        file.write_text(json.dumps(configuration), encoding="utf-8")
        return file

    # --- measuring --------------------------------------------------------------------------------------------

    def server_cpu(self) -> float:
        """Return the CPU seconds of the API server so far."""
        return cpu_of(self.plane.api_pid)

    @contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        """Count the requests by verb while the context lasts; dry-runs are `dry-run`, those about leases `lease`."""
        before = len(self.plane.served())
        counter: Counter[str] = Counter()
        yield counter
        counter.update(map(_word, self.plane.served()[before:]))

    @contextmanager
    def measured(self, pids: Sequence[int]) -> Iterator[Callable[[float, int], Measured]]:
        """Yield what makes a `Measured` of the seconds something took these processes, divided by how often."""
        server, used = self.server_cpu(), sum(map(cpu_of, pids))
        with self.counted() as requests:
            found: list[tuple[float, float]] = []

            def made(seconds: float, times: int = 1) -> Measured:
                cpu, spent = found[0]
                return Measured(
                    seconds=seconds,
                    cpu=cpu / times,
                    server=spent / times,
                    requests={verb: count / times for verb, count in requests.items()},
                    peak=sum(map(memory_of, pids)),
                )

            yield made
            found.append((sum(map(cpu_of, pids)) - used, self.server_cpu() - server))

    def run(self, command: Sequence[str], *, accept: Sequence[int] = (0,), **env: str) -> tuple[Measured, str]:
        """Run a command to its end."""
        server, started = self.server_cpu(), time.perf_counter()
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
            with self.counted() as requests:
                process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=errors, env={**os.environ, **env})
                _, status, used = os.wait4(process.pid, 0)  # of it alone; its peak is at least ours
                seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            errors.seek(0)
            if process.returncode not in accept:
                said = errors.read()[-2000:]
                raise RuntimeError(f"{' '.join(command)[:200]} ended with {process.returncode}: {said}")
            measured = Measured(
                seconds=seconds,
                cpu=used.ru_utime + used.ru_stime,
                server=self.server_cpu() - server,
                requests=requests,
                peak=used.ru_maxrss * 1024,
            )
            return measured, out.read()

    def bare(self, *arguments: str, counted: bool = True) -> Measured:
        """Run the bare client; its own account of time, the server's of requests unless they are not `counted`."""
        token = COUNTED_TOKEN if counted else self.plane.token
        measured, out = self.run([str(bare_client()), self.plane.url, token, self.plane.ca_file, *arguments])
        own = json.loads(out)
        return Measured(
            seconds=own["seconds"], cpu=own["cpu"], server=measured.server, requests=measured.requests, peak=own["peak"]
        )

    def requests_file(self, bodies: Iterable[Body]) -> str:
        file = self.path / "requests.tsv"
        file.write_text("\n".join(map(request, bodies)) + "\n", encoding="utf-8")
        return str(file)

    def manifests_file(self, bodies: Iterable[Body]) -> str:
        file = self.path / "manifests.json"
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(bodies)}), encoding="utf-8")
        return str(file)


class Engine:
    """The engine in a process of its own. `ask` returns what one word cost."""

    def __init__(self, world: World, configuration: Path) -> None:
        self._world = world
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.child", str(configuration)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, words: str) -> tuple[Measured, Mapping[str, Any]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        server = self._world.server_cpu()
        with self._world.counted() as requests:
            self._process.stdin.write(f"{words}\n".encode())
            self._process.stdin.flush()
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError(f"the engine ended at: {words}")
            said = json.loads(line)
        measured = Measured(
            seconds=said["seconds"],
            cpu=said["cpu"],
            server=self._world.server_cpu() - server,
            requests=requests,
            peak=said["peak"],
        )
        return measured, said

    def converged(self, words: str) -> Measured:
        """Ask for a pass that must converge."""
        measured, said = self.ask(words)
        if said["result"] != "converged":
            raise RuntimeError(f"{words}: {said}")
        return measured

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def _word(one: Served) -> str:
    return "dry-run" if "dryRun=All" in one.path else "lease" if "/leases" in one.path else one.verb


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_of(pid: int) -> int:
    """Return the peak resident bytes of a process so far."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def bare_client() -> Path:
    """Return the bare client, built once per content."""
    target = Path(tempfile.gettempdir()) / f"gitops-bot-bare-{os.getuid()}"
    source = ROOT / "bench" / "bare"
    if not target.exists() or target.stat().st_mtime < (source / "main.go").stat().st_mtime:
        subprocess.run(["go", "build", "-o", str(target), "."], cwd=source, check=True)
    return target
