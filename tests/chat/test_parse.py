"""What people type: every form, and whatever else fits into a text field."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.parse import Order, ParseProblem, parse
from bot.chat.verbs import VERBS


@pytest.mark.parametrize("text", ["", "  ", "help", "HELP"])
def test_nothing_is_a_call_for_help(text: str) -> None:
    order = parse(text)
    assert isinstance(order, Order)
    assert order.verb == "help"


@pytest.mark.parametrize("text", ["sync payments", '  SYNC   "payments"  ', "Sync “payments”", "sync Payments"])
def test_case_blanks_and_quotes_do_not_matter(text: str) -> None:
    order = parse(text)
    assert isinstance(order, Order)
    assert (order.verb, order.app) == ("sync", "payments")


def test_pause_takes_a_duration_and_a_reason() -> None:
    order = parse("pause payments for 1h30m db migration")
    assert isinstance(order, Order)
    assert (order.duration, order.reason) == (timedelta(minutes=90), "db migration")


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("pause shop 30 min noisy", Order(verb="pause", app="shop", duration=timedelta(minutes=30), reason="noisy")),
        ("mute all for 2 Hours", Order(verb="mute", app="all", duration=timedelta(hours=2))),
        ("mute all 1hr 30minutes", Order(verb="mute", app="all", duration=timedelta(minutes=90))),
        ("pause shop the 2 hours rule", Order(verb="pause", app="shop", reason="the 2 hours rule")),
        ("pause shop 30 minor fixes", Order(verb="pause", app="shop", reason="30 minor fixes")),
        ("pause 30 min", Order(verb="pause", duration=timedelta(minutes=30))),
    ],
)
def test_duration_is_understood_as_people_write_it(text: str, order: Order) -> None:
    """`pause shop 30 min` was a pause without end, for the reason `30 min`."""
    found = parse(text, in_thread=order.app == "")
    assert isinstance(found, Order)
    assert replace(found, typed="") == order


@pytest.mark.parametrize(
    "text", ["pause payments 2h", "pause payments 2h move", "mute all 2h", "pause payments 90m30m"]
)
def test_duration_may_stand_without_its_for(text: str) -> None:
    """It was taken for the reason of a pause without end."""
    order = parse(text)
    assert isinstance(order, Order)
    assert order.duration == timedelta(hours=2)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("rollback", Order(verb="rollback", typed="rollback")),
        ("rollback 9f8e7d6 bad release", Order(verb="rollback", commit="9f8e7d6", reason="bad release")),
        ("pause for 2h lunch", Order(verb="pause", duration=timedelta(hours=2), reason="lunch")),
        ("pause 2h", Order(verb="pause", duration=timedelta(hours=2))),
        ("history", Order(verb="history")),
        ("plan 9f8e7d6", Order(verb="plan", commit="9f8e7d6")),
        ("approve sha256:1234567", Order(verb="approve", plan="sha256:1234567")),
        ("ignore data.level noisy", Order(verb="ignore", field="data.level", reason="noisy")),
        ('reject "not now, friday"', Order(verb="reject", reason="not now, friday")),
        ("pause shop for 2h", Order(verb="pause", app="shop", duration=timedelta(hours=2))),
    ],
)
def test_app_may_be_left_out_in_a_thread(text: str, wanted: Order) -> None:
    """`@gitops pause for 2h` in the thread of an app's message was told that pause needs an app."""
    assert parse(text, in_thread=True) == replace(wanted, typed=text)


def test_rollback_takes_a_commit_and_a_reason() -> None:
    order = parse("rollback eu/payments 9f8e7d6 bad release")
    assert isinstance(order, Order)
    assert (order.app, order.commit, order.reason) == ("eu/payments", "9f8e7d6", "bad release")


def test_quotes_keep_words_together_and_stay_in_a_reason() -> None:
    order = parse('pause "payments" for “2h” the "big" move')
    assert isinstance(order, Order)
    assert (order.app, order.duration, order.reason) == ("payments", timedelta(hours=2), 'the "big" move')
    whole = parse('reject payments "too risky today"')
    assert isinstance(whole, Order)
    assert whole.reason == "too risky today"


@pytest.mark.parametrize(("text", "verb"), [("stat", "status"), ("roll shop", "rollback"), ("HIST shop", "history")])
def test_unique_beginning_of_a_verb_is_enough(text: str, verb: str) -> None:
    order = parse(text)
    assert isinstance(order, Order)
    assert order.verb == verb


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "mute"])
def test_each_verb_is_read(verb: str) -> None:
    order = parse(f"{verb} shop" if VERBS[verb].app != "none" else verb)
    assert isinstance(order, Order)
    assert order.verb == verb


def test_approve_takes_a_prefix_of_the_plan() -> None:
    order = parse("approve shop SHA256:ABCDEF1")
    assert isinstance(order, Order)
    assert order.plan == "sha256:abcdef1"


def test_slack_s_escapes_are_undone() -> None:
    order = parse("pause shop a &lt; b &amp; c")
    assert isinstance(order, Order)
    assert order.reason == "a < b & c"


def test_status_takes_several_words() -> None:
    order = parse("status C3 failing  production")
    assert isinstance(order, Order)
    assert (order.verb, order.app) == ("status", "c3 failing production")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "pause cluster:prod-eu for 2h node upgrade",
            Order(verb="pause", app="cluster:prod-eu", duration=timedelta(hours=2), reason="node upgrade"),
        ),
        (
            "pause Env:Staging team:web JIRA:12 env: x",
            Order(verb="pause", app="env:staging team:web", reason="JIRA:12 env: x"),
        ),
        ("pause shop cluster:c1 2h", Order(verb="pause", app="shop cluster:c1", duration=timedelta(hours=2))),
        ("resume all", Order(verb="resume", app="all")),
        ("sync state:failing", Order(verb="sync", app="state:failing")),
        ("mute team:web for 1h", Order(verb="mute", app="team:web", duration=timedelta(hours=1))),
        ("unmute clutser:c1", Order(verb="unmute", app="clutser:c1")),
    ],
)
@pytest.mark.parametrize("in_thread", [False, True])
def test_words_with_their_kind_choose_apps(text: str, wanted: Order, in_thread: bool) -> None:
    """A reason begins with the first word that chooses nothing, in a thread as anywhere."""
    order = parse(text, in_thread=in_thread)
    assert order == replace(wanted, typed=text)
    assert isinstance(order, Order)
    assert order.is_of_many


def test_status_takes_words_with_their_kind() -> None:
    order = parse("status cluster:c1 failing")
    assert isinstance(order, Order)
    assert order.app == "cluster:c1 failing"
    assert not order.is_of_many


def test_diff_is_plan() -> None:
    order = parse("diff payments")
    assert isinstance(order, Order)
    assert order.verb == "plan"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("frobnicate", "unknown verb"),
        ("synk payments", "did you mean sync?"),
        ("st payments", "did you mean status?"),
        ("logs payments", "did you mean status?"),
        ("Suspend payments", "did you mean pause?"),
        ("s payments", "did you mean status or sync?"),
        ("pause", "pause needs an app"),
        ("mute payments", "mute needs a time"),
        ("mute all for long", "needs a duration"),
        ("approve payments tomorrow", "is no plan hash"),
        ("oncall now", "one word too many"),
        ("re payments", "unknown verb"),
        ("pause payments for 2h; ls", "needs a duration"),
        ("sync pay\u202ements", "is no name of an app or commit"),
        ("sync pay\x00ments", "is no name of an app or commit"),
        ("sync \u202epayments", "is no name of an app or commit"),
        ("sync 😀", "is no name of an app or commit"),
        ("x" * 10_000, "unknown verb"),
        ("sync " + "a" * 10_000, "is no name of an app or commit"),
        ("pause payments for ever", "needs a duration"),
        ("pause payments for 400d", "400d is no time to pause something for: up to 366d"),
        ("pause payments until 18:00 stocktaking", "say for how long, not until when"),
        ("pause payments till Friday", "say for how long, not until when"),
        ("mute all 18:00", "say for how long, not until when"),
        ("sync payments now please", "one word too many"),
        ("rollback cluster:c1 abc1234", "is no name of an app or commit"),
        ("approve all:x", "is no name of an app or commit"),
        ("pause " + "cluster:c1 " * 100, "too many words"),
        ("status c3 😀", "is no name of an app or commit"),
        ("sync $(rm -rf /)", "is no name of an app or commit"),
        ("rollback payments --upload-pack=x", "is no name of an app or commit"),
        ("sync ../../etc", "is no name of an app or commit"),
    ],
)
def test_what_makes_no_sense_is_answered_in_one_sentence(text: str, words: str) -> None:
    problem = parse(text)
    assert isinstance(problem, ParseProblem)
    assert words in problem.message


@given(st.text(max_size=10_000))
def test_any_text_is_an_order_or_a_short_problem(text: str) -> None:
    found = parse(text)
    if isinstance(found, ParseProblem):
        assert len(found.message) < 300
    else:
        assert not found.app.startswith("-")
        assert found.app.isascii()
        assert found.commit.isascii()
