"""The dead man's switch on the wire: heard once a minute, while passes complete and not when they are stuck."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.oncall.heartbeat import Heartbeat
from bot.reconcile.schedule.pulse import BEAT_EVERY, Pulse
from bot.sandbox.oncall import OncallService
from tests.receiver import Receiver

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Day:
    """A clock that a test winds on."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def minutes(self, pulse: Pulse, count: int, *, completes: bool) -> None:
        """Let minutes pass; in each a pass completes, or none does."""
        for _ in range(count):
            if completes:
                pulse.completed()
            self.now += BEAT_EVERY
            pulse.tick()


def test_opsgenie_hears_by_name_until_passes_stop_completing() -> None:
    service, day = OncallService(), Day()
    service.start()
    try:
        heartbeat = Heartbeat("gitops-bot", host=service.url, provider="opsgenie", key="oncall-key")
        pulse = Pulse(heartbeat.beat, clock=day)
        day.minutes(pulse, 2, completes=False)
        assert service.beats == 0  # nothing has completed since the start
        day.minutes(pulse, 5, completes=True)
        assert service.beats == 5
        assert {path for _, path in service.calls} == {"/v2/heartbeats/gitops-bot/ping"}
        day.minutes(pulse, 10, completes=False)
        assert service.beats == 5  # two minutes after the last pass it is silent
        day.minutes(pulse, 1, completes=True)
        assert service.beats == 6
    finally:
        service.stop()


def test_heartbeat_that_is_refused_is_said_once_with_its_fix_and_again_after_it_had_arrived() -> None:
    """Under jsm a name answers 404: it was a line in the log, once a minute, and nobody had a dead man's switch."""
    service, told = OncallService(flavour="jsm"), list[str]()
    service.start()
    try:
        heartbeat = Heartbeat("gitops-bot", host=service.url, provider="jsm", key="oncall-key", tell=told.append)
        for _ in range(3):
            heartbeat.beat()
        assert told == [heartbeat.trouble] == [heartbeat.check()]
        assert "has no heartbeats by name (404): give oncall.heartbeat the URL" in heartbeat.trouble
    finally:
        service.stop()


def test_heartbeat_that_is_missed_now_and_then_is_no_trouble() -> None:
    answers = [(503, dict[str, str](), "")] * 4 + [(204, {}, "")] + [(503, {}, "")] * 5 + [(204, {}, "")]
    told: list[str] = []
    with Receiver(*answers) as switch:
        heartbeat = Heartbeat(f"{switch.url}/ping", host="", provider="jsm", key="", tell=told.append)
        for _ in range(9):
            heartbeat.beat()
            assert heartbeat.trouble == ""
        heartbeat.beat()
        assert told == [heartbeat.trouble] == ["its URL answers 503: correct oncall.heartbeat"]
        heartbeat.beat()
        assert (heartbeat.trouble, len(told)) == ("", 1)


def test_any_other_switch_hears_by_its_url_and_gets_no_key() -> None:
    with Receiver() as switch:
        day = Day()
        pulse = Pulse(Heartbeat(f"{switch.url}/ping", host="", provider="jsm", key="canary").beat, clock=day)
        day.minutes(pulse, 3, completes=True)
        assert [(one.method, one.path) for one in switch.got] == [("GET", "/ping")] * 3
        assert all("authorization" not in one.headers for one in switch.got)


@pytest.mark.parametrize(("seconds", "beats"), [(119, 1), (120, 0)])
def test_it_is_silent_from_two_minutes_on(seconds: int, beats: int) -> None:
    day, heard = Day(), []
    pulse = Pulse(lambda: heard.append(day.now), clock=day)
    pulse.completed()
    day.now += timedelta(seconds=seconds)
    pulse.tick()
    assert len(heard) == beats
