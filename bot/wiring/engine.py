"""What every command shares: the store, the world, the passes and the desk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bot.live.cluster import KubeCluster
from bot.live.spec import ClusterSpec
from bot.model import marks
from bot.model.app import AppSpec
from bot.model.control import Control
from bot.model.record import SyncState
from bot.ports.live import Cluster
from bot.ports.state import Store
from bot.ports.tracing import UNTRACED, Tracer
from bot.reconcile.desk.desk import Desk
from bot.reconcile.notify.post import Post
from bot.reconcile.passes.narrator import Outside
from bot.reconcile.passes.perform import Passes
from bot.reconcile.planning.roster import Roster
from bot.reconcile.planning.world import Sibling, World
from bot.render import Renderer
from bot.render.charts import Charts
from bot.render.programs import Limits, Programs
from bot.render.sops import Sops
from bot.settings import Configuration
from bot.settings.values import path_in
from bot.source.repository import GitRepository
from bot.state.store import SqlStore
from bot.wiring import values
from bot.wiring.githosts import proposal_hosts
from bot.wiring.loopref import LoopRef
from bot.wiring.registries import following

if TYPE_CHECKING:  # most installations follow no image, and do not pay for it
    from bot.reconcile.images.following import Following


@dataclass(slots=True)
class Engine:
    """What every command shares: the store, the world and the desk. Close it when done."""

    configuration: Configuration
    store: Store
    world: World
    passes: Passes
    desk: Desk
    post: Post
    tracer: Tracer  # whoever made it closes it
    loop: LoopRef
    images: Following | None = None  # what apps follow in registries, if anything

    def close(self) -> None:
        """Leave no process, no descriptor and no lock behind."""
        for cluster in self.world.clusters.values():
            cluster.close()
        for repo in self.world.repos.values():
            repo.close()
        self.store.close()


def cache_folder(configuration: Configuration) -> Path:
    """Return where copies of repositories are kept: beside the state, so that a volume holds both."""
    url = configuration.state_url
    base = Path(url.removeprefix("sqlite:///")).parent if url.startswith("sqlite:///") else configuration.path.parent
    return base / ".gitops-bot-cache"


def build_engine(
    configuration: Configuration,
    *,
    clock: Callable[[], datetime],
    announces: bool = True,
    follow: bool = True,
    tracer: Tracer = UNTRACED,
) -> Engine:
    """Build everything but the ways out. Raises `StateError` when the state store cannot be opened.

    `follow` False is for a command that only looks: it watches nothing.
    """
    store, loop = SqlStore(configuration.state_url), LoopRef()
    folder = cache_folder(configuration)
    world = World(
        repos={spec.name: GitRepository(spec, directory=folder, clock=clock) for spec in configuration.repos},
        clusters=_clusters(configuration, store=store, clock=clock, loop=loop, follow=follow),
        renderer=_renderer(configuration, key=store.key(), clock=clock),
        labels=_labels(configuration),
        siblings=lambda app: _siblings(app, apps, store=store, now=clock()),
        key=store.key(),
        clock=clock,
    )
    apps = Roster(configuration.apps, configuration.app_sets, world=world, store=store)
    post = Post(
        store,
        routing=values.routing(configuration),
        announces=announces,
        providers=[name for name, _, _ in values.oncall_providers(configuration)],
    )
    outside = Outside(
        links=values.links(configuration),
        targets=values.targets(configuration),
        policy=values.policy(configuration),
        retry=values.retry(configuration).after,
        post=post,
        hosts=proposal_hosts(configuration),
    )
    passes = Passes(apps, world=world, store=store, outside=outside, tracer=tracer)
    desk = Desk(
        apps,
        world=world,
        store=store,
        post=post,
        wake=loop.order,
        pager=lambda known: values.pager(configuration, known),
        hosts=outside.hosts,
    )
    images = following(
        configuration, apps, world=world, store=store, post=post, hosts=outside.hosts, pushed=desk.pushed
    )
    return Engine(configuration, store, world, passes, desk, post, tracer, loop, images)


def _clusters(
    configuration: Configuration, *, store: Store, clock: Callable[[], datetime], loop: LoopRef, follow: bool
) -> Mapping[str, Cluster]:
    settings, key = configuration.settings, store.key()
    environment = configuration.secrets.get("KUBECONFIG", "")
    return {
        one.name: KubeCluster(
            ClusterSpec(
                name=one.name,
                kubeconfig=path_in(one.kubeconfig, configuration.path.parent) or environment,
                context=one.context,
                in_cluster=one.in_cluster,
                namespace=one.namespace,
                qps=settings.cluster_defaults.qps,
            ),
            instance=settings.instance,
            key=key,
            clock=clock,
            recall=store.verdicts,
            stir=loop.stir,
            returned=partial(loop.returned, one.name),
            follow=follow,
        )
        for one in settings.clusters
    }


def _labels(configuration: Configuration) -> Callable[[AppSpec], Mapping[str, str]]:
    """Return what makes the marks of an app's objects, which name the parent that lists them."""
    instance = configuration.settings.instance
    namespaces = {cluster.name: cluster.namespace for cluster in configuration.settings.clusters}

    def labels(app: AppSpec) -> Mapping[str, str]:
        parent = marks.parent_name(app.name, instance)
        return marks.app_labels(app.name, marks.applyset_id(parent, namespaces[app.cluster]))

    return labels


def _siblings(app: AppSpec, apps: Roster, *, store: Store, now: datetime) -> list[Sibling]:
    """Return the other apps of an app's cluster, with what people have ordered of them and how they stand."""
    controls, memories = store.controls(), store.memories()
    return [
        Sibling(
            app=one,
            control=controls.get(key, Control()).at(now),
            synced_at=known.revision if (known := memories.get(key)) and known.sync is SyncState.SYNCED else "",
        )
        for key, one in apps.items()
        if one.cluster == app.cluster and key != app.key
    ]


def _renderer(configuration: Configuration, *, key: bytes, clock: Callable[[], datetime]) -> Renderer:
    settings = configuration.settings.programs
    base = configuration.path.parent
    paths = {name: settings.path_of(name, base) for name in ("kustomize", "helm", "sops")}
    limits = Limits(time=settings.timeout, memory_bytes=settings.memory_mib * 1024**2)
    programs = Programs(paths=paths, limits=limits)
    return Renderer(
        programs=programs,
        sops=Sops(programs, environment=configuration.secrets),
        charts=Charts(
            programs,
            folder=cache_folder(configuration) / "charts",
            clock=clock,
            secret=configuration.secret,
            environment=configuration.secrets,
        ),
        key=key,
    )
