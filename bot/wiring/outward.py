"""The services that are told things: on-call providers, Git hosts and webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.settings import Configuration
from bot.settings.model import CommitStatus
from bot.writeback.hosts import GitHost, host_of

if TYPE_CHECKING:  # a command that only looks does not pay for what only the running bot needs
    from bot.oncall.alerts import AlertApi
    from bot.writeback.sink import Target


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


def write_back_targets(configuration: Configuration) -> list[Target]:
    """Return the targets in the order of the configuration."""
    from bot.writeback.events import WebhookTarget
    from bot.writeback.statuses import CommitStatusTarget

    targets: list[Target] = []
    for one in configuration.settings.writebacks:
        if one.type == "commit-status":
            targets.append(CommitStatusTarget(git_host(configuration, one)))
        else:
            targets.append(WebhookTarget(url=one.url, secret=configuration.secret(one.secret_env)))
    return targets


def git_host(configuration: Configuration, one: CommitStatus) -> GitHost:
    """Build the API of the Git host that a commit status names."""
    addresses = {spec.name: spec.address for spec in configuration.repos}
    token = configuration.secret(one.token_env)
    return host_of(one.host, api_url=one.api_url, repo_url=addresses[one.repo], token=token)
