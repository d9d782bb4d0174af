"""A Slack workspace for the demo and the tests: the wire on one side, people on the other.

The bot talks to it with the real slack_sdk and slack_bolt; only `api_url` differs. People (and tests) type commands,
mention, click and read. Limits and errors are Slack's; faults are scripted with `fail`. It keeps everything in
memory and judges nothing but what Slack judges.

Events go over Socket Mode, to one of the open connections in turn, or signed to `events_url` when that is set. The
surprising part: a person's method returns when the bot has acknowledged, or after Slack's three seconds, while what
the bot does afterwards is seen by `wait_until`.
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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from bot.sandbox.faults import Fault
from bot.sandbox.slack import actions, limits
from bot.sandbox.slack.server import SlackServer
from bot.sandbox.slack.sockets import SocketConnection
from bot.sandbox.slack.state import ResponseUrl, State, Trigger
from bot.sandbox.slack.values import Call, Channel, Delivery, Message, User
from bot.sandbox.slack.views import View
from bot.sandbox.slack.webapi import WebApi, blocks_of

SCOPES: Final = frozenset(
    {
        "commands",
        "chat:write",
        "files:write",
        "users:read",
        "users:read.email",
        "usergroups:read",
        "app_mentions:read",
    }
)
ACK_SECONDS: Final = 3.0
_PING_SECONDS: Final = 10.0
_GUARD_SECONDS: Final = 10.0


class SlackWorkspace:
    """One workspace on 127.0.0.1; also a context manager that starts and stops it."""

    def __init__(
        self,
        *,
        users: Iterable[User] = (),
        channels: Iterable[Channel] = (),
        groups: Mapping[str, Sequence[str]] | None = None,
        bot_token: str = "xoxb-sandbox-bot",
        app_token: str = "xapp-sandbox-app",
        signing_secret: str = "sandbox-signing-secret",
        scopes: frozenset[str] = SCOPES,
        port: int = 0,
        events_url: str = "",
        post_interval: timedelta | None = None,
        ping_seconds: float = _PING_SECONDS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.bot_token = bot_token
        self.app_token = app_token
        self.signing_secret = signing_secret
        self.events_url = events_url
        self.state = State(
            clock=clock,
            users={user.id: user for user in users},
            channels={channel.id: channel for channel in channels},
            groups={id: tuple(members) for id, members in (groups or {}).items()},
            scopes=scopes,
            post_interval=post_interval,
        )
        self._api = WebApi(
            state=self.state, bot_token=bot_token, app_token=app_token, socket_count=lambda: len(self.sockets())
        )
        self._port = port
        self._ping_seconds = ping_seconds
        self._server: SlackServer | None = None
        self._sockets: list[SocketConnection] = []
        self._turns = itertools.count()
        self._acks: dict[str, Mapping[str, Any]] = {}

    # The machine

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        """The base URL for slack_sdk, with the slash it needs."""
        return f"{self.url}/api/"

    def start(self) -> None:
        """Listen, on the same port as before after a `stop`."""
        self._server = SlackServer(self._port, self._api, attached=self._serve_socket)
        self._port = self._server.server_address[1]
        self._server.start()

    def stop(self) -> None:
        """Refuse connections and end the open ones; what was said stays. Idempotent."""
        self.state.faults.heal()
        for connection in self.sockets():
            connection.cut()
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.stop()

    def fail(self, method: str, fault: Fault, *, times: int | None = 1, channel: str = "") -> None:
        """Let `fault` strike the next `times` calls of a method (None: until `heal`).

        `method` may be `*`, `upload` or `response_url`; with `channel` only calls that name it are struck.
        """
        path = {"*": "*", "upload": "/upload/v1/*", "response_url": "/response/*"}.get(method, f"/api/{method}")
        self.state.faults.add(fault, match=f"* {path}?channel={channel or '*'}", times=times)

    def heal(self) -> None:
        """Forget all faults and let go of calls that hang."""
        self.state.faults.heal()

    def wait_until(self, fact: Callable[[], bool], *, timeout_seconds: float = _GUARD_SECONDS) -> bool:
        """Block until `fact` holds, looked at after each change of the workspace; False when it never did."""
        with self.state.changed:
            return self.state.changed.wait_for(fact, timeout=timeout_seconds)

    # Sockets

    def sockets(self) -> tuple[SocketConnection, ...]:
        """Return the open Socket Mode connections."""
        with self.state.changed:
            return tuple(one for one in self._sockets if one.open)

    def refresh(self, reason: str = "refresh_requested") -> None:
        """Ask every connection to reconnect and close it, as Slack does every few hours."""
        for connection in self.sockets():
            connection.send({"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}})
            connection.close()

    def drop_sockets(self) -> None:
        """Cut every connection without a word."""
        for connection in self.sockets():
            connection.cut()

    def deafen_sockets(self) -> None:
        """Keep the present connections open, and neither answer their pings nor deliver through them."""
        for connection in self.sockets():
            connection.deafen()

    # What people see

    def messages(self, channel: str, *, thread: str | None = None) -> tuple[Message, ...]:
        """Return a channel's messages, oldest first: all of them, or a thread with its root."""
        with self.state.changed:
            kept = (one for one in self.state.messages.values() if one.channel == channel and not one.ephemeral_for)
            chosen = (one for one in kept if thread is None or thread in {one.thread_ts, one.ts})
            return tuple(sorted(chosen, key=lambda one: one.ts))

    def roots(self, channel: str) -> tuple[Message, ...]:
        """Return a channel's messages without what is in threads."""
        return tuple(one for one in self.messages(channel) if not one.thread_ts)

    def ephemerals(self, user: str) -> tuple[Message, ...]:
        """Return what only this person sees, oldest first."""
        with self.state.changed:
            found = (one for one in self.state.messages.values() if one.ephemeral_for == user)
            return tuple(sorted(found, key=lambda one: one.ts))

    def message(self, channel: str, ts: str) -> Message | None:
        with self.state.changed:
            return self.state.messages.get((channel, ts))

    def calls(self, method: str = "") -> tuple[Call, ...]:
        """Return what the bot asked, oldest first: everything or one method."""
        with self.state.changed:
            return tuple(call for call in self.state.calls if method in {"", call.method})

    def view_stack(self, user: str) -> tuple[View, ...]:
        """Return the modals open before a person, the one on top last."""
        with self.state.changed:
            return self.state.views.stack(user)

    def home(self, user: str) -> View | None:
        """Return the Home tab as the bot last published it for a person."""
        with self.state.changed:
            return self.state.views.home(user)

    # What people do

    def delete(self, message: Message) -> None:
        """Delete a message, whoever wrote it."""
        self.state.remove(message.link)

    def set_channel(self, channel: Channel) -> None:
        """Create or change a channel: archive it, throw the bot out."""
        with self.state.changed:
            self.state.channels[channel.id] = channel

    def set_group(self, group: str, members: Sequence[str]) -> None:
        with self.state.changed:
            self.state.groups[group] = tuple(members)

    def say(self, user: str, channel: str, text: str, *, thread_ts: str = "") -> Message:
        """Write a message as a person; the bot hears nothing of it."""
        return self.state.add(Message(channel=channel, ts="", user=user, text=text, thread_ts=thread_ts))

    def command(self, user: str, channel: str, text: str, *, name: str = "/gitops") -> Delivery:
        """Type a slash command; channel `D…` is a direct message with the bot."""
        payload = {
            **self._common(),
            "command": name,
            "text": text,
            "user_id": user,
            "user_name": self._user(user).name,
            "channel_id": channel,
            "channel_name": "directmessage" if channel.startswith("D") else self._channel_name(channel),
            "team_domain": "sandbox",
            "is_enterprise_install": "false",
            "trigger_id": self._new_trigger(user),
            "response_url": self._new_response_url(channel, user, None),
        }
        return self._deliver("slash_commands", payload, user)

    def mention(self, user: str, channel: str, text: str, *, thread_ts: str = "") -> Delivery:
        """Write `@gitops text`; Slack tells the bot by an event."""
        said = self.say(user, channel, f"<@{self.state.bot_user}> {text}", thread_ts=thread_ts)
        event = {"type": "app_mention", "user": user, "text": said.text, "ts": said.ts, "channel": channel}
        if thread_ts:
            event["thread_ts"] = thread_ts
        event["event_ts"] = said.ts
        return self._deliver("events_api", self._event(event), user)

    def click(self, message: Message, action_id: str, user: str, *, value: Any = None, block_id: str = "") -> Delivery:
        """Press a button, or choose `value` in a menu, of a message as this person sees it now.

        Raises `LookupError` when the message has no such element: what is not there cannot be clicked.
        """
        seen = self.message(message.channel, message.ts) or message
        action = self._action(_element_of(seen.blocks, action_id, value, block_id), value)
        container = {"type": "message", "message_ts": seen.ts, "channel_id": seen.channel}
        if seen.thread_ts:
            container["thread_ts"] = seen.thread_ts
        payload = {
            **self._interaction("block_actions", user),
            "container": {**container, "is_ephemeral": bool(seen.ephemeral_for)},
            "channel": {"id": seen.channel, "name": self._channel_name(seen.channel)},
            "actions": [action],
            "state": {"values": {}},
            "response_url": self._new_response_url(seen.channel, user, seen.link),
        }
        if not seen.ephemeral_for:
            payload["message"] = self._api.message_json(seen)
        return self._deliver("interactive", payload, user)

    def act(
        self,
        view_id: str,
        user: str,
        *,
        action_id: str,
        block_id: str = "",
        value: Any = None,
        values: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Delivery:
        """Press or choose in an open modal or on the Home tab; `values` is what the person has filled in so far."""
        view = self._open_view(view_id)
        action = self._action(_element_of(view["blocks"], action_id, value, block_id), value)
        with self.state.changed:
            view = self.state.views.fill(view_id, values or {})
        payload = {
            **self._interaction("block_actions", user),
            "container": {"type": "view", "view_id": view_id},
            "view": dict(view),
            "actions": [action],
        }
        return self._deliver("interactive", payload, user)

    def suggest(
        self, user: str, *, action_id: str, query: str, message: Message | None = None, view_id: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        """Type into a menu that searches; return the choices the bot offers, refused as Slack refuses them.

        Raises `LookupError` when the bot did not answer in time or offers what Slack would not show.
        """
        blocks = message.blocks if message is not None else self._open_view(view_id)["blocks"]
        block_id, element = _element_of(blocks, action_id, None, "")
        payload: dict[str, Any] = {
            **self._interaction("block_suggestion", user),
            "action_id": element["action_id"],
            "block_id": block_id,
            "value": query,
        }
        if message is not None:
            payload["container"] = {"type": "message", "message_ts": message.ts, "channel_id": message.channel}
            payload["channel"] = {"id": message.channel, "name": self._channel_name(message.channel)}
        else:
            payload["container"] = {"type": "view", "view_id": view_id}
            payload["view"] = dict(self._open_view(view_id))
        answer = self._deliver("interactive", payload, user).answer
        found = answer.get("options")
        if found == []:
            return ()
        wrong = tuple(limits.options(found, "/options"))
        if wrong:
            raise LookupError(f"no choices can be shown: {wrong[0]}")
        assert isinstance(found, Sequence)
        return tuple(found)

    def submit(self, view_id: str, user: str, values: Mapping[str, Mapping[str, Any]]) -> Delivery:
        """Submit a modal with `values` as `view.state.values` has them, and show what the bot answers."""
        with self.state.changed:
            self._open_view(view_id)
            view = self.state.views.fill(view_id, values)
        payload = {**self._interaction("view_submission", user), "view": dict(view), "response_urls": []}
        delivery = self._deliver("interactive", payload, user)
        if delivery.acknowledged:
            with self.state.changed:
                self.state.views.answer(user, view_id, delivery.answer)
                self.state.changed.notify_all()
        return delivery

    def close_view(self, view_id: str, user: str) -> Delivery | None:
        """Close a modal without submitting it; the bot hears of it when it asked to."""
        with self.state.changed:
            view = self._open_view(view_id)
            self.state.views.close(user, view_id)
            self.state.changed.notify_all()
        if not view.get("notify_on_close"):
            return None
        payload = {**self._interaction("view_closed", user), "view": dict(view), "is_cleared": False}
        return self._deliver("interactive", payload, user)

    def open_home(self, user: str) -> Delivery:
        """Look at the bot's Home tab."""
        event: dict[str, Any] = {"type": "app_home_opened", "user": user, "channel": f"D{user[1:]}", "tab": "home"}
        view = self.home(user)
        if view is not None:
            event["view"] = dict(view)
        return self._deliver("events_api", self._event({**event, "event_ts": self.state.new_ts()}), user)

    def redeliver(self, delivery: Delivery, *, attempt: int = 1, reason: str = "http_timeout") -> Delivery:
        """Deliver the same event once more, as Slack does when it heard no answer."""
        return self._send(delivery.kind, delivery.payload, delivery.envelope_id, "", attempt=attempt, reason=reason)

    # Delivery

    def signature(self, timestamp: str, body: bytes) -> str:
        """Return what `X-Slack-Signature` must be (v0, HMAC-SHA256)."""
        signed = f"v0:{timestamp}:".encode() + body
        return f"v0={hmac.new(self.signing_secret.encode(), signed, hashlib.sha256).hexdigest()}"

    def _deliver(self, kind: str, payload: Mapping[str, Any], user: str) -> Delivery:
        return self._send(kind, payload, self.state.new_id("envelope-"), user)

    def _send(
        self, kind: str, payload: Mapping[str, Any], envelope_id: str, user: str, *, attempt: int = 0, reason: str = ""
    ) -> Delivery:
        seen = {one.link for one in self.ephemerals(user)}
        delivery = Delivery(kind=kind, payload=payload, envelope_id=envelope_id, acknowledged=False)
        if self.events_url:
            delivery = self._send_http(delivery, attempt=attempt, reason=reason)
        else:
            delivery = self._send_socket(delivery, attempt=attempt, reason=reason)
        self._show_answer(delivery)
        return replace(delivery, replies=tuple(one for one in self.ephemerals(user) if one.link not in seen))

    def _send_socket(self, delivery: Delivery, *, attempt: int, reason: str) -> Delivery:
        envelope: dict[str, Any] = {
            "type": delivery.kind,
            "envelope_id": delivery.envelope_id,
            "payload": delivery.payload,
            "accepts_response_payload": delivery.kind != "events_api",
        }
        if delivery.kind == "events_api" or attempt:
            envelope |= {"retry_attempt": attempt, "retry_reason": reason}
        with self.state.changed:
            self._acks.pop(delivery.envelope_id, None)
            connections = self.sockets()
            if not connections:
                return delivery
            connection = connections[next(self._turns) % len(connections)]
            if not connection.send(envelope):
                return delivery
            heard = self.wait_until(lambda: delivery.envelope_id in self._acks, timeout_seconds=ACK_SECONDS)
            answer = self._acks.get(delivery.envelope_id, {})
        return replace(delivery, acknowledged=heard, answer=answer)

    def _send_http(self, delivery: Delivery, *, attempt: int, reason: str) -> Delivery:
        if delivery.kind == "slash_commands":
            body, kind = urllib.parse.urlencode(delivery.payload).encode(), "application/x-www-form-urlencoded"
        elif delivery.kind == "interactive":
            form = {"payload": json.dumps(delivery.payload)}
            body, kind = urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded"
        else:
            body, kind = json.dumps(delivery.payload).encode(), "application/json"
        timestamp = str(int(self.state.clock().timestamp()))
        headers = {
            "Content-Type": kind,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": self.signature(timestamp, body),
        }
        if attempt:
            headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": reason}
        request = urllib.request.Request(self.events_url, data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=ACK_SECONDS) as response:
                return replace(delivery, acknowledged=True, status=response.status, answer=_answer(response.read()))
        except urllib.error.HTTPError as error:
            with error:
                return replace(delivery, status=error.code)
        except (OSError, http.client.HTTPException):
            return delivery

    def _show_answer(self, delivery: Delivery) -> None:
        """Show what the bot sent along with its acknowledgement of a command."""
        answer = delivery.answer
        if delivery.kind != "slash_commands" or not (answer.get("text") or answer.get("blocks")):
            return
        public = answer.get("response_type") == "in_channel"
        self.state.add(
            Message(
                channel=str(delivery.payload["channel_id"]),
                ts="",
                user=self.state.bot_user,
                text=str(answer.get("text") or ""),
                blocks=blocks_of(answer),
                ephemeral_for="" if public else str(delivery.payload["user_id"]),
            )
        )

    def _serve_socket(self, connection: SocketConnection) -> None:
        with self.state.changed:
            self._sockets = [one for one in self._sockets if one.open]
            self._sockets.append(connection)
            connection.send(
                {
                    "type": "hello",
                    "num_connections": len(self._sockets),
                    "connection_info": {"app_id": self.state.app},
                    "debug_info": {"host": "sandbox", "approximate_connection_time": 18_060},
                }
            )
            self.state.changed.notify_all()
        connection.serve(self._hear, ping_seconds=self._ping_seconds)
        with self.state.changed:
            self.state.changed.notify_all()

    def _hear(self, message: Mapping[str, Any]) -> None:
        envelope_id = str(message.get("envelope_id") or "")
        if envelope_id:
            with self.state.changed:
                self._acks[envelope_id] = message.get("payload") or {}
                self.state.changed.notify_all()

    # Payloads

    def _common(self) -> dict[str, Any]:
        return {"token": "sandbox-verification", "team_id": self.state.team, "api_app_id": self.state.app}

    def _event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **self._common(),
            "type": "event_callback",
            "event": dict(event),
            "event_id": self.state.new_id("Ev"),
            "event_time": int(self.state.clock().timestamp()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": self.state.team,
                    "user_id": self.state.bot_user,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
        }

    def _action(self, found: tuple[str, Mapping[str, Any]], value: Any) -> dict[str, Any]:
        """Return an action as interactions carry it."""
        block_id, element = found
        return {
            "type": element["type"],
            "action_id": element["action_id"],
            "block_id": block_id,
            "action_ts": self.state.new_action_ts(),
            **actions.chosen(element, value),
        }

    def _open_view(self, view_id: str) -> View:
        with self.state.changed:
            if not self.state.views.is_open(view_id):
                raise LookupError(f"the view {view_id!r} is not open")
            return self.state.views.known[view_id]

    def _interaction(self, kind: str, user: str) -> dict[str, Any]:
        person = self._user(user)
        return {
            "type": kind,
            "token": "sandbox-verification",
            "api_app_id": self.state.app,
            "team": {"id": self.state.team, "domain": "sandbox"},
            "enterprise": None,
            "is_enterprise_install": False,
            "user": {"id": user, "username": person.name, "name": person.name, "team_id": self.state.team},
            "trigger_id": self._new_trigger(user),
        }

    def _user(self, id: str) -> User:
        return self.state.users.get(id) or User(id=id, name=id.lower())

    def _channel_name(self, id: str) -> str:
        channel = self.state.channels.get(id)
        return channel.name if channel is not None else "privategroup"

    def _new_trigger(self, user: str) -> str:
        with self.state.changed:
            trigger = self.state.new_id("trigger.")
            self.state.triggers[trigger] = Trigger(user=user, made_at=self.state.clock())
            return trigger

    def _new_response_url(self, channel: str, user: str, origin: tuple[str, str] | None) -> str:
        with self.state.changed:
            id = self.state.new_id("R")
            self.state.response_urls[id] = ResponseUrl(
                channel=channel, user=user, made_at=self.state.clock(), origin=origin
            )
            return f"{self.url}/response/{id}"


def _element_of(
    blocks: Sequence[Mapping[str, Any]], action_id: str, value: Any, block_id: str
) -> tuple[str, Mapping[str, Any]]:
    """Return the block id and the element to click; `value` decides between buttons that share an action."""
    for index, block in enumerate(blocks):
        name = str(block.get("block_id") or f"block-{index}")
        if block_id and block_id != name:
            continue
        single = [block[key] for key in ("accessory", "element") if key in block]
        for element in [*(block.get("elements") or ()), *single]:
            if element.get("action_id") != action_id:
                continue
            fixed = element["type"] in actions.FIXED
            values = [element.get("value"), *(option["value"] for option in element.get("options") or ())]
            if value is None or not fixed or value in values:
                return name, element
    raise LookupError(f"no element {action_id!r} to use")


def _answer(body: bytes) -> Mapping[str, Any]:
    """Return what came with an HTTP acknowledgement: JSON, a plain text, or nothing."""
    try:
        said = json.loads(body)
    except ValueError:
        return {"text": body.decode(errors="replace")} if body.strip() else {}
    return said if isinstance(said, Mapping) else {}
