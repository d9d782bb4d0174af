"""Orders in chat, on the wire: what is typed, answered, said and done."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.slack.values import Message, User
from tests.flow.office import ANA, BOB, DEPLOYS, EVE, PAYMENTS, SRE, Office, configmap
from tests.flow.workplace import buttons
from tests.waiting import until

Offices = Callable[..., Office]


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_conversation_about_one_app(offices: Offices, mode: str) -> None:
    """Help, status, sync, pause and resume, in both modes; one root message per operation."""
    office = offices(mode=mode)
    first = office.open()
    said = len(office.slack.messages(PAYMENTS))

    shown = office.types(ANA, "")
    for verb in ("sync", "pause", "resume", "rollback", "status", "history", "plan", "approve", "mute", "route"):
        assert verb in json.dumps(shown.blocks)
    alone = office.types(ANA, "status payments").text
    assert "synced at" in alone
    assert "last sync <!date^" in alone  # a screen reader and a notification have nothing else
    assert "3 of 3 apps are synced" in office.types(ANA, "status").text
    assert len(office.slack.messages(PAYMENTS)) == said

    assert "unknown verb" in office.types(ANA, "frobnicate").text
    assert 'unknown app "paymets", did you mean payments?' in office.types(ANA, "sync paymets").text

    second = office.commit("debug")
    assert "payments / prod" in office.types(ANA, "   SYNC   “payments”  ").text
    done = office.sees(PAYMENTS, "Converged", second[:7])
    assert office.level("payments") == "debug"
    assert not done.thread_ts
    assert done.edits, "the root message was edited through its states"
    assert "Waiting" not in json.dumps(done.blocks), "the commit that converged was counted as one that waits"
    assert any(one["verb"] == "sync" and one["who"] == ANA.id for one in office.audit("payments"))

    paused = office.types(ANA, "pause payments for 2h db migration")
    assert paused.ts == office.sees(PAYMENTS, "Paused", "db migration", "<!date^").ts
    assert "paused" not in office.slack.ephemerals(ANA.id)[-1].text, "its author was told twice in one channel"
    assert "already paused by <@U0ANA> since" in office.types(BOB, "pause payments").text
    third = office.commit("trace")
    waits = office.sees(PAYMENTS, "waiting (paused)", third[:7])
    assert waits.thread_ts == paused.ts
    assert "By <@" not in waits.text, "who paused the app is not who made the commit"
    office.sees(DEPLOYS, "Converged", "shop", third[:7])
    assert office.level("payments") == "debug"
    office.slack.fail("chat.update", Fault(kind=FaultKind.STATUS, status=500), times=None)  # the button stays a while
    office.presses(ANA, paused, "gitops.resume")
    late = office.presses(ANA, paused, "gitops.resume")
    assert "Already done by <@U0ANA> at <!date^" in late.text
    office.slack.heal()
    office.sees(PAYMENTS, "Converged", third[:7])
    ended = office.sees(PAYMENTS, "Paused", "<@U0ANA> has resumed it at", "db migration")
    assert (ended.ts, buttons(ended)) == (paused.ts, set())
    assert first[:7] in json.dumps(office.types(ANA, "history payments").blocks)


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_app_is_the_one_of_the_channel_or_picked(offices: Offices, mode: str) -> None:
    office = offices(mode=mode)
    office.open()
    assert "payments / prod is syncing" in office.types(ANA, "sync", PAYMENTS).text
    asked = office.types(ANA, "sync", DEPLOYS)
    (menu,) = [block for block in asked.blocks if block["type"] == "actions"]
    assert [one["value"] for one in menu["elements"][0]["options"]] == ["prod/shop", "prod/docs"]
    picked = office.presses(ANA, asked, "gitops.pick.sync", value="prod/docs").text
    assert picked.startswith(("docs / prod is syncing", "docs / prod is already running a pass"))


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_mention_in_a_thread_is_answered_there_to_its_author(offices: Offices, mode: str) -> None:
    office = offices(mode=mode)
    commit = office.open()
    root = office.sees(PAYMENTS, "Converged", commit[:7])
    assert office.slack.mention(ANA.id, PAYMENTS, "pause payments for 1h &lt;tea&gt;", thread_ts=root.ts).acknowledged
    answer = until(lambda: office.slack.ephemerals(ANA.id))[0]
    assert answer.thread_ts == root.ts
    assert "is paused until" in answer.text
    assert "&lt;tea&gt;" in office.sees(PAYMENTS, "Paused").text


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_mention_in_a_thread_is_about_the_app_of_its_message(offices: Offices, mode: str) -> None:
    """It was about the first app of the channel, or told that it needs an app."""
    office = offices(mode=mode)
    commit = office.open()
    docs = office.sees(DEPLOYS, "Converged: docs", commit[:7])

    def mentions(user: User, text: str) -> Message:
        before = len(office.slack.ephemerals(user.id))
        office.heard(lambda: office.slack.mention(user.id, DEPLOYS, text, thread_ts=docs.ts))
        answers: list[Message] = until(lambda: office.slack.ephemerals(user.id)[before:])
        return answers[0]

    until(lambda: mentions(ANA, "history").text.startswith("docs / prod"))  # the bot knows its message a moment later
    assert "You may not pause docs / prod" in mentions(EVE, "pause for 2h").text
    assert "Roll back docs / prod to which commit?" in mentions(ANA, "rollback").text
    assert "docs / prod is at" in mentions(ANA, f"rollback {commit[:7]} just because").text
    assert "docs / prod is paused until" in mentions(ANA, "pause for 2h the move").text
    assert "shop / prod is paused until" in mentions(ANA, "pause shop for 2h").text
    assert "docs / prod is running" in mentions(ANA, "resume").text
    assert "docs / prod is paused until" in mentions(ANA, "pause deploy freeze").text
    office.sees(DEPLOYS, "Paused", "docs", "Reason: deploy freeze")
    assert 'unknown app "dcos", did you mean docs?' in mentions(ANA, "pause dcos maintenance").text


NONSENSE = (
    "sync $(rm -rf /)",
    "sync ; ls",
    "rollback payments --upload-pack=x",
    "rollback payments $(id)",
    "plan payments --output=/etc/passwd",
    "sync pay\x00ments",
    "sync \u202epayments",
    "sync 😀",
    "sync " + "a" * 10_000,
)


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_nonsense_is_answered_and_changes_nothing(offices: Offices, mode: str) -> None:
    office = offices(mode=mode, interval="1h")
    office.open()
    before = office.slack.messages(PAYMENTS)
    for text in NONSENSE:
        assert "is no name of an app or commit" in office.types(ANA, text).text
    assert office.slack.messages(PAYMENTS) == before


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_rollback_is_seen_confirmed_and_stays(offices: Offices, mode: str) -> None:
    office = offices(mode=mode)
    first = office.open()
    second = office.commit("debug", message="Say more")
    office.sees(PAYMENTS, "Converged", second[:7])
    preview = office.types(ANA, f"rollback payments {first[:7]} too loud")
    assert "1 to update" in preview.text
    assert [one.text for one in office.slack.ephemerals(BOB.id)] == []
    late = office.types(ANA, f"rollback payments {first[:7]}")
    assert office.slack.click(preview, "gitops.rollback_go", ANA.id).acknowledged
    done = office.sees(PAYMENTS, "Rolled back", first[:7], "too loud")
    assert office.level("payments") == "info"
    elsewhere = office.upstream.commit({"docs/a.yaml": configmap("docs", "trace")})
    until(lambda: office.bot.status("payments")["target_revision"] == elsewhere)
    third = office.commit("trace")
    office.sees(DEPLOYS, "Converged", "shop", third[:7])
    waits = office.sees(PAYMENTS, "waiting (pinned). 2 commits wait", third[:7], f"compare/{first}...{third}")
    assert waits.thread_ts == done.ts
    assert office.level("payments") == "info"
    # Neither the commit that was rolled back nor the one about another app is news in the thread.
    assert [one for one in office.slack.messages(PAYMENTS) if one.text.startswith("New commit waits")] == [waits]
    would = office.presses(ANA, done, "gitops.diff")
    assert "1 to update" in would.text
    assert "data.level: info -&gt; trace" in str(would.blocks)
    again = office.types(ANA, f"rollback payments {first[:7]}").text
    assert f"already pinned at {first[:7]} by <@U0ANA> since" in again
    assert "already pinned" in office.presses(ANA, late, "gitops.rollback_go").text
    refused = office.audit("payments")[0]
    assert (refused["who"], refused["verb"], refused["decision"]) == (ANA.id, "rollback", "denied")
    office.types(BOB, "pause payments for 1h")
    office.sees(PAYMENTS, "Paused", f"It stays at {first[:7]}", "/gitops resume payments ends it and the rollback")
    stands = json.dumps(office.types(ANA, "status payments").blocks)
    assert f"and pinned at `{first[:7]}` by <@{ANA.id}>: too loud; `resume` ends both" in stands


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_button_of_an_operation_that_is_over_does_nothing(offices: Offices, mode: str) -> None:
    """A rollback pressed on an old success; the retry of a live failure works after a restart."""
    office = offices(mode=mode)
    office.open()
    office.upstream.commit({"shop/a.yaml": "kind: [broken"})
    failed = office.sees(DEPLOYS, "Sync failed", "shop")
    office.bot.stop()
    office.start()
    assert "shop / prod" in office.presses(ANA, failed, "gitops.sync").text
    third = office.commit("debug")
    office.sees(DEPLOYS, "Converged", "shop", third[:7])
    done = office.sees(PAYMENTS, "Converged", third[:7])
    fourth = office.commit("trace")
    office.sees(PAYMENTS, "Converged", fourth[:7])
    old = office.presses(ANA, done, "gitops.rollback")
    assert "Already done by schedule at <!date^" in old.text
    assert "rollback payments" in old.text
    assert office.level("payments") == "trace"


def test_roll_back_can_be_pressed_after_commits_that_are_about_other_apps(offices: Offices) -> None:
    """It was "already done": by the very sync whose message had the button."""
    office = offices()
    first = office.open()
    second = office.commit("debug")
    done = office.sees(PAYMENTS, "Converged", second[:7], "gitops.rollback")
    elsewhere = office.upstream.commit({"docs/a.yaml": configmap("docs", "trace")})
    office.sees(DEPLOYS, "Converged", "docs", elsewhere[:7])
    until(lambda: office.bot.status("payments")["revision"] == elsewhere)
    assert f"Roll back payments / prod to {first[:7]}" in office.presses(ANA, done, "gitops.rollback").text


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_denial_names_verb_app_environment_and_who_could(offices: Offices, mode: str) -> None:
    office = offices(mode=mode)
    office.open()
    answer = office.types(EVE, "sync payments").text
    assert "sync" in answer
    assert "payments (production)" in answer
    assert f"<!subteam^{SRE}>" in answer
    assert f"<#{PAYMENTS}>" in answer
    newest = office.audit("payments")[0]
    assert (newest["who"], newest["verb"], newest["decision"]) == (EVE.id, "sync", "denied")
    assert "No rule allows" in office.types(ANA, "sync payments", DEPLOYS).text
    assert "No rule allows" in office.types(ANA, "sync payments", "D0ANA").text
    assert "payments / prod is syncing" in office.types(BOB, "sync payments").text


def test_whoami_names_the_rules_and_help_only_what_is_allowed(offices: Offices) -> None:
    office = offices()
    office.open()
    shown = json.dumps(office.types(EVE, "whoami").blocks)
    assert "rule 1: may status, plan, history, route" in shown
    assert "no rule: may not sync" in shown
    words = json.dumps(office.types(EVE, "help").blocks)
    assert "/gitops status" in words
    assert "/gitops sync" not in words
