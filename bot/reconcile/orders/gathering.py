"""One message for each channel, where an order is about many apps. Pure: what is said of each in, messages out.

A channel that hears of one of them alone reads the message of that app, with its buttons. Where several are heard
together the root message is the order's in that channel, and the thread of each app that lives there is its thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from bot.model.announcement import Announcement, AppLine, News
from bot.model.app import AppSpec
from bot.model.control import Control, Pause
from bot.model.place import place_of
from bot.reconcile.orders import commands

RESUME: Final = "Resume all ends it for these apps, /gitops resume <app> for one of them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What is said of one app, as one channel has it."""

    app: AppSpec
    said: Announcement


@dataclass(frozen=True, slots=True)
class Gathered:
    """The messages of an order; `shared` has the apps (keys) that read theirs together with others where they live."""

    said: tuple[Announcement, ...]
    shared: frozenset[str]


def root(order: str, channel: str) -> str:
    """Name the message of an order about many apps in a channel."""
    return f"{order}@{channel}"


def gathered(order: str, heard: Iterable[Heard], together: Announcement) -> Gathered:
    """Return a message for each channel; `together` is how it reads where it is about several apps."""
    by_channel: dict[str, list[Heard]] = {}
    for one in heard:
        by_channel.setdefault(one.said.channel, []).append(one)
    many = {channel: [one.app for one in here] for channel, here in by_channel.items() if len(here) > 1}
    shared = frozenset(app.key for channel, apps in many.items() for app in apps if app.channel == channel)
    said = [_rooted(about(together, apps), order, channel) for channel, apps in many.items()]
    for channel, here in by_channel.items():
        if channel not in many:
            (one,) = here
            said.append(replace(one.said, root=root(order, channel)) if one.app.key in shared else one.said)
    return Gathered(tuple(said), shared)


def about(news: Announcement, apps: Sequence[AppSpec]) -> Announcement:
    """Return news as it is about several apps."""
    place = place_of(apps)
    return replace(
        news,
        app="1 app" if len(apps) == 1 else f"{len(apps)} apps",
        cluster=place.cluster,
        env=place.env,
        apps=tuple(AppLine(key=app.key, name=app.name, cluster=app.cluster) for app in apps),
    )


def ending(until: datetime | None) -> str:
    """Return when the pause of several apps ends, as people read it."""
    return commands.ending(until) if until is not None else "until someone resumes them"


def held_by(order: str, apps: Mapping[str, AppSpec], controls: Mapping[str, Control]) -> dict[str, Pause]:
    """Return the pauses that an order about many apps has made and that hold still, by app key."""
    return {
        key: control.pause
        for key, control in controls.items()
        if key in apps and control.pause is not None and control.pause.order == order
    }


def left(
    pauses: Mapping[str, Pause],
    apps: Mapping[str, AppSpec],
    *,
    ended: Iterable[str],
    how: str,
    base: Announcement,
    channels: Callable[[AppSpec], Collection[str]],
) -> tuple[Announcement, ...]:
    """Return how the messages of an order read once some of its pauses have ended; they ring for nobody.

    `pauses` are those of the order before that; `base` has the time; `channels` may have heard of an app.
    """
    over = set(ended)
    by_channel: dict[str, list[str]] = {}
    for key in pauses:
        for channel in channels(apps[key]):
            by_channel.setdefault(channel, []).append(key)
    said = []
    for channel, keys in by_channel.items():
        if over.isdisjoint(keys):
            continue
        pause = pauses[keys[0]]
        still = [key for key in keys if key not in over]
        news = replace(
            about(base, [apps[key] for key in still or keys]),
            id=f"{base.id}:left",
            news=News.PAUSED,
            by=pause.by,
            reason=pause.reason,
            until=pause.until if still else None,
            message=f"Nothing is applied {ending(pause.until)}. {how}" if still else how,
            next_step=RESUME if still else "",
            edits_only=True,
        )
        if not still:
            news = replace(news, apps=tuple(replace(line, how="resumed") for line in news.apps))
        said.append(_rooted(news, pause.order, channel))
    return tuple(said)


def _rooted(news: Announcement, order: str, channel: str) -> Announcement:
    """Return news as what the message of an order in a channel says."""
    key = root(order, channel)
    return replace(news, id=f"{key}:{news.id}", operation=key, root="", channel=channel)
