"""What people type: every form, and whatever else fits into a text field."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.parse import Order, ParseProblem, parse


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


def test_rollback_takes_a_commit_and_a_reason() -> None:
    order = parse("rollback eu/payments 9f8e7d6 bad release")
    assert isinstance(order, Order)
    assert (order.app, order.commit, order.reason) == ("eu/payments", "9f8e7d6", "bad release")


def test_diff_is_plan() -> None:
    order = parse("diff payments")
    assert isinstance(order, Order)
    assert order.verb == "plan"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("frobnicate", "unknown verb"),
        ("synk payments", "did you mean sync?"),
        ("pause", "pause needs an app"),
        ("rollback payments", "rollback needs a commit"),
        ("pause payments for ever", "needs a duration"),
        ("sync payments now please", "one word too many"),
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
