"""Many passes with random commits, hand edits and faults: what must hold after each, and what must stay flat.

`GITOPS_BOT_LONG_RUN=2000` makes as many rounds; the default is a taste. `GITOPS_BOT_SEED` repeats a run.
"""

from __future__ import annotations

import os
import random
import threading
from typing import Any

import pytest

from bot.sandbox.faults import Fault, FaultKind
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config
from tests.faults.proxy import Proxy, status
from tests.faults.scene import foreign, owned, settled

pytestmark = pytest.mark.cluster

ROUNDS = int(os.environ.get("GITOPS_BOT_LONG_RUN", "12"))
NAMES = ("a", "b", "c", "d")
KEPT = "kept"  # never dropped: a path that renders nothing asks a person
FAULTS = (
    Fault(kind=FaultKind.REFUSE),
    Fault(kind=FaultKind.RESET),
    Fault(kind=FaultKind.LOST),
    status(409, "Conflict", "the object has been modified"),
    status(500, "", "etcdserver: request timed out"),
    status(503, "ServiceUnavailable", "the server is currently unable to handle the request"),
)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def meddle(world: EngineWorld, chance: random.Random) -> None:
    """Edit or delete one of the objects by hand, if there is one."""
    names = sorted(owned(world))
    if not names:
        return
    name = chance.choice(names)
    if chance.random() < 0.5:
        edit = {"data": {"level": "mine", "extra": "1"}}
        path = world.path("configmaps", name) + "?fieldManager=kubectl-edit"
        world.plane.request("PATCH", path, body=edit, kind="merge")
    else:
        world.delete(world.path("configmaps", name))


def test_random_commits_edits_and_faults_always_end_equal_to_git(world: EngineWorld, proxy: Proxy) -> None:
    seed = int(os.environ.get("GITOPS_BOT_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
    chance = random.Random(seed)
    world.create("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}, "data": {}})
    before = foreign(world)
    world.commit({f"{KEPT}.yaml": config(KEPT)})
    settled(world)
    wanted: dict[str, Any] = {KEPT: "info"}
    flat: tuple[int, int] | None = None
    for number in range(ROUNDS):
        changed = {name: chance.choice((None, "info", "debug", "warn")) for name in chance.sample(NAMES, 2)}
        world.commit({f"{name}.yaml": config(name, level) if level else None for name, level in changed.items()})
        wanted = {name: level for name, level in {**wanted, **changed}.items() if level}
        if chance.random() < 0.5:
            meddle(world, chance)
        verb = chance.choice(("GET", "PATCH", "DELETE", "POST"))
        proxy.faults.add(chance.choice(FAULTS), match=f"{verb} *", times=chance.randrange(1, 4))
        world.tick()
        proxy.faults.heal()
        settled(world)
        told = f"seed {seed}, round {number}"
        # What someone edits or deletes between two passes is seen by the next one at the latest.
        settled(world)
        assert owned(world) == {name: {"level": level} for name, level in wanted.items()}, told
        assert world.inventory() == {f"ConfigMap {world.namespace}/{name}" for name in wanted}, told
        assert foreign(world) == before, told
        if number == ROUNDS // 2:
            flat = descriptors(), threading.active_count()
    assert flat is not None
    assert descriptors() <= flat[0] + 10, f"seed {seed}"
    assert threading.active_count() <= flat[1] + 10, f"seed {seed}"
