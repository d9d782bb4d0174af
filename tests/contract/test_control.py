"""People's orders: approvals of exactly one plan, windows, dependencies."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bot.errors import OrderRefused
from bot.model.control import Trigger, Via
from bot.model.outcome import Deed, Result
from bot.model.record import SyncState
from tests.contract.engine import EngineWorld, now
from tests.contract.manifests import config, deployment

CLOSED = {"kind": "deny", "schedule": "* * * * *", "duration": "1h"}


def approve(world: EngineWorld, plan_hash: str = "", by: str = "U0BEN") -> str:
    return world.engine.desk.approve("prod/shop", plan_hash or world.memory().waiting_hash, by=by, via=Via.SLACK)


def test_yes_without_a_hash_is_to_the_plan_that_was_shown(worlds: Callable[..., EngineWorld]) -> None:
    """Right after a push it was a yes to the new plan, which nobody had seen."""
    at = [now()]
    world = worlds(mode="approve", clock=lambda: at[0])
    desk = world.engine.desk

    def bare() -> str:
        return desk.approve("prod/shop", "", by="U0BEN", via=Via.SLACK)

    world.commit({"a.yaml": config("settings")})
    world.tick()
    with pytest.raises(OrderRefused, match="has changed since it was shown: look again"):
        bare()
    world.heard()
    world.commit({"a.yaml": config("settings", "debug")})
    at[0] += timedelta(minutes=1)
    world.tick()
    waiting = world.memory().waiting_hash.removeprefix("sha256:")
    with pytest.raises(OrderRefused, match=f"look again, then `approve shop {waiting[:12]}`"):
        bare()
    world.heard()
    with pytest.raises(OrderRefused, match="look again"):
        bare()  # the message has changed while it was typed
    at[0] += timedelta(seconds=6)
    assert "you approved plan" in bare()
    assert world.tick().result is Result.CONVERGED


def test_plan_waits_for_its_exact_hash_to_be_approved(worlds: Callable[..., EngineWorld]) -> None:
    world = worlds(mode="approve")
    world.commit({"a.yaml": config("settings")})
    old = world.tick()
    assert (old.result, world.memory().sync) == (Result.WAITING_APPROVAL, SyncState.WAITING_APPROVAL)
    assert world.get("configmaps", "settings") is None
    assert [one.news.value for one in world.heard()] == ["waiting for approval"] * 2  # in the thread, too
    assert old.plan is not None
    newest = world.commit({"a.yaml": config("settings", "debug")})
    report = world.tick()
    with pytest.raises(OrderRefused, match="another plan"):
        approve(world, old.plan.hash)
    assert world.tick().result is Result.WAITING_APPROVAL
    assert report.plan is not None
    approve(world, report.plan.hash)
    assert world.tick().result is Result.CONVERGED
    assert world.memory().revision == newest
    assert world.tick().result is Result.CONVERGED


def test_order_during_an_approved_sync_does_not_cut_off_its_writes(worlds: Callable[..., EngineWorld]) -> None:
    """Half of what people had agreed to was live, and the other half was asked for as if it were new."""
    world = worlds(mode="approve")
    world.commit({"a.yaml": config("settings"), "b.yaml": deployment("web")})
    world.tick()
    approve(world)
    report = world.sync(trigger=Trigger(via=Via.SCHEDULE), stop=True)
    assert [one.deed for one in report.outcomes] == [Deed.CREATED, Deed.CREATED]
    assert world.tick().result is Result.CONVERGED


def test_pause_ends_a_sync_after_the_stage_it_is_at(worlds: Callable[..., EngineWorld]) -> None:
    world = worlds()
    world.commit({"a.yaml": config("settings"), "b.yaml": deployment("web")})

    def paused() -> bool:
        world.engine.desk.pause("prod/shop", by="U0ANA", via=Via.SLACK, until=None, reason="a look")
        return False

    report = world.sync(leaves=paused)
    assert report.result is Result.SUPERSEDED
    assert [one.deed for one in report.outcomes] == [Deed.CREATED, Deed.SKIPPED]
    assert world.tick().result is Result.PAUSED


def test_plan_that_goes_on_waiting_is_logged_once(
    worlds: Callable[..., EngineWorld], caplog: pytest.LogCaptureFixture
) -> None:
    """A line for each look at an app that waits for people filled the log."""
    world = worlds(mode="approve")
    caplog.set_level(logging.INFO, logger="bot.reconcile.passes.perform")
    world.commit({"a.yaml": config("settings")})
    for _ in range(3):
        world.tick()
    world.commit({"a.yaml": config("settings", "debug")})
    for _ in range(3):
        world.tick()
    waiting = [one for one in caplog.messages if "waiting-approval" in one]
    assert len(waiting) == 2


def test_plan_that_changed_before_the_approval_is_asked_for_anew(worlds: Callable[..., EngineWorld]) -> None:
    """The live object changes between the question and the yes; an unchanged diff goes on."""
    world = worlds()
    world.commit({"a.yaml": config("settings"), "b.yaml": config("more")})
    world.sync()
    world.restart(mode="approve")
    world.commit({"a.yaml": config("settings", "debug")})
    world.tick()
    world.patch("configmaps", "more", {"data": {"level": "mine"}})
    approve(world)
    report = world.tick()
    assert report.result is Result.WAITING_APPROVAL
    assert world.found("configmaps", "settings")["data"] == {"level": "info"}
    world.patch("configmaps", "more", {"metadata": {"labels": {"touched": "1"}}, "data": {"level": "info"}})
    world.patch("configmaps", "more", {"metadata": {"labels": {"touched": None}}})
    assert world.tick().result is Result.CONVERGED


def test_requester_s_own_approval_does_not_count(worlds: Callable[..., EngineWorld]) -> None:
    world = worlds(mode="approve", approvals=2)
    world.commit({"a.yaml": config("settings")})
    world.sync(trigger=Trigger(via=Via.SLACK, by="U0ANA"))
    with pytest.raises(OrderRefused, match="needs someone else"):
        approve(world, by="U0ANA")
    approve(world, by="U0BEN")
    assert world.tick().result is Result.WAITING_APPROVAL
    approve(world, by="U0CAT")
    assert world.tick().result is Result.CONVERGED


def test_rejected_plan_is_held(worlds: Callable[..., EngineWorld]) -> None:
    world = worlds(mode="approve")
    world.commit({"a.yaml": config("settings")})
    world.tick()
    world.engine.desk.reject("prod/shop", by="U0CAT", via=Via.SLACK, reason="not on a Friday")
    with pytest.raises(OrderRefused, match="already rejected by U0CAT"):
        approve(world, by="U0BEN")
    report = world.tick()
    assert (report.result, report.reason) == (Result.WAITING_APPROVAL, "U0CAT rejected this plan: not on a Friday")


@pytest.mark.parametrize(("manual", "expected"), [(False, Result.SKIPPED), (True, Result.CONVERGED)])
def test_deny_window_holds_a_sync_and_says_why(
    worlds: Callable[..., EngineWorld], manual: bool, expected: Result
) -> None:
    window: dict[str, Any] = {**CLOSED, "manual": manual}
    world = worlds(windows=[window])
    world.commit({"a.yaml": config("settings")})
    report = world.tick()
    assert report.result is Result.SKIPPED
    assert "the deny window '* * * * *' (UTC) is open until" in report.reason
    assert [one.news.value for one in world.heard()] == ["waiting"]
    assert world.get("configmaps", "settings") is None
    assert world.sync().result is expected


def test_app_waits_for_what_it_depends_on(world: EngineWorld) -> None:
    apps = world.configuration["apps"]
    world.configuration["apps"] = [{**apps[0], "depends_on": ["other"]}, apps[1]]
    world.restart(timeout="3s")
    world.commit({"a.yaml": config("settings")})
    world.commit({"a.yaml": deployment("api", "gitops-bot.test/never-ready:1")}, app="other")
    world.tick("other")
    report = world.tick()
    assert (report.result, report.reason) == (Result.SKIPPED, "waits for other / prod, which is not ready")
    world.commit({"a.yaml": deployment("api")}, app="other")
    world.restart(timeout="60s")
    assert world.tick("other").result is Result.CONVERGED
    assert world.tick().result is Result.CONVERGED
