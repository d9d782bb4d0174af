"""A Slack workspace for the demo and the tests: the wire on one side, people on the other.

The bot talks to it with the real slack_sdk and slack_bolt; only `api_url` differs. People (and tests) type commands,
mention, click and read. Limits and errors are Slack's; faults are scripted with `fail`. It keeps everything in
memory and judges nothing but what Slack judges.

The surprising part: a person's method returns when the bot has acknowledged, or after Slack's three seconds, while
what the bot does afterwards is seen by `wait_until`. Where the machine has more to do than a bot, `answer_within` makes
it longer. How it reaches the bot is the courier's business, what it says the payloads'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from bot.sandbox.faults import Fault
from bot.sandbox.slack import actions, limits
from bot.sandbox.slack.courier import Courier
from bot.sandbox.slack.payloads import Payloads
from bot.sandbox.slack.server import SlackServer
from bot.sandbox.slack.sockets import SocketConnection
from bot.sandbox.slack.state import SLACK_WAITS, State
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
_PING_SECONDS: Final = 10.0
_GUARD_SECONDS: Final = 60.0


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
        answer_within: timedelta = SLACK_WAITS,
        ping_seconds: float = _PING_SECONDS,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.bot_token = bot_token
        self.app_token = app_token
        self.state = State(
            clock=clock,
            users={user.id: user for user in users},
            channels={channel.id: channel for channel in channels},
            groups={id: tuple(members) for id, members in (groups or {}).items()},
            scopes=scopes,
            post_interval=post_interval,
            answer_within=answer_within,
        )
        self._courier = Courier(
            self.state, signing_secret=signing_secret, events_url=events_url, ping_seconds=ping_seconds
        )
        self._api = WebApi(
            state=self.state, bot_token=bot_token, app_token=app_token, socket_count=lambda: len(self.sockets())
        )
        self._payloads = Payloads(self.state, url=lambda: self.url, message_json=self._api.message_json)
        self._port = port
        self._server: SlackServer | None = None

    # The machine

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        """The base URL for slack_sdk, with the slash it needs."""
        return f"{self.url}/api/"

    @property
    def events_url(self) -> str:
        """Where events go over HTTP; "" for Socket Mode."""
        return self._courier.events_url

    @events_url.setter
    def events_url(self, url: str) -> None:
        self._courier.events_url = url

    @property
    def signing_secret(self) -> str:
        return self._courier.signing_secret

    def start(self) -> None:
        """Listen, on the same port as before after a `stop`."""
        self._server = SlackServer(self._port, self._api, attached=self._courier.attach)
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
        return self._courier.sockets()

    def refresh(self, reason: str = "refresh_requested") -> None:
        """End every connection with a word, as Slack does every few hours; `warning` is the word alone, before it."""
        self._courier.disconnect(reason)

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
        return self._deliver("slash_commands", self._payloads.command(user, channel, text, name), user)

    def mention(self, user: str, channel: str, text: str, *, thread_ts: str = "") -> Delivery:
        """Write `@gitops text`; Slack tells the bot by an event."""
        said = self.say(user, channel, f"<@{self.state.bot_user}> {text}", thread_ts=thread_ts)
        return self._deliver("events_api", self._payloads.mention(said), user)

    def click(
        self,
        message: Message,
        action_id: str,
        user: str,
        *,
        value: Any = None,
        block_id: str = "",
        late: bool = False,
    ) -> Delivery:
        """Press a button, or choose `value` in a menu, of a message as it is now; `late`, as it was before an edit.

        Raises `LookupError` when the message has no such element: what is not there cannot be clicked.
        """
        seen = message if late else self.message(message.channel, message.ts) or message
        place = actions.place_of(seen.blocks, action_id, value=value, block_id=block_id)
        action = self._payloads.action(place, value)
        return self._deliver("interactive", self._payloads.pressed_in_message(user, seen, action), user)

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
        with self.state.changed:
            place = actions.place_of(self._open_view(view_id)["blocks"], action_id, value=value, block_id=block_id)
            view = self.state.views.fill(view_id, values or {})
        action = self._payloads.action(place, value)
        return self._deliver("interactive", self._payloads.pressed_in_view(user, view, action), user)

    def suggest(
        self, user: str, *, action_id: str, query: str, message: Message | None = None, view_id: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        """Type into a menu that searches; return the choices the bot offers, refused as Slack refuses them.

        Raises `LookupError` when the bot did not answer in time or offers what Slack would not show.
        """
        if message is not None:
            place = actions.place_of(message.blocks, action_id)
            payload = self._payloads.typed_in_message(user, message, place, query)
        else:
            view = self._open_view(view_id)
            place = actions.place_of(view["blocks"], action_id)
            payload = self._payloads.typed_in_view(user, view, place, query)
        found = self._deliver("interactive", payload, user).answer.get("options")
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
        delivery = self._deliver("interactive", self._payloads.submitted(user, view), user)
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
        return self._deliver("interactive", self._payloads.closed(user, view), user)

    def open_home(self, user: str) -> Delivery:
        """Look at the bot's Home tab."""
        return self._deliver("events_api", self._payloads.home_opened(user, self.home(user)), user)

    def redeliver(self, delivery: Delivery, *, attempt: int = 1, reason: str = "http_timeout") -> Delivery:
        """Deliver the same event once more, as Slack does when it heard no answer."""
        again = self._courier.deliver(
            delivery.kind, delivery.payload, envelope_id=delivery.envelope_id, attempt=attempt, reason=reason
        )
        self._show_answer(again)
        return again

    def signature(self, timestamp: str, body: bytes) -> str:
        """Return what `X-Slack-Signature` must be (v0, HMAC-SHA256)."""
        return self._courier.signature(timestamp, body)

    # Inside

    def _deliver(self, kind: str, payload: Mapping[str, Any], user: str) -> Delivery:
        seen = {one.link for one in self.ephemerals(user)}
        delivery = self._courier.deliver(kind, payload)
        self._show_answer(delivery)
        return replace(delivery, replies=tuple(one for one in self.ephemerals(user) if one.link not in seen))

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

    def _open_view(self, view_id: str) -> View:
        with self.state.changed:
            if not self.state.views.is_open(view_id):
                raise LookupError(f"the view {view_id!r} is not open")
            return self.state.views.known[view_id]
