"""The way to a field in an object, and the value of one that is not there."""

from __future__ import annotations

from typing import Final

Parts = tuple[str | int, ...]  # keys, and numbers in lists
ABSENT: Final = object()
