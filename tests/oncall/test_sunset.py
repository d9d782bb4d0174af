"""How loudly the end of Opsgenie is said: quietly early, weekly, daily, and then as an error."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.oncall.sunset import ENDS, sunset


def slots(first: date, days: int) -> set[str]:
    """Return the slots in which the channel hears of it."""
    found = (sunset(["opsgenie"], first + timedelta(days=day)) for day in range(days))
    return {one.slot for one in found if one is not None} - {""}


@pytest.mark.parametrize(
    ("first", "times"),
    [
        (date(2026, 11, 25), 0),  # said by check and the log alone
        (date(2027, 1, 11), 4),  # four weeks from a Monday on
        (date(2027, 3, 8), 28),  # the last four weeks
        (date(2027, 4, 5), 28),  # and every day after it
    ],
)
def test_channel_hears_of_it_as_often_as_it_matters(first: date, times: int) -> None:
    assert len(slots(first, 28)) == times


def test_it_is_an_error_from_the_day_itself_on() -> None:
    before, after = sunset(["opsgenie-eu"], ENDS - timedelta(days=1)), sunset(["opsgenie-eu"], ENDS)
    assert before is not None
    assert after is not None
    assert (before.is_over, "tomorrow" in before.message) == (False, True)
    assert (after.is_over, "reach nobody" in after.message) == (True, True)


@given(st.dates(date(2026, 1, 1), date(2028, 1, 1)))
def test_who_does_not_depend_on_it_hears_nothing(today: date) -> None:
    assert sunset(["jsm", "webhook"], today) is None
    assert sunset([], today) is None


@pytest.mark.parametrize(
    ("providers", "advice"),
    [
        (["opsgenie"], "oncall.also"),
        (["opsgenie", "jsm"], "make it oncall.provider"),
        (["jsm", "opsgenie"], "Take opsgenie out of oncall.also"),
    ],
)
def test_next_step_fits_what_is_done_already(providers: list[str], advice: str) -> None:
    found = sunset(providers, date(2026, 12, 1))
    assert found is not None
    assert advice in found.next_step
