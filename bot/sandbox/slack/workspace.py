"""A whole workspace: start it, point the bot at `api_url`, then type and click as its people.

Events reach the bot over its socket, or signed over HTTP when `deliver_to` is set; a delivery ends when the bot has
acknowledged it. What people see is read with `messages` and `ephemerals`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from bot.sandbox.slack.server import SlackServer
from bot.sandbox.slack.sockets import SocketConnection
from bot.sandbox.slack.state import PlannedFault, ResponseUrl, State
from bot.sandbox.slack.values import Channel, Delivery, Fault, Message, User
from bot.sandbox.slack.webapi import WebApi

SCOPES: Final = frozenset(
    {
        "app_mentions:read",
        "chat:write",
        "commands",
        "files:write",
        "usergroups:read",
        "users:read",
        "users:read.email",
    }
)
_ACK_SECONDS: Final = 3.0  # Slack shows "operation_timeout" after this
_PING_SECONDS: Final = 10.0


class SlackWorkspace:
    """One workspace with one app installed. `stop` leaves no thread and no socket behind."""

    def __init__(
        self,
        *,
        port: int = 0,
        users: tuple[User, ...] = (User(id="U0ANA", name="ana", real_name="Ana Lima", email="ana@example.com"),),
        channels: tuple[Channel, ...] = (Channel(id="C0DEPLOYS", name="deploys"),),
        groups: Mapping[str, tuple[str, ...]] | None = None,
        bot_token: str = "xoxb-sandbox",
        app_token: str = "xapp-sandbox",
        signing_secret: str = "sandbox-signing-secret",
        deliver_to: str = "",
        scopes: frozenset[str] = SCOPES,
        clock: Callable[[], datetime] = lambda: datetime.now(tz=UTC),
    ) -> None:
        self.bot_token, self.app_token, self.signing_secret = bot_token, app_token, signing_secret
        self.deliver_to = deliver_to
        self.state = State(
            clock=clock,
            users={user.id: user for user in users},
            channels={channel.id: channel for channel in channels},
            groups=dict(groups or {}),
            scopes=scopes,
        )
        self._sockets: list[SocketConnection] = []  # guarded by state.changed
        self._acks: dict[str, Mapping[str, Any]] = {}  # guarded by state.changed
        self._healed = threading.Event()
        api = WebApi(
            state=self.state, bot_token=bot_token, app_token=app_token, socket_count=lambda: len(self.sockets())
        )
        self._server = SlackServer(port, api, healed=self._healed, attached=self._attached)

    @property
    def api_url(self) -> str:
        return f"{self._server.url}/api/"

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._healed.set()
        for connection in self.sockets():
            connection.cut()
        self._server.stop()

    # --- what people see --------------------------------------------------------------------------------------

    def messages(self, channel: str = "C0DEPLOYS") -> list[Message]:
        """Return what everybody sees in a channel, threads included, oldest first."""
        with self.state.changed:
            found = [one for one in self.state.messages.values() if one.channel == channel and not one.ephemeral_for]
        return sorted(found, key=lambda one: one.ts)

    def ephemerals(self, user: str) -> list[Message]:
        """Return what one person alone sees, oldest first."""
        with self.state.changed:
            found = [one for one in self.state.messages.values() if one.ephemeral_for == user]
        return sorted(found, key=lambda one: one.ts)

    def sockets(self) -> list[SocketConnection]:
        """Return the bot's open sockets."""
        with self.state.changed:
            return [one for one in self._sockets if one.open]

    def wait_until(self, look: Callable[[], Any], *, seconds: float = 60) -> Any:
        """Return the first true answer of `look`, asked after every change. Raises `TimeoutError`."""
        deadline = time.monotonic() + seconds
        with self.state.changed:
            while not (answer := look()):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError("the workspace never looked like that")
                self.state.changed.wait(min(left, 1))
            return answer

    def plan_fault(self, method: str, fault: Fault, *, channel: str = "", times: int | None = 1) -> None:
        """Let the next requests fail; `times` None means until `heal`."""
        with self.state.changed:
            self.state.faults.append(PlannedFault(method=method, channel=channel, fault=fault, left=times))

    def heal(self) -> None:
        """End all faults; hanging requests end too."""
        with self.state.changed:
            self.state.faults.clear()
        self._healed.set()
        self._healed = threading.Event()
        self._server.healed = self._healed

    # --- what people do ---------------------------------------------------------------------------------------

    def command(self, user: str, text: str, *, channel: str = "C0DEPLOYS", trigger: str = "") -> Delivery:
        """Type `/gitops TEXT`. The same `trigger` is the same command, delivered again."""
        door = self._door(channel, user)
        payload = {
            "command": "/gitops",
            "text": text,
            "user_id": user,
            "user_name": self.state.users[user].name,
            "channel_id": channel,
            "team_id": self.state.team,
            "api_app_id": self.state.app,
            "response_url": f"{self._server.url}/response/{door}",
            "trigger_id": trigger or self.state.new_id("trigger."),
        }
        return self._deliver("slash_commands", payload, user)

    def click(self, user: str, message: Message, action_id: str) -> Delivery:
        """Press the button of a message. Raises `LookupError` when it has none of that name."""
        elements = [one for block in message.blocks if block["type"] == "actions" for one in block["elements"]]
        found = next((one for one in elements if one.get("action_id") == action_id), None)
        if found is None:
            raise LookupError(f"no button {action_id} among {[one.get('action_id') for one in elements]}")
        door = self._door(message.channel, user, origin=message.link)
        payload = {
            "type": "block_actions",
            "user": {"id": user, "team_id": self.state.team},
            "api_app_id": self.state.app,
            "team": {"id": self.state.team},
            "container": {"type": "message", "message_ts": message.ts, "channel_id": message.channel},
            "channel": {"id": message.channel},
            "message": {"ts": message.ts, "text": message.text},
            "response_url": f"{self._server.url}/response/{door}",
            "trigger_id": self.state.new_id("trigger."),
            "actions": [
                {
                    "type": "button",
                    "action_id": action_id,
                    "block_id": "b",
                    "value": found.get("value", ""),
                    "action_ts": f"{time.time():.6f}",
                }
            ],
        }
        return self._deliver("interactive", payload, user)

    def _door(self, channel: str, user: str, origin: tuple[str, str] | None = None) -> str:
        with self.state.changed:
            id = self.state.new_id("response")
            self.state.response_urls[id] = ResponseUrl(
                channel=channel, user=user, made_at=self.state.clock(), origin=origin
            )
            return id

    def _deliver(self, kind: str, payload: Mapping[str, Any], user: str) -> Delivery:
        before = {one.ts for one in self.ephemerals(user)}
        envelope = self.state.new_id("envelope-")
        status, answer = self._post(kind, payload) if self.deliver_to else (0, self._send(kind, payload, envelope))
        acknowledged = 200 <= status < 300 if self.deliver_to else answer is not None
        return Delivery(
            kind=kind,
            payload=payload,
            envelope_id=envelope,
            acknowledged=acknowledged,
            status=status or None,
            answer=answer or {},
            replies=tuple(one for one in self.ephemerals(user) if one.ts not in before),
        )

    def _send(self, kind: str, payload: Mapping[str, Any], envelope: str) -> Mapping[str, Any] | None:
        """Send an envelope over any open socket and wait for its acknowledgement."""
        message = {"type": kind, "envelope_id": envelope, "payload": payload, "accepts_response_payload": True}
        for connection in reversed(self.sockets()):
            if not connection.send(message):
                continue
            deadline = time.monotonic() + _ACK_SECONDS
            with self.state.changed:
                while envelope not in self._acks and time.monotonic() < deadline:
                    self.state.changed.wait(0.1)
                return self._acks.pop(envelope, None)
        return None

    def _post(self, kind: str, payload: Mapping[str, Any]) -> tuple[int, Mapping[str, Any] | None]:
        """Deliver a signed request, as Slack does in HTTP mode."""
        fields = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
        body = urllib.parse.urlencode(fields).encode()
        stamp = str(int(self.state.clock().timestamp()))
        base = b"v0:" + stamp.encode() + b":" + body
        signature = "v0=" + hmac.new(self.signing_secret.encode(), base, hashlib.sha256).hexdigest()
        request = urllib.request.Request(
            self.deliver_to,
            data=body,
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "X-Slack-Request-Timestamp": stamp,
                "X-Slack-Signature": signature,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_ACK_SECONDS) as answer:
                return answer.status, {"body": answer.read().decode()}
        except urllib.error.HTTPError as error:
            with error:
                return error.code, {"body": error.read().decode()}

    def _attached(self, connection: SocketConnection) -> None:
        """Serve one socket until it ends."""
        with self.state.changed:
            self._sockets.append(connection)
            self.state.changed.notify_all()
        info = {"app_id": self.state.app}
        connection.send({"type": "hello", "num_connections": len(self.sockets()), "connection_info": info})
        connection.serve(self._heard, ping_seconds=_PING_SECONDS)
        with self.state.changed:
            self._sockets.remove(connection)
            self.state.changed.notify_all()

    def _heard(self, message: Mapping[str, Any]) -> None:
        with self.state.changed:
            self._acks[str(message.get("envelope_id"))] = message.get("payload") or {}
            self.state.changed.notify_all()
