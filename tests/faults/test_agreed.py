"""An approved sync that is killed, or meets an outage, between its writes: the rest is applied and nobody is asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count
from typing import Final

from bot.model.announcement import News
from bot.model.control import Via
from bot.model.outcome import Result
from bot.sandbox.faults import Fault, FaultKind
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config
from tests.faults.proxy import Proxy
from tests.faults.scene import CONFIGS, NEW, OLD, Scene, complaints, settled, terminal_sync

_STEP: Final = re.compile(r"(POST|PUT|PATCH|DELETE) (?!.*/leases)")  # writes, and the questions before them
_SCENE: Final = Scene(
    old={**OLD, "last.yaml": config("last", wave="1")},
    new={**NEW, "last.yaml": config("last", "debug", wave="1")},
    shown={**CONFIGS.shown, "ConfigMap last": "debug"},
)
_GOES_ON: Final = "It goes on with the rest"


def approved(world: EngineWorld) -> None:
    """Commit what is new, and have somebody agree to it."""
    world.commit(_SCENE.new)
    assert world.tick().result is Result.WAITING_APPROVAL
    world.engine.desk.approve("prod/shop", world.memory().waiting_hash, by="U0BEN", via=Via.SLACK)
    world.heard()


def returned(world: EngineWorld) -> None:
    """Go back to what was, as somebody who may has agreed."""
    world.commit(_SCENE.old)
    if world.tick().result is Result.WAITING_APPROVAL:
        world.engine.desk.approve("prod/shop", world.memory().waiting_hash, by="U0BEN", via=Via.SLACK)
        settled(world)


def killed_at_step(world: EngineWorld, proxy: Proxy, number: int) -> bool:
    """Kill a sync at its n-th step; False when it has fewer."""
    seen, process = count(1), terminal_sync(world)
    proxy.before = lambda request: process.kill() if _STEP.match(request) and next(seen) == number else None
    status = process.wait(120)
    proxy.before = lambda _: None
    assert status in {0, -9}, complaints(world)
    return status != 0


def test_killed_at_any_write_an_approved_sync_goes_on_and_asks_nobody(
    worlds: Callable[..., EngineWorld], proxy: Proxy
) -> None:
    """What was left of it had another hash: people were asked again, with half of it live."""
    world, went_on = worlds(mode="approve"), 0
    for number in count(1):
        returned(world)
        approved(world)
        killed = killed_at_step(world, proxy, number)
        settled(world)
        _SCENE.check(world, number)
        said = world.heard()
        assert not [one for one in said if one.news is News.APPROVAL], number
        went_on += any(one.message.startswith(_GOES_ON) for one in said)
        assert world.engine.desk.history("prod/shop", 1)[0].approved_by == ("U0BEN",), number
        if not killed:
            assert went_on, "no kill was between two writes"
            return


def test_outage_between_the_writes_of_an_approved_sync_asks_nobody(
    worlds: Callable[..., EngineWorld], proxy: Proxy
) -> None:
    world = worlds(mode="approve")
    returned(world)
    approved(world)
    proxy.faults.add(Fault(kind=FaultKind.STATUS, status=503), match="DELETE */configmaps/dropped")
    assert world.tick().result is Result.FAILED
    proxy.faults.heal()
    settled(world)
    _SCENE.check(world)
    assert world.engine.desk.history("prod/shop", 1)[0].approved_by == ("U0BEN",)
