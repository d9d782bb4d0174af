"""The table: what was measured, beside what the project wants of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from bench.world import Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A figure and the most it may be, in one unit: `x`, `s`, `ms`, `requests`."""

    got: float
    most: float
    unit: str

    @property
    def is_met(self) -> bool:
        return self.got <= self.most

    def __str__(self) -> str:
        """`1.52 of 1.9 x`, and `missed` where it is."""
        text = (
            f"{self.got:.3g} of {self.most:.3g} {self.unit}"
            if self.most < 1000
            else f"{self.got:,.0f} of {self.most:,.0f} {self.unit}"
        )
        return text if self.is_met else f"**{text}: missed**"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table; `against` are the seconds of what it is compared with."""

    what: str
    who: str
    measured: Measured
    against: float = 0.0
    goals: tuple[Goal, ...] = field(default=())


_COLUMNS = (
    "what",
    "who",
    "against the goal",
    "wall s",
    "ratio",
    "client CPU s",
    "server CPU s",
    "requests",
    "peak MiB",
)


def table(rows: Iterable[Row]) -> str:
    """Return the rows as Markdown."""
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|", *map(line, rows)]
    return "\n".join(lines) + "\n"


def line(row: Row) -> str:
    one = row.measured
    requests = ", ".join(f"{count:g} {verb}" for verb, count in sorted(one.requests.items())) or "0"
    ratio = f"{one.seconds / row.against:.2f}" if row.against else ""
    peak = f"{one.peak / 1024**2:.0f}" if one.peak else ""
    goals = "; ".join(map(str, row.goals))
    numbers = f"{goals} | {one.seconds:.4g} | {ratio} | {one.cpu:.4g} | {one.server:.2f}"
    return f"| {row.what} | {row.who} | {numbers} | {requests} | {peak} |"


def short_table(rows: Iterable[Row]) -> str:
    """Return what has a goal, for people who want to know in a minute."""
    lines = ["| what | who | against the goal |", "|---|---|---|"]
    lines += [f"| {row.what} | {row.who} | {'; '.join(map(str, row.goals))} |" for row in rows if row.goals]
    return "\n".join(lines) + "\n"
