"""Names of traces, made of the names of operations, and the W3C `traceparent`. Pure.

A trace is named by its operation alone, so that nothing has to be kept: whatever process goes on with an operation, or
tries a delivery of it again, is in the same trace. The first span of it, which is told last, is named so as well.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_OPERATION: Final = re.compile(r"op_(\d{14})_[0-9a-f]+")
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


@dataclass(frozen=True, slots=True)
class Place:
    """A span of some process: of a trace, by its id, and whether it is kept."""

    trace: int
    span: int
    sampled: bool

    def __str__(self) -> str:
        """The `traceparent`."""
        return f"00-{self.trace:032x}-{self.span:016x}-{'01' if self.sampled else '00'}"


def trace_of(operation: str) -> int:
    """Return the id of an operation's trace; its digits are as good as drawn, which samplers go by."""
    return int.from_bytes(hashlib.sha256(f"trace {operation}".encode()).digest()[:16], "big") or 1


def root_of(operation: str) -> int:
    """Return the id of the span that all others of an operation lie in."""
    return int.from_bytes(hashlib.sha256(f"root {operation}".encode()).digest()[:8], "big") or 1


def operation_in(name: str) -> str:
    """Return the operation whose root message has that name, as in `op_…:page`; "" where it is none's."""
    found = _OPERATION.match(name)
    return found[0] if found else ""


def began_at(operation: str) -> datetime | None:
    """Return the second in which an operation began, as its name says; None where it does not."""
    found = _OPERATION.fullmatch(operation)
    return datetime.strptime(found[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC) if found else None


def read(traceparent: str) -> Place | None:
    """Return the span that a `traceparent` names; None for what is none (W3C Trace Context, 3.2)."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return None
    place = Place(int(found[1], 16), int(found[2], 16), bool(int(found[3], 16) & 1))
    return place if place.trace and place.span else None
