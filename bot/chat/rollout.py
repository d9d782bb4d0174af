"""One commit on its way to many apps: how far it is, where, and the names of those that it has reached. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from bot.chat import folded, kit
from bot.chat.kit import Block, escape, took
from bot.model.announcement import Announcement, AppLine, News

_PLACES: Final = 20  # a phone shows as many lines
_LISTED: Final = 20  # names in the sentence
_CONVERGED: Final = News.CONVERGED.value
_USUAL: Final = (_CONVERGED, News.SYNCING.value)


def words(news: Announcement) -> str:
    """Return how far it is, and who needs a look, for the sentence."""
    others = sorted(one.name for one in news.apps if one.how not in _USUAL)
    rest = f" and {len(others) - _LISTED} more" if len(others) > _LISTED else ""
    named = f" Not converged: {', '.join(others[:_LISTED])}{rest}." if others else ""
    return f"{', '.join(_counts(news.apps, after=_in(news)))}.{named}"


def blocks(news: Announcement) -> Iterator[Block]:
    """Yield the counts, those of each cluster and environment, and the names: first of those that need a look."""
    first, *others = _counts(news.apps, after=_in(news))
    yield kit.section("  ·  ".join([f"*{first}*", *map(escape, others)]))
    places = [(place, list(some)) for place, some in groupby(sorted(news.apps, key=_place), key=_place)]
    if len(places) > 1:
        lines = [f"{escape(place)}: {escape(', '.join(_counts(some, noun='')))}" for place, some in places[:_PLACES]]
        more = [f"and {len(places) - _PLACES} more"] if len(places) > _PLACES else []
        yield kit.section("\n".join([*lines, *more]))
    for how in sorted({one.how for one in news.apps}, key=lambda how: (how in _USUAL, how == _CONVERGED, how)):
        some = [replace(one, how="") for one in news.apps if one.how == how]
        title = f"*{escape(how[:1].upper() + how[1:])} ({len(some)})*"
        also = " (a message of their own says why)" if how == News.FAILED.value else ""
        yield from folded.sections([f"{title}{also}", *folded.lines(some)])


def _counts(apps: Sequence[AppLine], noun: str = " apps", after: str = "") -> Iterator[str]:
    """Yield `41 of 300 apps converged`, and how many are how else."""
    count = Counter(one.how for one in apps)
    done = count.pop(_CONVERGED, 0)
    all_of = "" if done == len(apps) else f" of {len(apps)}"
    yield f"{done}{all_of}{noun} converged{after}"
    for how in sorted(count, key=lambda how: (how not in _USUAL, how)):
        yield f"{count[how]} {how}"


def _in(news: Announcement) -> str:
    """Return how long it took, once it has ended well."""
    if news.started_at is None or news.news is not News.CONVERGED:
        return ""
    return f" in {took(news.at - news.started_at)}"


def _place(app: AppLine) -> str:
    return f"{app.cluster} ({app.env})" if app.env else app.cluster
