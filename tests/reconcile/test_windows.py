"""Sync windows: cron's reading of a schedule, deny before allow, and what a manual sync may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.model.app import Window
from bot.reconcile.passes.windows import closed, opened_at, trigger

FRIDAY = datetime(2026, 3, 6, 18, 0, tzinfo=UTC)
WEEKEND = Window(allows=False, schedule="0 18 * * 5", duration=timedelta(hours=62), timezone="Europe/Lisbon")


def test_weekday_five_is_friday() -> None:
    """APScheduler's own crontab reading counts from Monday = 0 and would begin the freeze on Saturday."""
    assert opened_at(WEEKEND, FRIDAY - timedelta(seconds=1)) is None
    assert opened_at(WEEKEND, FRIDAY) == FRIDAY
    assert opened_at(WEEKEND, FRIDAY + timedelta(hours=61, minutes=59)) == FRIDAY
    assert opened_at(WEEKEND, FRIDAY + timedelta(hours=62)) is None


def test_window_follows_its_time_zone_over_a_clock_change() -> None:
    summer = datetime(2026, 7, 3, 17, 0, tzinfo=UTC)
    assert opened_at(WEEKEND, summer) == summer
    assert opened_at(WEEKEND, summer - timedelta(minutes=1)) is None


@pytest.mark.parametrize(
    ("field", "days"),
    [("0", {6}), ("7", {6}), ("sun", {6}), ("1-5", {0, 1, 2, 3, 4}), ("fri-mon", {4, 5, 6, 0}), ("*/2", {6, 1, 3, 5})],
)
def test_weekdays_are_cron_s(field: str, days: set[int]) -> None:
    daily = Window(allows=True, schedule=f"0 0 * * {field}", duration=timedelta(hours=24))
    noon = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
    week = [noon + timedelta(days=day) for day in range(7)]
    assert {one.weekday() for one in week if opened_at(daily, one) is not None} == days


def test_day_of_month_beside_a_weekday_means_either() -> None:
    either = Window(allows=True, schedule="0 0 13 * 5", duration=timedelta(hours=24))
    assert opened_at(either, datetime(2026, 3, 6, 12, 0, tzinfo=UTC)) is not None  # a Friday, not the 13th
    assert opened_at(either, datetime(2026, 1, 13, 12, 0, tzinfo=UTC)) is not None  # the 13th, a Tuesday
    assert opened_at(either, datetime(2026, 3, 10, 12, 0, tzinfo=UTC)) is None


@pytest.mark.parametrize("schedule", ["", "0 18 * *", "0 18 * * 8", "0 25 * * *", "0 18 * * fr", "0 18 * * */0"])
def test_schedule_that_cron_does_not_know_is_refused(schedule: str) -> None:
    with pytest.raises(ValueError, match=r"schedule|weekday"):
        trigger(Window(allows=True, schedule=schedule, duration=timedelta(hours=1)))


def test_deny_window_forbids_and_says_until_when() -> None:
    assert closed([WEEKEND], FRIDAY - timedelta(hours=1), manual=False) == ""
    assert closed([WEEKEND], FRIDAY, manual=False) == (
        "the deny window '0 18 * * 5' (Europe/Lisbon) is open until 2026-03-09 08:00 UTC"
    )


def test_manual_sync_passes_only_where_the_window_says_so() -> None:
    lenient = Window(
        allows=False, schedule=WEEKEND.schedule, duration=WEEKEND.duration, timezone=WEEKEND.timezone, manual=True
    )
    assert closed([WEEKEND], FRIDAY, manual=True) != ""
    assert closed([lenient], FRIDAY, manual=False) != ""
    assert closed([lenient], FRIDAY, manual=True) == ""
    assert closed([lenient, WEEKEND], FRIDAY, manual=True) != ""


def test_outside_every_allow_window_the_next_opening_is_named() -> None:
    nightly = Window(allows=True, schedule="0 2 * * *", duration=timedelta(hours=1))
    assert closed([nightly], datetime(2026, 3, 6, 2, 30, tzinfo=UTC), manual=False) == ""
    assert closed([nightly], FRIDAY, manual=False) == (
        "it is outside its allow windows: the next one opens at 2026-03-07 02:00 UTC"
    )
