"""The configuration file as pydantic models: one class per section."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from bot.settings.apps import App, ApproversSection, AppSet
from bot.settings.git import Repo
from bot.settings.people import Oncall, Permission, Slack
from bot.settings.rendering import Programs
from bot.settings.values import AppName, Duration, Namespace, Section


class ClusterDefaults(Section):
    """What holds for every cluster."""

    qps: Annotated[float, Field(ge=0)] = 0
    """Requests a second. 0: no limit of ours, the server's own fairness and its `Retry-After` are respected."""


class Cluster(Section):
    """Where apps are kept, and how it is reached."""

    name: AppName
    kubeconfig: str = ""
    """Path; `$KUBECONFIG`, then `~/.kube/config`, where none is given."""
    context: str = ""
    """The kubeconfig's current one where none is given."""
    in_cluster: bool = False
    """The service account of the pod the bot runs in, instead of a kubeconfig."""
    namespace: Namespace = "gitops-bot"
    """Where inventories and leases live on that cluster; created if missing."""


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


class Server(Section):
    """The HTTP server: health, metrics, webhooks, and Slack in `http` mode."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """`PORT` of the environment wins."""
    base_url: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    """Where others reach it: the default of `slack manifest --url`, and `check` prints the address of each webhook."""


class Retry(Section):
    """The pauses of an app that fails.

    A newer commit, a webhook and an order do not wait for them, nor does what failed because its cluster was away when
    that answers again; where the commit changes nothing of the app it is tried 5 s after it.
    """

    first: Duration = timedelta(seconds=5)
    factor: Annotated[float, Field(ge=1)] = 2
    max: Duration = timedelta(minutes=3)


class Settings(Section):
    """The configuration file of gitops-bot."""  # `load` also checks what one section says of another

    instance: AppName = "default"
    """Name of this bot: two bots on one cluster need different names, and each refuses what the other owns."""
    cluster_defaults: ClusterDefaults = ClusterDefaults()
    clusters: Annotated[tuple[Cluster, ...], Field(min_length=1, strict=False)]
    repos: Annotated[tuple[Repo, ...], Field(min_length=1, strict=False)]
    apps: Annotated[tuple[App, ...], Field(strict=False)] = ()
    app_sets: Annotated[tuple[AppSet, ...], Field(strict=False)] = ()
    slack: Slack = Slack()
    oncall: Oncall = Oncall()
    permissions: Annotated[tuple[Permission, ...], Field(strict=False)] = ()
    approvers: ApproversSection = ApproversSection()
    writebacks: Annotated[tuple[Writeback, ...], Field(strict=False)] = ()
    """What the world hears of diff, converged, failed and rolled back."""
    server: Server = Server()
    state: str = "sqlite:///gitops-bot.db"
    """SQLAlchemy URL, a file's relative to the configuration file; `DATABASE_URL` wins."""
    retry: Retry = Retry()
    programs: Programs = Programs()

    def repo(self, name: str) -> Repo:
        return next(repo for repo in self.repos if repo.name == name)
