"""An object that moves from one app to another lives on, whichever pass comes first and whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.model.control import Trigger, Via
from bot.model.outcome import Result
from bot.model.plan import Action
from bot.model.record import SyncState
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config
from tests.source.upstream import Upstream
from tests.waiting import until

BROKEN = f"{config('settings')}---\nkind: [\n"


def deployed(world: EngineWorld) -> str:
    """Let `shop` own `settings` beside an object that stays, and `other` one of its own; return the uid."""
    world.commit({"a.yaml": config("settings"), "k.yaml": config("kept")})
    world.commit({"o.yaml": config("own")}, app="other")
    assert world.sync().result is Result.CONVERGED
    assert world.sync("other").result is Result.CONVERGED
    return uid(world)


def uid(world: EngineWorld) -> str:
    return str(world.found("configmaps", "settings")["metadata"]["uid"])


def move(world: EngineWorld, text: str = config("settings", "debug")) -> str:
    return world.upstream.commit({"apps/shop/a.yaml": None, "apps/other/a.yaml": text})


def assert_moved(world: EngineWorld, before: str) -> None:
    """The object is the same one, belongs to `other` alone, and both apps are at rest."""
    live = world.found("configmaps", "settings")
    assert live["metadata"]["uid"] == before
    assert live["metadata"]["labels"]["gitops-bot/app"] == "other"
    assert live["data"] == {"level": "debug"}
    assert world.inventory() == {f"ConfigMap {world.namespace}/kept"}
    assert world.inventory("other") == {f"ConfigMap {world.namespace}/{name}" for name in ("own", "settings")}
    for app in ("shop", "other"):
        assert world.planned(app).writes == ()
        assert world.sync(app).outcomes == ()


@pytest.mark.parametrize("order", [("shop", "other", "shop"), ("other", "shop")], ids=["giver-first", "taker-first"])
def test_object_that_moves_to_another_app_lives_on(world: EngineWorld, order: tuple[str, ...]) -> None:
    before = deployed(world)
    move(world)
    assert world.planned().writes == ()
    (change,) = world.planned("other").writes
    assert change.action is Action.UPDATE
    assert "taken over from app shop" in change.why
    for app in order:
        assert world.sync(app).result is Result.CONVERGED
        assert uid(world) == before
    assert_moved(world, before)


def test_running_bot_moves_it_by_itself_and_says_nothing_of_a_failure(world: EngineWorld) -> None:
    before = deployed(world)
    with world.running():
        commit = move(world)
        until(lambda: all(world.memory(app).revision == commit for app in ("shop", "other")), "both have converged")
        until(lambda: len(world.inventory()) == 1, "the giving app has left the object")
    assert_moved(world, before)
    assert not [one for one in world.heard() if one.news.value in {"failed", "unhealthy"}]


def test_killed_between_the_two_passes_the_next_process_goes_on(world: EngineWorld) -> None:
    before = deployed(world)
    move(world)
    world.restart()
    assert world.sync().result is Result.CONVERGED
    world.restart()
    assert world.sync("other").result is Result.CONVERGED
    world.restart()
    assert world.sync().result is Result.CONVERGED
    assert_moved(world, before)


def test_object_stays_while_the_receiving_app_cannot_be_rendered(world: EngineWorld) -> None:
    """What that app's files do not name is deleted all the same."""
    before = deployed(world)
    world.commit({"z.yaml": config("unrelated")})
    world.sync()
    world.commit({"z.yaml": None})
    move(world, BROKEN)
    (delete,) = world.planned().writes
    assert delete.id.name == "unrelated"
    assert any("may be moving to other / prod, which cannot be rendered" in one for one in world.planned().warnings)
    assert world.sync().result is Result.CONVERGED
    assert world.sync("other").result is Result.FAILED
    assert world.get("configmaps", "unrelated") is None
    assert uid(world) == before
    move(world)
    assert world.sync("other").result is Result.CONVERGED
    assert world.sync().result is Result.CONVERGED
    assert_moved(world, before)


def test_object_is_not_taken_from_an_app_that_cannot_be_rendered(world: EngineWorld) -> None:
    before = deployed(world)
    move(world)
    world.commit({"k.yaml": "kind: [\n"})
    (blocked,) = world.planned("other").blocked
    assert "belongs to app shop, which cannot be rendered now" in blocked.why
    assert world.sync("other").result is Result.FAILED
    world.commit({"k.yaml": config("kept")})
    assert world.sync("other").result is Result.CONVERGED
    assert world.sync().result is Result.CONVERGED
    assert_moved(world, before)


def test_object_waits_for_a_receiving_app_that_is_paused(world: EngineWorld) -> None:
    before = deployed(world)
    world.engine.desk.pause("prod/other", by="os:ana", until=None, reason="release", via=Via.CLI)
    move(world)
    assert world.sync().result is Result.CONVERGED
    assert any("it moves to other / prod, which is paused" in one for one in world.planned().warnings)
    assert world.sync("other").result is Result.PAUSED
    assert uid(world) == before
    world.engine.desk.resume("prod/other", by="os:ana", via=Via.CLI)
    assert world.sync("other").result is Result.CONVERGED
    assert world.sync().result is Result.CONVERGED
    assert_moved(world, before)


def test_paused_app_gives_nothing_up(world: EngineWorld) -> None:
    before = deployed(world)
    world.engine.desk.pause("prod/shop", by="os:ana", until=None, reason="incident", via=Via.CLI)
    move(world)
    (blocked,) = world.planned("other").blocked
    assert "belongs to app shop, which is paused" in blocked.why
    world.engine.desk.resume("prod/shop", by="os:ana", via=Via.CLI)
    assert world.sync("other").result is Result.CONVERGED
    assert world.sync().result is Result.CONVERGED
    assert_moved(world, before)


def test_object_moves_between_repositories(worlds: Callable[..., EngineWorld], tmp_path: Path, namespace: str) -> None:
    """The receiving repository is pushed first: its app is blocked until the giving one drops the object."""
    second = Upstream(tmp_path / "second.git")
    second.commit({"apps/other/o.yaml": config("own")})
    repos = [{"name": name, "url": str(tmp_path / f"{name}.git")} for name in ("fleet", "second")]
    app = {"cluster": "prod", "namespace": namespace, "timeout": "60s"}
    apps = [{"name": n, "path": f"apps/{n}", "repo": r, **app} for n, r in (("shop", "fleet"), ("other", "second"))]
    world = worlds(configuration={"repos": repos, "apps": apps})
    before = deployed(world)
    second.commit({"apps/other/a.yaml": config("settings", "debug")})
    assert world.sync("other").result is Result.FAILED
    world.commit({"a.yaml": None})
    assert world.sync().result is Result.CONVERGED
    assert uid(world) == before
    assert world.sync("other").result is Result.CONVERGED
    assert world.sync().result is Result.CONVERGED
    assert_moved(world, before)


def test_object_that_the_receiving_app_wants_no_more_is_deleted(world: EngineWorld) -> None:
    """Nothing on the cluster tells the giving app: it is no app at rest while it keeps an object for another."""
    deployed(world)
    world.engine.desk.pause("prod/other", by="os:ana", until=None, reason="release", via=Via.CLI)
    with world.running():
        commit = move(world)
        until(lambda: world.memory().revision == commit, "the giving app has converged")
        assert world.get("configmaps", "settings") is not None
        world.commit({"a.yaml": None}, app="other")
        until(lambda: world.get("configmaps", "settings") is None, "nobody wants the object and it is gone")
        until(lambda: world.memory().sync is SyncState.SYNCED, "the giving app is equal to Git")
    assert world.inventory() == {f"ConfigMap {world.namespace}/kept"}


def test_app_that_is_deleted_leaves_what_another_one_wants(world: EngineWorld) -> None:
    before = deployed(world)
    world.configuration["apps"] = [one for one in world.configuration["apps"] if one["name"] == "other"]
    move(world)
    world.restart()
    gone = world.engine.desk.unwanted("shop")

    def delete(confirm: str | None = None) -> Result:
        trigger = Trigger(via=Via.CLI, by="os:ana", confirm=confirm)
        report = world.engine.passes.remove(gone, trigger, keep_objects=False, patience=world.spec("other").timeout)
        assert report is not None
        assert report.plan is not None
        return report.result if confirm or report.result is not Result.REFUSED else delete(report.plan.hash)

    assert delete() is Result.CONVERGED
    assert world.get("configmaps", "kept") is None
    assert uid(world) == before
    assert world.sync("other").result is Result.CONVERGED
    assert uid(world) == before
