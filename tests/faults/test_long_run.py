"""An app's life by chance, for many rounds: what must hold after each, and what must stay flat.

`GITOPS_BOT_LONG_RUN=2000` plays as many rounds; the default is a taste. tests/chance.py says by which seed.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import threading
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from bot.model.control import Via
from bot.model.outcome import Result
from bot.sandbox.faults import Fault, FaultKind
from tests.chance import draw_seed
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config, deployment, secret
from tests.faults.proxy import Proxy, status
from tests.faults.scene import KINDS, State, foreign, listed, objects, settled, terminal_sync
from tests.launch import executed

log = logging.getLogger(__name__)

ROUNDS: Final = int(os.environ.get("GITOPS_BOT_LONG_RUN", "12"))
KEPT: Final = "kept"  # never dropped: a path that renders nothing asks a person
NAMES: Final = ("ConfigMap a", "ConfigMap b", "ConfigMap c", "Secret d", "Secret e", "Deployment web")
LEVELS: Final = ("info", "debug", "warn")  # of a Deployment: the image
FAULTS: Final = (
    Fault(kind=FaultKind.REFUSE),
    Fault(kind=FaultKind.RESET),
    Fault(kind=FaultKind.LOST),
    status(409, "Conflict", "the object has been modified"),
    status(410, "Expired", "too old resource version"),
    status(500, "", "etcdserver: request timed out"),
    status(503, "ServiceUnavailable", "the server is currently unable to handle the request"),
)
SPARE: Final = 60  # pooled connections, of which this process has both ends and a thread


class Life:
    """What Git says, what people have ordered, and what the cluster must therefore show."""

    def __init__(self, world: EngineWorld, proxy: Proxy, chance: random.Random) -> None:
        self.world, self.proxy, self.chance = world, proxy, chance
        self.git: State = {}
        self.shown: State = {}
        self.past: list[tuple[str, State]] = []
        self.held = ""  # "paused" or "pinned"
        self.commit({f"ConfigMap {KEPT}": "info"})
        self.settle()

    def round(self) -> None:
        """Play one round to its end, and check what must hold."""
        chance = self.chance
        self.commit({name: chance.choice((None, *LEVELS)) for name in chance.sample(NAMES, chance.randrange(1, 4))})
        self.order()
        if self.held != "paused" and chance.random() < 0.5:
            self.meddle()
        verb = chance.choice(("GET", "PATCH", "DELETE", "POST"))
        self.proxy.faults.add(chance.choice(FAULTS), match=f"{verb} *", times=chance.randrange(1, 4))
        if chance.random() < 0.1:
            self.kill()
        else:
            self.world.tick()
        self.proxy.faults.heal()
        self.settle()
        self.world.heard()
        self.proxy.seen.clear()

    def commit(self, changed: dict[str, str | None]) -> None:
        files = {
            f"{name.replace(' ', '-')}.yaml": _text(name, level) if level else None for name, level in changed.items()
        }
        self.git = {name: level for name, level in {**self.git, **changed}.items() if level}
        self.past.append((self.world.commit(files), self.git))
        if not self.held:
            self.shown = self.git

    def order(self) -> None:
        """Pause, roll back, or end what holds the app."""
        desk = self.world.engine.desk
        if self.held:
            if self.chance.random() < 0.5:
                desk.resume("prod/shop", by="os:ana", via=Via.CLI)
                self.held, self.shown = "", self.git
        elif self.chance.random() < 0.1:
            desk.pause("prod/shop", by="os:ana", until=None, reason="incident", via=Via.CLI)
            self.held, self.shown = "paused", objects(self.world)
        elif self.chance.random() < 0.1 and len(self.past) > 2:
            commit, state = self.chance.choice(self.past[-20:-1])
            if commit != self.world.memory().revision:
                desk.rollback("prod/shop", commit, by="os:ana", reason="slow", via=Via.CLI)
                self.held, self.shown = "pinned", state

    def meddle(self) -> None:
        """Edit or delete one of the objects by hand."""
        name = self.chance.choice(sorted(objects(self.world)))
        path = self.path(name)
        if self.chance.random() < 0.5:
            edit = {"spec": {"replicas": 3}} if name.startswith("Deployment") else {"data": {"extra": "MQ=="}}
            self.world.plane.request("PATCH", f"{path}?fieldManager=kubectl-edit", body=edit, kind="merge")
        else:
            self.world.delete(path)

    def kill(self) -> None:
        """Sync in a process of its own, and kill it at some request."""
        process = terminal_sync(self.world, launch=executed)  # the other way starts processes that stay
        last, seen = self.chance.randrange(1, 30), count(1)
        self.proxy.before = lambda _: process.kill() if next(seen) >= last else None
        process.wait(600)  # a busy machine is no failure
        self.proxy.before = lambda _: None

    def settle(self) -> None:
        """Pass until the app is as it must be: whoever edits between two passes is seen by the next one."""
        if self.held == "paused":
            assert self.world.tick().result is Result.PAUSED
        else:
            settled(self.world)
            settled(self.world)
        assert objects(self.world) == self.shown
        if self.held != "paused":
            assert self.world.inventory() == listed(self.world, self.shown)

    def path(self, name: str) -> str:
        kind, _, short = name.partition(" ")
        base, plural = KINDS[kind]
        return self.world.path(plural, short, base=base)


def _text(name: str, level: str) -> str:
    kind, _, short = name.partition(" ")
    match kind:
        case "Deployment":
            return deployment(short, level)
        case "Secret":
            return secret(short, level)
        case _:
            return config(short, level)


@dataclass(frozen=True)
class Use:
    """What this process holds of its machine."""

    descriptors: int
    threads: int
    children: int
    memory_mib: int

    @classmethod
    def now(cls) -> Use:
        gc.collect()
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return cls(len(os.listdir("/proc/self/fd")), threading.active_count(), len(children), resident // 1024**2)


@pytest.mark.chance
def test_random_commits_edits_and_faults_always_end_equal_to_git(world: EngineWorld, proxy: Proxy) -> None:
    seed = draw_seed()
    world.create("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}, "data": {}})
    before = foreign(world)
    life = Life(world, proxy, random.Random(seed))
    half = Use.now()
    for number in range(ROUNDS):
        try:
            life.round()
        except BaseException as error:
            error.add_note(f"seed {seed}, round {number}")
            raise
        assert foreign(world) == before, f"seed {seed}, round {number}"
        if number == ROUNDS // 2:
            half = Use.now()
        if number % 100 == 99:
            log.info("round %d, seed %d: %s", number + 1, seed, Use.now())
    end = Use.now()
    told = f"seed {seed}: {half}, then {end}"
    assert end.descriptors <= half.descriptors + SPARE, told
    assert end.threads <= half.threads + SPARE, told
    assert end.children <= half.children, told
    assert end.memory_mib <= half.memory_mib * 1.1 + 20, told
