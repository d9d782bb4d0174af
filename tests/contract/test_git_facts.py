"""What a commit, a push and a rollback do, through the running loop."""

from __future__ import annotations

from datetime import timedelta

from bot.model.announcement import News
from bot.model.control import Via
from bot.model.outcome import PassKind, Result
from bot.model.record import SyncState
from tests.contract.engine import EngineWorld, now
from tests.contract.manifests import config
from tests.waiting import until


def test_bad_value_is_retried_and_said_once_and_the_good_commit_clears_it(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    with world.running() as loop:
        until(lambda: world.memory().sync is SyncState.SYNCED, "the first commit has converged")
        world.heard()
        world.commit({"a.yaml": config("settings").replace("{level: info}", "{level: [1]}")})
        loop.wake("prod/shop")
        until(lambda: world.memory().consecutive_failures >= 2, "the bad commit is tried again")
        heard = [one for one in world.heard() if one.app == "shop"]
        good = world.commit({"a.yaml": config("settings", "debug")})
        loop.wake("prod/shop")
        until(lambda: world.memory().revision == good, "the good commit has converged")
    heard += [one for one in world.heard() if one.app == "shop"]
    assert len({one.operation for one in heard if one.news.value == "failed"}) == 1  # a message, and its edits
    assert [one for one in heard if not one.in_thread][-1].news.value in {"converged", "recovered"}
    assert (world.memory().last_error, world.memory().consecutive_failures) == ("", 0)


def test_sync_without_revision_works_on_the_newest_commit_and_reports_it(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    assert world.sync().result is Result.CONVERGED
    broken = world.commit({"a.yaml": "a: [\n"})
    report = world.sync()
    assert report.result is Result.FAILED
    assert report.revision is not None
    assert report.revision.commit == broken


def test_rollback_makes_the_cluster_equal_to_an_earlier_commit(world: EngineWorld) -> None:
    first = world.commit({"a.yaml": config("settings", "one")})
    world.sync()
    world.commit({"a.yaml": config("settings", "two"), "b.yaml": config("added")})
    world.sync()
    world.heard()
    world.engine.desk.rollback("prod/shop", first[:8], by="os:ana", reason="slow", via=Via.CLI)
    report = world.tick()
    assert (report.result, report.kind) == (Result.CONVERGED, PassKind.ROLLBACK)
    assert world.found("configmaps", "settings")["data"] == {"level": "one"}
    assert world.get("configmaps", "added") is None
    assert "rolled back" in {one.news.value for one in world.heard()}
    newest, *_ = world.engine.desk.history("prod/shop", 5)
    assert (newest.kind, newest.revision, newest.result) == (PassKind.ROLLBACK, first, Result.CONVERGED)
    world.commit({"a.yaml": config("settings", "three")})
    world.tick()
    assert world.found("configmaps", "settings")["data"] == {"level": "one"}
    world.engine.desk.resume("prod/shop", by="os:ana", via=Via.CLI)
    world.tick()
    assert world.found("configmaps", "settings")["data"] == {"level": "three"}


def test_branch_that_the_configuration_names_anew_was_not_rewritten(world: EngineWorld) -> None:
    """Another branch, with nothing in common, was said to be the old one with its history rewritten."""
    world.commit({"a.yaml": config("settings", "one")})
    world.sync()
    world.upstream.commit({"apps/shop/a.yaml": config("settings", "two")}, branch="next")
    world.restart(branch="next")
    report = world.sync()
    assert (report.result, report.plan and report.plan.warnings) == (Result.CONVERGED, ())
    lost = world.memory().target
    made = world.upstream.commit({"apps/shop/a.yaml": config("settings", "three")}, branch="next", parents=())
    report = world.sync()
    assert report.plan is not None
    (warning,) = report.plan.warnings
    assert warning.startswith(f"The history of next was rewritten: {lost[:7]} is no longer in it, {made[:7]}")


def test_push_before_the_host_shows_the_commit_gives_exactly_one_deploy(world: EngineWorld) -> None:
    world.restart(interval="1h")
    world.commit({"a.yaml": config("settings", "one")})
    with world.running():
        until(lambda: world.memory().sync is SyncState.SYNCED, "the first commit has converged")
        pushed = world.upstream.commit(
            {"apps/shop/a.yaml": config("settings", "two")}, branch="hidden", parents=(world.memory().revision,)
        )
        world.engine.desk.pushed("fleet", {"refs/heads/main": pushed})
        until(lambda: world.engine.store.requests(), "the push waits")
        assert world.found("configmaps", "settings")["data"] == {"level": "one"}
        world.upstream.git("update-ref", "refs/heads/main", pushed)
        until(lambda: world.memory().revision == pushed, "the pushed commit has converged")
        until(lambda: not world.engine.store.requests(), "the push is done")
    deployed = [one for one in world.engine.desk.history("prod/shop", 10) if one.revision == pushed]
    assert len(deployed) == 1


def test_push_has_what_fails_elsewhere_tried_again_but_behind_what_it_concerns(world: EngineWorld) -> None:
    """Once each push to a repository had all of its failing apps tried at once, beside the app that was pushed to."""
    world.configuration["retry"] = {"first": "1h", "max": "1h"}
    world.restart(interval="1h")
    world.commit({"a.yaml": config("settings").replace("{level: info}", "{level: [1]}")})
    world.commit({"b.yaml": config("mine")}, app="other")
    with world.running():
        until(lambda: world.memory().consecutive_failures == 1, "the bad commit has failed")
        until(lambda: world.memory("other").sync is SyncState.SYNCED, "the other app has converged")
        pushed, pushed_at = world.commit({"b.yaml": config("mine", "debug")}, app="other"), now()
        world.engine.desk.pushed("fleet", {"refs/heads/main": pushed})
        until(lambda: world.memory().consecutive_failures == 2, "the bad commit is tried again, an hour early")
        until(lambda: world.memory("other").revision == pushed, "what was pushed has converged")
        until(lambda: not world.engine.store.requests(), "the push is done")
        mended = world.commit({"a.yaml": config("settings")})
        world.engine.desk.pushed("fleet", {"refs/heads/main": mended})
        until(lambda: world.memory().revision == mended, "the good commit has converged")
    again, *_ = [one for one in world.engine.desk.history("prod/shop", 10) if one.result is Result.FAILED]
    assert again.started_at - pushed_at >= timedelta(seconds=5)


def test_unrelated_commit_renders_and_writes_nothing(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    before = world.get("configmaps", "settings")
    newer = world.upstream.commit({"elsewhere/readme.md": "hello"})
    report = world.tick()
    assert (report.result, report.outcomes) == (Result.CONVERGED, ())
    assert world.get("configmaps", "settings") == before
    assert world.memory().revision == newer


def test_commit_that_changed_the_app_is_named_and_not_a_newer_one_about_another(world: EngineWorld) -> None:
    """A failure mentioned whoever pushed last, whatever it was about."""
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.heard()
    broken = world.commit({"a.yaml": config("settings").replace("{level: info}", "{level: [1]}")})
    newest = world.commit({"b.yaml": config("theirs")}, app="other")
    assert world.tick().result is Result.FAILED
    (said,) = [one for one in world.heard() if one.news is News.FAILED and one.app == "shop"]
    assert said.revision is not None
    assert (said.revision.commit, said.revision.blamed.commit) == (newest, broken)


def test_commit_about_another_app_does_not_wait_behind_a_pause(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.engine.desk.pause("prod/shop", by="os:ana", until=None, reason="incident", via=Via.CLI)
    world.heard()
    world.commit({"b.yaml": config("theirs")}, app="other")
    world.tick()
    assert [one for one in world.heard() if one.news is News.WAITING] == []
    world.commit({"a.yaml": config("settings", "debug")})
    world.tick()
    (said,) = [one for one in world.heard() if one.news is News.WAITING]
    assert "commits wait" not in said.message  # it is one
