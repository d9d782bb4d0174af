"""What is measured: one function per question. Each starts with a fresh control plane, and yields rows as it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from bench import applying, beside, fleet, growing, living, paging, starting
from bench.rows import Row

SCENARIOS: Final[Mapping[str, Callable[[int], Iterator[Row]]]] = {
    "flux": beside.flux,
    "help": starting.help,
    "render": starting.render,
    "apply-configmaps": applying.apply_configmaps,
    "drift": living.drift,
    "push": living.push,
    "health": living.health,
    "trouble": living.trouble,
    "paging": paging.paging,
    "apply-packages": applying.apply_packages,
    "many-apps": applying.many_apps,
    "watching": starting.watching,
    "growth": growing.growth,
    "large": growing.large,
    "delete": fleet.delete,
    "idle": fleet.idle,
}
QUICK: Final = ("help", "render", "apply-configmaps", "drift", "push", "health", "trouble", "paging")
