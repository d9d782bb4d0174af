"""Who else hears what happens to an app: Git hosts, issue trackers, webhooks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bot.settings.values import Section


class CommitStatus(Section):
    """The state of a sync at its commit, and the pull requests of `keep` and `ignore`.

    A failure that is not the commit's fault (an outage, refused credentials) leaves the state as it is.
    """

    type: Literal["commit-status"]
    repo: str
    """Name of an entry of `repos`."""
    host: Literal["github", "gitlab", "bitbucket", "bitbucket-dc", "gitea"]
    api_url: str = ""
    """The host's public API where none is given."""
    token_env: str
    """Name of the environment variable that holds the token."""


class IssueTracker(Section):
    """A link on each Jira issue that a change's commits name: whether it is live, where, since when.

    A link is written again where it changes, so that an issue has one for each app and cluster.
    """

    type: Literal["jira"]
    url: str
    """The site: `https://acme.atlassian.net`, or a Data Center's."""
    projects: Annotated[
        tuple[Annotated[str, Field(pattern="^[A-Z][A-Z0-9_]+$")], ...], Field(min_length=1, strict=False)
    ]
    """Keys of the projects whose issues are meant: `SHOP` finds `SHOP-12` in a commit's message."""
    envs: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Environments whose apps tell it. Empty: every environment."""
    events: Annotated[tuple[Literal["converged", "failed", "rolled-back"], ...], Field(min_length=1, strict=False)] = (
        "converged",
        "failed",
        "rolled-back",
    )
    transition: str = ""
    """Step of the workflow, or status it leads to, that an issue makes when its commits are live."""
    token_env: str
    """Environment variable with `e-mail:token` of an account at Atlassian's cloud, or a Data Center's access token."""


class Hook(Section):
    """A CloudEvents 1.0 message for each event, signed with HMAC-SHA256."""

    type: Literal["webhook"]
    url: str
    events: Annotated[
        tuple[Literal["diff", "converged", "failed", "rolled-back"], ...], Field(min_length=1, strict=False)
    ] = ("diff", "converged", "failed", "rolled-back")
    secret_env: str
    """Name of the environment variable that holds the secret."""


Writeback = Annotated[CommitStatus | IssueTracker | Hook, Field(discriminator="type")]
