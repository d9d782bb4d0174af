"""How loudly the end of Opsgenie is said: quietly early, weekly, daily, and then as an error."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.oncall.sunset import ENDS, sunset


def at(day: date, hour: int = 10) -> datetime:
    return datetime.combine(day, time(hour))


def slots(first: date, days: int, hours: range = range(24)) -> set[str]:
    """Return the slots in which the channel hears of it."""
    times = (at(first + timedelta(days=day), hour) for day in range(days) for hour in hours)
    found = (sunset(["opsgenie"], one) for one in times)
    return {one.slot for one in found if one is not None} - {""}


@pytest.mark.parametrize(
    ("first", "times"),
    [
        (date(2026, 11, 25), 0),  # said by check and the log alone
        (date(2027, 1, 11), 4),  # four weeks from a Monday on
        (date(2027, 3, 8), 20),  # each working day of the last four weeks
        (date(2027, 4, 5), 28),  # and every day after it
    ],
)
def test_channel_hears_of_it_as_often_as_it_matters(first: date, times: int) -> None:
    assert len(slots(first, 28)) == times


def test_nobody_hears_of_it_in_the_night_and_at_the_weekend() -> None:
    """The weekly notice came on Mondays at midnight, by the clock in Greenwich."""
    assert slots(date(2027, 1, 11), 60, range(9)) | slots(date(2027, 1, 11), 60, range(17, 24)) == set()
    assert slots(date(2027, 3, 13), 2) == set()


def test_it_is_an_error_from_the_day_itself_on() -> None:
    before, after = sunset(["opsgenie-eu"], at(ENDS - timedelta(days=1))), sunset(["opsgenie-eu"], at(ENDS, 0))
    assert before is not None
    assert after is not None
    assert (before.is_over, "tomorrow" in before.message) == (False, True)
    assert (after.is_over, "reach nobody" in after.message) == (True, True)


@given(st.dates(date(2026, 1, 1), date(2028, 1, 1)))
def test_who_does_not_depend_on_it_hears_nothing(today: date) -> None:
    assert sunset(["jsm", "webhook"], at(today)) is None
    assert sunset([], at(today)) is None


@pytest.mark.parametrize(
    ("providers", "advice"),
    [
        (["opsgenie"], "oncall.also"),
        (["opsgenie", "jsm"], "make it oncall.provider"),
        (["jsm", "opsgenie"], "Take opsgenie out of oncall.also"),
    ],
)
def test_next_step_fits_what_is_done_already(providers: list[str], advice: str) -> None:
    found = sunset(providers, at(date(2026, 12, 1)))
    assert found is not None
    assert advice in found.next_step
