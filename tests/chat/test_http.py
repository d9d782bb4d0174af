"""Slack's door by HTTP: what is not signed by Slack is refused, whatever it is, and never logged."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any

import pytest
from slack_bolt import App
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.signature import SignatureVerifier

from bot.chat.http import SlackHttpDoor

NOW = 1_772_366_400
SECRET = "signing-secret"
BODY = b"command=%2Fgitops&text=help&response_url=https%3A%2F%2Fcanary"


def door() -> SlackHttpDoor:
    app = App(
        signing_secret=SECRET,
        token_verification_enabled=False,
        request_verification_enabled=False,
        authorize=lambda: AuthorizeResult(enterprise_id=None, team_id=None, bot_token="xoxb"),
    )
    app.command("/gitops")(lambda ack: ack("hello"))
    return SlackHttpDoor(app, signing_secret=SECRET, clock=lambda: NOW)


def post(headers: dict[str, str], body: bytes = BODY) -> tuple[int, str]:
    answered: list[str] = []
    start: Callable[..., Any] = lambda status, headers: answered.append(status)  # noqa: E731
    environ: dict[str, Any] = {
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "wsgi.input": io.BytesIO(body),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }
    text = b"".join(door()(environ, start)).decode()
    return int(answered[0].split(" ")[0]), text


def signed(timestamp: int = NOW, body: bytes = BODY, secret: str = SECRET) -> dict[str, str]:
    signature = SignatureVerifier(secret).generate_signature(timestamp=str(timestamp), body=body)
    assert signature is not None
    return {"X-Slack-Request-Timestamp": str(timestamp), "X-Slack-Signature": signature}


def test_signed_command_is_answered() -> None:
    assert post(signed()) == (200, "hello")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(secret="another"),
        signed(NOW - 400),
        signed(NOW + 400),
        {**signed(), "X-Slack-Request-Timestamp": "abc"},
        {**signed(), "X-Slack-Request-Timestamp": "²"},
        {**signed(), "X-Slack-Signature": "v0=ü"},
    ],
)
def test_what_slack_did_not_sign_is_refused_and_not_logged(
    headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    status, text = post(headers)
    assert status == 401
    assert "canary" not in caplog.text + text


def test_huge_body_is_not_read() -> None:
    assert post(signed(), b"x" * 1_000_001)[0] == 413
