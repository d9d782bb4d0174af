"""Hundreds of applications under one bot: at rest, and when a commit takes objects out of one or of all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import orjson

from bench.rows import Goal, Row
from bench.running import SPACE, bot_in, new_world, pushed
from bench.workloads import configmaps
from bench.world import World

_IDLE_SECONDS: Final = 600.0
_EACH: Final = 4  # objects of an app


def idle(count: int) -> Iterator[Row]:
    """A thousand applications of four objects at rest, interval 60 s: what ten minutes cost."""
    with new_world(controllers=False) as world, bot_in(world, _apps(world, count)) as bot:
        bot.all_synced(count)
        time.sleep(70)  # one round in which everything has come to rest
        with bot.measured() as made:
            time.sleep(_IDLE_SECONDS)
        measured = made(_IDLE_SECONDS, 1)
        others = sum(number for verb, number in measured.requests.items() if verb not in {"watch", "lease"})
        goals = (
            Goal(got=measured.cpu / _IDLE_SECONDS * 100, most=2, unit="% of a core"),
            Goal(got=others, most=0, unit="requests but for watches and leases"),
        )
        what = f"{count} apps of {_EACH} objects at rest, {_IDLE_SECONDS / 60:.0f} minutes"
        yield Row(what=what, who="gitops-bot run", measured=measured, goals=goals)


def delete(count: int) -> Iterator[Row]:
    """What it costs to ask, before an object is deleted, whether another app wants it (decision 8)."""
    apps = count * 3 // 10
    with new_world(controllers=False) as world, bot_in(world, _apps(world, apps)) as bot:
        bot.all_synced(apps)
        time.sleep(10)  # everything has come to rest
        one = pushed(world, bot, {_file(0, 3): None}, lambda found: len(found) == apps * _EACH - 1)
        yield Row(what=f"push that drops an object of one of {apps} apps", who="gitops-bot run", measured=one)
        changed: dict[str, str | bytes | None] = {_file(app, 0): _text(app, 0, level="debug") for app in range(apps)}
        write = pushed(world, bot, changed, lambda found: sum(one == "debug" for one in found.values()) == apps)
        what = f"push that changes an object of each of {apps} apps"
        yield Row(what=what, who="gitops-bot run", measured=write)
        dropped = {_file(app, 2): None for app in range(apps)}
        gone = pushed(world, bot, dropped, lambda found: len(found) == apps * (_EACH - 1) - 1)
        what = f"push that drops an object of each of {apps} apps, against the changes"
        yield Row(what=what, who="gitops-bot run", measured=gone, against=write.seconds)


def _apps(world: World, apps: int) -> list[dict[str, Any]]:
    """Commit so many apps of four ConfigMaps, and return their configuration."""
    files = {_file(app, number): _text(app, number) for app in range(apps) for number in range(_EACH)}
    world.upstream.commit({**files})
    return [{"name": f"app-{app:04}", "path": f"apps/{app:04}", "namespace": SPACE} for app in range(apps)]


def _file(app: int, number: int) -> str:
    return f"apps/{app:04}/{number}.json"


def _text(app: int, number: int, *, level: str = "info") -> bytes:
    (body,) = configmaps(1, SPACE, level=level)
    body["metadata"]["name"] = f"a{app:04}-{number}"
    return orjson.dumps(body)
