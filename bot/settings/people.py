"""Who hears what, who may do what, and who is woken."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, model_validator

from bot.model.app import Window
from bot.reconcile.passes import windows
from bot.settings.values import Duration, Names, Section, Zone


class RouteSection(Section):
    """Which apps' messages a channel gets; without `severities` apps live there, with them it gets copies."""

    channel: Annotated[str, Field(min_length=1)]
    """Id of a Slack channel."""
    apps: Names = ()
    """Names, or `cluster/app`; empty or `*`: every app."""
    envs: Names = ()
    """Empty or `*`: every environment."""
    clusters: Names = ()
    """Empty or `*`: every cluster."""
    severities: Annotated[tuple[Literal["info", "warning", "failure"], ...], Field(strict=False)] = ()
    """Of the copies; empty: the apps live here."""


_Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class QuietSection(Section):
    """Hours without information, never without failures."""

    start: _Clock
    """Such as `22:00`."""
    end: _Clock
    """Such as `07:00`."""
    timezone: Zone = "UTC"


class DigestSection(Section):
    """When each channel is told what happened since the last digest."""

    schedule: str
    """Five cron fields, read in `timezone`."""
    timezone: Zone = "UTC"

    @model_validator(mode="after")
    def _readable(self) -> DigestSection:
        windows.trigger(self.value())
        return self

    def value(self) -> Window:
        """Return the schedule as windows have it; it opens for a moment."""
        return Window(allows=True, schedule=self.schedule, duration=timedelta(minutes=1), timezone=self.timezone)


class Slack(Section):
    """Where the bot speaks, and how it hears."""

    mode: Literal["socket", "http", "off"] = "off"
    """How Slack reaches the bot: by a WebSocket the bot opens, or by HTTP."""
    default_channel: str = ""
    """Id of the channel of apps that no route fits, and of what concerns all."""
    api_url: str = "https://slack.com/api/"
    """Any Slack-compatible endpoint."""
    people: dict[str, str] = Field(default_factory=dict)
    """E-mail address of a commit's author to Slack id, where Slack knows another address."""
    routes: Annotated[tuple[RouteSection, ...], Field(strict=False)] = ()
    quiet: QuietSection | None = None
    digest: DigestSection | None = None


class PageAfter(Section):
    """When somebody is woken: after this many failures in a row or this long, whichever comes first.

    An outage of the Git host, the API server or a registry counts by its time alone.
    """

    failures: Annotated[int, Field(ge=1)] = 3
    duration: Duration = timedelta(minutes=15)


class FurtherProvider(Section):
    """Gets every alert too, with a key and a delivery of its own."""

    provider: Literal["opsgenie", "opsgenie-eu", "jsm", "webhook"]
    host: str = ""
    """What precedes `/v2/alerts`, where it is not the provider's own."""
    url: str = ""
    """Of a webhook."""
    key_env: str = ""
    """Name of the environment variable with its API key; `NAME_<TEAM>` is a team's own."""

    @model_validator(mode="after")
    def _complete(self) -> FurtherProvider:
        if self.provider == "webhook" and not self.url:
            raise ValueError("a webhook needs url, where alerts are sent")
        if self.provider != "webhook" and not self.key_env:
            raise ValueError("name the environment variable with its API key: key_env, such as JSM_API_KEY")
        if self.provider == "webhook" and (self.key_env or self.host):
            raise ValueError("a webhook has url alone")
        return self


class Oncall(Section):
    """The service that wakes people."""

    provider: Literal["opsgenie", "opsgenie-eu", "jsm", "webhook", "off"] = "off"
    host: str = ""
    """What precedes `/v2/alerts`; for a webhook the URL itself."""
    also: Annotated[tuple[FurtherProvider, ...], Field(strict=False)] = ()
    """Further providers that get every alert too."""
    page_after: PageAfter = PageAfter()
    heartbeat: str = ""
    """Name of an Opsgenie heartbeat, or a URL to GET; once a minute while passes complete."""


Verb = Literal[
    "*",
    "status",
    "plan",
    "diff",
    "history",
    "sync",
    "pause",
    "resume",
    "rollback",
    "keep",
    "ignore",
    "approve",
    "reject",
    "oncall",
    "mute",
    "unmute",
    "route",
    "audit",
    "help",
    "whoami",
]


class Permission(Section):
    """A rule; the first that matches decides, and nobody may what no rule allows."""

    verbs: Annotated[tuple[Verb, ...], Field(min_length=1, strict=False)]
    apps: Names = ()
    """Names, or `cluster/app`; empty or `*`: every app."""
    envs: Names = ()
    """Empty or `*`: every environment."""
    users: Names = ()
    """Slack ids, e-mail addresses, or `*`."""
    groups: Names = ()
    """Ids of Slack user groups."""
    channels: Names = ()
    """Ids of Slack channels; a rule with channels never matches in a direct message."""
    deny: bool = False
    """Whether the rule refuses instead."""
