"""Scripted faults, over HTTP and in the same process, on both stand-ins that speak plain HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from bot.sandbox.faults import Fault, FaultKind, Faults
from bot.sandbox.oncall import OncallService
from bot.sandbox.slack import SlackWorkspace
from bot.sandbox.slack.values import Channel

KEY = "GenieKey oncall-key"


@pytest.fixture
def oncall() -> Iterator[OncallService]:
    made = OncallService()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def slack() -> Iterator[SlackWorkspace]:
    with SlackWorkspace(channels=(Channel(id="C1", name="deploys"), Channel(id="C2", name="shop"))) as made:
        yield made


def request(
    url: str, method: str, path: str, body: Any = None, *, timeout: float = 10, key: str = ""
) -> tuple[int, dict[str, str], Any]:
    """Return status, headers and JSON (or text) of one answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    try:
        sent = json.dumps(body) if body is not None else None
        connection.request(method, path, sent, {"Content-Type": "application/json", "Authorization": key})
        answer = connection.getresponse()
        text = answer.read().decode()
        kind = answer.headers.get_content_type()
        return answer.status, dict(answer.headers), json.loads(text) if text and "json" in kind else text
    finally:
        connection.close()


def post(slack: SlackWorkspace, channel: str = "C1") -> tuple[int, dict[str, str], Any]:
    return request(
        slack.url,
        "POST",
        "/api/chat.postMessage",
        {"channel": channel, "text": "hello"},
        key=f"Bearer {slack.bot_token}",
    )


def test_fault_strikes_as_often_as_it_was_planned(oncall: OncallService) -> None:
    planned = {"kind": "status", "status": 503, "match": "POST /v2/alerts", "times": 2}
    status, _, said = request(oncall.url, "POST", "/_faults", planned)
    assert (status, said["match"], said["times"]) == (201, "POST /v2/alerts", 2)
    alert = {"message": "m", "alias": "a"}
    answers = [request(oncall.url, "POST", "/v2/alerts", alert, key=KEY)[0] for _ in range(3)]
    assert answers == [503, 503, 202]
    assert [one.count for one in oncall.opened()] == [1]


def test_faults_are_listed_and_healed(oncall: OncallService) -> None:
    request(oncall.url, "POST", "/_faults", {"kind": "refuse"})
    assert [one["kind"] for one in request(oncall.url, "GET", "/_faults")[2]] == ["refuse"]
    with pytest.raises(ConnectionError):
        request(oncall.url, "GET", "/v2/heartbeats/bot/ping")
    assert request(oncall.url, "DELETE", "/_faults")[0] == 204
    assert request(oncall.url, "GET", "/_faults")[2] == []
    assert request(oncall.url, "GET", "/v2/heartbeats/bot/ping")[0] == 401


@pytest.mark.parametrize(
    "body", [{}, {"kind": "flood"}, {"kind": "status", "times": 0}, {"kind": "status", "stauts": 500}, [], "x"]
)
def test_what_is_no_fault_is_refused(oncall: OncallService, body: Any) -> None:
    status, _, said = request(oncall.url, "POST", "/_faults", body)
    assert status == 400
    assert said["message"].startswith("no fault: ")
    assert oncall.faults.planned() == ()


def test_throttle_tells_how_long_to_wait_and_names_one_channel(slack: SlackWorkspace) -> None:
    planned = {"kind": "throttle", "seconds": 7, "match": "POST /api/chat.postMessage[?]channel=C1"}
    request(slack.url, "POST", "/_faults", planned)
    status, headers, said = post(slack, "C1")
    assert (status, headers["Retry-After"], said["error"]) == (429, "7", "ratelimited")
    assert post(slack, "C2")[0] == 200
    assert [call.outcome for call in slack.calls("chat.postMessage")] == ["throttle", "ok"]


def test_lost_answer_was_acted_upon(slack: SlackWorkspace) -> None:
    slack.fail("chat.postMessage", Fault(kind=FaultKind.LOST))
    with pytest.raises(ConnectionError):
        post(slack)
    assert [one.text for one in slack.messages("C1")] == ["hello"]


def test_reset_is_not_acted_upon(slack: SlackWorkspace) -> None:
    slack.fail("*", Fault(kind=FaultKind.RESET), channel="C1")
    with pytest.raises(ConnectionError):
        post(slack)
    assert slack.messages("C1") == ()
    assert post(slack)[0] == 200


def test_error_word_is_said_as_slack_says_it(slack: SlackWorkspace) -> None:
    slack.fail("chat.postMessage", Fault(kind=FaultKind.ERROR, error="is_archived"))
    assert post(slack)[2] == {"ok": False, "error": "is_archived"}


def test_hang_ends_when_the_faults_are_healed(oncall: OncallService) -> None:
    oncall.faults.add(Fault(kind=FaultKind.HANG), match="GET *")
    with pytest.raises(TimeoutError):
        request(oncall.url, "GET", "/v2/heartbeats/bot/ping", timeout=0.2)
    oncall.faults.heal()
    assert request(oncall.url, "GET", "/v2/heartbeats/bot/ping")[0] == 401


def test_delayed_answer_comes_when_it_is_healed(oncall: OncallService) -> None:
    oncall.faults.add(Fault(kind=FaultKind.DELAY, seconds=0.05), match="GET *")
    assert request(oncall.url, "GET", "/v2/heartbeats/bot/ping")[0] == 401


@pytest.mark.parametrize(
    ("match", "struck"),
    [
        ("*", True),
        ("PATCH *", True),
        ("GET *", False),
        ("* /apis/apps/*", True),
        ("PATCH /apis/apps/v1/web", True),
        ("PATCH /apis/apps/v1/web[?]dryRun=All", True),
        ("PATCH /apis/apps/v1", False),
    ],
)
def test_pattern_is_over_the_whole_request_or_its_path(match: str, struck: bool) -> None:
    faults = Faults()
    faults.add(Fault(kind=FaultKind.REFUSE), match=match)
    assert (faults.strike("PATCH /apis/apps/v1/web?dryRun=All") is not None) is struck


@pytest.mark.parametrize("act", ["acknowledge", "close"])
def test_person_settles_an_alert_and_the_webhook_is_told(oncall: OncallService, act: str) -> None:
    receiver = OncallService()  # any HTTP server will do: this one notes who called
    receiver.start()
    try:
        oncall.webhook_url = f"{receiver.url}/hook"
        alert = {"message": "shop failed", "alias": "gitops-bot:prod:shop"}
        request(oncall.url, "POST", "/v2/alerts", alert, key=KEY)
        settle: Callable[[int, str], bool] = getattr(oncall, act)
        assert settle(1, "ana@example.com")
        assert receiver.calls == [("POST", "/hook")]
        assert "the outgoing webhook failed: HTTP Error 401" in oncall.alerts[0].log[-1].text
        assert (oncall.alerts[0].open, oncall.alerts[0].acknowledged) == (
            (True, True) if act == "acknowledge" else (False, False)
        )
        assert not settle(2, "ana@example.com")
    finally:
        receiver.stop()
