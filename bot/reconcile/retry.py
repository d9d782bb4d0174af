"""How long a failed app rests before it is tried again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Back-off after the n-th failed pass in a row: first * factor^(n-1), at most `longest`."""

    first: timedelta
    factor: float
    longest: timedelta

    def after(self, failures: int) -> timedelta:
        power = min(max(failures - 1, 0), 64)
        return min(timedelta(seconds=min(self.first.total_seconds() * self.factor**power, 1e9)), self.longest)
