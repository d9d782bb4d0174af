"""Words and numbers as kubectl's columns write them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.sandbox.kube.ports import Body

Cell = Callable[[Body, datetime], Any]


def look(body: Any, path: str) -> Any:
    """Return what lies at a dotted path, None when it does not reach that far."""
    for name in path.split("."):
        if not isinstance(body, Mapping):
            return None
        body = body.get(name)
    return body


def first(path: str, nothing: str = "") -> Cell:
    """Return the cell of a text that may not be there."""
    return lambda body, now: str(look(body, path) or nothing)


def truth(value: bool | None) -> str:
    return "<unset>" if value is None else str(bool(value))


def age(created: str | None, now: datetime) -> str:
    """Return how long ago that was, `3d4h`; "<unknown>" without a time."""
    if not created:
        return "<unknown>"
    return duration(now - datetime.fromisoformat(created).astimezone(UTC))


def duration(time: timedelta) -> str:
    """Return a duration in at most two units (k8s.io/apimachinery/pkg/util/duration HumanDuration)."""
    seconds = int(time.total_seconds())
    if seconds < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if years < 8 else f"{years}y"


def _two(first: int, unit: str, second: int, smaller: str) -> str:
    return f"{first}{unit}{second}{smaller}" if second else f"{first}{unit}"


def joined(values: Iterable[Any], nothing: str = "<none>") -> str:
    return ",".join(str(one) for one in values) or nothing


def labels(values: Mapping[str, Any] | None, nothing: str = "<none>") -> str:
    return joined((f"{key}={value}" for key, value in sorted((values or {}).items())), nothing)


def selector(body: Mapping[str, Any] | None) -> str:
    """Return a LabelSelector as its text form."""
    if body is None:
        return "<none>"
    parts = [f"{key}={value}" for key, value in sorted((body.get("matchLabels") or {}).items())]
    for one in body.get("matchExpressions") or ():
        values = ",".join(sorted(one.get("values") or ()))
        match one["operator"]:
            case "In":
                parts.append(f"{one['key']} in ({values})")
            case "NotIn":
                parts.append(f"{one['key']} notin ({values})")
            case "Exists":
                parts.append(one["key"])
            case _:
                parts.append(f"!{one['key']}")
    return ",".join(parts) or "<none>"
