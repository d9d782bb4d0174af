"""What passes and questions work with, and the objects of an app at a commit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.errors import RenderError
from bot.model.app import AppSpec
from bot.model.control import Control
from bot.model.resource import DesiredState
from bot.plan.placing import Placement, place
from bot.ports.live import Cluster
from bot.ports.source import Repository
from bot.render import CommitFiles, Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """Another app of the same cluster. `synced_at` is the commit it equals, "" while it differs from Git."""

    app: AppSpec
    control: Control
    synced_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a pass works with; `key` keys digests of secrets, `labels` returns the marks of an app's objects.

    `siblings` returns the other apps of an app's cluster.
    """

    repos: Mapping[str, Repository]
    clusters: Mapping[str, Cluster]
    renderer: Renderer
    labels: Callable[[AppSpec], Mapping[str, str]]
    siblings: Callable[[AppSpec], Sequence[Sibling]]
    key: bytes
    clock: Callable[[], datetime]

    @property
    def holder(self) -> str:
        """The name of this installation: whoever shares its state store has the same."""
        return f"gitops-bot-{hashlib.sha256(self.key).hexdigest()[:12]}"


def rendered(app: AppSpec, commit: str, world: World) -> DesiredState:
    """Return what a commit wants of an app. Raises `PassError`."""
    files = CommitFiles(world.repos[app.repo], commit)
    return world.renderer.render(app, files, kinds=world.clusters[app.cluster].kinds)


def placed(app: AppSpec, desired: DesiredState, world: World, *, before: Placement | None = None) -> Placement:
    """Return the objects with final namespaces and the app's marks. Raises `RenderError`, `ClusterError`."""
    cluster = world.clusters[app.cluster]
    labels, kinds = world.labels(app), cluster.kinds()
    if before is not None and before.holds(app, labels, desired, kinds):
        return before
    try:
        return place(desired, kinds, app=app, labels=labels, before=before)[0]
    except RenderError:
        # A kind that was just installed by someone else is unknown to a table from memory: look again, once.
        return place(desired, cluster.kinds(refresh=True), app=app, labels=labels)[0]
