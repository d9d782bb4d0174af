"""People in channels and the real bot as a process, whatever world it looks after: what they do and what they see."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from bot.sandbox.oncall import OncallService
from bot.sandbox.slack import SlackWorkspace
from bot.sandbox.slack.values import Channel, Delivery, Message, User
from tests.flow.bot_process import BotProcess
from tests.source.upstream import Upstream
from tests.waiting import PATIENCE_SECONDS, until

ONCALL_KEY: Final = "oncall-key"
_SAID_ONCE: Final = ("Paused", "Resumed", "Muted", "No longer muted")  # their authors get no other answer


class Workplace:
    """A repository, Slack and on-call on the wire; `hire` the bot for them. `close` it at the end.

    What a story waits for is how things are in the end: a message may be edited on, and passed states never be seen.
    """

    bot: BotProcess

    def __init__(
        self,
        folder: Path,
        *,
        users: Iterable[User],
        channels: Iterable[Channel],
        groups: Mapping[str, Sequence[str]] | None = None,
        flavour: str = "opsgenie",
    ) -> None:
        self.upstream = Upstream(folder / "fleet.git")
        patience = timedelta(seconds=PATIENCE_SECONDS)
        self.slack = SlackWorkspace(users=users, channels=channels, groups=groups, answer_within=patience)
        self.oncall = OncallService(flavour=flavour)
        self.slack.start()
        self.oncall.start()

    def hire(self, folder: Path, configuration: str, *, mode: str, environment: Mapping[str, str]) -> None:
        """Configure the bot, with all the secrets it may need, in a folder below `folder`."""
        place = folder / "bot"
        place.mkdir()
        secrets = {
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "SLACK_SIGNING_SECRET": self.slack.signing_secret,
            "OPSGENIE_API_KEY": ONCALL_KEY,
        }
        self.bot = BotProcess(place, configuration, {**secrets, **environment})
        if mode == "http":
            self.slack.events_url = f"http://127.0.0.1:{self.bot.port}/slack/events"

    def start(self) -> None:
        """Start the bot and wait until it hears people."""
        self.bot.start()
        self.connected()

    def connected(self) -> None:
        """Wait until the bot hears people."""
        assert self.slack.wait_until(lambda: bool(self.slack.sockets()) or bool(self.slack.events_url))

    def close(self) -> None:
        self.bot.close()
        self.slack.stop()
        self.oncall.stop()

    def heard(self, act: Callable[[], Delivery]) -> None:
        """Let a person do something until the bot acknowledges it: they try again when Slack says that nobody did.

        The bot may be about to open another socket.
        """
        until(lambda: act().acknowledged, "the bot acknowledges", seconds=2 * PATIENCE_SECONDS)

    def asked(self, user: User, text: str, channel: str) -> Message:
        """Type a command; return the first answer its author sees, alone or with everybody."""
        before = self._answers(user, channel)
        self.heard(lambda: self.slack.command(user.id, channel, text))
        return self._answer(user, channel, before)

    def presses(self, user: User, message: Message, action: str, *, value: str | None = None) -> Message:
        """Press a button; return the first answer its author sees, alone or with everybody."""
        before = self._answers(user, message.channel)
        self.heard(lambda: self.slack.click(message, action, user.id, value=value))
        return self._answer(user, message.channel, before)

    def _answer(self, user: User, channel: str, before: Mapping[object, Message]) -> Message:
        """Wait for one more answer than a person has seen before, and return it."""

        fresh: list[Message] = []  # the next look may find them edited

        def look() -> bool:
            fresh[:] = [one for link, one in self._answers(user, channel).items() if link not in before]
            return bool(fresh)

        assert self.slack.wait_until(look), self.bot.log()[-2000:]
        return fresh[0]

    def _answers(self, user: User, channel: str) -> Mapping[object, Message]:
        """Return what only this person sees, and their orders that everybody in the channel reads, by link."""
        orders = [one for one in self.slack.messages(channel) if one.text.startswith(_SAID_ONCE)]
        theirs = [one for one in orders if f"By <@{user.id}>" in one.text]
        return {one.link: one for one in (*self.slack.ephemerals(user.id), *theirs)}

    def seen(self, channel: str, words: Sequence[str], seconds: float = PATIENCE_SECONDS) -> Message:
        """Wait for a message that has all the words, in its sentence or its blocks; return the newest."""

        found: list[Message] = []  # the next look may find them edited

        def look() -> bool:
            found[:] = [one for one in self.slack.messages(channel) if all(word in said(one) for word in words)]
            return bool(found)

        if not self.slack.wait_until(look, timeout_seconds=seconds):
            all_said = "\n".join(one.text for one in self.slack.messages(channel))
            raise AssertionError(f"nobody said {words}; said was:\n{all_said}\n{self.bot.log()[-3000:]}")
        return found[-1]


def said(message: Message) -> str:
    """Return the sentence of a message and its blocks as JSON."""
    return f"{message.text} {json.dumps(message.blocks, ensure_ascii=False)}"


def buttons(message: Message) -> set[str]:
    """Return what may be pressed or chosen on a message."""
    rows = [block["elements"] for block in message.blocks if block["type"] == "actions"]
    return {one["action_id"] for row in rows for one in row}
