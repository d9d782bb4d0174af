"""Completion indexes of Indexed Jobs, written as `0-2,5`."""

from __future__ import annotations

from collections.abc import Iterable


def expand(text: str) -> set[int]:
    """Return the numbers of a list of ranges."""
    numbers: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def compact(numbers: Iterable[int]) -> str:
    """Return numbers as ranges; two neighbours are `1,2`, three are `1-3`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = (",".join(map(str, run)) if len(run) < 3 else f"{run[0]}-{run[-1]}" for run in runs)
    return ",".join(parts)


def index_of(text: str) -> int:
    """Return an index annotation as a number, -1 when it is none."""
    return int(text) if text.isdigit() else -1
