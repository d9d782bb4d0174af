"""Which channel hears what: news in, addressed news out. Pure.

An app lives in one channel: its own, else that of the first route that fits it without naming severities, else the
default. Every other route that fits gets a copy of what has one of its severities. Quiet hours hold information back
and never a failure; a mute holds back everything but what people are asked. What is held back still edits messages that
are there already, because an edit rings for nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import Enum
from typing import Final
from zoneinfo import ZoneInfo

from bot.model.announcement import Announcement, News
from bot.model.app import AppSpec


class Severity(Enum):
    """How much a message matters; the words of the configuration."""

    INFO = "info"
    WARNING = "warning"
    FAILURE = "failure"


_SEVERITIES: Final[dict[News, Severity]] = {
    News.FAILED: Severity.FAILURE,
    News.DEGRADED: Severity.FAILURE,
    News.PAGED: Severity.FAILURE,
    News.PAGE_CLOSED: Severity.FAILURE,  # whoever heard that somebody was called hears that it is over
    News.ACKNOWLEDGED: Severity.FAILURE,
    News.PAGE_LATE: Severity.FAILURE,
    News.UNDELIVERABLE: Severity.FAILURE,
    News.NOTICE: Severity.WARNING,
    News.REFUSED: Severity.WARNING,
    News.APPROVAL: Severity.WARNING,
    News.DRIFT: Severity.WARNING,
    News.FIGHT: Severity.WARNING,
    News.PAUSED: Severity.WARNING,
    News.ROLLED_BACK: Severity.WARNING,
    News.APPROVED: Severity.WARNING,  # a decision, which whoever asked waits for
    News.REJECTED: Severity.WARNING,
    News.EXPIRED: Severity.WARNING,
}


def severity(news: News) -> Severity:
    return _SEVERITIES.get(news, Severity.INFO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Empty sequences and `*` mean any. Without `severities` apps live there, with them it gets copies."""

    channel: str
    apps: tuple[str, ...] = ()
    envs: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()

    def fits(self, app: str, cluster: str, env: str) -> bool:
        return (
            (not self.apps or not {"*", app, f"{cluster}/{app}"}.isdisjoint(self.apps))
            and (not self.envs or not {"*", env}.isdisjoint(self.envs))
            and (not self.clusters or not {"*", cluster}.isdisjoint(self.clusters))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quiet:
    """Hours of each day without information; over midnight where `end` is before `start`."""

    start: time
    end: time
    zone: str = "UTC"

    def holds(self, at: datetime) -> bool:
        now = at.astimezone(ZoneInfo(self.zone)).time()
        if self.start <= self.end:
            return self.start <= now < self.end
        return now >= self.start or now < self.end

    def began(self, at: datetime) -> datetime:
        """Return when the quiet hours that have just ended, or last, began."""
        local = at.astimezone(ZoneInfo(self.zone))
        start = local.replace(hour=self.start.hour, minute=self.start.minute, second=0, microsecond=0)
        return (start if start <= local else start - timedelta(days=1)).astimezone(at.tzinfo)

    def ended(self, at: datetime) -> datetime:
        """Return when the last quiet hours ended."""
        return replace(self, start=self.end).began(at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """All of it; `default` is the channel of everything that fits nowhere."""

    routes: tuple[Route, ...] = ()
    default: str = ""
    quiet: Quiet | None = None

    def placed(self, app: AppSpec) -> AppSpec:
        """Return the app with the channel it lives in."""
        home, _ = self._home(app)
        return app if home == app.channel else replace(app, channel=home)

    def channels(self, app: AppSpec) -> frozenset[str]:
        """Return every channel that hears of the app."""
        fitting = [one.channel for one in self.routes if one.fits(app.name, app.cluster, app.env)]
        return frozenset([self._home(app)[0], *fitting]) - {""}

    def addressed(self, news: Announcement, *, muted: bool) -> tuple[Announcement, ...]:
        """Return the news for each channel; `edits_only` marks what must not ring."""
        matters = severity(news.news)
        hushed = muted or (self.quiet is not None and matters is Severity.INFO and self.quiet.holds(news.at))
        found: dict[str, bool] = {news.channel: hushed} if news.channel else {}
        for route in self.routes:
            if route.channel != news.channel and route.fits(news.app, news.cluster, news.env):
                below = bool(route.severities) and matters not in route.severities
                found[route.channel] = found.get(route.channel, True) and (hushed or below)
        return tuple(
            replace(news, edits_only=edits or news.edits_only)
            if channel == news.channel
            else replace(
                news,
                id=f"{news.id}@{channel}",
                channel=channel,
                root=f"{news.root_key}@{channel}",
                edits_only=edits or news.edits_only,
            )
            for channel, edits in found.items()
        )

    def explained(self, app: AppSpec) -> Iterator[str]:
        """Yield one line per channel: what it hears of the app, and why."""
        channel, why = self._home(app)
        yield f"<#{channel}> hears everything: {why}" if channel else "no channel hears of it: Slack is off"
        for number, route in enumerate(self.routes, start=1):
            if route.channel != channel and route.fits(app.name, app.cluster, app.env):
                what = ", ".join(one.value for one in route.severities) or "everything"
                yield f"<#{route.channel}> hears {what}: route {number}"
        if self.quiet is not None:
            start, end = self.quiet.start, self.quiet.end
            yield f"no information from {start:%H:%M} to {end:%H:%M} ({self.quiet.zone}), failures always"

    def _home(self, app: AppSpec) -> tuple[str, str]:
        """Return the channel an app lives in, and why."""
        if app.channel and app.channel != self.default:
            return app.channel, "it is the app's channel"
        for number, route in enumerate(self.routes, start=1):
            if not route.severities and route.fits(app.name, app.cluster, app.env):
                return route.channel, f"route {number}"
        return app.channel, "it is the default channel"
