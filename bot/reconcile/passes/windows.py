"""When automatic syncs may run. Values and a time in, a reason or nothing out.

Schedules are read as cron reads them, which differs from APScheduler's own `from_crontab` in two ways that matter:
weekdays are counted from Sunday = 0 (there from Monday), and a day of the month beside a weekday means either of them
(there both).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from bot.model.app import Window

_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES: Final = ("minute", "hour", "day", "month", "day_of_week")


def trigger(window: Window) -> Any:
    """Return what computes the openings of a window. Raises ValueError with the reason a person reads."""
    from apscheduler.triggers.combining import OrTrigger  # imported late: most apps have no windows
    from apscheduler.triggers.cron import CronTrigger

    fields = window.schedule.lower().split()
    if len(fields) != len(_NAMES):
        raise ValueError("a schedule has five fields: minute hour day month weekday")
    if window.duration <= timedelta(0):
        raise ValueError("the duration of a window is longer than nothing")
    named = {**dict(zip(_NAMES, fields, strict=True)), "day_of_week": _weekdays(fields[4])}
    try:
        if "*" not in (fields[2], fields[4]):
            either = [{**named, "day": "*"}, {**named, "day_of_week": "*"}]
            return OrTrigger([CronTrigger(**one, timezone=window.timezone) for one in either])
        return CronTrigger(**named, timezone=window.timezone)
    except ValueError as error:
        raise ValueError(f"the schedule {window.schedule} cannot be read: {error}") from error


def closed(windows: Sequence[Window], now: datetime, *, manual: bool) -> str:
    """Return why no sync may run now, as the end of a sentence; "" when one may.

    A deny window that is open forbids. Allow windows, where there are any, forbid while none of them is open. A manual
    sync may run where every window that forbids it says so, or any allow window does.
    """
    denying = [(one, since) for one in windows if not one.allows and (since := opened_at(one, now)) is not None]
    if denying and not (manual and all(one.manual for one, _ in denying)):
        window, since = next(((one, since) for one, since in denying if not (manual and one.manual)))
        return f"the deny window {_named(window)} is open until {since + window.duration:%Y-%m-%d %H:%M} UTC"
    allowing = [one for one in windows if one.allows]
    if not allowing or any(opened_at(one, now) is not None for one in allowing):
        return ""
    if manual and any(one.manual for one in allowing):
        return ""
    following = min(filter(None, (trigger(one).get_next_fire_time(None, now) for one in allowing)), default=None)
    opens = f": the next one opens at {following.astimezone(now.tzinfo):%Y-%m-%d %H:%M} UTC" if following else ""
    return f"it is outside its allow windows{opens}"


def opened_at(window: Window, now: datetime) -> datetime | None:
    """Return when the opening that `now` is in began, in the zone of `now`; None while the window is closed."""
    start = trigger(window).get_next_fire_time(None, now - window.duration + timedelta(microseconds=1))
    return start.astimezone(now.tzinfo) if start is not None and start <= now else None


def last_opened(window: Window, now: datetime) -> datetime | None:
    """Return the newest opening before `now`, however long it was open; None when there was none in eight days."""
    for span in (timedelta(hours=1), timedelta(days=1), timedelta(days=8)):
        found: datetime | None = None
        at = now - span
        while (start := trigger(window).get_next_fire_time(None, at)) is not None and start < now:
            found, at = start.astimezone(now.tzinfo), start + timedelta(seconds=1)
        if found is not None:
            return found
    return None


def _named(window: Window) -> str:
    return f"{window.schedule!r} ({window.timezone})"


def _weekdays(field: str) -> str:
    if field == "*":
        return field
    return ",".join(_DAYS[day] for day in sorted({day for part in field.split(",") for day in _part(part)}))


def _part(part: str) -> Iterator[int]:
    """Yield the weekdays of `1`, `mon`, `1-5`, `fri-mon`, `*/2`, counted from Sunday = 0."""
    span, _, step = part.partition("/")
    first, dash, last = span.partition("-")
    if span == "*":
        begin, end = 0, 6
    else:
        begin = _day(first)
        end = _day(last) if dash else (6 if step else begin)
    if step and not (step.isdigit() and int(step) > 0):
        raise ValueError(f"{part} is no weekday of a schedule: write 0 to 7, or sun to sat")
    if end < begin:
        end += 7  # fri-mon
    for day in range(begin, end + 1, int(step or 1)):
        yield day % 7


def _day(text: str) -> int:
    if text in _DAYS:
        return _DAYS.index(text)
    if text.isdigit() and int(text) <= 7:
        return int(text)
    raise ValueError(f"{text or 'nothing'} is no weekday of a schedule: write 0 to 7, or sun to sat")
