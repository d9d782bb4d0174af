"""What a workspace consists of, and what people and tests see of it. Plain values; nothing here does anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Blocks = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person: Slack id, handle, name and e-mail address."""

    id: str
    name: str
    real_name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel; `member` says whether the bot was invited."""

    id: str
    name: str
    member: bool = True
    archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An uploaded file; `content` is what was sent."""

    id: str
    name: str
    title: str = ""
    content: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A message as it read before an edit."""

    text: str
    blocks: Blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message everybody in the channel sees; `edits` holds what it read before, oldest first."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: Blocks = ()
    thread_ts: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    edits: tuple[Version, ...] = ()
    files: tuple[File, ...] = ()
    ephemeral_for: str = ""  # a user: nobody else sees it, and it is edited through its response_url only

    @property
    def link(self) -> tuple[str, str]:
        return (self.channel, self.ts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request of the bot: method, arguments without the token, and how it was answered.

    `outcome` is `ok`, Slack's error word, or the name of the fault that struck.
    """

    method: str
    arguments: Mapping[str, Any]
    at: datetime
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to the bot and back.

    `acknowledged` is a 2xx or an acknowledged envelope; `status` is the HTTP status, None over a socket; `answer`
    is what the bot sent along; `replies` are the ephemeral messages its person saw by the time it was acknowledged.
    """

    kind: str
    payload: Mapping[str, Any]
    envelope_id: str
    acknowledged: bool
    status: int | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)
    replies: tuple[Message, ...] = ()
