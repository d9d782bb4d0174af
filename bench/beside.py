"""Flux and `gitops-bot run` do the same, one after the other, each in a fresh world, seen by the same eyes.

Both keep their apps at rest when a commit is pushed, both are told of it at once (we by the host's webhook, Flux as its
Receiver tells it), and both are done when the API server shows what the commit says. The repository has YAML.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import yaml

from bench.flux import Flux
from bench.rows import Goal, Row
from bench.running import SPACE, Keeper, bot_in, new_world, pushed, until
from bench.workloads import Body, configmaps
from bench.world import Measured, World

_APPS: Final = 100
_EACH: Final = 4  # objects of an app
_INTERVAL: Final = "10s"
_REST_SECONDS: Final = 60.0
_ROUNDS: Final = 6
_PATH: Final = f"/api/v1/namespaces/{SPACE}/configmaps"


def flux(count: int) -> Iterator[Row]:
    """An app that grows to so many objects, changes, is at rest and is edited; a hundred apps that change at once."""
    for what, measure in (
        (f"push that adds {count} ConfigMaps to an app, all applied", _adds),
        (f"push that changes 10 of {count}, applied", _changes),
        (f"push that changes an object of each of {_APPS} apps, all applied", _changes_all),
        (f"hand edit of one of {count}, undone with an interval of {_INTERVAL}", _edits),
    ):
        theirs, ours = measure(_by_flux, count), measure(_by_us, count)
        goal = Goal(got=ours.seconds / theirs.seconds, most=1, unit="x the time of Flux")
        yield Row(what=what, who="Flux", measured=theirs)
        yield Row(what=what, who="gitops-bot run", measured=ours, against=theirs.seconds, goals=(goal,))
    theirs, ours = _rests(_by_flux, count), _rests(_by_us, count)
    what = f"{count} objects at rest, a minute with an interval of {_INTERVAL}"
    goal = Goal(got=ours.cpu / theirs.cpu, most=1, unit="x the CPU of Flux")
    yield Row(what=what, who="Flux", measured=theirs)
    yield Row(what=what, who="gitops-bot run", measured=ours, goals=(goal,))


Runs = Callable[[World, Sequence[str], str], AbstractContextManager[Keeper]]


@contextmanager
def _by_flux(world: World, apps: Sequence[str], interval: str) -> Iterator[Keeper]:
    with Flux(world, interval=interval) as keeper:
        keeper.follow(apps)
        yield keeper


@contextmanager
def _by_us(world: World, apps: Sequence[str], interval: str) -> Iterator[Keeper]:
    entries = [{"name": app, "path": f"apps/{app}", "namespace": SPACE, "interval": interval} for app in apps]
    with bot_in(world, entries) as keeper:
        keeper.all_synced(len(apps))
        yield keeper


def _adds(runs: Runs, count: int) -> Measured:
    with _kept(runs, {"shop": 1}) as (world, keeper):
        files = _files("shop", configmaps(count, SPACE))
        return pushed(world, keeper, files, lambda levels: len(levels) == count, every=0.1)


def _changes(runs: Runs, count: int) -> Measured:
    with _kept(runs, {"shop": count}) as (world, keeper):
        files = _files("shop", configmaps(10, SPACE, level="debug"))
        return pushed(world, keeper, files, lambda levels: list(levels.values()).count("debug") == 10, every=0.1)


def _changes_all(runs: Runs, _: int) -> Measured:
    with _kept(runs, dict.fromkeys((f"app-{number:03}" for number in range(_APPS)), _EACH)) as (world, keeper):
        files: dict[str, str | bytes | None] = {}
        for number in range(_APPS):
            files |= _files(f"app-{number:03}", _named(f"app-{number:03}", configmaps(1, SPACE, level="debug")))
        return pushed(world, keeper, files, lambda levels: list(levels.values()).count("debug") == _APPS, every=0.1)


def _rests(runs: Runs, count: int) -> Measured:
    with _kept(runs, {"shop": count}, interval=_INTERVAL) as (_, keeper):
        with keeper.measured() as made:
            time.sleep(_REST_SECONDS)
        return made(_REST_SECONDS, 1)


def _edits(runs: Runs, count: int) -> Measured:
    with _kept(runs, {"shop": count}, interval=_INTERVAL) as (world, keeper):
        path, seconds = f"{_PATH}/c00007", 0.0

        def repaired() -> bool:
            return bool(world.plane.request("GET", path)["data"]["level"] == "info")

        with keeper.measured() as made:
            for number in range(_ROUNDS):
                world.plane.request("PATCH", path, body={"data": {"level": f"mine {number}"}}, kind="merge")
                seconds += until(repaired, "the edit is undone", every=0.01)
                time.sleep(1.7)  # so that edits fall anywhere into an interval
        return made(seconds / _ROUNDS, _ROUNDS)


@contextmanager
def _kept(runs: Runs, apps: Mapping[str, int], *, interval: str = "1h") -> Iterator[tuple[World, Keeper]]:
    """Yield a world in which apps of so many ConfigMaps are applied and at rest."""
    with new_world(controllers=False) as world:
        files: dict[str, str | bytes | None] = {}
        for app, count in apps.items():
            bodies = configmaps(count, SPACE)
            files |= _files(app, bodies if len(apps) == 1 else _named(app, bodies))
        world.upstream.commit(files)
        with runs(world, tuple(apps), interval) as keeper:
            time.sleep(3)
            yield world, keeper


def _named(app: str, bodies: Iterator[Body]) -> Iterator[Body]:
    for body in bodies:
        yield {**body, "metadata": {**body["metadata"], "name": f"{app}-{body['metadata']['name']}"}}


def _files(app: str, bodies: Iterator[Body]) -> dict[str, str | bytes | None]:
    return {f"apps/{app}/{one['metadata']['name']}.yaml": _yaml(one) for one in bodies}


def _yaml(body: Any) -> str:
    return yaml.dump(body, Dumper=yaml.CSafeDumper, width=10_000)
