"""The methods of the Web API: arguments in, the JSON Slack would answer out.

Nothing here knows HTTP. Errors are Slack's words (https://docs.slack.dev/reference/methods); a method that is not
here answers `unknown_method`, a scope the app has not asked for `missing_scope`, as in real life.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bot.sandbox.slack import limits
from bot.sandbox.slack.state import State
from bot.sandbox.slack.values import Channel, File, Message, User
from bot.sandbox.slack.views import View, ViewRefused

Arguments = Mapping[str, Any]
Answer = dict[str, Any]

_SCOPES: Final = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "chat.postEphemeral": "chat:write",
    "users.info": "users:read",
    "users.lookupByEmail": "users:read.email",
    "usergroups.users.list": "usergroups:read",
    "conversations.info": "channels:read",
    "files.getUploadURLExternal": "files:write",
    "files.completeUploadExternal": "files:write",
}
_SOCKETS: Final = 10  # connections an app may hold, Socket Mode documentation


class Refused(Exception):
    """Slack's error word, and what it says besides."""

    def __init__(self, error: str, **more: Any) -> None:
        self.error = error
        self.more = more
        super().__init__(error)


@dataclass(slots=True, kw_only=True)
class WebApi:
    """The methods over one state; `socket_count` tells the open sockets."""

    state: State
    bot_token: str
    app_token: str
    socket_count: Callable[[], int]

    def call(self, method: str, arguments: Arguments, token: str, base_url: str) -> Answer:
        """Answer one request; never raises for what the caller did wrong."""
        methods: dict[str, Callable[[Arguments, str], Answer]] = {
            "auth.test": self._auth_test,
            "apps.connections.open": self._connections_open,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "chat.postEphemeral": self._post_ephemeral,
            "users.info": self._users_info,
            "users.lookupByEmail": self._lookup_by_email,
            "usergroups.users.list": self._group_users,
            "conversations.info": self._conversations_info,
            "files.getUploadURLExternal": self._upload_url,
            "files.completeUploadExternal": self._complete_upload,
            "views.open": self._views_open,
            "views.push": self._views_push,
            "views.update": self._views_update,
            "views.publish": self._views_publish,
        }
        try:
            if method not in methods:
                raise Refused("unknown_method", req_method=method)
            self._authorise(method, token)
            with self.state.changed:
                return {"ok": True, **methods[method](arguments, base_url)}
        except Refused as refused:
            return {"ok": False, "error": refused.error, **refused.more}

    def _authorise(self, method: str, token: str) -> None:
        if not token:
            raise Refused("not_authed")
        if token not in {self.bot_token, self.app_token}:
            raise Refused("invalid_auth")
        if (token == self.app_token) is not (method == "apps.connections.open"):
            raise Refused("not_allowed_token_type")
        needed = _SCOPES.get(method)
        if needed is not None and needed not in self.state.scopes:
            raise Refused("missing_scope", needed=needed, provided=",".join(sorted(self.state.scopes)))

    def _auth_test(self, arguments: Arguments, base_url: str) -> Answer:
        return {
            "url": f"{base_url}/",
            "team": "Sandbox",
            "user": "gitops",
            "team_id": self.state.team,
            "user_id": self.state.bot_user,
            "bot_id": self.state.bot,
            "is_enterprise_install": False,
        }

    def _connections_open(self, arguments: Arguments, base_url: str) -> Answer:
        if self.socket_count() >= _SOCKETS:
            raise Refused("too_many_websockets")
        ticket = secrets.token_urlsafe(16)
        self.state.tickets.add(ticket)
        return {"url": f"ws{base_url.removeprefix('http')}/link/?ticket={ticket}&app_id={self.state.app}"}

    def _post_message(self, arguments: Arguments, base_url: str) -> Answer:
        channel = self._writable(arguments)
        message = self._new_message(channel, arguments)
        message = self.state.add(replace(message, thread_ts=str(arguments.get("thread_ts") or "")))
        self.state.last_posts[channel.id] = self.state.clock()
        return {"channel": channel.id, "ts": message.ts, "message": self.message_json(message)}

    def _update(self, arguments: Arguments, base_url: str) -> Answer:
        if str(arguments.get("channel") or "") not in self.state.channels:
            raise Refused("channel_not_found")  # unlike chat.postMessage it takes ids only
        channel = self._writable(arguments)
        message = self.state.messages.get((channel.id, str(arguments.get("ts", ""))))
        if message is None or message.ephemeral_for:
            raise Refused("message_not_found")
        if message.user != self.state.bot_user:
            raise Refused("cant_update_message")
        said = self._new_message(channel, arguments)
        edited = self.state.edit(message, text=said.text, blocks=said.blocks)
        if "metadata" in arguments:  # left out, it stays; empty, it goes
            edited = self.state.add(replace(edited, metadata=said.metadata))
        return {"channel": channel.id, "ts": edited.ts, "text": edited.text, "message": self.message_json(edited)}

    def _post_ephemeral(self, arguments: Arguments, base_url: str) -> Answer:
        channel = self._writable(arguments)
        user = str(arguments.get("user") or "")
        if user not in self.state.users:
            raise Refused("user_not_in_channel")
        message = replace(self._new_message(channel, arguments), ephemeral_for=user)
        message = self.state.add(replace(message, thread_ts=str(arguments.get("thread_ts") or "")))
        return {"message_ts": message.ts}

    def _users_info(self, arguments: Arguments, base_url: str) -> Answer:
        user = self.state.users.get(str(arguments.get("user") or ""))
        if user is None:
            raise Refused("user_not_found")
        return {"user": self._user_json(user)}

    def _lookup_by_email(self, arguments: Arguments, base_url: str) -> Answer:
        email = str(arguments.get("email") or "").lower()
        found = next((user for user in self.state.users.values() if email and user.email.lower() == email), None)
        if found is None:
            raise Refused("users_not_found")
        return {"user": self._user_json(found)}

    def _group_users(self, arguments: Arguments, base_url: str) -> Answer:
        group = self.state.groups.get(str(arguments.get("usergroup") or ""))
        if group is None:
            raise Refused("no_such_subteam")
        return {"users": list(group)}

    def _conversations_info(self, arguments: Arguments, base_url: str) -> Answer:
        channel = self.state.channels.get(str(arguments.get("channel") or ""))
        if channel is None:
            raise Refused("channel_not_found")
        facts = {"id": channel.id, "name": channel.name, "is_channel": True}
        return {"channel": {**facts, "is_member": channel.member, "is_archived": channel.archived}}

    def _upload_url(self, arguments: Arguments, base_url: str) -> Answer:
        name, length = str(arguments.get("filename") or ""), str(arguments.get("length") or "")
        if not name or not length.isdigit():
            raise Refused("invalid_arguments")
        if int(length) == 0:
            raise Refused("missing_argument")
        file = File(id=self.state.new_id("F"), name=name)
        self.state.files[file.id] = file
        return {"upload_url": f"{base_url}/upload/v1/{file.id}", "file_id": file.id}

    def _complete_upload(self, arguments: Arguments, base_url: str) -> Answer:
        wanted = _decoded(arguments.get("files"))
        if not isinstance(wanted, list) or not wanted:
            raise Refused("invalid_arguments")
        files = []
        for one in wanted:
            file = self.state.files.get(str(one.get("id")))
            if file is None or not file.content:
                raise Refused("file_not_found")
            file = replace(file, title=str(one.get("title") or file.name))
            self.state.files[file.id] = file
            files.append(file)
        if arguments.get("channel_id"):
            # The real method takes ids only, unlike chat.postMessage.
            if str(arguments["channel_id"]) not in self.state.channels:
                raise Refused("channel_not_found")
            channel = self._writable({"channel": arguments["channel_id"]})
            self.state.add(
                Message(
                    channel=channel.id,
                    ts="",
                    user=self.state.bot_user,
                    text=str(arguments.get("initial_comment") or ""),
                    thread_ts=str(arguments.get("thread_ts") or ""),
                    files=tuple(files),
                )
            )
        return {"files": [{"id": file.id, "title": file.title} for file in files]}

    def _views_open(self, arguments: Arguments, base_url: str) -> Answer:
        return self._triggered(arguments, self.state.views.open)

    def _views_push(self, arguments: Arguments, base_url: str) -> Answer:
        return self._triggered(arguments, self.state.views.push)

    def _views_update(self, arguments: Arguments, base_url: str) -> Answer:
        id, hash = str(arguments.get("view_id") or ""), str(arguments.get("hash") or "")
        return self._viewed(lambda: self.state.views.update(id, _decoded(arguments.get("view")), hash=hash))

    def _views_publish(self, arguments: Arguments, base_url: str) -> Answer:
        user = str(arguments.get("user_id") or "")
        if user not in self.state.users:
            raise Refused("invalid_arguments")
        hash = str(arguments.get("hash") or "")
        return self._viewed(lambda: self.state.views.publish(user, _decoded(arguments.get("view")), hash=hash))

    def _triggered(self, arguments: Arguments, show: Callable[[str, object], View]) -> Answer:
        """Show a view to whose trigger it is; a trigger is exchanged once, and not for a view that is refused."""
        id = str(arguments.get("trigger_id") or "")
        trigger = self.state.triggers.get(id)
        if trigger is None:
            raise Refused("invalid_trigger_id")
        if trigger.exchanged:
            raise Refused("exchanged_trigger_id")
        if self.state.clock() - trigger.made_at > self.state.answer_within:
            raise Refused("expired_trigger_id")
        answer = self._viewed(lambda: show(trigger.user, _decoded(arguments.get("view"))))
        self.state.triggers[id] = replace(trigger, exchanged=True)
        return answer

    def _viewed(self, act: Callable[[], View]) -> Answer:
        try:
            view = act()
        except ViewRefused as refused:
            more = {"response_metadata": {"messages": list(refused.messages)}} if refused.messages else {}
            raise Refused(refused.error, **more) from refused
        self.state.changed.notify_all()
        return {"view": dict(view)}

    def _writable(self, arguments: Arguments) -> Channel:
        channel = self.state.find_channel(str(arguments.get("channel") or ""))
        if channel is None:
            raise Refused("channel_not_found")
        if channel.archived:
            raise Refused("is_archived")
        if not channel.member:
            raise Refused("not_in_channel")
        return channel

    def _new_message(self, channel: Channel, arguments: Arguments) -> Message:
        text = str(arguments.get("text") or "")
        blocks = _decoded(arguments.get("blocks")) or []
        if not text and not blocks:
            raise Refused("no_text")
        if len(text) > limits.TEXT_CHARACTERS:
            raise Refused("msg_too_long")
        found = limits.complaints(blocks)
        if found:
            raise Refused(
                "invalid_blocks",
                errors=list(found),
                response_metadata={"messages": [f"[ERROR] {one}" for one in found]},
            )
        if limits.characters(blocks) > limits.ALL_BLOCKS_CHARACTERS:
            raise Refused("msg_blocks_too_long")
        metadata = _decoded(arguments.get("metadata")) or {}
        if metadata and not (
            isinstance(metadata, Mapping)
            and metadata.get("event_type")
            and isinstance(metadata.get("event_payload"), Mapping)
        ):
            raise Refused("invalid_metadata_format")
        return Message(
            channel=channel.id,
            ts="",
            user=self.state.bot_user,
            text=text,
            blocks=tuple(blocks),
            metadata=metadata,
        )

    def message_json(self, message: Message) -> Answer:
        """Return a message as the API and interactions show it."""
        shown: Answer = {
            "type": "message",
            "user": message.user,
            "bot_id": self.state.bot,
            "app_id": self.state.app,
            "team": self.state.team,
            "text": message.text,
            "ts": message.ts,
            "blocks": list(message.blocks),
        }
        if message.thread_ts:
            shown["thread_ts"] = message.thread_ts
        if message.metadata:
            shown["metadata"] = dict(message.metadata)
        if message.edits:
            shown["edited"] = {"user": message.user, "ts": message.ts}
        return shown

    def _user_json(self, user: User) -> Answer:
        profile: Answer = {"real_name": user.real_name}
        if "users:read.email" in self.state.scopes:
            profile["email"] = user.email
        return {
            "id": user.id,
            "team_id": self.state.team,
            "name": user.name,
            "real_name": user.real_name,
            "deleted": False,
            "is_bot": False,
            "profile": profile,
        }


def _decoded(value: Any) -> Any:
    """Return a JSON argument that a form carries as text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise Refused("invalid_arguments") from error


def blocks_of(body: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the blocks of an answer to an interaction."""
    blocks = body.get("blocks") or ()
    return tuple(blocks) if isinstance(blocks, Sequence) and not isinstance(blocks, str) else ()
