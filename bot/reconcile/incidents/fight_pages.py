"""The page about a fight: self-heal cannot hold what Git says, and only a person can make the other side stop. Pure.

A fight is an incident of its own beside whatever the app fails for, so that its page is acknowledged and closed as any
other is. It pages by time alone, from when people were told that it is a fight, with the priority of the app: a hand
edit or two wake nobody. It closes when the fight is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bot.model.announcement import Announcement, Page, PageAct
from bot.model.app import AppSpec
from bot.model.incident import Incident, OpenPage, Sufferer
from bot.oncall.briefing import DESCRIPTION_LIMIT, MESSAGE_LIMIT, place, shortened
from bot.oncall.escalation import PagePolicy, page_of


def key_of(app: str) -> str:
    """Return the key of the incident about an app's fight."""
    return f"fight:{app}"


def is_fight(incident: Incident) -> bool:
    return incident.key.startswith("fight:")


def entered(
    incidents: Sequence[Incident], app: AppSpec, news: Announcement, *, heard: Mapping[str, str], policy: PagePolicy
) -> tuple[Incident, Announcement, tuple[Page, ...]]:
    """Return the incident of a fight that goes on, the news with who has its page, and the page that is due."""
    known = next((one for one in incidents if one.key == key_of(app.key)), None)
    incident = known or _begun(app, news, heard)
    page = incident.page(app.oncall_team)
    waits_since = incident.since if page is None else page.closed_at  # None while it is open
    due: tuple[Page, ...] = ()
    if waits_since is not None and news.at - waits_since >= policy.duration:
        due = (_page(app, news, incident.since),)
        page = OpenPage.of(due[0])
        incident = replace(incident, pages=(page,))
    if page is not None and page.arrived and not page.closed_by:
        news = replace(news, page=page.words, alias=page.alias, acknowledged_by=page.acknowledged_by)
    return replace(incident, message=news.message), news, due


def _begun(app: AppSpec, news: Announcement, heard: Mapping[str, str]) -> Incident:
    sufferer = Sufferer.of(
        app,
        priority=app.oncall_priority,
        since=news.at,
        reason=news.message,
        roots=tuple(heard.items()),
        owns=True,
    )
    return Incident(
        id=f"{news.operation}:{news.at.timestamp():.0f}",
        key=key_of(app.key),
        shared=False,
        news=news.news.value,
        message=news.message,
        since=news.at,
        joined_at=news.at,
        sufferers=(sufferer,),
    )


def _page(app: AppSpec, news: Announcement, since: datetime) -> Page:
    description = (
        f"{news.message}\n\nSince: {since:%Y-%m-%d %H:%M:%S} UTC\nWhat helps: {news.next_step.removesuffix('.')}.\n"
        "The page closes by itself an hour after the last change."
    )
    text = shortened(f"{place(app.name, app.cluster, app.env)}: {news.message}", MESSAGE_LIMIT)
    page = page_of(app, PageAct.OPEN, text, news.at, news.operation, unique=f"{news.at.timestamp():.0f}")
    return replace(page, alias=f"{page.alias}:fight", description=shortened(description, DESCRIPTION_LIMIT))
