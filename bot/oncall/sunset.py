"""The end of Opsgenie: who still depends on it, and how loudly that is said today. Pure.

Atlassian switches Opsgenie off on 2027-04-05; Jira Service Management Operations takes the same alert calls at another
host. Early on `check` and the log alone say so; from three months before the default channel hears of it once a week,
in the last four weeks once a working day, and from the day itself on it is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

ENDS: Final = date(2027, 4, 5)
_WEEKLY_FROM: Final = timedelta(days=90)
_DAILY_FROM: Final = timedelta(days=28)
_OFFICE: Final = range(9, 17)  # hours of Monday to Friday in which somebody can do something about it


@dataclass(frozen=True, slots=True, kw_only=True)
class Sunset:
    """`slot` names the day or week in which the channel hears of it once, "" while it need not; `is_over`: an error."""

    message: str
    next_step: str
    slot: str = ""
    is_over: bool = False


def sunset(providers: Sequence[str], now: datetime) -> Sunset | None:
    """Return what is to be said of the providers in use, the first of which is `oncall.provider`; None for nothing.

    `now` is in the zone of the people who hear of it: in the night and at the weekend there is no slot.
    """
    fading = [one for one in providers if one.startswith("opsgenie")]
    if not fading:
        return None
    today = now.date()
    left = (ENDS - today).days
    if "jsm" in providers[1:]:
        next_step = "Alerts go to jsm as well: make it oncall.provider, and take opsgenie out."
    elif providers[0] == "jsm":
        next_step = "Take opsgenie out of oncall.also."
    else:
        next_step = "Let alerts go to both: oncall.also: [{provider: jsm, key_env: JSM_API_KEY}]."
    if left <= 0:
        gone = f"Opsgenie was switched off on {ENDS}: its alerts reach nobody."
        return Sunset(message=gone, next_step=next_step, slot=f"{today}", is_over=True)
    day = "tomorrow" if left == 1 else f"in {left} days"
    week = today.isocalendar()
    slot = f"{today}" if left <= _DAILY_FROM.days else f"{week.year}-W{week.week:02}"
    return Sunset(
        message=f"Opsgenie is switched off on {ENDS}, {day}.",
        next_step=next_step,
        slot=slot if left <= _WEEKLY_FROM.days and _works(now) else "",
    )


def _works(now: datetime) -> bool:
    return now.weekday() < 5 and now.hour in _OFFICE
