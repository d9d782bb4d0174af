"""What the sections of the configuration file are made of: their base, and values with a syntax of their own."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
APP_NAME: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


class Section(BaseModel):
    """A part of the file: strict, frozen, nothing unknown. The string below a field says what it means."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, defer_build=True)


def duration(text: Any) -> timedelta:
    """Read `30s`, `5m`, `1h30m`, `2d`; a timedelta stays what it is. Raises ValueError."""
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not text or _DURATION.sub("", text).strip():
        raise ValueError("expected a duration such as 30s, 5m, 2h or 1d")
    return timedelta(seconds=sum(float(n) * _SECONDS[unit] for n, unit in _DURATION.findall(text)))


def written(length: timedelta) -> str:
    """Return a duration as the file has it: `90s` is `1m30s`, nothing is `0s`."""
    left, parts = round(length / timedelta(seconds=1)), []
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, int(_SECONDS[unit]))
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {value}: write a name such as Europe/Lisbon") from None
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(duration),
    PlainSerializer(written, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\s*(\d+(\.\d+)?\s*(ms|s|m|h|d)\s*)+$"}),
]
Zone = Annotated[str, AfterValidator(_zone)]
AppName = Annotated[str, Field(pattern=APP_NAME)]
Namespace = Annotated[str, Field(pattern=APP_NAME)]
Names = Annotated[tuple[str, ...], Field(strict=False)]


def path_in(text: str, folder: Path) -> str:
    """Return a path of the file as seen from anywhere: relative ones begin at the file's folder."""
    return str(folder / Path(text).expanduser()) if text else ""
