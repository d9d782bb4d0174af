"""The Git hosts that hear of commits and open pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.model.app import AppSpec
from bot.ports.source import ProposalHosts, Proposals
from bot.settings import Configuration
from bot.settings.writebacks import CommitStatus
from bot.source.links import proposal_url

if TYPE_CHECKING:  # most installations have no host to ask
    from bot.writeback.hosts import GitHost


def git_host(configuration: Configuration, one: CommitStatus) -> GitHost:
    """Build the API of the Git host that a commit status names."""
    from bot.writeback.hosts import host_of

    addresses = {spec.name: spec.address for spec in configuration.repos}
    token = configuration.secret(one.token_env)
    return host_of(one.host, api_url=one.api_url, repo_url=addresses[one.repo], token=token)


def proposal_hosts(configuration: Configuration) -> ProposalHosts:
    """Return how a branch with a proposal gets to people: by the API of each host that a commit status names."""
    specs = {spec.name: spec for spec in configuration.repos}
    web = {repo.name: repo.web_url for repo in configuration.settings.repos}
    hosts = {one.repo: one for one in configuration.settings.writebacks if one.type == "commit-status"}
    proposals: dict[str, Proposals] = {}
    if hosts:
        from bot.writeback.pulls import PullRequests  # imported late: most installations have no host to ask

        proposals = {repo: PullRequests(git_host(configuration, one)) for repo, one in hosts.items()}

    def link(app: AppSpec, branch: str, proposed: str) -> str:
        return proposal_url(specs[app.repo].address, web[app.repo], branch, proposed)

    return ProposalHosts(apis=proposals, link=link)
