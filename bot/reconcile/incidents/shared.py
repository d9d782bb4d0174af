"""What many apps with one reason, or in one moment, are told as: the message of a channel, a team's page. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from bot.model.announcement import MOVED, SHARED_ALIAS, Announcement, AppLine, News, Page, PageAct, TroubleLine
from bot.model.app import AppSpec
from bot.model.incident import Incident, OpenPage, Sufferer
from bot.model.place import Place, place_of
from bot.oncall.briefing import DESCRIPTION_LIMIT, MESSAGE_LIMIT, commit_lines, good_before, place, shortened

_REASON: Final = 200  # characters of one app's reason in a page


def told(incident: Incident, channel: str, *, at: datetime) -> Announcement:
    """Return the message that speaks for all apps of an incident in a channel."""
    here = incident.heard_in(channel)
    failing = [one for one in here if one.over_at is None]
    place = place_of(here)
    alike = not incident.mixed
    well = [one for one in here if one.over_at is not None and one.how != MOVED]
    count = len(failing) or len(well)
    over = News.RECOVERED if well else News.SETTLED
    fail = "are degraded" if incident.news == News.DEGRADED.value else "fail"
    page = next((one for one in incident.pages if one.arrived and not one.closed_by), None) if failing else None
    first = "" if incident.shared else f"for example {here[0].title}"
    trouble = (TroubleLine(subject=first, message=incident.message),) if failing and alike else ()
    blamed = None if incident.shared else _blamed(failing)
    return Announcement(
        id=f"{incident.fold(channel)}:{incident.version}",
        operation=incident.fold(channel),
        news=News(incident.news) if failing else over,
        app=f"{count} of {place.app}" if 0 < count < len(here) else place.app,
        cluster=place.cluster,
        env=place.env,
        channel=channel,
        at=at,
        since=min((one.since for one in failing), default=incident.since),
        message=_sentence(incident, failing=len(failing), well=len(well), count=len(here), fail=fail),
        troubles=trouble,
        apps=tuple(
            AppLine(
                key=one.app,
                name=one.name,
                cluster=one.cluster,
                how=one.how,
                reason="" if alike else one.reason,
                operation=one.root(channel).partition("@")[0],
            )
            for one in here
        ),
        revision=blamed.revision if blamed is not None else None,
        revision_url=blamed.revision_url if blamed is not None else "",
        next_step=_next_step(blamed, alike=alike) if failing else "",
        inherits=here[0].root(channel) if here[0].owns else "",
        page=page.words if page is not None else "",
        alias=page.alias if page is not None else "",
        acknowledged_by=page.acknowledged_by if page is not None else "",
    )


def _blamed(failing: Sequence[Sufferer]) -> Sufferer | None:
    """Return one of the apps when one commit is to blame for all of them."""
    commits = {one.revision.blamed.commit if one.revision is not None else "" for one in failing}
    return failing[0] if len(commits) == 1 and "" not in commits else None


def spoken_for(one: Sufferer, channel: str, *, at: datetime) -> Announcement:
    """Return how the message of an app alone reads from when on another speaks for it and others."""
    root = one.root(channel)
    operation = root.partition("@")[0]
    return Announcement(
        id=f"{root}:spoken-for:{at.timestamp():.3f}",
        operation=operation,
        root=root,
        news=News.FAILED,
        app=one.name,
        cluster=one.cluster,
        env=one.env,
        channel=channel,
        at=at,
        since=one.since,
        message=f"{one.reason}.",
        revision=one.revision,
        revision_url=one.revision_url,
        previous=one.previous,
        next_step="The message about several apps that fail now goes on with it. It is tried again by itself.",
        edits_only=True,
    )


def _next_step(blamed: Sufferer | None, *, alike: bool) -> str:
    again = "Each app is tried again by itself, and this message follows them."
    if not alike:
        return f"Choose an app below for its error and its buttons. {again}"
    if blamed is None:
        return again
    back = f", or roll back each app: /gitops rollback {blamed.name} {blamed.previous[:7]}" if blamed.previous else ""
    return f"Push a fix{back}. {again}"


def _sentence(incident: Incident, *, failing: int, well: int, count: int, fail: str) -> str:
    why = "within moments of each other, each for a reason of its own" if incident.mixed else "for one reason"
    if failing == count:
        return f"{count} apps {fail} {why}."
    if failing:
        return f"{failing} of {count} apps still {fail} {why}."
    had = "They failed within moments of each other" if incident.mixed else f"They had one reason: {incident.message}"
    if well == count:
        return f"All {count} apps are over it. {had}."
    moved = count - well
    return f"{moved} of {count} apps fail for another reason now. {had}."


def closed(incident: Incident, team: str, text: str, at: datetime) -> tuple[Incident, tuple[Page, ...]]:
    """Close a team's page when no app of the team fails for the incident any more."""
    page = incident.page(team)
    if page is None or any(one.team == team for one in incident.failing):
        return incident, ()
    incident = replace(incident, pages=tuple(one for one in incident.pages if one is not page))
    if page.closed_by:
        return incident, ()
    close = page.call(
        PageAct.CLOSE,
        place_of([one for one in incident.sufferers if one.team == team]),
        id=f"{page.operation}:close:{int(at.timestamp())}",
        at=at,
        message=shortened(text, DESCRIPTION_LIMIT),
    )
    return incident, (close,)


def call_of(page: OpenPage, app: AppSpec, act: PageAct, text: str, at: datetime, *, unique: str = "") -> Page:
    """Return one call about a page that is open, for an app; `unique` tells calls of one operation apart."""
    call = page.call(
        act,
        Place(app=app.name, cluster=app.cluster, env=app.env),
        id=f"{page.operation}:{act.value}:{unique or f'{app.key}:{int(at.timestamp())}'}",
        at=at,
        message=shortened(text, DESCRIPTION_LIMIT),
    )
    return replace(call, priority=page.priority)


def page_of_many(due: Page, failing: Sequence[Sufferer], incident: Incident) -> Page:
    """Return the page of one app as that of several, with the list inside."""
    here, count = place_of(failing), "1 app" if len(failing) == 1 else f"{len(failing)} apps"
    return replace(
        due,
        alias=_alias(incident, due.team),
        app=count,
        cluster=here.cluster,
        env=here.env,
        message=shortened(_headline(count, here, incident), MESSAGE_LIMIT),
        description=shortened("\n".join(_briefing(failing, incident)), DESCRIPTION_LIMIT),
        priority=min(one.priority for one in failing),
    )


def _headline(count: str, here: Place, incident: Incident) -> str:
    where = place(count, here.cluster, here.env)
    return f"{where} fail, {incident.message}" if incident.mixed else f"{where}: {incident.message}"


def _briefing(failing: Sequence[Sufferer], incident: Incident) -> Iterator[str]:
    """Yield what a page of several apps says: the reason, the commit where one is to blame, each app, what helps."""
    others = len(incident.failing) - len(failing)
    more = f", and {others} more of other teams" if others else ""
    blamed = None if incident.shared else _blamed(failing)
    yield incident.message
    yield ""
    if blamed is not None:
        yield from commit_lines(blamed.revision, blamed.revision_url)
    yield f"{'1 app fails' if len(failing) == 1 else f'{len(failing)} apps fail'}{more}:"
    for one in sorted(failing, key=lambda one: one.title):
        good = "" if incident.shared else good_before(one.revision, one.previous)
        own = f": {shortened(one.reason, _REASON)}" if incident.mixed else ""
        since = f"since {one.since:%Y-%m-%d %H:%M:%S} UTC"
        yield f"- {one.title}: {since}" + (f", last good: {good}" if good else "") + own
    yield ""
    first = next(((one, good) for one in failing if (good := good_before(one.revision, one.previous))), None)
    if incident.shared:
        yield "No commit is to blame. What helps: mend what the reason names; each app is tried again by itself."
    elif first is not None:
        yield f"What helps: push a fix, or roll back each app:\n/gitops rollback {first[0].name} {first[1]}"
    else:
        yield "What helps: push a fix; each app is tried again by itself."
    yield "The page closes by itself when all of them have converged."


def _alias(incident: Incident, team: str) -> str:
    """Return the alias of a page for several apps; no cluster has a name with an underscore."""
    return f"{SHARED_ALIAS}{incident.key[:12]}" + (f":{team}" if team else "")
