"""How many requests are in flight follows the server's answers."""

from __future__ import annotations

from contextlib import ExitStack

from bot.live.gate import FIRST, MOST, Gate


def answered(gate: Gate, times: int, seconds: float = 0.01) -> None:
    """Let a full house of requests be answered, again and again, each after so long."""
    for number in range(times):
        with ExitStack() as inside:
            gate.enter()
            for _ in range(gate.limit - 1):
                gate.enter()
                inside.callback(gate.leave)
            gate.answered(seconds, throttled=False, now=float(number))


def throttled(gate: Gate, now: float) -> None:
    gate.enter()
    gate.answered(0.01, throttled=True, now=now)


def test_first_429_halves_and_those_that_were_in_flight_say_nothing_new() -> None:
    gate = Gate()
    for _ in range(5):
        throttled(gate, 10.0)
    assert gate.limit == FIRST // 2
    throttled(gate, 12.0)
    assert gate.limit == FIRST // 4


def test_good_answers_bring_it_back_round_by_round() -> None:
    gate = Gate()
    throttled(gate, 10.0)
    answered(gate, FIRST)
    assert FIRST // 2 < gate.limit < FIRST
    answered(gate, FIRST * FIRST, seconds=1.0)
    assert gate.limit == FIRST


def test_server_that_is_far_away_is_asked_more_at_a_time() -> None:
    gate = Gate()
    answered(gate, MOST * MOST, seconds=0.1)
    assert gate.limit == MOST


def test_server_that_lets_requests_wait_is_not_asked_more() -> None:
    gate = Gate()
    answered(gate, 1, seconds=0.002)
    answered(gate, 1000, seconds=0.016)
    assert gate.limit == FIRST


def test_few_requests_say_nothing_of_many() -> None:
    gate = Gate()
    for number in range(1000):
        gate.enter()
        gate.answered(0.1, throttled=False, now=float(number))
    assert gate.limit == FIRST
