"""An approved sync that is killed, or meets an outage, between its writes: the rest is applied and nobody is asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count
from typing import Final

import pytest

from bot.model.announcement import News
from bot.model.app import Mode
from bot.model.control import Via
from bot.model.outcome import Result
from bot.model.record import Decision
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


def approved(world: EngineWorld) -> str:
    """Commit what is new, and have somebody agree to it; returns the commit."""
    commit = world.commit(_SCENE.new)
    assert world.tick().result is Result.WAITING_APPROVAL
    world.engine.desk.approve("prod/shop", world.memory().waiting_hash, by="U0BEN", via=Via.SLACK)
    world.heard()
    return commit


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


@pytest.mark.parametrize("mode", ["auto", "approve"])
def test_what_a_killed_sync_wrote_stands_in_history_and_audit_when_git_moves_on(
    worlds: Callable[..., EngineWorld], proxy: Proxy, mode: str
) -> None:
    """The cluster was changed, and no line said so."""
    world = worlds(mode=mode)
    returned(world)
    killed = begun(world, proxy)
    returned(world)
    settled(world)
    desk = world.engine.desk
    (entry,) = [one for one in desk.history("prod/shop", 9) if one.result is Result.SUPERSEDED]
    (line,) = [one for one in desk.log("prod/shop", 20) if one.arguments == killed and one.verb == "sync"]
    assert entry.revision == killed
    assert line.decision is Decision.FAILED
    assert line.why.startswith("cut off while it was applied: ")
    if mode == "approve":
        assert entry.approved_by == ("U0BEN",)
    again = begun(world, proxy)
    settled(world)  # goes on with the same, which has one line
    assert [one.result for one in desk.history("prod/shop", 9) if one.revision == again] == [Result.CONVERGED]


def begun(world: EngineWorld, proxy: Proxy) -> str:
    """Kill a sync before its last write, which somebody has agreed to where that is needed; returns its commit."""
    commit = approved(world) if world.spec().mode is Mode.APPROVE else world.commit(_SCENE.new)
    process = terminal_sync(world)
    first = world.path("configmaps/changed")

    def kill_after_the_first(request: str) -> None:
        if "configmaps/last" in request and world.plane.request("GET", first)["data"] == {"level": "debug"}:
            process.kill()

    proxy.before = kill_after_the_first
    assert process.wait(120) == -9, complaints(world)
    proxy.before = lambda _: None
    return commit
