"""Slack's way in by HTTP: signatures are checked here, before Bolt, which logs bodies and stumbles over timestamps.

Nothing of a refused body is logged or answered.
"""

from __future__ import annotations

import hmac
import io
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from slack_bolt import App, BoltRequest
from slack_sdk.signature import SignatureVerifier

_MAX_BODY_BYTES: Final = 1_000_000
_MAX_AGE_SECONDS: Final = 300  # Slack: "Verifying requests from Slack"


class SlackHttpDoor:
    """A WSGI application for `POST /slack/events`."""

    def __init__(self, app: App, *, signing_secret: str, clock: Callable[[], float] = time.time) -> None:
        self._app = app
        self._verifier = SignatureVerifier(signing_secret)
        self._clock = clock

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length) > _MAX_BODY_BYTES:
            return _answer(start_response, 413, {}, "too large")
        stream: io.BufferedIOBase = environ["wsgi.input"]
        body = stream.read(int(length))
        timestamp = environ.get("HTTP_X_SLACK_REQUEST_TIMESTAMP", "")
        signature = environ.get("HTTP_X_SLACK_SIGNATURE", "")
        if not self._is_slack(body, timestamp, signature):
            return _answer(start_response, 401, {}, "not signed by Slack")
        headers = {
            "content-type": environ.get("CONTENT_TYPE", ""),
            "x-slack-request-timestamp": timestamp,
            "x-slack-signature": signature,
            "x-slack-retry-num": environ.get("HTTP_X_SLACK_RETRY_NUM", ""),
        }
        done = self._app.dispatch(BoltRequest(body=body.decode("utf-8", errors="replace"), headers=headers))
        return _answer(start_response, done.status, done.first_headers_without_set_cookie(), done.body)

    def _is_slack(self, body: bytes, timestamp: str, signature: str) -> bool:
        if not (timestamp.isascii() and timestamp.isdigit()) or not signature:
            return False
        if abs(self._clock() - int(timestamp)) > _MAX_AGE_SECONDS:
            return False
        expected = self._verifier.generate_signature(timestamp=timestamp, body=body)
        return expected is not None and hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))


def _answer(start_response: Callable[..., Any], status: int, headers: Any, text: str) -> Iterable[bytes]:
    start_response(f"{status} {'OK' if status == 200 else 'Error'}", list(headers.items()))
    return [text.encode()]
