"""What mischief is, and what it can be done to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from bot.sandbox.demo.cluster import ClusterDoor
from bot.sandbox.demo.repository import Repository
from bot.sandbox.oncall import OncallService
from bot.sandbox.slack import SlackWorkspace

if TYPE_CHECKING:
    from bot.sandbox.kube import KubeSandbox


class Group(Enum):
    """Where the page shows it."""

    GIT = "Git"
    CLUSTER = "Cluster, by hand"
    OUTAGE = "Outages"


class Impossible(Exception):
    """It cannot be done as things are; the text says why, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadCommit:
    """A commit that somebody has to revert, and the files as they were before."""

    id: str
    before: Mapping[str, str | None]


@dataclass(slots=True, kw_only=True)
class Stage:
    """What mischief can be done to; a part that is not ours (a person's own repository or cluster) is None."""

    slack: SlackWorkspace
    oncall: OncallService
    repository: Repository | None
    cluster: ClusterDoor | None
    kube: KubeSandbox | None
    api_down: bool = False
    bad_commits: dict[str, BadCommit] = field(default_factory=dict)  # the last of each mischief
    turns: itertools.count[int] = field(default_factory=itertools.count)
    releases: itertools.count[int] = field(default_factory=itertools.count)

    def repo(self) -> Repository:
        if self.repository is None:
            raise Impossible("The repository is your own: push to it yourself.")
        return self.repository

    def by_hand(self, method: str, path: str, *, manager: str, body: Any = None, kind: str = "") -> Mapping[str, Any]:
        """Send one request as kubectl would."""
        if self.cluster is None:
            raise Impossible("The cluster is your own: change it yourself.")
        reply = self.cluster.request(method, path, query={"fieldManager": manager}, body=body, content_type=kind)
        if reply.status >= 400:
            raise Impossible(f"The API server says: {reply.body.get('message') or reply.status}")
        return reply.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Mischief:
    """`do` returns one sentence on what was done; `undo` ends it while `is_on`."""

    id: str
    group: Group
    title: str
    text: str
    do: Callable[[Stage], str]
    undo_title: str = ""
    undo: Callable[[Stage], str] | None = None
    is_on: Callable[[Stage], bool] = lambda stage: False
    needs: Callable[[Stage], object] = lambda stage: True  # truthy where it can be done at all
