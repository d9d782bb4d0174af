"""Several clusters: apps of one name on each, and one that is down holds up nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.errors import OrderRefused
from bot.model.control import Trigger, Via
from bot.model.outcome import Result
from bot.model.record import SyncState
from tests.contract.engine import PATIENCE, EngineWorld
from tests.contract.manifests import config
from tests.contract.servers import SandboxServer, Server
from tests.waiting import until


@pytest.fixture
def second(tmp_path: Path, namespace: str) -> Iterator[SandboxServer]:
    folder = tmp_path / "second"
    folder.mkdir()
    server = SandboxServer(folder)
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    server.request("POST", "/api/v1/namespaces", body=body)
    yield server
    server.stop()


@pytest.fixture
def both(worlds: Callable[..., EngineWorld], server: Server, second: SandboxServer, namespace: str) -> EngineWorld:
    """The same path on two clusters, by one app set."""
    kubeconfigs = {"prod": server.kubeconfig, "edge": second.kubeconfig}
    clusters = [{"name": name, "kubeconfig": file, "namespace": namespace} for name, file in kubeconfigs.items()]
    entry = {
        "name": "{basename}",
        "repo": "fleet",
        "paths": "apps/*",
        "clusters": ["prod", "edge"],
        "namespace": namespace,
        "interval": "1s",
    }
    world = worlds(configuration={"clusters": clusters, "apps": [], "app_sets": [entry]})
    world.commit({"a.yaml": config("settings")})
    world.engine.passes.apps.refresh()
    return world


def level(server: Server, namespace: str) -> str:
    found = server.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/settings")
    return str(found["data"]["level"])


def sync(world: EngineWorld, cluster: str) -> Result:
    app = world.engine.passes.apps[f"{cluster}/shop"]
    report = world.engine.passes.perform(
        app, Trigger(via=Via.CLI, by="os:ana"), stop=lambda _: False, patience=PATIENCE
    )
    assert report is not None
    return report.result


def test_app_on_two_clusters_is_two_apps_with_lives_of_their_own(
    both: EngineWorld, server: Server, second: SandboxServer
) -> None:
    assert sync(both, "prod") is Result.CONVERGED
    assert sync(both, "edge") is Result.CONVERGED
    both.engine.desk.pause("prod/shop", by="os:ana", until=None, reason="release", via=Via.CLI)
    both.commit({"a.yaml": config("settings", "debug")})
    assert sync(both, "prod") is Result.PAUSED
    assert sync(both, "edge") is Result.CONVERGED
    assert (level(server, both.namespace), level(second, both.namespace)) == ("info", "debug")
    with pytest.raises(OrderRefused, match=r"shop can be edge/shop or prod/shop"):
        both.engine.desk.find("shop")


def test_cluster_that_is_away_holds_up_the_apps_of_no_other(
    both: EngineWorld, server: Server, second: SandboxServer
) -> None:
    assert sync(both, "edge") is Result.CONVERGED
    second.stop()
    with both.running():
        both.commit({"a.yaml": config("settings", "debug")})
        until(lambda: both.memory().sync is SyncState.SYNCED, "the app of the other cluster has converged")
        until(lambda: level(server, both.namespace) == "debug", "the new commit is there")
    assert sync(both, "edge") is Result.FAILED


def test_object_does_not_move_to_an_app_of_another_cluster(both: EngineWorld, second: SandboxServer) -> None:
    """The app over there wants an object of that name, on its own cluster: here it is deleted."""
    both.commit({"b.yaml": config("kept")})
    both.configuration["app_sets"][0]["clusters"] = ["prod"]
    edge = {**both.configuration["app_sets"][0], "clusters": ["edge"], "paths": "edge/*"}
    both.configuration["app_sets"].append(edge)
    both.restart()
    both.engine.passes.apps.refresh()
    assert sync(both, "prod") is Result.CONVERGED
    both.upstream.commit({"apps/shop/a.yaml": None, "edge/shop/a.yaml": config("settings")})
    both.engine.passes.apps.expire("fleet")
    both.engine.passes.apps.refresh()
    assert sync(both, "prod") is Result.CONVERGED
    assert both.get("configmaps", "settings") is None
    assert sync(both, "edge") is Result.CONVERGED
    assert level(second, both.namespace) == "info"
