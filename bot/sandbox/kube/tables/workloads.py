"""Cells of workloads and their Pods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bot.sandbox.kube.ports import Body

CELLS: Final[Mapping[str, Mapping[str, Callable[[Body], Any]]]] = {}
