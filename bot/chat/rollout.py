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
    counts = ", ".join(_counts(news.apps, after=_in(news), whole=_is_whole(news)))
    return f"{counts}{_awaited(news, ', ')}.{named}"


def blocks(news: Announcement) -> Iterator[Block]:
    """Yield the counts, those of each cluster and environment, and the names: first of those that need a look."""
    whole = _is_whole(news)
    first, *others = _counts(news.apps, after=_in(news), whole=whole)
    yield kit.section("  ·  ".join([f"*{first}*", *map(escape, others)]) + _awaited(news, "  ·  "))
    places = [(place, list(some)) for place, some in groupby(sorted(news.apps, key=_place), key=_place)]
    if len(places) > 1:
        counts = {place: ", ".join(_counts(some, noun="", whole=whole)) for place, some in places[:_PLACES]}
        lines = [f"{escape(place)}: {escape(some)}" for place, some in counts.items()]
        more = [f"and {len(places) - _PLACES} more"] if len(places) > _PLACES else []
        yield kit.section("\n".join([*lines, *more]))
    for how in sorted({one.how for one in news.apps}, key=lambda how: (how in _USUAL, how == _CONVERGED, how)):
        some = [replace(one, how="") for one in news.apps if one.how == how]
        title = f"*{escape(how[:1].upper() + how[1:])} ({len(some)})*"
        also = " (a message of their own says why)" if how == News.FAILED.value else ""
        yield from folded.sections([f"{title}{also}", *folded.lines(some)])


def _counts(apps: Sequence[AppLine], noun: str = " apps", after: str = "", *, whole: bool) -> Iterator[str]:
    """Yield `41 of 300 apps converged`, and how many are how else; no total where these are not all."""
    count = Counter(one.how for one in apps)
    done = count.pop(_CONVERGED, 0)
    all_of = f" of {len(apps)}" if whole and done != len(apps) else ""
    yield f"{done}{all_of}{noun} converged{after}"
    for how in sorted(count, key=lambda how: (how not in _USUAL, how)):
        yield f"{count[how]} {how}"


def _is_whole(news: Announcement) -> bool:
    """Tell whether every app that the commit may reach has been asked: before, a total would be a guess."""
    return news.awaited == ()


def _awaited(news: Announcement, comma: str) -> str:
    """Return how many apps may follow, as the last of the counts."""
    if news.awaited is None:
        return f"{comma}more may follow"
    return f"{comma}{len(news.awaited)} still to be asked" if news.awaited else ""


def _in(news: Announcement) -> str:
    """Return how long it took, once it has ended well."""
    if news.started_at is None or news.news is not News.CONVERGED:
        return ""
    return f" in {took(news.at - news.started_at)}"


def _place(app: AppLine) -> str:
    return f"{app.cluster} ({app.env})" if app.env else app.cluster
