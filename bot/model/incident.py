"""One reason for which apps fail, and whom it has woken: what people hear of once instead of once per app."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.model.announcement import Page, PageAct
from bot.model.app import AppSpec
from bot.model.place import Place
from bot.model.source import Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Sufferer:
    """An app that fails, or has failed, for an incident.

    `roots` names the root message of the app alone in each channel that hears of it. `owns` tells that this message
    began with the failure, so that the one about many apps may take its place.
    """

    app: str  # key
    title: str
    cluster: str
    env: str
    team: str
    priority: str
    since: datetime
    reason: str
    roots: tuple[tuple[str, str], ...] = ()
    owns: bool = False
    revision: Revision | None = None  # at which it fails; None where no commit is to blame
    revision_url: str = ""
    previous: str = ""  # commit it was equal to before
    over_at: datetime | None = None
    how: str = ""  # what ended it: `converged at a1b2c3d`

    @classmethod
    def of(
        cls,
        app: AppSpec,
        *,
        priority: str,
        since: datetime,
        reason: str,
        roots: tuple[tuple[str, str], ...],
        owns: bool,
    ) -> Sufferer:
        """Return an app that begins to fail."""
        return cls(
            app=app.key,
            title=app.title,
            cluster=app.cluster,
            env=app.env,
            team=app.oncall_team,
            priority=priority,
            since=since,
            reason=reason,
            roots=roots,
            owns=owns,
        )

    @property
    def name(self) -> str:
        return self.app.partition("/")[2]

    def root(self, channel: str) -> str:
        """Return the root message in a channel, "" where nobody hears of the app."""
        return dict(self.roots).get(channel, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPage:
    """An alert that is open for an incident; there is one for each team.

    `closed_by` names who closed it over there while apps go on failing.
    """

    alias: str
    team: str
    priority: str
    operation: str  # whose thread hears of it
    channel: str
    at: datetime
    arrived: bool = False
    acknowledged_by: str = ""
    closed_by: str = ""
    closed_at: datetime | None = None

    @classmethod
    def of(cls, page: Page) -> OpenPage:
        """Return the alert that a page opens."""
        return cls(
            alias=page.alias,
            team=page.team,
            priority=page.priority,
            operation=page.operation,
            channel=page.channel,
            at=page.at,
        )

    @property
    def words(self) -> str:
        """Return who was paged, as a message says it: `sre, P2`."""
        return f"{self.team or 'on-call'}, {self.priority}"

    def call(self, act: PageAct, place: Place, *, id: str, at: datetime, message: str) -> Page:
        """Return one call about this alert to the on-call service; calls with one `id` are delivered once."""
        return Page(
            id=id,
            act=act,
            alias=self.alias,
            app=place.app,
            cluster=place.cluster,
            env=place.env,
            channel=self.channel,
            operation=self.operation,
            at=at,
            message=message,
            team=self.team,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """`key` is the same for apps that fail alike; `shared` tells that a neighbour of all apps is to blame for it.

    A `mixed` one is of apps that began to fail within moments of each other, each for a reason of its own.
    """

    id: str  # operation of the first app, reason and second
    key: str
    shared: bool
    mixed: bool = False
    news: str  # value of the News that says it: failed or degraded
    message: str
    since: datetime
    joined_at: datetime  # when the newest app joined
    sufferers: tuple[Sufferer, ...] = ()
    pages: tuple[OpenPage, ...] = ()
    version: int = 0  # counts what was said of it

    @property
    def failing(self) -> tuple[Sufferer, ...]:
        return tuple(one for one in self.sufferers if one.over_at is None)

    def fails(self, app: str) -> bool:
        return any(one.app == app for one in self.failing)

    def heard_in(self, channel: str) -> tuple[Sufferer, ...]:
        """Return the apps that a channel hears of, in the order they began to fail."""
        return tuple(one for one in self.sufferers if one.root(channel))

    def is_folded(self, channel: str) -> bool:
        """Tell whether one message speaks for several apps there."""
        return len(self.heard_in(channel)) > 1

    def fold(self, channel: str) -> str:
        """Name the root message that speaks for several apps in a channel."""
        operation, at, copy = self.heard_in(channel)[0].root(channel).partition("@")
        return f"{operation}:{self.id.rpartition(':')[2]}{at}{copy}"  # a route's copy of a line finds it by this name

    def page(self, team: str) -> OpenPage | None:
        return next((one for one in self.pages if one.team == team), None)
