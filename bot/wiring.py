"""The composition root: a configuration in, every part of the bot out, built and connected. The only place that does.

Nothing is contacted while building: the bot starts with Slack, Git, the clusters and the on-call service down.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from bot.chat.permissions import Rule
from bot.live.cluster import KubeCluster
from bot.live.spec import ClusterSpec
from bot.model import marks
from bot.model.announcement import Page
from bot.model.app import AppSpec
from bot.model.control import Control
from bot.model.outcome import SyncReport
from bot.model.record import Consignment, Dispatch, SinkName, SyncState
from bot.model.source import Revision
from bot.oncall.escalation import PagePolicy
from bot.ports import Cluster, Repository, Sink, Store
from bot.reconcile.attention import Attention
from bot.reconcile.desk import Desk
from bot.reconcile.keeping import Door
from bot.reconcile.narrator import Outside
from bot.reconcile.passes import Passes
from bot.reconcile.post import Post
from bot.reconcile.retry import Retry
from bot.reconcile.roster import Roster
from bot.reconcile.rounds import Rounds
from bot.reconcile.routing import Quiet, Route, Routing, Severity
from bot.reconcile.telling import Links, Target
from bot.reconcile.world import Neighbour, World
from bot.render import Renderer
from bot.render.charts import Charts
from bot.render.programs import Limits, Programs
from bot.render.sops import Sops
from bot.settings import Configuration
from bot.settings.model import CommitStatus
from bot.source.links import commit_url, compare_url, proposal_url
from bot.source.repository import GitRepository
from bot.state.store import SqlStore
from bot.writeback.hosts import GitHost, host_of
from bot.writeback.pulls import PullRequests

if TYPE_CHECKING:  # a command that only looks does not pay for what only the running bot needs
    from bot.delivery.courier import Courier
    from bot.oncall.alerts import AlertApi
    from bot.reconcile.loop import Loop
    from bot.writeback.sink import Target as WriteBackTarget


log = logging.getLogger(__name__)


@dataclass(slots=True)
class Engine:
    """What every command shares: the store, the world and the desk. Close it when done."""

    configuration: Configuration
    store: Store
    world: World
    passes: Passes
    desk: Desk
    post: Post
    wakers: list[Callable[..., bool]] = field(default_factory=list)
    stirrers: list[Callable[[str, bool], None]] = field(default_factory=list)

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
    configuration: Configuration, *, clock: Callable[[], datetime], announces: bool = True, follow: bool = True
) -> Engine:
    """Build everything but the ways out. Raises `StateError` when the state store cannot be opened.

    `follow` False is for a command that only looks: it watches nothing.
    """
    settings = configuration.settings
    store = SqlStore(configuration.state_url)
    folder = cache_folder(configuration)
    repos: dict[str, Repository] = {
        spec.name: GitRepository(spec, directory=folder, clock=clock) for spec in configuration.repos
    }
    namespaces = {cluster.name: cluster.namespace for cluster in settings.clusters}
    stirrers: list[Callable[[str, bool], None]] = []

    def stirred(key: str, drift: bool) -> None:
        for stir in stirrers:
            stir(key, drift)

    clusters: dict[str, Cluster] = {
        one.name: KubeCluster(
            ClusterSpec(
                name=one.name,
                kubeconfig=settings.resolve_path(one.kubeconfig, configuration.path.parent)
                or configuration.secrets.get("KUBECONFIG", ""),
                context=one.context,
                in_cluster=one.in_cluster,
                namespace=one.namespace,
                qps=settings.cluster_defaults.qps,
            ),
            instance=settings.instance,
            key=store.key(),
            clock=clock,
            recall=store.verdicts,
            stir=stirred,
            follow=follow,
        )
        for one in settings.clusters
    }

    def labels(app: AppSpec) -> Mapping[str, str]:
        parent = marks.parent_name(app.name, settings.instance)
        return marks.app_labels(app.name, marks.applyset_id(parent, namespaces[app.cluster]))

    def neighbours(app: AppSpec) -> list[Neighbour]:
        controls, memories, now = store.controls(), store.memories(), clock()
        return [
            Neighbour(
                app=one,
                control=controls.get(key, Control()).at(now),
                synced_at=known.revision if (known := memories.get(key)) and known.sync is SyncState.SYNCED else "",
            )
            for key, one in apps.items()
            if one.cluster == app.cluster and key != app.key
        ]

    world = World(
        repos=repos,
        clusters=clusters,
        renderer=_renderer(configuration, clock=clock),
        labels=labels,
        neighbours=neighbours,
        key=store.key(),
        clock=clock,
    )
    apps = Roster(configuration.apps, configuration.app_sets, world=world, store=store)
    post = Post(
        store,
        routing=_routing(configuration),
        announces=announces,
        providers=[name for name, _, _ in oncall_providers(configuration)],
    )
    outside = Outside(
        links=_links(configuration),
        targets=_targets(configuration),
        policy=_policy(configuration),
        retry=_retry(configuration).after,
        post=post,
        door=_door(configuration),
    )
    passes = Passes(apps, world=world, store=store, outside=outside)
    wakers: list[Callable[..., bool]] = []
    desk = Desk(
        apps,
        world=world,
        store=store,
        post=post,
        wake=lambda *keys: any(wake(*keys) for wake in wakers),
        pager=lambda known: _pager(configuration, known),
        door=outside.door,
    )
    return Engine(configuration, store, world, passes, desk, post, wakers, stirrers)


def _renderer(configuration: Configuration, *, clock: Callable[[], datetime]) -> Renderer:
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
    )


def build_loop(
    engine: Engine,
    *,
    clock: Callable[[], datetime],
    beat: Callable[[], None],
    ended: Callable[[SyncReport], None] = lambda _: None,
) -> Loop:
    """Build the loop and let the desk wake it; `ended` hears of each pass."""
    from bot.oncall.sunset import sunset
    from bot.reconcile.loop import Loop

    slack = engine.configuration.settings.slack
    digest = slack.digest
    zone = ZoneInfo(digest.timezone if digest else slack.quiet.timezone if slack.quiet else "UTC")
    providers = [name for name, _, _ in oncall_providers(engine.configuration)]
    rounds = Rounds(
        engine.passes.apps,
        store=engine.store,
        post=engine.post,
        enquiry=engine.desk,
        clock=clock,
        schedule=digest.value() if digest is not None else None,
        notice=lambda now: sunset(providers, now.astimezone(zone)),
    )
    loop = Loop(
        engine.passes,
        store=engine.store,
        retry=_retry(engine.configuration),
        clock=clock,
        beat=beat,
        ended=ended,
        rounds=rounds.make,
    )
    engine.wakers.append(lambda *keys: loop.wake(*keys, urgent=True))
    engine.stirrers.append(loop.stir)
    return loop


def build_courier(engine: Engine, *, clock: Callable[[], datetime], failed: Callable[[SinkName, str], None]) -> Courier:
    """Build the ways out that the configuration names; `failed` hears of each try that failed, and how."""
    from bot.delivery.courier import Courier
    from bot.delivery.tidings import Fate, tidings
    from bot.oncall.sink import AlertHook, OncallSink
    from bot.writeback.sink import WriteBackSink

    configuration = engine.configuration
    settings = configuration.settings
    sinks: list[Sink] = []
    if settings.slack.mode != "off":
        from bot.chat.people import People  # imported late: a bot without Slack does not pay for it
        from bot.chat.poster import SlackSink

        token = configuration.secret("SLACK_BOT_TOKEN")

        sinks.append(
            SlackSink(
                token,
                api_url=settings.slack.api_url,
                store=engine.store,
                fallback_channel=settings.slack.default_channel,
                people=People(token, api_url=settings.slack.api_url, clock=clock, overrides=settings.slack.people),
                clock=clock,
                diverted=lambda: failed(SinkName.SLACK, "diverted"),
            )
        )
    if settings.oncall.provider != "off":
        sinks.append(
            OncallSink(
                [
                    AlertHook(host) if name == "webhook" else alert_api(configuration, name, host, variable)
                    for name, host, variable in oncall_providers(configuration)
                ]
            )
        )
    if settings.writebacks:
        sinks.append(WriteBackSink(write_back_targets(configuration)))

    attention = Attention(engine.store, post=engine.post)

    def tell(consignment: Consignment, fate: Fate, why: str) -> tuple[Dispatch, ...]:
        if fate is Fate.ARRIVED and isinstance(consignment.parcel, Page):
            attention.arrived(consignment.parcel, at=clock())
        return engine.post.rows(tidings(consignment, fate, why=why, at=clock()))

    return Courier(engine.store, sinks, clock=clock, tell=tell, failed=failed)


def oncall_providers(configuration: Configuration) -> tuple[tuple[str, str, str], ...]:
    """Return name, host (or URL) and variable of the key of everyone who gets pages; nothing when on-call is off."""
    oncall = configuration.settings.oncall
    if oncall.provider == "off":
        return ()
    further = [(one.provider, one.url or one.host, one.key_env) for one in oncall.also]
    return ((oncall.provider, oncall.host, "OPSGENIE_API_KEY"), *further)


def alert_api(configuration: Configuration, provider: str, host: str, variable: str) -> AlertApi:
    """Build the way to the alert calls of a provider; each team may have a key of its own."""
    from bot.oncall.alerts import AlertApi  # imported late: the SDK takes a while

    return AlertApi(
        provider=provider,
        host=host,
        key_for=lambda team: configuration.secret(variable, suffix=team),
        setting=variable,
    )


def build_heartbeat(configuration: Configuration) -> Callable[[], None]:
    """Return what is called once a minute while passes complete."""
    oncall = configuration.settings.oncall
    if not oncall.heartbeat:
        return lambda: None
    from bot.oncall.heartbeat import Heartbeat

    heartbeat = Heartbeat(
        oncall.heartbeat, host=oncall.host, provider=oncall.provider, key=configuration.secret("OPSGENIE_API_KEY")
    )
    return heartbeat.beat


def rules(configuration: Configuration) -> tuple[Rule, ...]:
    """Return the permissions as the chat room reads them."""
    return tuple(
        Rule(
            verbs=tuple("plan" if verb == "diff" else verb for verb in one.verbs),
            apps=one.apps,
            envs=one.envs,
            users=one.users,
            groups=one.groups,
            channels=one.channels,
            deny=one.deny,
        )
        for one in configuration.settings.permissions
    )


def order_threads(count: int) -> ThreadPoolExecutor:
    """Return threads for orders: those that ask Git or a cluster before they can answer have some of their own."""
    return ThreadPoolExecutor(max_workers=count, thread_name_prefix="order")


def _routing(configuration: Configuration) -> Routing:
    slack = configuration.settings.slack
    quiet = slack.quiet
    return Routing(
        routes=tuple(
            Route(
                channel=one.channel,
                apps=one.apps,
                envs=one.envs,
                clusters=one.clusters,
                severities=tuple(Severity(word) for word in one.severities),
            )
            for one in (slack.routes if slack.mode != "off" else ())
        ),
        default=slack.default_channel,
        quiet=Quiet(start=time.fromisoformat(quiet.start), end=time.fromisoformat(quiet.end), zone=quiet.timezone)
        if quiet is not None
        else None,
    )


def _pager(configuration: Configuration, apps: Sequence[AppSpec]) -> tuple[str, ...]:
    """Return who is paged when, as people read it; nothing when on-call is off."""
    oncall = configuration.settings.oncall
    if oncall.provider == "off":
        return ()
    after = oncall.page_after
    counts = Counter((app.oncall_team or "the default team", app.oncall_priority) for app in apps)
    teams = [f"{team} ({priority}, {count} apps)" for (team, priority), count in sorted(counts.items())]
    minutes = int(after.duration.total_seconds() // 60)
    return (
        f"pages go to {' and '.join(name for name, _, _ in oncall_providers(configuration))}: {', '.join(teams)}",
        f"after {after.failures} failures in a row or {minutes} min of trouble, whichever comes first",
    )


def _retry(configuration: Configuration) -> Retry:
    retry = configuration.settings.retry
    return Retry(first=retry.first, factor=retry.factor, longest=retry.max)


def _links(configuration: Configuration) -> Callable[[AppSpec, Revision, str], Links]:
    specs = {spec.name: spec for spec in configuration.repos}
    web = {repo.name: repo.web_url for repo in configuration.settings.repos}

    def links(app: AppSpec, revision: Revision, previous: str) -> Links:
        address, commit = specs[app.repo].address, revision.commit
        compare = compare_url(address, web[app.repo], previous, commit) if previous and previous != commit else ""
        return Links(commit=commit_url(address, web[app.repo], revision.blamed.commit), compare=compare)

    return links


def _door(configuration: Configuration) -> Door:
    """Return how a branch with a proposal gets to people: by the API of each host that a commit status names."""
    specs = {spec.name: spec for spec in configuration.repos}
    web = {repo.name: repo.web_url for repo in configuration.settings.repos}
    hosts = {one.repo: one for one in configuration.settings.writebacks if one.type == "commit-status"}

    def link(app: AppSpec, branch: str, proposed: str) -> str:
        return proposal_url(specs[app.repo].address, web[app.repo], branch, proposed)

    return Door(proposals={repo: PullRequests(_host(configuration, one)) for repo, one in hosts.items()}, link=link)


def _host(configuration: Configuration, one: CommitStatus) -> GitHost:
    addresses = {spec.name: spec.address for spec in configuration.repos}
    token = configuration.secret(one.token_env)
    return host_of(one.host, api_url=one.api_url, repo_url=addresses[one.repo], token=token)


def _targets(configuration: Configuration) -> tuple[Target, ...]:
    return tuple(
        Target(index=index, repo=one.repo)
        if one.type == "commit-status"
        else Target(index=index, events=frozenset(one.events))
        for index, one in enumerate(configuration.settings.writebacks)
    )


def _policy(configuration: Configuration) -> PagePolicy | None:
    oncall = configuration.settings.oncall
    if oncall.provider == "off":
        return None
    return PagePolicy(failures=oncall.page_after.failures, duration=oncall.page_after.duration)


def write_back_targets(configuration: Configuration) -> list[WriteBackTarget]:
    """Return the targets in the order of the configuration."""
    from bot.writeback.events import WebhookTarget
    from bot.writeback.statuses import CommitStatusTarget

    targets: list[WriteBackTarget] = []
    for one in configuration.settings.writebacks:
        if one.type == "commit-status":
            targets.append(CommitStatusTarget(_host(configuration, one)))
        else:
            targets.append(WebhookTarget(url=one.url, secret=configuration.secret(one.secret_env)))
    return targets
