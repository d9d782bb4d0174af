"""Waves and hooks: what happens before what, and what is held back."""

from __future__ import annotations

from bot.model.outcome import Deed, Result
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config, deployment, job

BATCH = "/apis/batch/v1"


def uid(world: EngineWorld, name: str) -> str:
    return str(world.found("jobs", name, base=BATCH)["metadata"]["uid"])


def test_next_wave_is_not_created_while_one_is_unhealthy(world: EngineWorld) -> None:
    world.restart(timeout="4s")
    first = deployment("db", "gitops-bot.test/never-ready:1", wave="1")
    world.commit({"a.yaml": first, "b.yaml": config("settings", wave="2")})
    report = world.sync()
    assert report.result is Result.UNHEALTHY
    assert world.get("configmaps", "settings") is None
    assert {one.deed for one in report.outcomes if one.id.name == "settings"} == {Deed.SKIPPED}
    world.restart(timeout="60s")
    world.commit({"a.yaml": deployment("db", wave="1")})
    assert world.sync().result is Result.CONVERGED
    assert world.get("configmaps", "settings") is not None


def test_hooks_run_at_each_sync_of_a_new_revision_and_only_then(world: EngineWorld) -> None:
    hooks = {
        "before.yaml": job("before", hook="pre-sync"),
        "after.yaml": job("after", hook="post-sync"),
        "rescue.yaml": job("rescue", hook="sync-failed"),
    }
    world.commit({**hooks, "a.yaml": config("settings")})
    report = world.sync()
    assert report.result is Result.CONVERGED, report.failure
    assert [one.id.name for one in report.outcomes] == ["before", "settings", "after"]
    assert world.get("jobs", "rescue", base=BATCH) is None
    first = (uid(world, "before"), uid(world, "after"))
    assert world.planned().writes == ()
    assert world.sync().outcomes == ()
    world.patch("configmaps", "settings", {"data": {"level": "mine"}})
    assert [one.id.name for one in world.sync().outcomes] == ["settings"]
    world.commit({"a.yaml": config("settings", "debug")})
    assert world.sync().result is Result.CONVERGED
    second = (uid(world, "before"), uid(world, "after"))
    assert not set(first) & set(second)


def test_failing_pre_sync_hook_holds_everything_and_the_rescue_runs(world: EngineWorld) -> None:
    world.commit(
        {
            "before.yaml": job("before", "gitops-bot.test/failing-job:1", hook="pre-sync"),
            "rescue.yaml": job("rescue", hook="sync-failed"),
            "a.yaml": config("settings"),
        }
    )
    report = world.sync()
    assert report.result is Result.FAILED
    assert report.failure is not None
    assert "before" in report.failure.message
    assert report.failure.problems[0].where == "apps/shop/before.yaml:1"
    assert world.get("configmaps", "settings") is None
    assert world.get("jobs", "rescue", base=BATCH) is not None
    world.commit({"before.yaml": job("before", hook="pre-sync")})
    assert world.sync().result is Result.CONVERGED


def test_hook_that_git_drops_is_deleted(world: EngineWorld) -> None:
    world.commit({"before.yaml": job("before", hook="pre-sync"), "a.yaml": config("settings")})
    world.sync()
    world.commit({"before.yaml": None})
    assert world.sync().result is Result.CONVERGED
    assert world.get("jobs", "before", base=BATCH) is None
    assert world.inventory() == {f"ConfigMap {world.namespace}/settings"}
