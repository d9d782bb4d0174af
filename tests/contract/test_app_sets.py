"""One entry, many apps: folders that come, go and are renamed; apps that move."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.model.outcome import Result
from bot.model.plan import Action
from bot.model.record import SyncState
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config
from tests.waiting import until


@pytest.fixture
def fleet(worlds: Callable[..., EngineWorld], namespace: str) -> EngineWorld:
    entry = {
        "name": "{basename}",
        "repo": "fleet",
        "paths": "apps/*",
        "exclude": ["apps/old-*"],
        "clusters": ["prod"],
        "namespace": namespace,
        "interval": "1s",
    }
    return worlds(configuration={"apps": [], "app_sets": [entry]})


def test_folder_that_appears_becomes_an_app_and_one_that_goes_is_released(fleet: EngineWorld) -> None:
    fleet.commit({"a.yaml": config("one")}, app="one")
    fleet.commit({"a.yaml": config("left-out")}, app="old-one")
    with fleet.running():
        until(lambda: fleet.memory("one").sync is SyncState.SYNCED, "the first folder has converged")
        fleet.commit({"a.yaml": config("two")}, app="two")
        until(lambda: fleet.memory("two").sync is SyncState.SYNCED, "the second folder has converged")
        fleet.upstream.commit({"apps/one/a.yaml": None, "apps/three/a.yaml": config("three")})
        until(lambda: fleet.memory("three").sync is SyncState.SYNCED, "the third folder has converged")
    assert set(fleet.engine.passes.apps) == {"prod/two", "prod/three"}
    assert [one.app for one in fleet.engine.desk.released()] == ["one"]
    assert fleet.get("configmaps", "one") is not None
    assert fleet.get("configmaps", "left-out") is None


def test_renamed_folder_keeps_its_objects(fleet: EngineWorld) -> None:
    """They are neither deleted and created nor blocked: the app goes on under its new name."""
    files = {f"{name}.yaml": config(name) for name in ("a", "b", "c")}
    fleet.commit(files, app="before")
    fleet.engine.passes.apps.refresh()
    assert fleet.sync("before").result is Result.CONVERGED
    uids = {name: fleet.found("configmaps", name)["metadata"]["uid"] for name in "abc"}
    moved = {f"apps/before/{name}": None for name in files} | {
        f"apps/after/{name}": text for name, text in files.items()
    }
    fleet.upstream.commit(moved | {"apps/after/c.yaml": config("c", "debug")})
    fleet.restart()
    fleet.engine.passes.apps.refresh()
    assert fleet.spec("after").moved_from == "before"
    assert {one.action for one in fleet.planned("after").changes} == {Action.UPDATE}
    assert fleet.sync("after").result is Result.CONVERGED
    assert {name: fleet.found("configmaps", name)["metadata"]["uid"] for name in "abc"} == uids
    assert fleet.found("configmaps", "a")["metadata"]["labels"]["gitops-bot/app"] == "after"
    assert fleet.engine.desk.released() == ()
    assert fleet.planned("after").writes == ()


def test_folders_known_last_hold_while_git_does_not_answer(fleet: EngineWorld) -> None:
    fleet.commit({"a.yaml": config("one")}, app="one")
    fleet.engine.passes.apps.refresh()
    fleet.sync("one")
    fleet.upstream.path.rename(fleet.upstream.path.with_name("away.git"))
    fleet.restart()
    fleet.engine.passes.apps.refresh()
    assert set(fleet.engine.passes.apps) == {"prod/one"}
    assert fleet.engine.desk.released() == ()


def test_app_that_moved_takes_its_objects_along(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("kept"), "b.yaml": config("dropped")})
    world.sync()
    uid = world.found("configmaps", "kept")["metadata"]["uid"]
    apps = world.configuration["apps"]
    world.configuration["apps"] = [{**apps[0], "name": "store", "moved_from": "shop"}, apps[1]]
    world.restart()
    world.commit({"b.yaml": None})
    assert [one.action for one in world.planned("store").writes] == [Action.UPDATE, Action.DELETE]
    assert world.sync("store").result is Result.CONVERGED
    assert world.found("configmaps", "kept")["metadata"]["uid"] == uid
    assert world.get("configmaps", "dropped") is None
    assert world.inventory("store") == {f"ConfigMap {world.namespace}/kept"}
    assert world.engine.desk.released() == ()
    assert world.tick("store").outcomes == ()
