"""One installation of a name writes to a cluster at a time, from the very first write on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from bot.errors import ClusterRefused
from bot.model.outcome import Result
from tests.contract.engine import EngineWorld, now
from tests.contract.manifests import config

BASE = "/apis/coordination.k8s.io/v1"


def test_first_pass_makes_the_namespace_and_holds_the_lease(worlds: Callable[..., EngineWorld], unique: str) -> None:
    """It went without a lease: while the namespace was missing there was nowhere to put it."""
    world = worlds()
    world.configuration["clusters"][0]["namespace"] = f"{unique}-bot"
    world.restart()
    world.commit({"a.yaml": config("settings")})
    try:
        assert world.sync().result is Result.CONVERGED
        lease = world.read(f"{BASE}/namespaces/{unique}-bot/leases/gitops-bot-{world.namespace}")
        assert lease is not None
        assert lease["spec"]["holderIdentity"] == world.engine.world.holder
    finally:
        world.delete(f"/api/v1/namespaces/{unique}-bot")


def test_lease_that_another_installation_took_is_seen_at_the_next_renewal(worlds: Callable[..., EngineWorld]) -> None:
    late = timedelta()
    world = worlds(clock=lambda: now() + late)
    cluster = world.engine.world.clusters["prod"]
    cluster.hold("gitops-bot-one")
    late = timedelta(seconds=15)
    name = f"gitops-bot-{world.namespace}"
    world.patch("leases", name, {"spec": {"holderIdentity": "gitops-bot-two"}}, base=BASE)
    with pytest.raises(ClusterRefused, match=r"another bot named .* \(gitops-bot-two\) writes to it"):
        cluster.hold("gitops-bot-one")
    late = timedelta(seconds=60)
    cluster.hold("gitops-bot-one")
    assert world.found("leases", name, base=BASE)["spec"]["holderIdentity"] == "gitops-bot-one"


def test_lease_that_somebody_deleted_is_taken_again(worlds: Callable[..., EngineWorld]) -> None:
    late = timedelta()
    world = worlds(clock=lambda: now() + late)
    cluster = world.engine.world.clusters["prod"]
    cluster.hold("gitops-bot-one")
    name = f"gitops-bot-{world.namespace}"
    world.delete(world.path("leases", name, base=BASE))
    late = timedelta(seconds=15)
    cluster.hold("gitops-bot-one")
    assert world.found("leases", name, base=BASE)["spec"]["holderIdentity"] == "gitops-bot-one"
