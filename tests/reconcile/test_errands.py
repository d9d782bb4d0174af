"""Errands: one that hangs keeps nobody waiting but itself."""

from __future__ import annotations

import logging
import threading

import pytest

from bot.reconcile.schedule.errands import Errands
from tests.waiting import until


def test_errand_that_hangs_is_not_begun_again_and_keeps_no_other_away() -> None:
    """The leases of all clusters were renewed one after the other: one that hung let the others run out."""
    errands, hangs, other = Errands(), threading.Event(), threading.Event()
    begun: list[str] = []

    def hang() -> None:
        begun.append("hanging")
        hangs.wait(60)

    errands.begin("hanging", hang)
    until(lambda: begun == ["hanging"], "the first has begun")
    errands.begin("hanging", hang)
    errands.begin("other", other.set)
    assert other.wait(60)
    assert begun == ["hanging"]
    hangs.set()

    def begun_again() -> bool:
        errands.begin("hanging", hang)
        return len(begun) > 1

    until(begun_again, "it is begun again when it has ended")


def test_bug_in_an_errand_is_logged_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    errands, ran = Errands(), threading.Event()

    def fail() -> None:
        raise RuntimeError("a bug")

    with caplog.at_level(logging.ERROR):
        errands.begin("round of fleet", fail)
        until(lambda: "round of fleet: unexpected error" in caplog.text, "it is logged")

    def runs() -> bool:
        errands.begin("round of fleet", ran.set)
        return ran.is_set()

    until(runs, "the next one runs")


def test_nothing_begins_after_the_stop() -> None:
    errands, ran = Errands(), threading.Event()
    errands.stop()
    errands.begin("late", ran.set)
    assert not ran.is_set()
    assert "late" not in {one.name for one in threading.enumerate()}
