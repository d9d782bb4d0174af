"""How events and interactions reach the bot: over Socket Mode to one of its connections in turn, or signed over HTTP.

A delivery returns when the bot has acknowledged it, when its connection has ended, or when the workspace has waited
long enough. What the bot answers along with the acknowledgement is part of the delivery; what it does afterwards is
not waited for.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import itertools
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from bot.sandbox.slack.sockets import SocketConnection
from bot.sandbox.slack.state import State
from bot.sandbox.slack.values import Delivery

_FORM: Final = "application/x-www-form-urlencoded"


class Courier:
    """Carries to the bot; with an `events_url` over HTTP, otherwise over the sockets that are attached."""

    def __init__(self, state: State, *, signing_secret: str, events_url: str, ping_seconds: float) -> None:
        self.signing_secret = signing_secret
        self.events_url = events_url
        self._state = state
        self._ping_seconds = ping_seconds
        self._sockets: list[SocketConnection] = []
        self._turns = itertools.count()
        self._acks: dict[str, Mapping[str, Any]] = {}

    def deliver(
        self, kind: str, payload: Mapping[str, Any], *, envelope_id: str = "", attempt: int = 0, reason: str = ""
    ) -> Delivery:
        """Deliver once. `attempt` and `reason` tell the bot that it has been tried before, under the same envelope."""
        envelope_id = envelope_id or self._state.new_id("envelope-")
        delivery = Delivery(kind=kind, payload=payload, envelope_id=envelope_id, acknowledged=False)
        send = self._send_http if self.events_url else self._send_socket
        return send(delivery, attempt=attempt, reason=reason)

    def signature(self, timestamp: str, body: bytes) -> str:
        """Return what `X-Slack-Signature` must be (v0, HMAC-SHA256)."""
        signed = f"v0:{timestamp}:".encode() + body
        return f"v0={hmac.new(self.signing_secret.encode(), signed, hashlib.sha256).hexdigest()}"

    @property
    def _patience(self) -> float:
        return self._state.answer_within.total_seconds()

    def sockets(self) -> tuple[SocketConnection, ...]:
        """Return the open Socket Mode connections."""
        with self._state.changed:
            return tuple(one for one in self._sockets if one.open)

    def attach(self, connection: SocketConnection) -> None:
        """Greet a connection of the bot and serve it until it ends."""
        with self._state.changed:
            self._sockets = [one for one in self._sockets if one.open]
            self._sockets.append(connection)
            connection.send(
                {
                    "type": "hello",
                    "num_connections": len(self._sockets),
                    "connection_info": {"app_id": self._state.app},
                    "debug_info": {"host": "sandbox", "approximate_connection_time": 18_060},
                }
            )
            self._state.changed.notify_all()
        connection.serve(self._hear, ping_seconds=self._ping_seconds)
        with self._state.changed:
            self._state.changed.notify_all()

    def disconnect(self, reason: str) -> None:
        """Tell every connection why it ends, and end it; `warning` says so some seconds before, and ends nothing."""
        for connection in self.sockets():
            connection.send({"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}})
            if reason != "warning":
                connection.close()

    def _hear(self, message: Mapping[str, Any]) -> None:
        envelope_id = str(message.get("envelope_id") or "")
        if envelope_id:
            with self._state.changed:
                self._acks[envelope_id] = message.get("payload") or {}
                self._state.changed.notify_all()

    def _send_socket(self, delivery: Delivery, *, attempt: int, reason: str) -> Delivery:
        envelope: dict[str, Any] = {
            "type": delivery.kind,
            "envelope_id": delivery.envelope_id,
            "payload": delivery.payload,
            "accepts_response_payload": delivery.kind != "events_api",
        }
        if delivery.kind == "events_api" or attempt:
            envelope |= {"retry_attempt": attempt, "retry_reason": reason}
        changed = self._state.changed
        with changed:
            self._acks.pop(delivery.envelope_id, None)
            connections = self.sockets()
            chosen = connections[next(self._turns) % len(connections)] if connections else None
            if chosen is None or not chosen.send(envelope):
                return delivery
            changed.wait_for(lambda: delivery.envelope_id in self._acks or not chosen.open, timeout=self._patience)
            heard, answer = delivery.envelope_id in self._acks, self._acks.get(delivery.envelope_id, {})
        return replace(delivery, acknowledged=heard, answer=answer)

    def _send_http(self, delivery: Delivery, *, attempt: int, reason: str) -> Delivery:
        body, kind = _body(delivery)
        timestamp = str(int(self._state.clock().timestamp()))
        headers = {
            "Content-Type": kind,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": self.signature(timestamp, body),
        }
        if attempt:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason}
        request = urllib.request.Request(self.events_url, data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=self._patience) as response:
                return replace(delivery, acknowledged=True, status=response.status, answer=_answer(response.read()))
        except urllib.error.HTTPError as error:
            with error:
                return replace(delivery, status=error.code)
        except (OSError, http.client.HTTPException):
            return delivery


def _body(delivery: Delivery) -> tuple[bytes, str]:
    """Return how a delivery looks over HTTP, and its content type."""
    match delivery.kind:
        case "slash_commands":
            return urllib.parse.urlencode(delivery.payload).encode(), _FORM
        case "interactive":
            return urllib.parse.urlencode({"payload": json.dumps(delivery.payload)}).encode(), _FORM
        case _:
            return json.dumps(delivery.payload).encode(), "application/json"


def _answer(body: bytes) -> Mapping[str, Any]:
    """Return what came with an HTTP acknowledgement: JSON, a plain text, or nothing."""
    try:
        said = json.loads(body)
    except ValueError:
        return {"text": body.decode(errors="replace")} if body.strip() else {}
    return said if isinstance(said, Mapping) else {}
