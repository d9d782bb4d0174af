"""Waiting for health: its end, its early ends, and what is said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from bot.model.control import Trigger, Via
from bot.model.outcome import HealthState, Result
from bot.model.record import SyncState
from bot.model.status import AppStatus
from tests.contract.engine import PATIENCE, EngineWorld, now
from tests.contract.manifests import config, deployment, job
from tests.waiting import until

APPS = "/apis/apps/v1"


def test_unhealthy_workload_is_named_within_the_timeout_and_its_recovery_said_once(world: EngineWorld) -> None:
    world.restart(timeout="3s")
    world.commit({"a.yaml": deployment("api", env_from="settings", image="gitops-bot.test/never-ready:1")})
    world.tick()
    said = [one for one in world.heard() if one.news.value == "failed"]
    assert [one.troubles[0].subject for one in said] == [f"Deployment {world.namespace}/api"]
    world.tick()
    again = [one for one in world.heard() if one.news.value == "failed"]
    assert {one.operation for one in again} == {said[0].operation}  # which edits the same message
    world.restart(timeout="60s")
    world.commit({"a.yaml": deployment("api", env_from="settings"), "b.yaml": config("settings")})
    assert world.tick().result is Result.CONVERGED
    world.tick()
    recovered = [one for one in world.heard() if "recovered after" in one.message or one.news.value == "recovered"]
    assert len(recovered) == 1


def test_fix_ends_the_wait_for_the_commit_before_it(world: EngineWorld) -> None:
    world.restart(timeout="5m")
    world.commit({"a.yaml": deployment("api", "gitops-bot.test/never-ready:1")})
    with world.running() as loop:
        until(lambda: world.get("deployments", "api", base=APPS), "the first commit is applied")
        fixed = world.commit({"a.yaml": deployment("api", "nginx:1")})
        loop.wake("prod/shop")
        until(lambda: world.memory().revision == fixed, "the fix has converged")
    assert world.memory().sync.value == "synced"


def test_status_says_behind_and_progressing_while_a_commit_is_rolled_out(world: EngineWorld) -> None:
    """It was synced and healthy at the commit before, until the new Pods were ready."""
    world.commit({"a.yaml": deployment("api")})
    assert world.tick().result is Result.CONVERGED
    world.commit({"a.yaml": deployment("api", "gitops-bot.test/never-ready:1")})
    said: list[AppStatus] = []

    def ends(commit: str) -> bool:
        said.extend(world.engine.desk.status(["prod/shop"]))
        return bool(commit)

    trigger = Trigger(via=Via.SCHEDULE)
    report = world.engine.passes.perform(world.spec(), trigger, stop=ends, patience=PATIENCE)
    assert report is not None
    assert report.result is Result.SUPERSEDED
    assert {(one.sync, one.health) for one in said} == {(SyncState.BEHIND, HealthState.PROGRESSING)}
    assert {one.progress for one in said} == {"1 of 1 object written"}
    assert world.memory().written == 1  # the next pass goes on with it


def test_status_says_how_far_a_sync_is_while_it_writes(worlds: Callable[..., EngineWorld]) -> None:
    """It said for minutes that the app was syncing, or not synced yet."""
    world = worlds(clock=lambda: now() - timedelta(hours=1))  # so that the first write comes long after the start
    world.commit({"a.yaml": config("one"), "b.yaml": deployment("api")})
    said: list[AppStatus] = []

    def looks() -> bool:
        said.extend(world.engine.desk.status(["prod/shop"]))
        return False

    assert world.sync(leaves=looks).result is Result.CONVERGED
    assert {one.progress for one in said} == {"1 of 2 objects written"}
    (over,) = world.engine.desk.status(["prod/shop"])
    assert over.progress == ""


def test_fix_of_a_bad_image_converges_at_once_while_the_bad_pod_is_leaving(world: EngineWorld) -> None:
    world.restart(timeout="60s")
    world.commit({"a.yaml": deployment("api", "gitops-bot.test/bad-image:1")})
    assert world.tick().result is Result.UNHEALTHY
    world.commit({"a.yaml": deployment("api", "nginx:1")})
    assert world.tick().result is Result.CONVERGED


def test_job_that_its_ttl_removes_counts_as_success(world: EngineWorld) -> None:
    world.commit({"a.yaml": job("migrate", extra="  ttlSecondsAfterFinished: 0\n"), "b.yaml": config("settings")})
    assert world.sync().result is Result.CONVERGED
    until(lambda: world.get("jobs", "migrate", base="/apis/batch/v1") is None, "the job is removed")
    report = world.tick()
    assert report.result is Result.CONVERGED


def test_one_terminal_failure_ends_the_wait_and_is_named(world: EngineWorld) -> None:
    world.restart(timeout="5m")
    world.commit(
        {
            "a.yaml": deployment("slow", "gitops-bot.test/never-ready:1"),
            "b.yaml": job("broken", "gitops-bot.test/failing-job:1", hook="post-sync").replace("hook", "hook"),
            "c.yaml": job("failing", "gitops-bot.test/failing-job:1"),
        }
    )
    report = world.sync()
    assert report.result is Result.UNHEALTHY
    states = {id.name: health.state for id, health in report.health}
    assert states["failing"] is HealthState.DEGRADED
    assert states["slow"] is HealthState.PROGRESSING
    assert report.failure is not None
    assert any(one.subject == f"Job {world.namespace}/failing" for one in report.failure.problems)


def test_image_that_cannot_be_pulled_is_said_with_its_cause(world: EngineWorld) -> None:
    world.restart(timeout="5m")
    world.commit({"a.yaml": deployment("api", "gitops-bot.test/bad-image:1")})
    report = world.sync()
    assert report.result is Result.UNHEALTHY
    (health,) = [health for id, health in report.health if id.name == "api"]
    assert health.cause is not None
    assert "ImagePull" in health.cause.reason
