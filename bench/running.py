"""`gitops-bot run` in a world of its own, and how its measurements begin and end."""

from __future__ import annotations

import hashlib
import hmac
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, Protocol

import orjson

from bench.workloads import Body
from bench.world import Measured, World
from tests.flow.bot_process import BotProcess
from tests.launch import executed

SPACE: Final = "bench"
_PATIENCE_SECONDS: Final = 600.0


class RunningBot:
    """The bot's process and what it says over HTTP."""

    def __init__(self, process: BotProcess, world: World) -> None:
        self.process, self._world = process, world

    @property
    def pid(self) -> int:
        return self.process.pid

    def all_synced(self, apps: int, *, every: float = 0.0) -> float:
        """Return the seconds until so many apps are synced, looked at `every` so many seconds."""
        every = every or (0.005 if apps < 10 else 0.2)
        return until(lambda: self.synced() >= apps, f"{apps} apps are synced", every=every)

    def synced(self) -> int:
        return int(self.process.metric("gitops_bot_app_synced"))

    def converged(self, app: str) -> None:
        """Wait for a pass that converged. Reads the log: a process that is asked has less time for itself."""
        until(lambda: f" of {app}: converged" in self.process.log(), f"{app} has converged", every=0.005)

    def push(self, commit: str) -> None:
        """Send a push event as GitHub signs it."""
        body = orjson.dumps({"ref": "refs/heads/main", "after": commit})
        signature = "sha256=" + hmac.new(b"push", body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": signature, "X-GitHub-Event": "push", "Content-Type": "application/json"}
        url = f"http://127.0.0.1:{self.process.port}/webhooks/git/fleet"
        request = urllib.request.Request(url, data=body, headers=headers)
        urllib.request.urlopen(request, timeout=10).close()

    @contextmanager
    def measured(self) -> Iterator[Callable[[float, int], Measured]]:
        """Yield what makes a `Measured` of the seconds something took, divided by how often it was done."""
        with self._world.measured([self.pid]) as made:
            yield made


@contextmanager
def new_world(*, controllers: bool, spaces: Sequence[str] = ()) -> Iterator[World]:
    with World(controllers=controllers) as world:
        world.namespaces([SPACE, *spaces])
        yield world


@contextmanager
def bot_in(
    world: World, apps: Sequence[Mapping[str, Any]], *, environment: Mapping[str, str] | None = None, **more: Any
) -> Iterator[RunningBot]:
    """Run the bot with these apps; `more` are sections of its configuration."""
    folder = world.path / f"bot-{len(list(world.path.glob('bot-*')))}"
    folder.mkdir()
    file = world.configure(apps, **more)
    process = BotProcess(
        folder, _yaml(file.read_bytes()), {"WEBHOOK_SECRET": "push", **(environment or {})}, launch=executed
    )
    process.start()
    try:
        yield RunningBot(process, world)
    finally:
        process.close()


def _yaml(text: bytes) -> str:
    """Return a configuration as lines, one per section: BotProcess adds the server's."""
    return "".join(f"{name}: {orjson.dumps(section).decode()}\n" for name, section in orjson.loads(text).items())


@contextmanager
def at_rest(bodies: Iterator[Body]) -> Iterator[tuple[World, RunningBot]]:
    """Run the bot with one app, synced and at rest."""
    with new_world(controllers=False) as world:
        world.commit("apps/shop", bodies)
        app = {"name": "shop", "path": "apps/shop", "namespace": SPACE, "interval": "1h"}
        with bot_in(world, [app]) as bot:
            bot.all_synced(1)
            time.sleep(3)
            yield world, bot


def until(ready: Callable[[], bool], what: str, *, every: float) -> float:
    """Return the seconds until it is so."""
    began = time.perf_counter()
    while not ready():
        if time.perf_counter() - began > _PATIENCE_SECONDS:
            raise RuntimeError(f"waited {_PATIENCE_SECONDS:.0f} s in vain: {what}")
        time.sleep(every)
    return time.perf_counter() - began


class Keeper(Protocol):
    """What keeps the cluster as the repository says: the bot, or a peer."""

    def push(self, commit: str) -> None:
        """Tell it of a commit."""

    def measured(self) -> AbstractContextManager[Callable[[float, int], Measured]]:
        """Measure its processes."""


def pushed(
    world: World,
    keeper: Keeper,
    files: Mapping[str, str | bytes | None],
    is_done: Callable[[Mapping[str, str]], bool],
    *,
    every: float = 0.05,
) -> Measured:
    """Commit, push, and measure until the levels of the ConfigMaps, by name, are as they are to be."""
    commit = world.upstream.commit(files)

    def done() -> bool:
        listed = world.plane.request("GET", f"/api/v1/namespaces/{SPACE}/configmaps")["items"]
        return is_done({one["metadata"]["name"]: one["data"]["level"] for one in listed if "level" in one["data"]})

    with keeper.measured() as made:
        began = time.perf_counter()
        keeper.push(commit)
        until(done, "the commit is applied", every=every)
        seconds = time.perf_counter() - began
        time.sleep(3)  # what follows is counted too
    return made(seconds, 1)
