"""A history as people read it: the same failure again and again is one line, with its count and its span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from bot.model.outcome import Result
from bot.model.record import HistoryEntry

READ: Final = 200  # entries to read for the few lines that are shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One pass, or the same failure of a commit `count` times; `first` is when the first of them ended."""

    newest: HistoryEntry
    first: datetime
    count: int = 1


def attempts(entries: Sequence[HistoryEntry]) -> list[Attempt]:
    """Return a history, newest first, with equal failures that follow each other as one."""
    found: list[Attempt] = []
    for one in entries:
        last = found[-1] if found else None
        if last is not None and one.result is not Result.CONVERGED and _is_again(last.newest, one):
            found[-1] = replace(last, first=one.finished_at, count=last.count + 1)
        else:
            found.append(Attempt(newest=one, first=one.finished_at))
    return found


def _is_again(one: HistoryEntry, other: HistoryEntry) -> bool:
    return (one.revision, one.kind, one.result, one.summary) == (
        other.revision,
        other.kind,
        other.result,
        other.summary,
    )
