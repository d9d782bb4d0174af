"""Objects that move back and forth between two apps by chance: none is ever made anew, lost, or owned by two.

`GITOPS_BOT_LONG_RUN=500` plays as many rounds; the default is a taste. tests/chance.py says by which seed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from typing import Final

import pytest

from bot.model.control import Via
from bot.model.outcome import Result
from tests.chance import draw_seed
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config
from tests.faults.proxy import Proxy
from tests.faults.test_long_run import FAULTS

ROUNDS: Final = int(os.environ.get("GITOPS_BOT_LONG_RUN", "10"))
APPS: Final = ("shop", "other")
NAMES: Final = ("a", "b", "c", "d")


class Moves:
    """Which app Git has each object in, and which object that is on the cluster."""

    def __init__(self, world: EngineWorld, proxy: Proxy, chance: random.Random) -> None:
        self.world, self.proxy, self.chance = world, proxy, chance
        self.homes: dict[str, str] = {}
        self.alive: dict[str, str] = {}
        world.upstream.commit({f"apps/{app}/kept.yaml": config(f"kept-{app}") for app in APPS})
        self.settle()

    def round(self) -> None:
        """Move some objects, let passes go wrong in any order, and settle."""
        chance, desk = self.chance, self.world.engine.desk
        before = dict(self.homes)
        for name in chance.sample(NAMES, chance.randrange(1, 4)):
            self.homes[name] = chance.choice(("", *APPS, *APPS))
        broken = chance.choice(APPS) if chance.random() < 0.3 else ""
        self.commit(before, broken=broken)
        paused = chance.choice(APPS) if chance.random() < 0.2 else ""
        if paused:
            desk.pause(f"prod/{paused}", by="os:ana", until=None, reason="incident", via=Via.CLI)
        for app in chance.choices(APPS, k=chance.randrange(1, 5)):
            verb = chance.choice(("GET", "PATCH", "DELETE", "POST"))
            self.proxy.faults.add(chance.choice(FAULTS), match=f"{verb} *", times=1)
            self.world.tick(app)
            self.proxy.faults.heal()
            if chance.random() < 0.2:
                self.world.restart()
            self.assert_alive(before)
        if paused:
            self.world.engine.desk.resume(f"prod/{paused}", by="os:ana", via=Via.CLI)
        if broken:
            self.commit(before)
        self.settle()
        self.world.heard()

    def commit(self, before: Mapping[str, str], *, broken: str = "") -> None:
        files: dict[str, str | bytes | None] = {
            f"apps/{app}/{name}.yaml": config(name) if self.homes.get(name) == app else None
            for name in {*before, *self.homes}
            for app in APPS
        }
        for app in APPS:
            files[f"apps/{app}/broken.yaml"] = "kind: [\n" if app == broken else None
        self.world.upstream.commit(files)

    def assert_alive(self, before: Mapping[str, str]) -> None:
        """What Git has now and had before was not deleted for a moment."""
        for name, home in self.homes.items():
            if home and before.get(name):
                assert self.uid(name) == self.alive[name], name

    def settle(self) -> None:
        for app in (*APPS, *APPS):
            assert self.world.tick(app).result in {Result.CONVERGED, Result.FAILED}
        for app in APPS:
            assert self.world.tick(app).result is Result.CONVERGED
            own = {f"kept-{app}", *(name for name, home in self.homes.items() if home == app)}
            assert self.world.inventory(app) == {f"ConfigMap {self.world.namespace}/{name}" for name in own}
            labels = {self.world.found("configmaps", name)["metadata"]["labels"]["gitops-bot/app"] for name in own}
            assert labels == {app}
            assert self.world.planned(app).writes == ()
        self.alive = {name: self.uid(name) for name in self.homes}

    def uid(self, name: str) -> str:
        found = self.world.get("configmaps", name)
        return str(found["metadata"]["uid"]) if found is not None else ""


@pytest.mark.chance
def test_objects_that_move_by_chance_among_faults_are_never_made_anew(world: EngineWorld, proxy: Proxy) -> None:
    seed = draw_seed()
    moves = Moves(world, proxy, random.Random(seed))
    for number in range(ROUNDS):
        try:
            moves.round()
        except BaseException as error:
            error.add_note(f"seed {seed}, round {number}: {moves.homes}")
            raise
