"""An app as the engine sees it: one path of one repository on one cluster, with every default filled in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bot.model.resource import ResourceId


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreRule:
    """Fields Git does not own: JSON pointers (RFC 6901) of the objects of a kind; name `*` means all."""

    kind: str
    name: str
    pointers: tuple[str, ...]

    def matches(self, id: ResourceId) -> bool:
        return self.kind in {"*", id.kind} and self.name in {"*", id.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSpec:
    """What the configuration says of one app. Identity is `key`, `cluster/name`: names repeat across clusters."""

    name: str
    cluster: str
    repo: str
    branch: str
    path: str
    namespace: str
    env: str
    interval: timedelta
    timeout: timedelta
    prune: bool
    self_heal: bool
    allow_empty: bool
    max_delete_count: int
    max_delete_share: float
    ignore: tuple[IgnoreRule, ...]
    depends_on: tuple[str, ...]  # keys of other apps
    channel: str  # "" when Slack is off
    oncall_team: str
    oncall_priority: str  # P1..P5

    @property
    def key(self) -> str:
        return f"{self.cluster}/{self.name}"

    @property
    def title(self) -> str:
        """How people read it: `payments / prod`."""
        return f"{self.name} / {self.cluster}"
