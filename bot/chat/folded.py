"""Many apps in one message: all their names, grouped as people look for them, and a way to each of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from bot.chat import kit
from bot.chat.kit import Block, cut, escape
from bot.model.announcement import MOVED, Announcement, AppLine, News

_OFFERED: Final = 40  # a hundred choices would take the room of the names
_TEXT: Final = kit.TEXT_LIMIT - 100
_WITH_REASONS: Final = 100  # apps; of more there is room for the names alone
_REASONS: Final = 6_000  # characters of all reasons together
_LONGEST: Final = 200
_TROUBLED: Final = frozenset({"", News.FAILED.value})  # what an app is that fails, for one reason or in a rollout
_TITLES: Final = {  # of apps that people have ordered something of, and of those for which that has ended
    News.PAUSED: ("Paused", "Running again"),
    News.REMINDER: ("Paused", "Running again"),
    News.RESUMED: ("Running", ""),
    News.MUTED: ("Muted", ""),
    News.UNMUTED: ("Heard again", ""),
}


def apps(news: Announcement) -> Iterator[Block]:
    """Yield who still fails and who is over it, by cluster; as many sections as it takes."""
    failing = [one for one in news.apps if not one.how]
    over = [one for one in news.apps if one.how and one.how != MOVED]
    moved = [one for one in news.apps if one.how == MOVED]
    now, done = _TITLES.get(news.news, ("Failing", "Over it"))
    for title, some in ((now, failing), (done, over), ("For another reason", moved)):
        if some:
            differ = some is failing and any(one.reason for one in some) and len(some) <= _WITH_REASONS
            yield from listed(title, some, reasons=differ)


def listed(title: str, some: list[AppLine], *, reasons: bool = False) -> Iterator[Block]:
    """Yield apps by cluster under a title with their number, or each with its reason."""
    yield from sections([f"*{title} ({len(some)})*", *(_reasons(some) if reasons else lines(some))])


def menu(news: Announcement) -> Iterator[Block]:
    """Yield the menu that shows how one of the apps stands: those that fail come first; of many, one searches."""
    if len(news.apps) > _OFFERED:
        yield kit.search_menu("gitops.pick.status", "Look at one app")
        return
    options = [
        kit.option(f"{one.name} / {one.cluster}", one.key)
        for one in sorted(news.apps, key=lambda one: (one.how not in _TROUBLED, one.name))
    ]
    yield kit.menu("gitops.pick.status", "Look at one app", options)


def names(news: Announcement) -> str:
    """Return who still fails, for the sentence."""
    failing = sorted(one.name for one in news.apps if not one.how)
    title, _ = _TITLES.get(news.news, ("Failing", ""))
    return f"{title}: {', '.join(failing)}." if failing else ""


def _reasons(some: list[AppLine]) -> Iterator[str]:
    """Yield each app with its reason, as much of it as there is room for with so many."""
    room = min(_REASONS // len(some), _LONGEST)
    for one in sorted(some, key=lambda one: (one.cluster, one.name)):
        reason = escape(cut(kit.one_line(one.reason), room))
        yield f"*{escape(one.name)}* / {escape(one.cluster)}: {reason}"


def lines(some: list[AppLine]) -> Iterator[str]:
    """Yield the names of apps, a line for each cluster and what ended their trouble."""
    ordered = sorted(some, key=lambda one: (one.cluster, one.how, one.name))
    for (cluster, how), here in groupby(ordered, key=lambda one: (one.cluster, one.how)):
        place = f"{cluster}, {how}" if how else cluster
        yield f"{escape(place)}: {', '.join(map(_name, here))}"


def _name(app: AppLine) -> str:
    return f"<{app.link}|{escape(app.name)}>" if app.link else escape(app.name)


def sections(lines: list[str]) -> Iterator[Block]:
    """Yield lines in sections of Slack's size; a line that is too long goes on in the next one."""
    text = ""
    for word in " \n".join(lines).split(" "):
        if len(text) + len(word) > _TEXT:
            yield kit.section(text.replace(" \n", "\n"))
            text = ""
        text = f"{text} {word}" if text else word
    yield kit.section(text.replace(" \n", "\n"))
