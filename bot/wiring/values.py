"""What a configuration says, as the values that the rooms read."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import time
from typing import Final

from bot.chat.permissions import Rule
from bot.model.app import AppSpec
from bot.model.source import Revision
from bot.oncall.escalation import PagePolicy
from bot.reconcile.notify.routing import Quiet, Route, Routing, Severity
from bot.reconcile.notify.telling import Links, Target
from bot.reconcile.schedule.retry import Retry
from bot.settings import Configuration
from bot.source.links import commit_url, compare_url

# Of a write-back: who it is for stays the same while these change.
_NOT_OF_ADDRESSES: Final = {"events", "envs", "projects", "transition", "secret_env", "token_env", "token_header"}


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


def routing(configuration: Configuration) -> Routing:
    """Return which channel hears of what, and when."""
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


def pager(configuration: Configuration, apps: Sequence[AppSpec]) -> tuple[str, ...]:
    """Return who is paged when, as people read it; nothing when on-call is off."""
    oncall = configuration.settings.oncall
    if oncall.provider == "off":
        return ()
    after = oncall.page_after
    counts = Counter((app.oncall_team or "the default team", app.oncall_priority) for app in apps)
    teams = [
        f"{team} ({priority}, {count} app{'' if count == 1 else 's'})"
        for (team, priority), count in sorted(counts.items())
    ]
    minutes = int(after.duration.total_seconds() // 60)
    return (
        f"pages go to {' and '.join(name for name, _, _ in oncall_providers(configuration))}: {', '.join(teams)}",
        f"after {after.failures} failures in a row or {minutes} min of trouble, whichever comes first; "
        "an outage counts by time alone",
    )


def retry(configuration: Configuration) -> Retry:
    """Return how long a failed pass waits."""
    one = configuration.settings.retry
    return Retry(first=one.first, factor=one.factor, longest=one.max)


def links(configuration: Configuration) -> Callable[[AppSpec, Revision, str], Links]:
    """Return what leads from an app's commit, and the one before it, to their web pages."""
    specs = {spec.name: spec for spec in configuration.repos}
    web = {repo.name: repo.web_url for repo in configuration.settings.repos}

    def links_of(app: AppSpec, revision: Revision, previous: str) -> Links:
        address, commit = specs[app.repo].address, revision.commit
        compare = compare_url(address, web[app.repo], previous, commit) if previous and previous != commit else ""
        return Links(commit=commit_url(address, web[app.repo], revision.blamed.commit), compare=compare)

    return links_of


def receivers(configuration: Configuration) -> tuple[str, ...]:
    """Return the name of each write-back: that of its address, so that it stays when other entries come and go.

    A digest, because addresses of webhooks may have secrets in them, and names are in the state and in the log.
    """
    names: list[str] = []
    for one in configuration.settings.writebacks:
        address = one.model_dump_json(exclude=_NOT_OF_ADDRESSES, exclude_defaults=True)
        name = f"{one.type}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"
        again = sum(1 for other in names if other.partition(".")[0] == name)
        names.append(f"{name}.{again}" if again else name)
    return tuple(names)


def targets(configuration: Configuration) -> tuple[Target, ...]:
    """Return which write-back hears of what; the index is its place in the configuration."""
    return tuple(
        Target(index=index, receiver=receiver, repo=one.repo, judges=True)
        if one.type == "commit-status"
        else Target(
            index=index,
            receiver=receiver,
            events=frozenset(one.events),
            envs=frozenset(() if one.type == "webhook" else one.envs),
            judges=one.type == "jira",
        )
        for index, (one, receiver) in enumerate(
            zip(configuration.settings.writebacks, receivers(configuration), strict=True)
        )
    )


def policy(configuration: Configuration) -> PagePolicy | None:
    """Return what it takes to be paged; nothing when on-call is off."""
    oncall = configuration.settings.oncall
    if oncall.provider == "off":
        return None
    return PagePolicy(failures=oncall.page_after.failures, duration=oncall.page_after.duration)


def oncall_providers(configuration: Configuration) -> tuple[tuple[str, str, str], ...]:
    """Return name, host (or URL) and variable of the key of everyone who gets pages; nothing when on-call is off."""
    oncall = configuration.settings.oncall
    if oncall.provider == "off":
        return ()
    further = [(one.provider, one.url or one.host, one.key_env) for one in oncall.also]
    return ((oncall.provider, oncall.host, "OPSGENIE_API_KEY"), *further)
