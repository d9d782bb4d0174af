"""Cron schedules as CronJobs write them: five fields, `?`, and words such as `@daily`; in a time zone or UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

_WORDS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class ScheduleError(ValueError):
    """A schedule or time zone that cannot be read; the message says which."""


def last_before(schedule: str, zone: str, now: datetime) -> datetime | None:
    """Return the latest time of a schedule that is not after `now`; None when there is none in fifty years."""
    return _step(schedule, zone, now + timedelta(seconds=1), reverse=True)


def next_after(schedule: str, zone: str, now: datetime) -> datetime | None:
    return _step(schedule, zone, now, reverse=False)


def _step(schedule: str, zone: str, at: datetime, *, reverse: bool) -> datetime | None:
    try:
        local = at.astimezone(ZoneInfo(zone) if zone else UTC)
        found = next(CronSim(_WORDS.get(schedule, schedule).replace("?", "*"), local, reverse), None)
    except (CronSimError, ZoneInfoNotFoundError, ValueError) as error:
        raise ScheduleError(str(error)) from error
    return None if found is None else found.astimezone(UTC)
