"""How many requests are in flight follows the server's answers."""

from __future__ import annotations

from bot.live.gate import MOST, Gate


def test_first_429_halves_and_those_that_were_in_flight_say_nothing_new() -> None:
    gate = Gate()
    for _ in range(5):
        gate.answered(throttled=True)
    assert gate.limit == MOST // 2


def test_good_answers_bring_it_back_round_by_round() -> None:
    gate = Gate()
    gate.answered(throttled=True)
    for _ in range(MOST):
        gate.answered(throttled=False)
    assert MOST // 2 < gate.limit < MOST
    for _ in range(MOST * MOST):
        gate.answered(throttled=False)
    assert gate.limit == MOST
