"""The good news of many apps at one commit, as one message of a channel instead of one for each app. Pure.

docs/adr/0011-one-commit-one-message.md says why, and what stays a message of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bot.model.announcement import ROLLOUT, Announcement, AppLine, News
from bot.model.control import Via
from bot.model.place import place_of

FEW: Final = 10  # apps that have a message each; from the next one on, one speaks for all
OPEN_FOR: Final = timedelta(minutes=10)  # since the last app began or ended; who comes later is told anew
EDITED_EVERY: Final = timedelta(seconds=5)  # Slack takes 50 edits a minute; people read no faster
_BEGINNING: Final = frozenset({News.DIFF, News.SYNCING})
_OVER: Final = frozenset({News.CONVERGED, News.RECOVERED, News.SETTLED})  # says that the app is equal to its commit
_TROUBLE: Final = frozenset({News.FAILED, News.DEGRADED})
_UNASKED: Final = frozenset({Via.SCHEDULE.value, Via.WEBHOOK.value})  # nobody waits for an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A message about many apps as it stands: its root message, the apps it counts (keys), and whom it waits for.

    `awaited` is as in an announcement; `last_at` is when the last app began or ended.
    """

    root: str
    commit: str
    channel: str
    apps: frozenset[str]
    awaited: tuple[str, ...] | None
    last_at: datetime


def root_of(news: Announcement) -> str:
    """Name the root message that may tell this of many apps; "" for what is told of its app alone.

    That is whatever wakes, asks or answers somebody, ends trouble, or is about no new commit.
    """
    good = news.news in _BEGINNING or (news.news is News.CONVERGED and not (news.failures or news.since))
    if not good or news.edits_only or news.rings or news.by or news.given or news.via not in _UNASKED:
        return ""
    return _named(news)


def counted_in(news: Announcement) -> str:
    """Name the root message that counts what is told of its app alone, an app that fails; "" for none."""
    return _named(news) if news.news in _TROUBLE and not news.apps else ""


def _named(news: Announcement) -> str:
    if news.in_thread or news.revision is None or news.revision.commit == news.previous:
        return ""
    return f"{_of(news)}@{news.channel}"


def line_of(news: Announcement, root: str) -> AppLine:
    """Return how an app stands in the rollout of a root message, by what is said of it."""
    if news.revision is not None and not root.startswith(f"{_of(news)}@"):
        how = f"went on to {news.revision.short}"
    else:
        as_such = News.SYNCING if news.news in _BEGINNING else News.CONVERGED if news.news in _OVER else news.news
        how = as_such.value
    key = f"{news.cluster}/{news.app}"
    return AppLine(key=key, name=news.app, cluster=news.cluster, env=news.env, how=how, root=news.root_key)


def is_news(line: AppLine, before: AppLine) -> bool:
    """Tell whether an app stands in another way than before: one that fails does so until a try has succeeded."""
    tries = before.how in {one.value for one in _TROUBLE} and line.how == News.SYNCING.value
    return line.how != before.how and not tries


def needs_a_look(line: AppLine) -> bool:
    """Tell whether an app is neither on its way nor equal to the commit: a message of its own says why."""
    return line.how not in {News.SYNCING.value, News.CONVERGED.value}


def left(line: AppLine, how: str) -> AppLine | None:
    """Return an app that is there no more, which will end nothing; None when it had ended already."""
    return replace(line, how=how, root="") if line.how == News.SYNCING.value else None


def opening(news: Announcement, root: str) -> Announcement:
    """Return the message before it knows its apps; they are filled in when it is about to be delivered.

    The commit is the one that all apps are equal to in the end, whichever commit changed something of each.
    """
    revision = news.revision
    caused = revision is not None and revision.cause is not None
    return Announcement(
        id=root,
        operation=root,
        news=News.SYNCING,
        app="apps",
        cluster=news.cluster,
        env=news.env,
        channel=news.channel,
        at=news.at,
        revision=replace(revision, cause=None) if revision is not None else None,
        revision_url="" if caused else news.revision_url,  # it is that of the cause
        ref=news.ref,
        via=news.via,
        awaited=None,
    )


def filled(news: Announcement, apps: Sequence[AppLine], *, began_at: datetime, at: datetime) -> Announcement:
    """Return the message with its apps as they are by now; of those that are awaited, the ones that have not begun."""
    count = Counter(one.how for one in apps)
    place = place_of(apps)
    awaited = None if news.awaited is None else tuple(sorted({*news.awaited}.difference(one.key for one in apps)))
    state = News.CONVERGED if count[News.CONVERGED.value] else News.FAILED
    if count[News.SYNCING.value] or awaited != ():
        state = News.SYNCING
    most = f" to {len(apps) + len(awaited)}" if awaited else ""
    return replace(
        news,
        news=state,
        app=f"{len(apps)}{most} apps" if awaited is not None else f"{len(apps)} apps or more",
        cluster=place.cluster,
        env=place.env,
        at=at,
        since=began_at if state is News.SYNCING else None,
        started_at=began_at,
        apps=tuple(apps),
        awaited=awaited,
    )


def _of(news: Announcement) -> str:
    return f"{ROLLOUT}{news.revision.commit[:12]}" if news.revision is not None else ROLLOUT
