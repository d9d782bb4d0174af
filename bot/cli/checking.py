"""`gitops-bot check`: every connection tried as the bot would use it, all problems at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bot.errors import DeliveryFailed, PassError, Problem
from bot.model.rights import Grant
from bot.oncall.escalation import trial
from bot.oncall.hosts import HOSTS
from bot.oncall.sunset import Sunset, sunset
from bot.plan.rights import Contents, needed
from bot.ports.live import Cluster
from bot.reconcile.planning.contents import contents_of
from bot.render import CommitFiles
from bot.settings import Configuration
from bot.wiring import Engine, alert_api, build_heartbeat, collector_trouble, oncall_providers, write_back_targets
from bot.wiring.registries import followed_images, registries

if TYPE_CHECKING:  # the running bot, which only asks for the ending, does not pay for it
    from bot.oncall.sink import Provider


def check_all(engine: Engine, *, page: bool = False) -> tuple[Problem, ...]:
    """Return what is wrong, each with its fix. Asks Git, clusters, Slack, on-call and write-backs in parallel.

    With `page` an alert is opened and closed with every key, and at every on-call webhook: somebody may be woken.
    """
    from bot.oncall.sink import AlertHook

    configuration = engine.configuration
    tries: list[Callable[[], tuple[Problem, ...]]] = [repo.check for repo in engine.world.repos.values()]
    for name, cluster in engine.world.clusters.items():
        tries.append(lambda name=name, cluster=cluster: check_cluster(engine, name, cluster))  # type: ignore[misc]
    if configuration.settings.slack.mode != "off":
        from bot.chat.check import check_slack

        slack = configuration.settings.slack
        token = configuration.secret("SLACK_BOT_TOKEN")
        app_token = configuration.secret("SLACK_APP_TOKEN") if slack.mode == "socket" else ""
        tries.append(lambda: check_slack(token, app_token=app_token, api_url=slack.api_url))
    providers = oncall_providers(configuration)
    for name, host, variable in providers:
        subject = f"on-call ({name})" if len(providers) > 1 else "on-call"
        for team in sorted({app.oncall_team for app in configuration.apps}):
            if name in HOSTS:
                alerts = alert_api(configuration, name, host, variable)
                tries.append(lambda alerts=alerts, team=team, subject=subject: _named(subject, alerts.check(team)))  # type: ignore[misc]
            if page:
                way = alert_api(configuration, name, host, variable) if name in HOSTS else AlertHook(host)
                tries.append(lambda way=way, team=team, subject=subject: _named(subject, _tried(way, team, engine)))  # type: ignore[misc]
    heartbeat = build_heartbeat(configuration)
    if heartbeat is not None:
        tries.append(lambda: _named("oncall.heartbeat", heartbeat.check()))
    for index, target in enumerate(write_back_targets(engine)):
        name = f"writebacks[{index}]"
        tries.append(lambda name=name, target=target: _named(name, target.check()))  # type: ignore[misc]
    images = followed_images(configuration, {app.key: app for app in engine.desk.apps()})
    asked = registries(configuration) if images else None
    for host, names in images.items():
        tries.append(lambda host=host, names=names: asked.check(host, names) if asked else ())  # type: ignore[misc]
    if engine.images is not None:
        tries.append(lambda: check_images(engine))
    tries.append(lambda: check_tools(engine))
    tries.append(lambda: _named("tracing", collector_trouble(os.environ)))
    with ThreadPoolExecutor(max_workers=16) as pool:
        return tuple(problem for found in pool.map(lambda one: one(), tries) for problem in found)


def addresses(configuration: Configuration) -> dict[str, str]:
    """Return where those that have a secret here post to; nobody knows that without `server.base_url`."""
    base = configuration.settings.server.base_url.rstrip("/")
    ways = {"Slack": "/slack/events"} if configuration.settings.slack.mode == "http" else {}
    ways |= {
        f"pushes to {repo.name}": f"/webhooks/git/{repo.name}"
        for repo in configuration.repos
        if configuration.secret("WEBHOOK_SECRET", suffix=repo.name)
    }
    ways |= {
        f"pushes to registry {one.name}": f"/webhooks/registry/{one.name}"
        for one in configuration.settings.registries
        if configuration.secret("REGISTRY_WEBHOOK_SECRET", suffix=one.name)
    }
    if configuration.secret("ONCALL_WEBHOOK_SECRET"):
        ways["on-call"] = "/webhooks/oncall"
    return {who: f"{base}{path}" for who, path in ways.items()} if base else {}


def ending(engine: Engine) -> Sunset | None:
    """Return what the configuration depends on and that is going to end."""
    return sunset([name for name, _, _ in oncall_providers(engine.configuration)], engine.world.clock())


def check_cluster(engine: Engine, name: str, cluster: Cluster) -> tuple[Problem, ...]:
    """Return what is wrong with a cluster: its connection, or each right that its apps need and it does not give."""
    if problems := cluster.check(()):
        return problems
    grants, problems = rights_of(engine, name)
    return (*problems, *cluster.check(grants))


def rights_of(engine: Engine, cluster: str) -> tuple[tuple[Grant, ...], tuple[Problem, ...]]:
    """Return the rights the bot needs on a cluster, and the apps whose contents cannot be known."""
    contents: list[Contents] = []
    problems: list[Problem] = []
    for app in engine.desk.apps():
        if app.cluster == cluster:
            try:
                contents.append(contents_of(app, world=engine.world))
            except PassError as error:
                message = f"{app.title}: which rights it needs is not known: {error}"
                problems.append(Problem(message=message, subject=app.name))
    (namespace,) = (one.namespace for one in engine.configuration.settings.clusters if one.name == cluster)
    return needed(contents, namespace=namespace), tuple(problems)


def check_tools(engine: Engine) -> tuple[Problem, ...]:
    """Return which rendering tools the apps need and lack; an app whose repository says no is left to that check."""
    world = engine.world
    started = world.clock()
    lacking: dict[str, list[str]] = {}
    for app in engine.desk.apps():
        repo = world.repos[app.repo]
        try:
            files = CommitFiles(repo, repo.head(app.ref, newer_than=started))
            missing = world.renderer.missing_tools(app, files)
        except PassError:
            continue
        for message in missing:
            lacking.setdefault(message, []).append(app.name)
    return tuple(Problem(message=f"{message} (for {', '.join(apps[:5])})") for message, apps in lacking.items())


def check_images(engine: Engine) -> tuple[Problem, ...]:
    """Return the images whose tags no file of their app has; an app whose repository says no is left to that check."""
    from bot.reconcile.images.looks import nowhere

    world = engine.world
    started = world.clock()
    problems: list[Problem] = []
    for app in engine.desk.apps():
        for follow in app.images:
            repo = world.repos[app.repo]
            try:
                files = CommitFiles(repo, repo.head(app.ref, newer_than=started))
                found = world.renderer.images(app, files, follow.image)
            except PassError:
                continue
            if not found:
                problems.append(Problem(message=". ".join(nowhere(app, follow)), subject=app.name))
    return tuple(problems)


def _tried(way: Provider, team: str, engine: Engine) -> str:
    """Open an alert of our own and close it; return what is wrong, "" when both were done."""
    now = engine.world.clock()
    pages = trial(
        f"gitops-bot:check{f':{team}' if team else ''}",
        id=f"check:{now.timestamp():.0f}:{team}",
        at=now,
        opened="Test alert of gitops-bot check; it closes by itself.",
        closed="The check is over.",
        team=team,
    )
    try:
        for one in pages:
            way.send(one)
    except DeliveryFailed as error:
        return f"a test alert could not be opened and closed: {error}"
    return ""


def _named(subject: str, message: str) -> tuple[Problem, ...]:
    return (Problem(message=message, subject=subject),) if message else ()
