"""A sync that people agreed to and that is left half done: the rest needs no other yes, and a no stops it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from bot.cli.reports import status_text
from bot.errors import OrderRefused
from bot.model.announcement import Announcement, News
from bot.model.control import Trigger, Via
from bot.model.outcome import Deed, PassKind, Result, SyncReport
from bot.model.record import Decision, SyncState
from bot.model.status import AppStatus
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config, deployment, secret
from tests.waiting import until

Worlds = Callable[..., EngineWorld]
SCHEDULE: Final = Trigger(via=Via.SCHEDULE)
PARTS: Final = {
    "a.yaml": config("first"),
    "b.yaml": secret("second", "canary-value"),
    "c.yaml": deployment("third"),
}


def approve(world: EngineWorld, by: str = "U0BEN") -> str:
    return world.engine.desk.approve("prod/shop", world.memory().waiting_hash, by=by, via=Via.SLACK)


def reject(world: EngineWorld) -> str:
    return world.engine.desk.reject("prod/shop", by="U0CAT", via=Via.SLACK, reason="wrong day")


def asked(world: EngineWorld) -> str:
    """Commit three objects in two stages, and wait for people; returns the commit."""
    commit = world.commit(PARTS)
    world.tick()
    return commit


def cut_short(world: EngineWorld) -> SyncReport:
    """Shut the bot down after the first stage of what was approved, and begin anew."""
    report = world.sync(trigger=SCHEDULE, leaves=lambda: True)
    assert [one.deed for one in report.outcomes] == [Deed.CREATED, Deed.CREATED, Deed.SKIPPED]
    world.restart()
    return report


def root(world: EngineWorld) -> Announcement:
    """Return how the message reads now."""
    return [one for one in world.heard() if not one.in_thread][-1]


def test_rest_of_an_approved_sync_is_applied_without_asking_again(worlds: Worlds) -> None:
    """It was asked for as if it were new, half of it live, and history named the schedule."""
    world = worlds(mode="approve", approvals=2)
    commit = asked(world)
    approve(world, "U0BEN")
    approve(world, "U0CAT")
    approver = Trigger(via=Via.SLACK, by="U0CAT", confirm=world.memory().waiting_hash)
    report = world.sync(trigger=approver, leaves=lambda: True)
    assert report.result is Result.SUPERSEDED
    world.restart()
    assert world.tick().result is Result.CONVERGED
    (entry,) = world.engine.desk.history("prod/shop", 5)
    assert (entry.revision, entry.by, entry.via, entry.approved_by) == (commit, "U0CAT", Via.SLACK, ("U0BEN", "U0CAT"))
    assert entry.summary.create == 3
    line = next(one for one in world.engine.desk.log("prod/shop", 5) if one.verb == "sync")
    assert (line.who, line.why) == ("U0CAT", "converged: 3 to create; approved by U0BEN, U0CAT")
    heard = world.heard()
    assert (
        f"It goes on with the rest: 2 of 3 objects of {commit[:7]}, which U0BEN and U0CAT approved, are live"
        in " ".join(one.message for one in heard)
    )
    said = [one for one in heard if not one.in_thread]
    assert said[-1].given == ("U0BEN", "U0CAT")
    assert world.memory().agreed is None


def test_agreement_tells_nothing_of_secrets(worlds: Worlds) -> None:
    world = worlds(mode="approve")
    asked(world)
    approve(world)
    cut_short(world)
    kept = repr(world.memory().agreed)
    assert "canary" not in kept
    assert "Y2FuYXJ5" not in kept  # in base64


def test_what_moved_since_is_asked_for_with_what_is_live(worlds: Worlds) -> None:
    world = worlds(mode="approve")
    begun = asked(world)
    approve(world)
    cut_short(world)
    world.commit({"c.yaml": deployment("third", "nginx:2"), "d.yaml": config("fourth")})
    world.heard()
    report = world.tick()
    assert report.result is Result.WAITING_APPROVAL
    assert root(world).message.startswith(f"2 of 3 objects of {begun[:7]}, which U0BEN approved, are live already. ")
    assert world.get("configmaps", "fourth") is None
    world.commit({"c.yaml": deployment("third"), "d.yaml": None})
    assert world.tick().result is Result.CONVERGED  # Git went back to what was agreed to


def test_what_no_sync_has_written_is_not_live_when_git_goes_back(worlds: Worlds) -> None:
    """All of it counted as live, for nothing is read of what is as Git wants it."""
    world = worlds(mode="approve")
    asked(world)
    approve(world)
    assert world.tick().result is Result.CONVERGED
    begun = world.commit({"a.yaml": config("first", "debug"), "c.yaml": deployment("third", "nginx:2")})
    world.tick()
    approve(world)
    assert world.sync(trigger=SCHEDULE, leaves=lambda: True).result is Result.SUPERSEDED
    world.commit({"a.yaml": config("first", "warning"), "c.yaml": deployment("third")})
    assert world.tick().result is Result.WAITING_APPROVAL
    assert root(world).message.startswith(f"1 of 2 objects of {begun[:7]}, which U0BEN approved, is live already. ")


def test_hand_edit_of_what_is_live_is_no_rest(worlds: Worlds) -> None:
    world = worlds(mode="approve")
    asked(world)
    approve(world)
    cut_short(world)
    world.patch("configmaps", "first", {"data": {"level": "mine"}})
    assert world.tick().result is Result.WAITING_APPROVAL
    assert world.found("configmaps", "first")["data"] == {"level": "mine"}
    approve(world, "U0CAT")
    assert world.tick().result is Result.CONVERGED
    assert world.engine.desk.history("prod/shop", 5)[0].approved_by == ("U0CAT",)


def test_no_during_an_approved_sync_ends_it_where_it_is(worlds: Worlds) -> None:
    """The answer was that nothing is applied, and everything was."""
    world = worlds(mode="approve")
    world.commit({"a.yaml": config("first", "debug")})
    world.tick()
    approve(world)
    assert world.tick().result is Result.CONVERGED
    deployed = world.memory().revision
    begun = asked(world)
    approve(world)
    answers: list[str] = []
    standing: list[AppStatus] = []

    def stopping() -> bool:
        standing.extend(world.engine.desk.status(["prod/shop"]))
        answers.append(reject(world))
        return False

    report = world.sync(trigger=SCHEDULE, leaves=stopping)
    assert report.result is Result.SUPERSEDED
    assert standing[0].words == ("syncing",)
    assert standing[0].question is None  # it was said to wait for a yes, with its buttons
    assert "is being applied: it ends after the step it is at" in answers[0]
    assert f"`rollback shop {deployed[:7]}` takes it back" in answers[0]
    for refused in (reject, approve):
        with pytest.raises(OrderRefused, match="already rejected by U0CAT"):
            refused(world)
    assert world.tick().result is Result.WAITING_APPROVAL
    said = root(world)
    assert said.news.value == "rejected"
    live = f"2 of 3 objects of {begun[:7]}, which U0BEN approved, are live already."
    assert said.message == f"{live} No more of it is applied."
    assert f"/gitops rollback shop {deployed[:7]}" in said.next_step
    with pytest.raises(OrderRefused, match="already rejected by U0CAT"):
        approve(world)
    (status,) = world.engine.desk.status(["prod/shop"])
    assert status.question is not None
    assert status.words == ("rejected",)
    told = f"shop: {live.removesuffix(' already.')}; no more of it is applied: U0CAT rejected it (wrong day)"
    assert told in status_text([status])
    (entry,) = [one for one in world.engine.desk.history("prod/shop", 9) if one.revision == begun]
    assert (entry.result, entry.approved_by) == (Result.SUPERSEDED, ("U0BEN",))
    (line,) = [one for one in world.engine.desk.log("prod/shop", 9) if one.verb == "sync" and one.arguments == begun]
    assert (line.decision, line.why) == (
        Decision.FAILED,
        "superseded: 2 of 3 objects done; approved by U0BEN",
    )
    world.restart()
    assert world.tick().result is Result.WAITING_APPROVAL
    assert world.get("deployments", "third", base="/apis/apps/v1") is None

    world.sync(trigger=Trigger(via=Via.SLACK, by="U0ANA"))
    assert root(world).news.value == "waiting for approval"
    approve(world, "U0BEN")
    assert world.tick().result is Result.CONVERGED


def test_pause_only_interrupts_and_a_rollback_ends_what_was_agreed_to(worlds: Worlds) -> None:
    world = worlds(mode="approve")
    first = asked(world)
    approve(world)
    assert world.tick().result is Result.CONVERGED
    world.commit({"a.yaml": config("first", "debug"), "c.yaml": deployment("third", "nginx:2")})
    world.tick()
    approve(world)
    assert world.sync(trigger=SCHEDULE, leaves=lambda: True).result is Result.SUPERSEDED
    desk = world.engine.desk
    desk.pause("prod/shop", by="U0ANA", via=Via.SLACK, until=None, reason="")
    assert world.tick().result is Result.PAUSED
    desk.rollback("prod/shop", first, by="U0ANA", reason="", via=Via.SLACK)
    assert world.tick().result is Result.WAITING_APPROVAL
    desk.resume("prod/shop", by="U0ANA", via=Via.SLACK)
    assert world.tick().result is Result.WAITING_APPROVAL
    assert not [one for one in world.planned().writes if one.id.kind == "ConfigMap"]  # that half is live


def test_pause_that_ends_lets_an_approved_sync_go_on(worlds: Worlds) -> None:
    world = worlds(mode="approve")
    asked(world)
    approve(world)
    cut_short(world)
    desk = world.engine.desk
    desk.pause("prod/shop", by="U0ANA", via=Via.SLACK, until=None, reason="")
    assert world.tick().result is Result.PAUSED
    desk.resume("prod/shop", by="U0ANA", via=Via.SLACK)
    assert world.tick().result is Result.CONVERGED


def test_no_to_a_refused_sync_holds_the_rest_that_nobody_would_be_asked_about(worlds: Worlds) -> None:
    """Of what is left too few would be deleted to ask first."""
    world = worlds(max_delete={"count": 2, "share": 0.1})
    many = {f"{name}.yaml": config(name) for name in ("a", "b")}
    world.commit({**many, "web.yaml": deployment("web"), "kept.yaml": config("kept")})
    world.sync()
    world.commit({**dict.fromkeys(many), "web.yaml": None})
    assert world.tick().result is Result.REFUSED
    approve(world)

    answers: list[str] = []

    def stopping() -> bool:
        if not answers:
            answers.append(reject(world))
        return False

    report = world.sync(trigger=SCHEDULE, leaves=stopping)
    assert [one.deed for one in report.outcomes][1:] == [Deed.SKIPPED, Deed.SKIPPED]
    assert world.tick().result is Result.REFUSED
    assert world.memory().sync is SyncState.REFUSED
    assert world.get("configmaps", "a") is not None
    world.sync(trigger=Trigger(via=Via.SLACK, by="U0ANA"))
    assert world.get("configmaps", "a") is None


def test_delete_whose_turn_came_later_is_part_of_what_was_agreed_to(worlds: Worlds) -> None:
    """Once what held it was gone, people were asked about the rest as if it were new."""
    world = worlds()
    world.commit({"a.yaml": config("kept"), "b.yaml": config("base"), "web.yaml": deployment("web")})
    world.sync()
    world.restart(mode="approve")
    held = {"metadata": {"finalizers": ["example.com/hold"]}}
    world.patch("deployments", "web", held, base="/apis/apps/v1")
    world.commit({"b.yaml": None, "web.yaml": None})
    world.tick()
    approve(world)
    assert world.sync(trigger=SCHEDULE, stop=True).result is Result.CONVERGED
    assert world.get("configmaps", "base") is not None
    world.heard()
    world.patch("deployments", "web", {"metadata": {"finalizers": None}}, base="/apis/apps/v1")
    until(lambda: world.get("deployments", "web", base="/apis/apps/v1") is None)
    assert world.tick().result is Result.CONVERGED
    assert world.get("configmaps", "base") is None
    (entry,) = world.engine.desk.history("prod/shop", 1)
    assert (entry.kind, entry.approved_by) == (PassKind.SYNC, ("U0BEN",))
    assert world.memory().agreed is None


def test_five_clicks_of_one_person_are_one_yes(worlds: Worlds) -> None:
    """Clicks at once were up to four yeses in the audit."""
    world = worlds(mode="approve", approvals=2)
    asked(world)

    def click(_: int) -> bool:
        try:
            approve(world)
        except OrderRefused as error:
            assert "already approved by U0BEN" in str(error)  # noqa: PT017 - four of five
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        assert sum(pool.map(click, range(5))) == 1
    assert [one.verb for one in world.engine.desk.log("prod/shop", 9)].count("approve") == 1


def test_who_resumes_an_app_has_asked_for_no_sync_and_may_approve(worlds: Worlds) -> None:
    world = worlds(mode="approve")
    asked(world)
    desk = world.engine.desk
    desk.pause("prod/shop", by="U0ANA", via=Via.SLACK, until=None, reason="")
    world.tick()
    desk.resume("prod/shop", by="U0BEN", via=Via.SLACK)
    (request,) = [one for one in world.engine.store.requests() if one.trigger.by == "U0BEN"]
    assert world.sync(trigger=request.trigger).result is Result.WAITING_APPROVAL
    approve(world)
    assert world.tick().result is Result.CONVERGED
    assert not [one for one in desk.log("prod/shop", 9) if one.verb == "sync" and one.decision is Decision.DENIED]


def test_history_of_a_rollback_names_who_ordered_it_and_apart_who_approved(worlds: Worlds) -> None:
    world = worlds(mode="approve")
    first = asked(world)
    approve(world)
    assert world.tick().result is Result.CONVERGED
    world.commit({"a.yaml": config("first", "debug")})
    world.tick()
    approve(world)
    assert world.tick().result is Result.CONVERGED
    desk = world.engine.desk
    desk.rollback("prod/shop", first, by="U0ANA", reason="too loud", via=Via.SLACK)
    assert world.tick().result is Result.WAITING_APPROVAL
    approver = Trigger(via=Via.SLACK, by="U0CAT", confirm=world.memory().waiting_hash)
    approve(world, "U0CAT")
    assert world.sync(trigger=approver).result is Result.CONVERGED
    (entry,) = [one for one in desk.history("prod/shop", 9) if one.kind is PassKind.ROLLBACK]
    assert (entry.by, entry.approved_by) == ("U0ANA", ("U0CAT",))
    done = [one for one in desk.log("prod/shop", 9) if one.verb == "rollback" and one.decision is Decision.DONE]
    assert [one.who for one in done] == ["U0ANA"]


def test_message_of_a_rollback_that_another_one_cut_off_is_ended(worlds: Worlds) -> None:
    """It said for ever that it was syncing, none of its objects applied."""
    world = worlds()
    commits = []
    for level, image in (("info", "nginx:1"), ("debug", "nginx:2"), ("warning", "nginx:3")):
        commits.append(world.commit({"a.yaml": config("first", level), "c.yaml": deployment("third", image)}))
        world.sync()
    world.heard()
    desk = world.engine.desk
    desk.rollback("prod/shop", commits[0], by="U0ANA", reason="", via=Via.SLACK)
    assert world.sync(trigger=SCHEDULE, leaves=lambda: True).result is Result.SUPERSEDED
    (begun,) = {one.operation for one in world.heard() if one.news is News.DIFF}
    desk.rollback("prod/shop", commits[1], by="U0ANA", reason="", via=Via.SLACK)
    world.restart()
    assert world.tick().result is Result.CONVERGED
    (ended,) = [one for one in world.heard() if one.operation == begun and not one.in_thread]
    assert ended.news is News.SETTLED
    assert ended.message.startswith(f"The rollback to {commits[1][:7]} has ended it")
