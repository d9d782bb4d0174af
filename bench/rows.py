"""The table: what was measured, beside what the project wants of it. Pure.

A table is kept as its lines. Who measures some parts anew replaces the lines of those parts and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

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


_COLUMNS: Final = (
    "part",
    "what",
    "who",
    "against the goal",
    "wall s",
    "ratio",
    "client CPU s",
    "server CPU s",
    "requests",
    "peak MiB",
    "measured",
)
GROWTH: Final = "growth: "  # what rows begin with that are told apart by the number of objects
_CLIENTS: Final = ("bare client", "kubectl", "gitops-bot")
_SHORT: Final = ("what", "who", "against the goal")


def line(part: str, row: Row, *, day: str) -> str:
    """Return a row as a line of Markdown; `part` names what measures it again."""
    one = row.measured
    requests = ", ".join(f"{count:g} {verb}" for verb, count in sorted(one.requests.items())) or "0"
    ratio = f"{one.seconds / row.against:.2f}" if row.against else ""
    peak = f"{one.peak / 1024**2:.0f}" if one.peak else ""
    goals = "; ".join(map(str, row.goals))
    numbers = (f"{one.seconds:.4g}", ratio, f"{one.cpu:.4g}", f"{one.server:.2f}", requests, peak)
    return _joined((part, row.what, row.who, goals, *numbers, day))


def merged(table: str, fresh: Mapping[str, Sequence[str]], *, order: Iterable[str]) -> str:
    """Return a table with the lines of some parts replaced by fresh ones, its parts in order."""
    kept: dict[str, list[str]] = {}
    for one in table.splitlines():
        kept.setdefault(_cells(one)[0], []).append(one)
    head = [_joined(_COLUMNS), "|---" * len(_COLUMNS) + "|"]
    return "\n".join([*head, *(one for part in order for one in fresh.get(part, kept.get(part, ())))]) + "\n"


def short(table: str) -> str:
    """Return what of a table has a goal, for people who want to know in a minute."""
    rows = [_cells(one)[1:4] for one in table.splitlines()[2:]]
    lines = [_joined(_SHORT), "|---" * len(_SHORT) + "|", *(_joined(row) for row in rows if row[2])]
    return "\n".join(lines) + "\n"


def grown(table: str) -> str:
    """Return how what begins with `GROWTH` grows, a column for each client: time, CPU, requests, memory."""
    cells: dict[str, dict[str, str]] = {}
    for _, what, who, _, wall, _, cpu, _, requests, peak, _ in map(_cells, table.splitlines()[2:]):
        client = next((one for one in _CLIENTS if who.startswith(one)), "")
        if what.startswith(GROWTH) and client:
            sent = sum(float(one.split(" ")[0]) for one in requests.split(", "))
            text = f"{wall} s, {cpu} s CPU, {sent:,.0f} requests" + (f", {peak} MiB" if peak else "")
            cells.setdefault(what.removeprefix(GROWTH), {}).setdefault(client, text)  # a whole pass before a round
    lines = [_joined(("what", *_CLIENTS)), "|---" * (len(_CLIENTS) + 1) + "|"]
    lines += [
        _joined((what, *(row.get(client, "") for client in _CLIENTS))) for what, row in sorted(cells.items(), key=_size)
    ]
    return "\n".join(lines) + "\n"


def _size(cell: tuple[str, Mapping[str, str]]) -> tuple[str, int]:
    what, _, objects = cell[0].rpartition(", ")
    return what, int(objects.partition(" ")[0])


def _joined(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
