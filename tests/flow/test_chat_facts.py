"""Facts of chat that take a story of their own: one further sync, each refusal in its words, Slack half away."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.slack.values import Message
from bot.state.store import SqlStore
from tests.flow.office import ANA, BOB, CAT, DEPLOYS, PAYMENTS, SRE, Office, configmap
from tests.flow.workplace import said
from tests.waiting import until

Offices = Callable[..., Office]


def passes(office: Office, app: str) -> list[object]:
    """Return whose the passes were that did anything or were asked for, newest first: their lines name a commit."""
    return [one["who"] for one in office.audit(app) if one["verb"] == "sync" and len(one["arguments"]) == 40]


def posted(office: Office, channel: str) -> list[datetime]:
    """Return when the bot tried to post in a channel."""
    return [one.at for one in office.slack.calls("chat.postMessage") if one.arguments["channel"] == channel]


def counted(failed: Message) -> dict[str, int]:
    """Return how many failures in a row a message tells of, and the second of the next try."""
    patterns = {"failures": r"(\d+) in a row", "retry": r"Next retry.*?<!date.(\d+)"}
    found = {name: re.search(pattern, said(failed)) for name, pattern in patterns.items()}
    return {name: int(one[1]) if one else 0 for name, one in found.items()}


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_syncs_during_a_sync_are_exactly_one_further_run(offices: Offices, mode: str) -> None:
    """Each pass is its order's: one of the schedule used to run in front of it, and got the credit."""
    office = offices(mode=mode, interval="1h")
    office.open()
    slow = Fault(kind=FaultKind.DELAY, seconds=600)
    office.kube.fail(slow, match="PATCH */configmaps/shop?*fieldValidation=Ignore")  # the write, after its dry-run
    office.commit("warn")
    assert "is syncing" in office.types(ANA, "sync shop", DEPLOYS).text
    office.sees(DEPLOYS, "Syncing", "shop")
    before = len(office.audit("shop"))
    for person in (ANA, BOB):
        answer = office.types(person, "sync shop", DEPLOYS).text
        assert "already running op_" in answer
        assert "queued one more" in answer
    assert len(office.audit("shop")) == before + 2
    office.kube.heal()
    until(lambda: passes(office, "shop") == [BOB.id, ANA.id, "gitops-bot"])
    commit = office.commit("debug")
    office.types(ANA, "sync shop", DEPLOYS)
    office.sees(DEPLOYS, "Converged", "shop", commit[:7])
    until(lambda: passes(office, "shop") == [ANA.id, BOB.id, ANA.id, "gitops-bot"])


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_each_commit_that_cannot_be_taken_has_its_own_words(offices: Offices, mode: str) -> None:
    office = offices(mode=mode)
    first = office.open()
    one, two = office.upstream.twins(first)
    office.upstream.commit({}, parents=(first, one, two))
    second = office.commit("debug")
    office.sees(PAYMENTS, "Converged", second[:7])
    foreign = office.upstream.commit({"payments/a.yaml": "x"}, branch="other", parents=())
    expected = {
        second[:4]: "is too short: type at least 7 digits",
        one[:7]: "is ambiguous: 2 commits begin so",
        "0" * 12: "is no commit of this repository",
        foreign[:12]: "is neither on main nor was it ever deployed here",
        "main": "is a branch: name a commit",
        second[:12]: "there is nothing to roll back",
    }
    for commit, words in expected.items():
        assert words in office.types(ANA, f"rollback payments {commit}").text
    assert office.level("payments") == "debug"
    assert not [one for one in office.audit("payments") if one["verb"] == "rollback" and one["decision"] == "done"]


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_group_that_slack_does_not_tell_lets_nobody_in_and_says_why(offices: Offices, mode: str) -> None:
    office = offices(mode=mode)
    office.open()
    office.slack.fail("usergroups.users.list", Fault(kind=FaultKind.ERROR, error="plan_upgrade_required"), times=None)
    answer = office.types(BOB, "pause payments").text
    assert f"Slack does not say who is in <!subteam^{SRE}> at the moment: try again soon." in answer
    assert not [one for one in office.slack.messages(PAYMENTS) if one.text.startswith("Paused")]
    office.slack.heal()
    until(lambda: "Paused" in office.types(BOB, "pause payments").text, "Slack is asked again after a second")
    office.slack.fail("usergroups.users.list", Fault(kind=FaultKind.STATUS, status=500), times=None)
    assert "Resumed" in office.types(BOB, "resume payments").text


def test_branch_that_was_rewritten_is_said_with_the_commit_it_lost(offices: Offices) -> None:
    """A force-push was told as any other commit."""
    office = offices()
    base = office.open()
    lost = office.commit("debug")
    office.sees(DEPLOYS, "Converged", "shop", lost[:7])
    made = office.upstream.commit({"shop/a.yaml": configmap("shop", "trace")}, parents=(base,))
    said = office.sees(DEPLOYS, "Converged", "shop", made[:7], "The history of main was rewritten")
    assert f"{lost[:7]} is no longer in it, {made[:7]} by " in json.dumps(said.blocks)
    last = office.commit("warn")
    said = office.sees(DEPLOYS, "Converged", "shop", last[:7])
    assert "rewritten" not in json.dumps(said.blocks)


def test_request_that_nobody_decides_on_in_time_is_edited_and_can_be_asked_again(offices: Offices) -> None:
    office = offices(mode="http", shop=", mode: approve")
    commit = office.commit("info")
    office.start()
    asked = office.sees(DEPLOYS, "Waiting for approval", "shop", commit[:7])
    assert office.bot.stop() == 0
    store = SqlStore(f"sqlite:///{office.bot.folder}/gitops-bot.db")
    memory = store.memory("prod/shop")
    store.save_pass(replace(memory, waiting_since=datetime.now(UTC) - timedelta(minutes=31)))
    store.close()
    office.start()
    expired = office.sees(DEPLOYS, "Request expired", "shop")
    assert expired.ts == asked.ts
    late = office.types(BOB, "approve shop", DEPLOYS).text
    assert "nobody decided on this plan of shop / prod until" in late
    assert office.level("shop") == ""
    office.presses(ANA, expired, "gitops.sync")
    office.sees(DEPLOYS, "Waiting for approval", "shop", "gitops.approve")
    assert "it is applied now" in office.types(BOB, "approve shop", DEPLOYS).text
    office.sees(DEPLOYS, "Converged", "shop", commit[:7])


def test_rejected_plan_is_not_said_to_have_waited_in_vain(offices: Offices) -> None:
    """Half an hour after the no its message said that nobody had decided."""
    zoo = "  - {name: zoo, repo: fleet, cluster: prod, interval: 1s, path: zoo, env: staging, mode: approve}"
    office = offices(shop=", mode: approve", apps=zoo)
    office.commit("info")
    office.upstream.commit({"zoo/a.yaml": configmap("zoo", "info")})
    office.start()
    office.sees(DEPLOYS, "Waiting for approval", "zoo")
    office.sees(DEPLOYS, "Waiting for approval", "shop")
    office.types(CAT, "reject shop not today", DEPLOYS)
    rejected = office.sees(DEPLOYS, "Rejected", "shop", "Ask again")
    assert office.bot.stop() == 0
    store = SqlStore(f"sqlite:///{office.bot.folder}/gitops-bot.db")
    for app in ("prod/shop", "prod/zoo"):
        store.save_pass(replace(store.memory(app), waiting_since=datetime.now(UTC) - timedelta(minutes=31)))
    store.close()
    office.start()
    office.sees(DEPLOYS, "Request expired", "zoo")  # in the same round, after what is said of shop
    (still,) = [one for one in office.slack.roots(DEPLOYS) if one.ts == rejected.ts]
    assert still.text == rejected.text


@pytest.mark.door
def test_bot_that_gets_no_socket_goes_on_and_takes_orders_when_it_gets_one(offices: Offices) -> None:
    office = offices()
    office.slack.fail("apps.connections.open", Fault(kind=FaultKind.STATUS, status=500), times=None)
    commit = office.commit("info")
    office.bot.start()
    office.sees(DEPLOYS, "Converged", "shop", commit[:7])
    assert office.bot.health()["status"] == "degraded"
    second = office.commit("debug")
    office.sees(DEPLOYS, "Converged", "shop", second[:7])
    until(lambda: len(office.slack.calls("apps.connections.open")) >= 3)
    assert office.slack.sockets() == ()
    office.slack.heal()
    office.connected()
    assert "Paused" in office.types(BOB, "pause shop", DEPLOYS).text
    until(lambda: office.bot.health()["status"] == "ok")


@pytest.mark.parametrize(
    ("mode", "word", "hint"),
    [
        ("socket", "invalid_auth", "install the app again and set SLACK_BOT_TOKEN"),
        ("http", "token_revoked", "install the app again and set SLACK_BOT_TOKEN"),
        ("http", "missing_scope", "add the scope"),
    ],
)
def test_refused_token_is_said_with_the_way_out_and_not_tried_again_and_again(
    offices: Offices, mode: str, word: str, hint: str
) -> None:
    office = offices(mode=mode)
    office.slack.fail("chat.postMessage", Fault(kind=FaultKind.ERROR, error=word), times=None)
    office.commit("info")
    office.bot.start()
    until(lambda: f"Slack refuses us ({word}): {hint}" in office.bot.log())
    until(lambda: office.bot.health()["status"] == "degraded")
    office.commit("debug")
    until(lambda: office.level("shop") == office.level("payments") == "debug")
    for channel in (DEPLOYS, PAYMENTS):
        tried = until(partial(posted, office, channel))
        assert all(later - earlier >= timedelta(seconds=60) for earlier, later in pairwise(tried))


def test_channel_rests_for_as_long_as_slack_asks(offices: Offices) -> None:
    office = offices(mode="http")
    office.slack.fail("chat.postMessage", Fault(kind=FaultKind.THROTTLE, seconds=7), times=1, channel=DEPLOYS)
    office.commit("info")
    office.bot.start()
    office.sees(PAYMENTS, "Converged")
    for app in ("shop", "docs"):
        office.sees(DEPLOYS, "Converged", app)
    calls = [call for call in office.slack.calls() if call.arguments.get("channel") == DEPLOYS]
    assert calls[1].at - calls[0].at >= timedelta(seconds=7)
    assert len(office.slack.roots(DEPLOYS)) == 2


def test_errors_that_have_no_room_in_a_message_are_a_file_in_its_thread(offices: Offices) -> None:
    office = offices(mode="http")
    office.open()
    broken = {f"shop/bad-{n:02}.yaml": f"kind: ConfigMap\nmetadata: {{name: 'bad{n:02}'}}\nx: {n}\n" for n in range(15)}
    office.upstream.commit(broken)
    failed = office.sees(DEPLOYS, "Sync failed", "shop")
    (file,) = until(lambda: [one for one in office.slack.messages(DEPLOYS, thread=failed.ts) if one.files])
    content = file.files[0].content.decode()
    assert all(f"shop/bad-{n:02}.yaml" in content for n in range(15))


def test_message_of_a_failure_counts_on_and_says_when_it_is_tried_again(offices: Offices) -> None:
    """It said "1 in a row" and a time in the past for as long as the trouble lasted."""
    office = offices()
    office.open()
    office.upstream.commit({"shop/a.yaml": "kind: [broken"})
    failed = office.sees(DEPLOYS, "Sync failed", "shop")
    begun = counted(failed)

    def went_on() -> bool:
        now = counted(office.slack.message(DEPLOYS, failed.ts) or failed)
        return now["failures"] >= max(4, begun["failures"] + 1) and now["retry"] > begun["retry"]

    until(went_on, "the message counts on and names a later time")
    assert len([one for one in office.slack.roots(DEPLOYS) if one.text.startswith("Sync failed")]) == 1
