"""Requests a second, when the configuration limits them."""

from __future__ import annotations

import pytest

from bot.live.pace import Pace


def test_moments_are_spread_evenly_and_idle_time_is_not_saved_up() -> None:
    pace = Pace(4)
    assert [pace.wait_seconds(10.0) for _ in range(3)] == pytest.approx([0.0, 0.25, 0.5])
    assert pace.wait_seconds(100.0) == 0.0
    assert pace.wait_seconds(100.1) == pytest.approx(0.15)


def test_no_limit_waits_for_nothing() -> None:
    pace = Pace(0)
    assert [pace.wait_seconds(1.0) for _ in range(100)] == [0.0] * 100
