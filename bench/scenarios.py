"""What is measured, one function per question. Each starts with a fresh control plane, and yields rows as it goes."""

from __future__ import annotations

import hashlib
import hmac
import resource
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from bench.workloads import Body, configmaps, package, packages
from bench.world import ROOT, Engine, Measured, World, cpu_of, memory_of
from tests.flow.bot_process import BotProcess

SPACE: Final = "bench"
_IDLE_SECONDS: Final = 120.0
Bodies = Callable[[], Iterator[Body]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table; `against` are the seconds of what it is compared with."""

    what: str
    who: str
    measured: Measured
    against: float = 0.0


def apply_configmaps(count: int) -> Iterator[Row]:
    yield from _apply(f"first apply, {count} ConfigMaps", lambda: configmaps(count, SPACE), controllers=False)


def apply_packages(count: int) -> Iterator[Row]:
    yield from _apply(
        f"first apply, {count} objects of services", lambda: packages(count // 4, SPACE), controllers=True
    )


def _apply(what: str, bodies: Bodies, *, controllers: bool) -> Iterator[Row]:
    """Apply the same objects by the bare client, by kubectl and by the engine, each on a server of its own."""
    with _world(controllers=controllers) as world:
        bare = world.bare("apply", world.requests_file(bodies()))
        if controllers:
            deployments = sum(1 for one in bodies() if one["kind"] == "Deployment")
            path = f"/apis/apps/v1/namespaces/{SPACE}/deployments"
            ready = world.bare("ready", path, str(deployments))
            bare = Measured(
                seconds=bare.seconds + ready.seconds,
                cpu=bare.cpu + ready.cpu,
                server=bare.server + ready.server,
                requests=bare.requests,
                peak=bare.peak,
            )
    yield Row(what=what, who="bare client", measured=bare)
    with _world(controllers=controllers) as world:
        command = [world.kubectl_path, f"--kubeconfig={world.kubeconfig}"]
        manifests = world.manifests_file(bodies())
        applied, _ = world.run([*command, "apply", "--server-side", "-f", manifests])
        yield Row(what=what, who="kubectl apply --server-side", measured=applied, against=bare.seconds)
    with _world(controllers=controllers) as world:
        world.commit("apps/shop", bodies())
        engine = Engine(world, world.configure([{"name": "shop", "path": "apps/shop", "namespace": SPACE}]))
        first, said = engine.ask("pass prod/shop")
        assert said["result"] == "converged", said
        yield Row(what=what, who="gitops-bot", measured=first, against=bare.seconds)
        yield from _unchanged(world, engine, what.replace("first apply", "unchanged"), bodies)
        engine.end()


def _unchanged(world: World, engine: Engine, what: str, bodies: Bodies) -> Iterator[Row]:
    again, said = engine.ask("pass prod/shop")  # what controllers wrote meanwhile is looked at once
    again, said = engine.ask("pass prod/shop")
    assert said["result"] == "converged", said
    yield Row(what=what, who="gitops-bot, a whole pass", measured=again)
    times = 1000
    rest, said = engine.ask(f"rest prod/shop {times}")
    one = Measured(seconds=rest.seconds / times, cpu=rest.cpu / times, requests=rest.requests, peak=rest.peak)
    assert said["rests"], said
    yield Row(what=what, who="gitops-bot, a round at rest", measured=one)
    command = [world.kubectl_path, f"--kubeconfig={world.kubeconfig}"]
    diff, _ = world.run([*command, "diff", "--server-side", "-f", world.manifests_file(bodies())], accept=(0, 1))
    yield Row(what=what, who="kubectl diff --server-side", measured=diff)
    plan = [
        sys.executable,
        "-m",
        "bot",
        "--log-level",
        "error",
        "--config",
        str(world.path / "gitops-bot.yaml"),
        "plan",
    ]
    planned, _ = world.run(plan)
    yield Row(what=what, who="gitops-bot plan, a fresh process", measured=planned, against=diff.seconds)


def growth(count: int) -> Iterator[Row]:
    """How a first apply, a pass and a round at rest grow with the number of objects of one app."""
    for number in (count // 10, count, count * 10):
        with _world(controllers=False) as world:
            world.commit("apps/shop", configmaps(number, SPACE))
            engine = Engine(world, world.configure([{"name": "shop", "path": "apps/shop", "namespace": SPACE}]))
            first, said = engine.ask("pass prod/shop")
            assert said["result"] == "converged", said
            yield Row(what=f"first apply, {number} ConfigMaps", who="gitops-bot", measured=first)
            again, _ = engine.ask("pass prod/shop")
            yield Row(what=f"unchanged, {number} ConfigMaps", who="gitops-bot, a whole pass", measured=again)
            rest, said = engine.ask("rest prod/shop 100")
            assert said["rests"], said
            one = Measured(seconds=rest.seconds / 100, cpu=rest.cpu / 100, requests=rest.requests, peak=rest.peak)
            yield Row(what=f"unchanged, {number} ConfigMaps", who="gitops-bot, a round at rest", measured=one)
            engine.end()


def drift(count: int) -> Iterator[Row]:
    """From a hand edit to its repair, as somebody else's watch sees both."""
    with _running(count, configmaps(count, SPACE)) as (world, bot, _):
        path = f"/api/v1/namespaces/{SPACE}/configmaps/c00007"
        times = []
        server, used = world.server_cpu(), cpu_of(bot)
        with world.counted() as requests:
            for number in range(5):
                started = time.perf_counter()
                world.plane.request("PATCH", path, body={"data": {"level": f"mine {number}"}}, kind="merge")
                while world.plane.request("GET", path)["data"]["level"] != "info":
                    time.sleep(0.005)
                times.append(time.perf_counter() - started)
                time.sleep(1)  # the next edit finds the app at rest
        worst = Measured(
            seconds=max(times),
            cpu=(cpu_of(bot) - used) / len(times),
            server=(world.server_cpu() - server) / len(times),
            requests={verb: number / len(times) for verb, number in requests.items()},
            peak=memory_of(bot),
        )
        yield Row(what=f"hand edit of one of {count}, undone after (worst of 5)", who="gitops-bot run", measured=worst)


def push(count: int) -> Iterator[Row]:
    """From the push webhook of a commit that changes ten objects to the last of them applied."""
    with _running(count, configmaps(count, SPACE)) as (world, bot, port):
        commit = world.commit("apps/shop", configmaps(10, SPACE, level="debug"))
        server, used = world.server_cpu(), cpu_of(bot)
        with world.counted() as requests:
            started = time.perf_counter()
            _push(port, commit)
            path = f"/api/v1/namespaces/{SPACE}/configmaps?limit=10"
            while any(one["data"]["level"] != "debug" for one in world.plane.request("GET", path)["items"]):
                time.sleep(0.01)
            seconds = time.perf_counter() - started
            time.sleep(2)  # what follows the apply is counted too
        measured = Measured(
            seconds=seconds,
            cpu=cpu_of(bot) - used,
            server=world.server_cpu() - server,
            requests=requests,
            peak=memory_of(bot),
        )
        yield Row(what=f"push that changes 10 of {count}, applied after", who="gitops-bot run", measured=measured)


def many_apps(count: int) -> Iterator[Row]:
    """Applications of four objects: all applied and ready, beside the bare client."""
    apps = count // 4

    def bodies() -> Iterator[Body]:
        for number in range(apps):
            yield from package("app", f"{SPACE}-{number:04}")

    spaces = [f"{SPACE}-{number:04}" for number in range(apps)]
    what = f"{apps} apps of 4 objects, all ready"
    with _world(controllers=True, spaces=spaces) as world:
        bare = world.bare("apply", world.requests_file(bodies()))
        ready = world.bare("ready", "/apis/apps/v1/deployments", str(apps))
        both = Measured(
            seconds=bare.seconds + ready.seconds,
            cpu=bare.cpu + ready.cpu,
            server=bare.server + ready.server,
            requests=bare.requests,
            peak=bare.peak,
        )
    yield Row(what=what, who="bare client", measured=both)
    with _world(controllers=True, spaces=spaces) as world:
        for number in range(apps):
            world.commit(f"apps/{number:04}", package("app", f"{SPACE}-{number:04}"))
        configured = [
            {"name": f"app-{n:04}", "path": f"apps/{n:04}", "namespace": f"{SPACE}-{n:04}"} for n in range(apps)
        ]
        server = world.server_cpu()
        with world.counted() as requests, _bot(world, configured) as bot:
            started = time.perf_counter()
            bot.all_synced(apps)
            seconds = time.perf_counter() - started
            used, peak = cpu_of(bot.pid), memory_of(bot.pid)
            measured = Measured(
                seconds=seconds, cpu=used, server=world.server_cpu() - server, requests=requests, peak=peak
            )
        yield Row(what=what, who="gitops-bot run, from its start", measured=measured, against=both.seconds)


def idle(count: int) -> Iterator[Row]:
    """A thousand applications of four objects at rest, interval 60 s: what two minutes cost."""
    apps = count
    with _world(controllers=False) as world:
        files: dict[str, str | bytes | None] = {}
        for number in range(apps):
            for index, body in enumerate(configmaps(4, SPACE)):
                body["metadata"]["name"] = f"a{number:04}-{index}"
                files[f"apps/{number:04}/{index}.json"] = orjson.dumps(body)
        world.upstream.commit(files)
        configured = [{"name": f"app-{n:04}", "path": f"apps/{n:04}", "namespace": SPACE} for n in range(apps)]
        with _bot(world, configured) as bot:
            bot.all_synced(apps)
            time.sleep(70)  # one round in which everything has come to rest
            server, used = world.server_cpu(), cpu_of(bot.pid)
            with world.counted() as requests:
                time.sleep(_IDLE_SECONDS)
            measured = Measured(
                seconds=_IDLE_SECONDS,
                cpu=cpu_of(bot.pid) - used,
                server=world.server_cpu() - server,
                requests=requests,
                peak=memory_of(bot.pid),
            )
        yield Row(what=f"{apps} apps of 4 objects at rest", who="gitops-bot run", measured=measured)


def start(count: int) -> Iterator[Row]:
    """How long a person waits for --help."""
    runs = []
    for _ in range(5):
        used, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-m", "bot", "--help"], cwd=ROOT, capture_output=True, check=True)
        seconds, now = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
        runs.append(Measured(seconds=seconds, cpu=cpu))
    yield Row(what="--help (best of 5)", who="gitops-bot", measured=min(runs, key=lambda run: run.seconds))


SCENARIOS: Final[Mapping[str, Callable[[int], Iterator[Row]]]] = {
    "apply-configmaps": apply_configmaps,
    "apply-packages": apply_packages,
    "drift": drift,
    "push": push,
    "many-apps": many_apps,
    "idle": idle,
    "growth": growth,
    "start": start,
}


@contextmanager
def _world(*, controllers: bool, spaces: list[str] | None = None) -> Iterator[World]:
    with World(controllers=controllers) as world:
        world.namespaces([SPACE, *(spaces or ())])
        yield world


class _Bot:
    """`gitops-bot run` and what it says over HTTP."""

    def __init__(self, process: BotProcess, pid: int) -> None:
        self.process, self.pid = process, pid

    def all_synced(self, apps: int) -> None:
        """Wait until every app is synced."""
        while self._synced() < apps:
            time.sleep(0.1)

    def _synced(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.process.port}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        return sum(1 for line in lines if line.startswith("gitops_bot_app_synced{") and line.endswith(" 1.0"))


@contextmanager
def _bot(world: World, apps: list[dict[str, Any]]) -> Iterator[_Bot]:
    folder = world.path / "bot"
    folder.mkdir()
    file = world.configure(apps)
    process = BotProcess(folder, _yaml(file), {"WEBHOOK_SECRET": "push"})
    process.start()
    try:
        yield _Bot(process, process.pid)
    finally:
        process.kill()


def _yaml(file: Path) -> str:
    """Return a configuration as lines, one per section: BotProcess adds the server's."""
    value = orjson.loads(file.read_bytes())
    return "".join(f"{name}: {orjson.dumps(section).decode()}\n" for name, section in value.items())


@contextmanager
def _running(count: int, bodies: Iterator[Body]) -> Iterator[tuple[World, int, int]]:
    """Run the bot with one app, synced and at rest."""
    with _world(controllers=False) as world:
        world.commit("apps/shop", bodies)
        app = {"name": "shop", "path": "apps/shop", "namespace": SPACE, "interval": "1h"}
        with _bot(world, [app]) as bot:
            bot.all_synced(1)
            time.sleep(3)
            yield world, bot.pid, bot.process.port


def _push(port: int, commit: str) -> None:
    """Send a push event as GitHub signs it."""
    body = orjson.dumps({"ref": "refs/heads/main", "after": commit})
    signature = "sha256=" + hmac.new(b"push", body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": signature, "X-GitHub-Event": "push", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/webhooks/git/fleet", data=body, headers=headers)
    urllib.request.urlopen(request, timeout=10).close()
