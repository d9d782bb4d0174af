"""The configuration file as pydantic models: one class per section."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from bot.settings.apps import App, ApproversSection, AppSet
from bot.settings.git import Repo
from bot.settings.people import Oncall, Permission, Slack
from bot.settings.registries import Registry
from bot.settings.rendering import Programs
from bot.settings.values import AppName, Duration, Namespace, Section
from bot.settings.writebacks import Writeback


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
    registries: Annotated[tuple[Registry, ...], Field(strict=False)] = ()
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
