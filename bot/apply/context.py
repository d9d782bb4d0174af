"""Where a plan is carried out, who hears of it, and what ends it: the same for its hooks, writes and deletes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.model.app import AppSpec
from bot.model.outcome import Health, Outcome
from bot.model.resource import Body, ResourceId, ResourceRef
from bot.ports.live import Cluster
from bot.ports.tracing import Steps


class Waited(Protocol):
    @property
    def health(self) -> tuple[tuple[ResourceId, Health], ...]: ...
    @property
    def stopped(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyContext:
    """An app on its cluster, while a plan of it is carried out."""

    app: AppSpec
    cluster: Cluster
    wait: Callable[[Sequence[ResourceRef]], Waited]  # until objects are healthy, or it is pointless to wait on
    applied: Callable[[Outcome], None]  # hears of each object that is done
    pruning: Callable[[list[Body]], None]  # is given the objects that are about to be deleted
    ends_waiting: Callable[[], bool]
    ends_writing: Callable[[], bool]  # asked between stages: what is begun is done to its end
    steps: Steps
