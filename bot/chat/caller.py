"""Who ordered something in Slack, and the ways in which they are answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.chat import kit, modals
from bot.model.status import Followed


class Windows(Protocol):
    """How views reach a person. Nothing raises: what Slack refuses is logged at the door."""

    def open(self, view: modals.View) -> str:
        """Open a modal; returns its id, "" where none can be opened: a mention has no trigger, triggers run out."""

    def update(self, view_id: str, view: modals.View) -> None:
        """Replace what an open view shows."""

    def publish(self, user: str, view: modals.View) -> None:
        """Show the Home tab."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who ordered where ("" on the Home tab), and how they are answered.

    `replace_answer` edits the ephemeral message that was pressed. `view` is where a button of no message stands.
    `thread` is the timestamp of the message in whose thread they wrote, "" in none.
    """

    user: str
    channel: str
    answer: Callable[[str, Sequence[kit.Block]], None]
    replace_answer: Callable[[str, Sequence[kit.Block]], None]
    windows: Windows
    view: Mapping[str, Any] | None = None
    thread: str = ""

    def hear(self, done: Followed) -> None:
        """Answer, but where everybody reads it in the channel in which it was ordered: once is enough.

        Who stands in a thread does not see what is said below it in the channel.
        """
        if self.thread or self.channel not in done.heard_in:
            self.say(done.text)

    def say(self, text: str) -> None:
        """Answer with a sentence of the desk."""
        self.answer(kit.spoken(text), ())
