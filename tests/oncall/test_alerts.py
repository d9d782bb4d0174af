"""Pages on the wire: the real SDK against the stand-in, Opsgenie and JSM flavours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.errors import DeliveryFailed
from bot.model.announcement import Page, PageAct
from bot.model.record import Consignment, SinkName
from bot.oncall.alerts import AlertApi
from bot.oncall.sink import OncallSink
from bot.oncall.webhook_in import AlertEvent, read_webhook
from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.oncall import OncallService

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PAGE = Page(
    id="op_1:open",
    act=PageAct.OPEN,
    alias="gitops-bot:prod:shop",
    app="shop",
    cluster="prod",
    env="production",
    channel="C1",
    operation="op_1",
    at=NOW,
    message="shop / prod: Deployment shop/api did not become healthy",
    description="details",
    priority="P2",
)


@pytest.fixture(params=["opsgenie", "jsm"])
def service(request: pytest.FixtureRequest) -> Iterator[OncallService]:
    made = OncallService(flavour=request.param, keys=frozenset({"oncall-key", "team-key"}))
    made.start()
    yield made
    made.stop()


def deliver(service: OncallService, page: Page, key: str = "oncall-key") -> None:
    keys = {"": key, "payments": "team-key"}
    api = AlertApi(
        provider=service.flavour,
        host=service.url,
        key_for=lambda team: keys.get(team, ""),
        setting="OPSGENIE_API_KEY",
    )
    sink = OncallSink([api], link=lambda operation, channel: f"https://acme.slack.com/{channel}/{operation}")
    sink.deliver(Consignment(id=1, sink=SinkName.ONCALL, lane=page.alias, parcel=page, attempts=0, created_at=NOW))


def test_page_begins_with_the_way_to_its_message_and_stays_within_the_limit(service: OncallService) -> None:
    deliver(service, PAGE)
    deliver(service, replace(PAGE, alias="other", description="x" * 15_000))
    first, long = service.alerts
    assert first.description == f"In Slack: https://acme.slack.com/{PAGE.channel}/{PAGE.operation}\n\ndetails"
    assert len(long.description) == 15_000


def test_page_sent_twice_is_one_alert(service: OncallService) -> None:
    deliver(service, PAGE)
    deliver(service, PAGE)
    (alert,) = service.opened()
    assert (alert.alias, alert.priority, alert.count) == ("gitops-bot:prod:shop", "P2", 2)


def test_note_and_close_reach_the_alert_by_alias(service: OncallService) -> None:
    deliver(service, PAGE)
    deliver(service, replace(PAGE, act=PageAct.NOTE, message="still failing"))
    deliver(service, replace(PAGE, act=PageAct.CLOSE, message="Converged at 1234567."))
    assert service.opened() == []
    assert service.alerts[0].notes == ["still failing", "Converged at 1234567."]


def test_close_of_an_alert_that_is_gone_counts_as_done(service: OncallService) -> None:
    deliver(service, replace(PAGE, act=PageAct.CLOSE))
    assert service.opened() == []


def test_each_team_uses_its_own_key(service: OncallService) -> None:
    deliver(service, replace(PAGE, team="payments"))
    assert (service.alerts[0].key, service.alerts[0].team) == ("team-key", "payments")


def test_wrong_key_is_said_by_its_setting_and_not_retried(service: OncallService) -> None:
    with pytest.raises(DeliveryFailed, match="OPSGENIE_API_KEY") as failed:
        deliver(service, PAGE, key="wrong-canary")
    assert failed.value.retry_after_seconds is None
    assert "canary" not in str(failed.value)
    assert len(service.calls) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_trouble_of_the_service_is_retried_later_by_the_outbox(status: int, service: OncallService) -> None:
    service.fail(times=1, status=status)
    with pytest.raises(DeliveryFailed) as failed:
        deliver(service, PAGE)
    assert failed.value.retry_after_seconds is not None
    assert len(service.calls) == 1
    deliver(service, PAGE)
    assert len(service.opened()) == 1


def test_service_that_is_down_is_retried_later() -> None:
    gone = OncallService()
    gone.start()
    gone.stop()
    with pytest.raises(DeliveryFailed) as failed:
        deliver(gone, PAGE)
    assert failed.value.retry_after_seconds is not None


def test_acknowledge_needs_the_secret() -> None:
    body = b'{"action": "Acknowledge", "alert": {"alias": "gitops-bot:prod:shop", "username": "ana@example.com"}}'
    assert read_webhook({"X-Webhook-Secret": "wrong"}, body, secret="right") is None
    assert read_webhook({}, body, secret="") is None
    expected = (AlertEvent("Acknowledge", "gitops-bot:prod:shop", "ana@example.com"),)
    assert read_webhook({"x-webhook-secret": "right"}, body, secret="right") == expected
    assert read_webhook({"X-Webhook-Secret": "right"}, b"[]", secret="right") == ()


def test_throttled_call_waits_as_long_as_the_service_asks(service: OncallService) -> None:
    service.faults.add(Fault(kind=FaultKind.THROTTLE, seconds=17), times=1)
    with pytest.raises(DeliveryFailed) as failed:
        deliver(service, PAGE)
    assert failed.value.retry_after_seconds == 17
