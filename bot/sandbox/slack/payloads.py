"""What Slack tells an app of what people did: commands, events and interactions, as the documentation shows them.

Sources: https://docs.slack.dev/interactivity/implementing-slash-commands, https://docs.slack.dev/apis/events-api and
https://docs.slack.dev/reference/interaction-payloads. Triggers and response URLs are made here, and kept in the state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bot.sandbox.slack import actions
from bot.sandbox.slack.state import ResponseUrl, State, Trigger
from bot.sandbox.slack.values import Message, User
from bot.sandbox.slack.views import View

Payload = dict[str, Any]


class Payloads:
    """`url` tells where the workspace answers, `message_json` how the API shows a message."""

    def __init__(
        self, state: State, *, url: Callable[[], str], message_json: Callable[[Message], dict[str, Any]]
    ) -> None:
        self._state, self._url, self._message_json = state, url, message_json

    def command(self, user: str, channel: str, text: str, name: str) -> Payload:
        return {
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

    def mention(self, said: Message) -> Payload:
        event = {"type": "app_mention", "user": said.user, "text": said.text, "ts": said.ts, "channel": said.channel}
        if said.thread_ts:
            event["thread_ts"] = said.thread_ts
        return self._event({**event, "event_ts": said.ts})

    def home_opened(self, user: str, view: View | None) -> Payload:
        event: Payload = {"type": "app_home_opened", "user": user, "channel": f"D{user[1:]}", "tab": "home"}
        if view is not None:
            event["view"] = dict(view)
        return self._event({**event, "event_ts": self._state.new_ts()})

    def pressed_in_message(self, user: str, seen: Message, action: Mapping[str, Any]) -> Payload:
        payload = {
            **self._interaction("block_actions", user),
            "container": {**_container(seen), "is_ephemeral": bool(seen.ephemeral_for)},
            "channel": self._channel(seen.channel),
            "actions": [action],
            "state": {"values": {}},
            "response_url": self._new_response_url(seen.channel, user, seen.link),
        }
        # Of an ephemeral message Slack keeps nothing it could show.
        return payload if seen.ephemeral_for else {**payload, "message": self._message_json(seen)}

    def pressed_in_view(self, user: str, view: View, action: Mapping[str, Any]) -> Payload:
        return {
            **self._interaction("block_actions", user),
            "container": {"type": "view", "view_id": view["id"]},
            "view": dict(view),
            "actions": [action],
        }

    def typed_in_message(self, user: str, seen: Message, place: actions.Place, query: str) -> Payload:
        return {
            **self._typed(user, place, query),
            "container": _container(seen),
            "channel": self._channel(seen.channel),
        }

    def typed_in_view(self, user: str, view: View, place: actions.Place, query: str) -> Payload:
        container = {"type": "view", "view_id": view["id"]}
        return {**self._typed(user, place, query), "container": container, "view": dict(view)}

    def submitted(self, user: str, view: View) -> Payload:
        return {**self._interaction("view_submission", user), "view": dict(view), "response_urls": []}

    def closed(self, user: str, view: View) -> Payload:
        return {**self._interaction("view_closed", user), "view": dict(view), "is_cleared": False}

    def action(self, place: actions.Place, value: Any) -> Payload:
        """Return what somebody did to an element; `value` is what they chose, as `actions.chosen` takes it."""
        return {
            "type": place.element["type"],
            "action_id": place.element["action_id"],
            "block_id": place.block_id,
            "action_ts": self._state.new_action_ts(),
            **actions.chosen(place.element, value),
        }

    def _typed(self, user: str, place: actions.Place, query: str) -> Payload:
        return {
            **self._interaction("block_suggestion", user),
            "action_id": place.element["action_id"],
            "block_id": place.block_id,
            "value": query,
        }

    def _common(self) -> Payload:
        return {"token": "sandbox-verification", "team_id": self._state.team, "api_app_id": self._state.app}

    def _event(self, event: Mapping[str, Any]) -> Payload:
        return {
            **self._common(),
            "type": "event_callback",
            "event": dict(event),
            "event_id": self._state.new_id("Ev"),
            "event_time": int(self._state.clock().timestamp()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": self._state.team,
                    "user_id": self._state.bot_user,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
        }

    def _interaction(self, kind: str, user: str) -> Payload:
        person = self._user(user)
        return {
            "type": kind,
            "token": "sandbox-verification",
            "api_app_id": self._state.app,
            "team": {"id": self._state.team, "domain": "sandbox"},
            "enterprise": None,
            "is_enterprise_install": False,
            "user": {"id": user, "username": person.name, "name": person.name, "team_id": self._state.team},
            "trigger_id": self._new_trigger(user),
        }

    def _user(self, id: str) -> User:
        return self._state.users.get(id) or User(id=id, name=id.lower())

    def _channel(self, id: str) -> Payload:
        return {"id": id, "name": self._channel_name(id)}

    def _channel_name(self, id: str) -> str:
        channel = self._state.channels.get(id)
        return channel.name if channel is not None else "privategroup"

    def _new_trigger(self, user: str) -> str:
        with self._state.changed:
            trigger = self._state.new_id("trigger.")
            self._state.triggers[trigger] = Trigger(user=user, made_at=self._state.clock())
            return trigger

    def _new_response_url(self, channel: str, user: str, origin: tuple[str, str] | None) -> str:
        with self._state.changed:
            id = self._state.new_id("R")
            self._state.response_urls[id] = ResponseUrl(
                channel=channel, user=user, made_at=self._state.clock(), origin=origin
            )
            return f"{self._url()}/response/{id}"


def _container(seen: Message) -> Payload:
    container = {"type": "message", "message_ts": seen.ts, "channel_id": seen.channel}
    return {**container, "thread_ts": seen.thread_ts} if seen.thread_ts else container
