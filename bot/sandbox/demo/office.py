"""What people do in the workspace's page, and what the page shows of it: JSON in, JSON out.

Everything goes through the people's side of the workspace, so the bot hears what it would hear from Slack. What Slack
itself says to people when an app does not answer is said here, by Slackbot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from bot.sandbox.slack import SlackWorkspace
from bot.sandbox.slack.values import Delivery, File, Message

SLACKBOT: Final = "USLACKBOT"
COMMAND: Final = "/gitops"
_RETRIES: Final = 3  # https://docs.slack.dev/apis/events-api, "Retries"
_PREVIEW_CHARACTERS: Final = 4_000
_TEXTS: Final = (".txt", ".diff", ".patch", ".log", ".md", ".yaml", ".yml", ".json")


class Misuse(Exception):
    """The page asked for something that cannot be; a bug of the page, or an old page."""


class Office:
    """`do` is what the page may ask for."""

    def __init__(self, slack: SlackWorkspace) -> None:
        self.slack = slack
        self._unheard: list[tuple[Delivery, int]] = []  # events and how often they were tried again

    def do(self, verb: str, said: Mapping[str, Any]) -> dict[str, Any]:
        """Do one thing as `said["user"]`; returns what the page needs at once. Raises `Misuse`."""
        doors: Mapping[str, Callable[[str, Mapping[str, Any]], dict[str, Any]]] = {
            "say": self._say,
            "click": self._click,
            "act": self._act,
            "suggest": self._suggest,
            "submit": self._submit,
            "close": self._close,
            "home": self._home,
        }
        user = str(said.get("user"))
        if verb not in doors or user not in self.slack.state.users:
            raise Misuse(f"nobody can {verb} as {user}")
        try:
            return doors[verb](user, said)
        except (LookupError, TypeError) as error:
            raise Misuse(f"That is not there any more: {error}.") from error

    def retry(self) -> None:
        """Deliver once more what nobody acknowledged, when somebody listens again; three times, as Slack does."""
        if not self._unheard or not self.slack.sockets():
            return
        waiting, self._unheard = self._unheard, []
        for delivery, tries in waiting:
            again = self.slack.redeliver(delivery, attempt=tries + 1, reason="timeout")
            if not again.acknowledged and tries + 1 < _RETRIES:
                self._unheard.append((delivery, tries + 1))

    def _say(self, user: str, said: Mapping[str, Any]) -> dict[str, Any]:
        """Send what was typed: a slash command, a mention, or a message nobody but people reads."""
        channel, thread, text = str(said["channel"]), str(said.get("thread") or ""), str(said["text"]).strip()
        if not text:
            return {}
        if text.startswith("/"):
            name, _, rest = text.partition(" ")
            if thread:
                # As in Slack: https://docs.slack.dev/interactivity/implementing-slash-commands
                self._slackbot(user, channel, f"`{name}` is not supported in threads. Sorry!", thread=thread)
            elif name != COMMAND:
                self._slackbot(user, channel, f"`{name}` is not a valid command. Try `{COMMAND} help`.")
            else:
                self._answered(user, channel, self.slack.command(user, channel, rest.strip()))
        elif mention := re.match(r"@gitops\b\s*(.*)", text, re.DOTALL):
            self._heard(self.slack.mention(user, channel, mention[1], thread_ts=thread))
        else:
            self.slack.say(user, channel, text, thread_ts=thread)
        return {}

    def _click(self, user: str, said: Mapping[str, Any]) -> dict[str, Any]:
        message = self.slack.message(str(said["channel"]), str(said["ts"]))
        if message is None:
            raise Misuse("that message is gone")
        delivery = self.slack.click(
            message, str(said["action_id"]), user, value=said.get("value"), block_id=str(said.get("block_id") or "")
        )
        return {"ok": delivery.acknowledged}

    def _act(self, user: str, said: Mapping[str, Any]) -> dict[str, Any]:
        delivery = self.slack.act(
            str(said["view"]),
            user,
            block_id=str(said.get("block_id") or ""),
            action_id=str(said["action_id"]),
            value=said.get("value"),
            values=said.get("values") or {},
        )
        return {"ok": delivery.acknowledged}

    def _suggest(self, user: str, said: Mapping[str, Any]) -> dict[str, Any]:
        message = self.slack.message(str(said.get("channel")), str(said.get("ts")))
        found = self.slack.suggest(
            user,
            message=message,
            view_id=str(said.get("view") or ""),
            action_id=str(said["action_id"]),
            query=str(said.get("query") or ""),
        )
        return {"options": list(found)}

    def _submit(self, user: str, said: Mapping[str, Any]) -> dict[str, Any]:
        delivery = self.slack.submit(str(said["view"]), user, said.get("values") or {})
        return {"ok": delivery.acknowledged, "errors": dict(delivery.answer.get("errors") or {})}

    def _close(self, user: str, said: Mapping[str, Any]) -> dict[str, Any]:
        self.slack.close_view(str(said["view"]), user)
        return {}

    def _home(self, user: str, said: Mapping[str, Any]) -> dict[str, Any]:
        self.slack.open_home(user)
        return {}

    def _answered(self, user: str, channel: str, delivery: Delivery) -> None:
        if not delivery.acknowledged:
            word = "operation_timeout" if self.slack.sockets() else "dispatch_failed"
            self._slackbot(user, channel, f"`{COMMAND}` failed because the app did not respond ({word}).")

    def _heard(self, delivery: Delivery) -> None:
        """An event that nobody heard is delivered again, later; people are told nothing."""
        if not delivery.acknowledged:
            self._unheard.append((delivery, 0))

    def _slackbot(self, user: str, channel: str, text: str, *, thread: str = "") -> None:
        self.slack.state.add(
            Message(channel=channel, ts="", user=SLACKBOT, text=text, thread_ts=thread, ephemeral_for=user)
        )


def message_json(message: Message) -> dict[str, Any]:
    """Return a message as the page shows it."""
    shown: dict[str, Any] = {
        "channel": message.channel,
        "ts": message.ts,
        "user": message.user,
        "text": message.text,
        "blocks": list(message.blocks),
    }
    if message.thread_ts and message.thread_ts != message.ts:
        shown["thread"] = message.thread_ts
    if message.edits:
        shown["edited"] = True
    if message.ephemeral_for:
        shown["for"] = message.ephemeral_for
    if message.files:
        shown["files"] = [_file_json(file) for file in message.files]
    return shown


def _file_json(file: File) -> dict[str, Any]:
    is_text = file.name.endswith(_TEXTS)
    text = file.content[:_PREVIEW_CHARACTERS].decode(errors="replace") if is_text else ""
    return {"id": file.id, "name": file.name, "title": file.title, "size": len(file.content), "preview": text}
