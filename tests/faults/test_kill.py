"""The bot killed at each request of a pass: a fresh process goes on, leaks nothing and changes nothing foreign."""

from __future__ import annotations

from itertools import count
from typing import Final

import pytest

from bot.model.outcome import Result
from tests.contract.engine import EngineWorld
from tests.contract.manifests import deployment
from tests.faults.proxy import Proxy
from tests.faults.scene import WORKLOADS, complaints, foreign, objects, settled, terminal_sync
from tests.waiting import PATIENCE_SECONDS, until

NEVER_READY: Final = "gitops-bot.test/never-ready:1"
_LANES: Final = 4  # tests that share the requests, so that several run at once


def killed_at(world: EngineWorld, proxy: Proxy, number: int) -> int:
    """Kill a sync at its n-th request; return its exit status."""
    seen, process = count(1), terminal_sync(world)
    proxy.before = lambda _: process.kill() if next(seen) == number else None
    status = process.wait(120)
    proxy.before = lambda _: None
    assert status in {0, -9}, complaints(world)
    return status


@pytest.mark.parametrize("first", range(1, _LANES + 1))
def test_killed_at_any_request_the_next_process_goes_on(world: EngineWorld, proxy: Proxy, first: int) -> None:
    """Every request is one step of a pass: reading, hooks, the inventory, each write, the waits, the prune."""
    before = foreign(world)
    world.commit(WORKLOADS.old)
    settled(world)
    for number in count(first, _LANES):
        world.commit(WORKLOADS.new)
        world.heard()
        status = killed_at(world, proxy, number)
        settled(world)
        WORKLOADS.check(world, number)
        assert foreign(world) == before, number
        said = [one.news.value for one in world.heard()]
        assert said.count("converged") == 1, (number, said)
        assert "failed" not in said, (number, said)
        if status == 0:
            assert number > 20, "the pass has fewer steps than it must"
            return
        world.commit(WORKLOADS.old)
        settled(world)


def test_killed_while_it_waits_for_health_the_next_process_goes_on(world: EngineWorld, proxy: Proxy) -> None:
    world.restart(timeout="2m")
    world.commit({"a.yaml": deployment("web", NEVER_READY)})
    proxy.seen.clear()
    process = terminal_sync(world)
    until(lambda: any("/pods" in one for one in proxy.seen) and objects(world), "it waits")
    process.kill()
    process.wait(PATIENCE_SECONDS)
    world.commit({"a.yaml": deployment("web", "nginx:1")})
    assert world.tick().result is Result.CONVERGED
    assert objects(world) == {"Deployment web": "nginx:1"}
