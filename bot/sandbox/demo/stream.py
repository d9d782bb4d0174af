"""What has changed, for each open page: Server-Sent Events with the parts that page has not seen yet.

A `Pulse` beats on every change anywhere; each page's thread then compares what it sent with what is. Messages are
immutable, so that "the same object" is "nothing new".
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson

from bot.sandbox.demo.office import message_json
from bot.sandbox.oncall import OncallService
from bot.sandbox.slack import SlackWorkspace
from bot.sandbox.slack.values import Message

KEEPALIVE_SECONDS: Final = 10.0  # a page that went away is noticed at the next write


class Pulse:
    """Beats; whoever waits knows that something is new."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._beats = 0
        self._ended = False

    def beat(self) -> None:
        with self._changed:
            self._beats += 1
            self._changed.notify_all()

    def end(self) -> None:
        """Let everybody who waits leave. Idempotent."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        return self._ended

    def wait(self, known: int, *, seconds: float) -> int:
        """Block until there are other beats than `known`, the time is over or all ends; returns the present count."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._beats != known, timeout=seconds)
            return self._beats


class Feed:
    """One page's view of the world; `events` blocks its thread until the pulse ends."""

    def __init__(
        self,
        pulse: Pulse,
        slack: SlackWorkspace,
        oncall: OncallService,
        hello: Callable[[], Mapping[str, Any]],
        world: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._pulse, self._slack, self._oncall, self._hello, self._world = pulse, slack, oncall, hello, world
        self._messages: dict[tuple[str, str], Message] = {}
        self._sent: dict[str, bytes] = {}

    def events(self) -> Iterator[bytes]:
        """Yield Server-Sent Events: `hello` first, then what changes; a comment when nothing did for a while."""
        yield _event("hello", self._hello())
        beats = -1
        while not self._pulse.ended:
            now = self._pulse.wait(beats, seconds=KEEPALIVE_SECONDS)
            found = list(self._news())
            yield b"".join(found) if found else b": nothing new\n\n"
            beats = now

    def _news(self) -> Iterator[bytes]:
        with self._slack.state.changed:
            messages = dict(self._slack.state.messages)
            users = list(self._slack.state.users)
            views = {user: list(self._slack.view_stack(user)) for user in users}
            homes = {user: home for user in users if (home := self._slack.home(user)) is not None}
        new = [message_json(one) for link, one in messages.items() if self._messages.get(link) is not one]
        gone = [list(link) for link in self._messages.keys() - messages.keys()]
        self._messages = messages
        if new or gone:
            yield _event("messages", {"messages": new, "gone": gone})
        yield from self._changed("views", views)
        yield from self._changed("homes", homes)
        with self._oncall.changed:
            alerts = [
                {
                    "number": alert.number,
                    "alias": alert.alias,
                    "message": alert.message,
                    "description": alert.description,
                    "priority": alert.priority,
                    "team": alert.team,
                    "tags": alert.tags,
                    "at": alert.at,
                    "open": alert.open,
                    "acknowledged": alert.acknowledged,
                    "acknowledged_by": alert.acknowledged_by,
                    "count": alert.count,
                    "log": [{"at": entry.at, "by": entry.by, "text": entry.text} for entry in alert.log],
                }
                for alert in self._oncall.alerts
            ]
        yield from self._changed("alerts", alerts)
        yield from self._changed("world", self._world())

    def _changed(self, name: str, value: Any) -> Iterator[bytes]:
        event = _event(name, value)
        if self._sent.get(name) != event:
            self._sent[name] = event
            yield event


def _event(name: str, value: Any) -> bytes:
    return f"event: {name}\ndata: ".encode() + orjson.dumps(value) + b"\n\n"
