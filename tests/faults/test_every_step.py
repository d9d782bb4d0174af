"""Each misfortune at each request of a pass: the next pass converges, nothing foreign changes, nothing is leaked.

The requests are those that an undisturbed pass sends, whatever they are today.
"""

from __future__ import annotations

import pytest

from bot.sandbox.faults import Fault, FaultKind
from tests.contract.engine import EngineWorld
from tests.faults.proxy import Proxy, status
from tests.faults.scene import SCENES, foreign, settled, steps

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
    "slow": Fault(kind=FaultKind.DELAY, seconds=0.5),
    "not-json": Fault(kind=FaultKind.STATUS, status=502),
}


# Workloads take their time; whether a request was acted upon or not is all that matters to what follows it.
SOME = {"first": ("reset", "unauthorized", "gone", "unavailable"), "workloads": ("refused", "answer-lost", "slow")}
CASES = [*(("configs", name) for name in FAULTS), *((scene, name) for scene, names in SOME.items() for name in names)]


@pytest.mark.parametrize(("name", "trouble"), CASES, ids=map("-".join, CASES))
def test_next_pass_converges_whatever_request_went_wrong(
    world: EngineWorld, proxy: Proxy, name: str, trouble: str
) -> None:
    scene, fault = SCENES[name], FAULTS[trouble]
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}, "data": {"a": "1"}}
    world.create("configmaps", theirs)
    before = foreign(world)
    requests = steps(world, proxy, scene)
    assert len(requests) >= 6
    for step in requests:
        scene.move(world)
        world.heard()
        proxy.faults.add(fault, match=step, times=1)
        disturbed = world.tick()
        proxy.faults.heal()
        settled(world)
        scene.check(world, (step, disturbed))
        assert foreign(world) == before, (step, disturbed)
        said = [one for one in world.heard() if one.news.value == "failed"]
        assert len({one.operation for one in said}) <= 1, (step, said)  # a message, and its edits
        assert "canary" not in f"{said}{disturbed.failure}", step
        world.commit(scene.old)
        settled(world)
