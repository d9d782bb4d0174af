"""Each misfortune at each request of a pass: the next pass converges, nothing foreign changes, nothing is leaked.

The requests are those that an undisturbed pass sends, whatever they are today.
"""

from __future__ import annotations

import pytest

from bot.sandbox.faults import Fault, FaultKind
from tests.contract.engine import EngineWorld
from tests.faults.proxy import Proxy, status
from tests.faults.scene import NEW, OLD, foreign, is_new, settled, steps

FAULTS = {
    "refused": Fault(kind=FaultKind.REFUSE),
    "reset": Fault(kind=FaultKind.RESET),
    "answer-lost": Fault(kind=FaultKind.LOST),
    "unauthorized": status(401, "Unauthorized", "Unauthorized"),
    "forbidden": status(403, "Forbidden", "the user may not do that"),
    "conflict": status(
        409, "Conflict", "the object has been modified; please apply your changes to the latest version"
    ),
    "gone": status(410, "Expired", "the resource version is too old"),
    "throttled": Fault(kind=FaultKind.THROTTLE, seconds=1),
    "internal": status(500, "InternalError", "Internal error occurred"),
    "etcd": status(500, "", "etcdserver: leader changed"),
    "unavailable": status(503, "ServiceUnavailable", "the server is currently unable to handle the request"),
    "not-json": Fault(kind=FaultKind.STATUS, status=502),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_next_pass_converges_whatever_request_went_wrong(world: EngineWorld, proxy: Proxy, fault: Fault) -> None:
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}, "data": {"a": "1"}}
    world.create("configmaps", theirs)
    before = foreign(world)
    names = steps(world, proxy)
    assert len(names) >= 6
    for step in names:
        world.commit(NEW)
        world.heard()
        proxy.faults.add(fault, match=step, times=1)
        disturbed = world.tick()
        proxy.faults.heal()
        settled(world)
        assert is_new(world), (step, disturbed)
        assert foreign(world) == before, (step, disturbed)
        said = [one for one in world.heard() if one.news.value == "failed"]
        assert len(said) <= 1, (step, said)
        assert "canary" not in f"{said}{disturbed.failure}", step
        world.commit(OLD)
        settled(world)
