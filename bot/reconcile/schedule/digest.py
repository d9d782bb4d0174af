"""What happened since then, in one message per channel: syncs, failures, how fast commits went live. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.model.outcome import Result
from bot.model.record import HistoryEntry
from bot.model.status import AppStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """The sentence, and a line for each app that did anything or is held."""

    message: str
    lines: tuple[str, ...]


def digest(
    since: datetime, history: Mapping[str, Sequence[HistoryEntry]], stands: Sequence[AppStatus]
) -> Digest | None:
    """Return the digest of a channel's apps; None when nothing happened and nothing is held."""
    ended = {app: [one for one in entries if one.finished_at >= since] for app, entries in history.items()}
    entries = [one for found in ended.values() for one in found]
    good = [one for one in entries if one.result is Result.CONVERGED]
    held = [one for one in stands if one.control_by]
    if not entries and not held:
        return None
    spans = [one.finished_at - one.committed_at for one in good if one.committed_at is not None]
    mean = f" Commits were live after {_minutes(sum(spans, timedelta()) / len(spans))} on average." if spans else ""
    failed = sum(1 for one in entries if _has_failed(one))
    apps = sum(1 for one in ended.values() if one)
    message = f"{_many(len(good), 'sync')} converged, {failed} failed, in {_many(apps, 'app')}.{mean}"
    lines = [f"{app}: {_counts(found)}" for app, found in sorted(ended.items()) if found]
    lines += [_held(one) for one in held]
    return Digest(message=message, lines=tuple(lines))


def _counts(entries: Sequence[HistoryEntry]) -> str:
    good = sum(1 for one in entries if one.result is Result.CONVERGED)
    newest = max(entries, key=lambda one: one.finished_at)
    failed = sum(1 for one in entries if _has_failed(one))
    return f"{good} converged, {failed} failed, now {newest.result.value} at {newest.revision[:7]}"


def _has_failed(one: HistoryEntry) -> bool:
    """Tell whether a sync failed: one that was cut off by people or a newer commit did not."""
    return one.result not in {Result.CONVERGED, Result.SUPERSEDED}


def _held(one: AppStatus) -> str:
    until = f" until {one.control_until:%Y-%m-%d %H:%M} UTC" if one.control_until else ""
    why = f": {one.control_reason}" if one.control_reason else ""
    return f"{one.app} / {one.cluster}: {one.control.value} by {one.control_by}{until}{why}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _minutes(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 2 * 3600:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 2 * 86400 else f"{seconds // 86400} d"
