"""What of a message nobody has to read any more, because it says something later before it was heard. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from bot.model.announcement import Announcement, News, Parcel

_BEGINNING: Final = frozenset({News.DIFF, News.SYNCING})  # says of no trouble or question how it ended

_TROUBLE: Final = {News.FAILED: "Failing", News.DEGRADED: "Degraded"}
_ENDS: Final = frozenset({News.CONVERGED, News.ROLLED_BACK, News.RECOVERED, News.SETTLED})
_REASON: Final = 300  # characters


def overtakes(later: Parcel, waiting: Parcel, *, leaves_next: bool) -> bool:
    """Tell whether `later`, about the same, makes `waiting` needless, which `leaves_next` when its lane has no other.

    A diff is said before its progress, and when it is about to be said. Trouble is needless when it is over, or told
    anew; what rings for nobody does not take its place.
    """
    if not isinstance(later, Announcement) or not isinstance(waiting, Announcement):
        return True
    if waiting.news is News.SYNCING:
        return True
    if later.news in _BEGINNING or (waiting.news is News.DIFF and leaves_next):
        return False
    return waiting.edits_only or not later.edits_only or waiting.news is later.news


def is_over(later: Parcel, waiting: Parcel) -> bool:
    """Tell whether `later`, about the same, ends what `waiting` says, trouble above all, and says something else."""
    if not isinstance(later, Announcement) or not isinstance(waiting, Announcement):
        return False
    return waiting.news is not later.news and waiting.news not in _BEGINNING


def instead(later: Parcel, waiting: Parcel) -> Parcel:
    """Return `later` as it takes the place of `waiting`: posted and heard where that was to be.

    The end of trouble of which nobody was told says what it was.
    """
    if not isinstance(later, Announcement) or not isinstance(waiting, Announcement):
        return later
    if waiting.news in _TROUBLE and later.news in _ENDS and not waiting.edits_only:
        return replace(later, message=f"{later.message} {_hindsight(waiting, until=later.at)}".strip())
    if waiting.news is not later.news:
        return later
    return replace(
        later,
        edits_only=later.edits_only and waiting.edits_only,
        rings=later.rings or waiting.rings,
    )


def _hindsight(trouble: Announcement, *, until: datetime) -> str:
    """Return `Failing from 2026-03-01 03:10 UTC until 2026-03-01 04:02 UTC: quota exceeded`."""
    first = next(iter(trouble.troubles), None)
    reason = first.message if first is not None and first.message else trouble.message
    since = trouble.since or trouble.at
    span = f"from {since:%Y-%m-%d %H:%M} UTC until {until:%Y-%m-%d %H:%M} UTC"
    return f"{_TROUBLE[trouble.news]} {span}: {reason[:_REASON]}"
