"""Where apps are, as messages and pages name it: of one app its own place, of several what they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Located(Protocol):
    """An app, or what stands for one."""

    @property
    def name(self) -> str: ...
    @property
    def cluster(self) -> str: ...
    @property
    def env(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What stands for app, cluster and environment where several apps are meant; of one, its own."""

    app: str
    cluster: str
    env: str


def place_of(apps: Sequence[Located]) -> Place:
    """Return the place of one app or more: `3 apps`, `2 clusters`, "" for different environments."""
    clusters, envs = {one.cluster for one in apps}, {one.env for one in apps}
    return Place(
        app=apps[0].name if len(apps) == 1 else f"{len(apps)} apps",
        cluster=apps[0].cluster if len(clusters) == 1 else f"{len(clusters)} clusters",
        env=apps[0].env if len(envs) == 1 else "",
    )
