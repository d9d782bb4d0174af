"""Everything a workspace remembers, behind one condition that is notified on each change.

Callers of the methods hold `changed` (it is re-entrant) when they need several steps to be one. Timestamps of
messages are unique and grow, whatever the clock does.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.sandbox.faults import Faults
from bot.sandbox.slack.values import Blocks, Call, Channel, File, Message, User, Version
from bot.sandbox.slack.views import Views

RESPONSE_URL_USES = 5
RESPONSE_URL_LIFE = timedelta(minutes=30)
SLACK_WAITS = timedelta(seconds=3)  # for an acknowledgement, and for the modal that a trigger may open


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """What lets the bot open a modal before a person, soon and once."""

    user: str
    made_at: datetime
    exchanged: bool = False


@dataclass(slots=True, kw_only=True)
class ResponseUrl:
    """A door for answers to one interaction; `origin` is the message that was clicked, if any."""

    channel: str
    user: str
    made_at: datetime
    origin: tuple[str, str] | None = None
    uses: int = 0


@dataclass(slots=True, kw_only=True)
class State:
    """One workspace."""

    clock: Callable[[], datetime]
    users: dict[str, User]
    channels: dict[str, Channel]
    groups: dict[str, tuple[str, ...]]
    scopes: frozenset[str]
    post_interval: timedelta | None = None
    answer_within: timedelta = SLACK_WAITS
    bot_user: str = "U0GITOPS"
    team: str = "T0SANDBOX"
    app: str = "A0GITOPS"
    bot: str = "B0GITOPS"
    messages: dict[tuple[str, str], Message] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    tickets: set[str] = field(default_factory=set)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    views: Views = field(init=False)
    response_urls: dict[str, ResponseUrl] = field(default_factory=dict)
    last_posts: dict[str, datetime] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    changed: threading.Condition = field(default_factory=threading.Condition)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.views = Views(new_id=self.new_id, app=self.app, team=self.team, bot=self.bot)

    def new_id(self, prefix: str) -> str:
        """Return an id nobody has had."""
        return f"{prefix}{next(self.numbers):08d}"

    def new_ts(self) -> str:
        """Return a timestamp later than every other one of this workspace."""
        with self.changed:
            seconds = int(self.clock().timestamp())
            newest = max((ts for _, ts in self.messages), default="0.000000")
            newest_seconds, _, newest_fraction = newest.partition(".")
            if seconds > int(newest_seconds):
                return f"{seconds}.000100"
            return f"{newest_seconds}.{int(newest_fraction) + 1:06d}"

    def new_action_ts(self) -> str:
        """Return when somebody clicks, never the same twice."""
        return f"{int(self.clock().timestamp())}.{next(self.numbers):06d}"

    def find_channel(self, text: str) -> Channel | None:
        """Return a channel by id, name or #name."""
        name = text.removeprefix("#")
        return self.channels.get(text) or next((one for one in self.channels.values() if one.name == name), None)

    def add(self, message: Message) -> Message:
        """Put a message into its channel, under a new timestamp when it has none."""
        with self.changed:
            kept = message if message.ts else replace(message, ts=self.new_ts())
            self.messages[kept.link] = kept
            self.changed.notify_all()
            return kept

    def edit(self, message: Message, *, text: str, blocks: Sequence[Mapping[str, object]]) -> Message:
        """Replace what a message says and keep what it said."""
        with self.changed:
            before = Version(text=message.text, blocks=message.blocks)
            return self.add(replace(message, text=text, blocks=tuple(blocks), edits=(*message.edits, before)))

    def remove(self, link: tuple[str, str]) -> None:
        with self.changed:
            self.messages.pop(link, None)
            self.changed.notify_all()

    def note(self, call: Call) -> None:
        with self.changed:
            self.calls.append(call)
            self.changed.notify_all()

    def respond(self, id: str, *, text: str, blocks: Blocks, replace_it: bool, delete_it: bool, public: bool) -> str:
        """Take an answer sent to a response_url; returns `ok` or Slack's error word."""
        with self.changed:
            door = self.response_urls.get(id)
            if door is None or self.clock() - door.made_at > RESPONSE_URL_LIFE:
                return "expired_url"
            if door.uses >= RESPONSE_URL_USES:
                return "used_url"
            door.uses += 1
            origin = self.messages.get(door.origin) if door.origin is not None else None
            if delete_it and origin is not None:
                self.remove(origin.link)
            elif replace_it and origin is not None:
                self.edit(origin, text=text, blocks=blocks)
            elif not delete_it:
                added = self.add(
                    Message(
                        channel=door.channel,
                        ts="",
                        user=self.bot_user,
                        text=text,
                        blocks=blocks,
                        ephemeral_for="" if public else door.user,
                    )
                )
                door.origin = door.origin or added.link
            return "ok"
