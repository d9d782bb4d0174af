"""Applying: first syncs, and passes that find nothing to do, beside the bare client and kubectl."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.clients import (
    Bodies,
    bare_apply,
    bare_twice,
    bot_first,
    bot_next,
    bot_plan,
    engine_of,
    kubectl_apply,
    kubectl_diff,
)
from bench.rows import Goal, Row
from bench.running import SPACE, bot_in, new_world
from bench.workloads import Body, configmaps, package, packages
from bench.world import Engine, Measured, World, cpu_of, memory_of

_RESTS = 1000  # rounds at rest that are timed together
_PASSES = 9  # over an app at rest, of which the middle one counts
_TURNS = 5  # of first applies
Client = Callable[[World, Bodies], Measured]


def apply_configmaps(count: int) -> Iterator[Row]:
    """A thousand ConfigMaps of 2 KB in one app."""

    def bodies() -> Iterator[Body]:
        return configmaps(count, SPACE)

    what = f"first apply, {count} ConfigMaps"
    yield from _first_applies(what, bodies, count, controllers=False, most=1.9)
    with new_world(controllers=False) as world, engine_of(world, bodies) as engine:
        engine.converged("pass prod/shop")
        yield from _unchanged(world, engine, what.replace("first apply", "unchanged"), count, bodies)


def apply_packages(count: int) -> Iterator[Row]:
    """The same number of objects as Deployment, Service, ServiceAccount and ConfigMap, with controllers at work."""

    def bodies() -> Iterator[Body]:
        return packages(count // 4, SPACE)

    what = f"first apply, {count} objects of services"
    yield from _first_applies(what, bodies, count, controllers=True, most=1.3)
    with new_world(controllers=True) as world:
        path = f"/apis/apps/v1/namespaces/{SPACE}/deployments"
        bare = _together(bare_apply(world, bodies), world.bare("ready", path, str(count // 4)))
    yield Row(what=f"{what}, all ready", who="bare client", measured=bare)
    with new_world(controllers=True) as world, engine_of(world, bodies) as engine:
        ready = _together(engine.ask("apply prod/shop")[0], engine.converged("pass prod/shop"))
        yield Row(what=f"{what}, all ready", who="gitops-bot", measured=ready, against=bare.seconds)
        yield from _unchanged(world, engine, what.replace("first apply", "unchanged"), count, bodies)


def many_apps(count: int) -> Iterator[Row]:
    """Applications of four objects: all applied and ready, beside the bare client."""
    apps = count // 4
    spaces = [f"{SPACE}-{number:04}" for number in range(apps)]
    what = f"{apps} apps of 4 objects, all ready"
    with new_world(controllers=True, spaces=spaces) as world:
        bodies = [body for space in spaces for body in package("app", space)]
        bare = world.bare("apply", world.requests_file(bodies))
        both = _together(bare, world.bare("ready", "/apis/apps/v1/deployments", str(apps)))
    yield Row(what=what, who="bare client", measured=both)
    with new_world(controllers=True, spaces=spaces) as world:
        for space in spaces:
            world.commit(f"apps/{space}", package("app", space))
        configured = [{"name": space, "path": f"apps/{space}", "namespace": space} for space in spaces]
        server = world.server_cpu()
        with world.counted() as requests, bot_in(world, configured) as bot:
            began = time.perf_counter()
            world.bare("ready", "/apis/apps/v1/deployments", str(apps), counted=False)
            late = bot.all_synced(apps, every=0.01)
            seconds = time.perf_counter() - began
            used, peak = cpu_of(bot.pid), memory_of(bot.pid)
            spent = world.server_cpu() - server
        measured = Measured(seconds=seconds, cpu=used, server=spent, requests=requests, peak=peak)
        goals = (
            Goal(got=seconds / both.seconds, most=1.5, unit="x"),
            Goal(got=late * 1000, most=100, unit="ms until the last is seen"),
        )
        yield Row(what=what, who="gitops-bot run", measured=measured, against=both.seconds, goals=goals)


def _first_applies(what: str, bodies: Bodies, count: int, *, controllers: bool, most: float) -> Iterator[Row]:
    """The bare client with one request for each object and with two, kubectl, and we, by turns.

    Of each the turn counts that is its own middle one: what else the machine does hits now one, now the other.
    """
    clients: tuple[Client, ...] = (bare_apply, bare_twice, kubectl_apply, bot_first, bot_next)
    turns: dict[Client, list[Measured]] = {client: [] for client in clients}
    for _ in range(_TURNS):
        for client, made in turns.items():
            with new_world(controllers=controllers) as world:
                made.append(client(world, bodies))
    bare, twice, kubectl, first, following = (
        sorted(made, key=lambda one: one.seconds)[_TURNS // 2] for made in turns.values()
    )
    yield Row(what=what, who="bare client", measured=bare)
    yield Row(what=what, who="bare client, after a dry-run of each", measured=twice, against=bare.seconds)
    yield Row(what=what, who="kubectl apply --server-side", measured=kubectl, against=bare.seconds)
    for who, measured in (
        ("gitops-bot, its first app on this cluster", first),
        ("gitops-bot, one more app", following),
    ):
        goals = (
            Goal(got=measured.seconds / bare.seconds, most=most, unit="x"),
            Goal(got=sum(measured.requests.values()), most=2 * count + 5, unit="requests"),
            cpu_goal(measured, count),
        )
        yield Row(what=what, who=who, measured=measured, against=bare.seconds, goals=goals)


def cpu_goal(first: Measured, count: int) -> Goal:
    """Return what a first apply costs us for each object."""
    return Goal(got=first.cpu / count * 1000, most=1.5, unit="ms CPU per object")


def _unchanged(world: World, engine: Engine, what: str, count: int, bodies: Bodies) -> Iterator[Row]:
    yield from resting(engine, what, count)
    diff = kubectl_diff(world, bodies)
    yield Row(what=what, who="kubectl diff --server-side", measured=diff)
    planned = bot_plan(world)
    goals = (Goal(got=planned.seconds / diff.seconds, most=0.33, unit="x"),)
    yield Row(what=what, who="gitops-bot plan, a fresh process", measured=planned, against=diff.seconds, goals=goals)


def resting(engine: Engine, what: str, count: int) -> Iterator[Row]:
    """Yield what a synced app costs: a whole pass, a round of the schedule, and the round's question alone."""
    engine.converged("pass prod/shop")  # what controllers wrote meanwhile is looked at once
    engine.converged("pass prod/shop")
    yield _middle(engine, what, count, word="pass", who="a whole pass")
    yield _middle(engine, what, count, word="round", who="a round that asks Git")
    rests, said = engine.ask(f"rest prod/shop {_RESTS}")
    _expect_rest(what, said)
    one = replace(rests, seconds=rests.seconds / _RESTS, cpu=rests.cpu / _RESTS)
    yield Row(what=what, who="gitops-bot, a round at rest, Git's answer at hand", measured=one)


def _middle(engine: Engine, what: str, count: int, *, word: str, who: str) -> Row:
    """Return what one word costs over an app at rest, the middle of some by CPU; git's own CPU is named apart."""
    asked = sorted((engine.ask(f"{word} prod/shop") for _ in range(_PASSES)), key=lambda one: one[0].cpu)
    for _, said in asked:
        _expect_rest(what, said)
    middle, said = asked[_PASSES // 2]
    goals = (
        Goal(got=middle.cpu * 1000, most=1 + 0.002 * count, unit="ms CPU"),
        Goal(got=sum(sum(one.requests.values()) for one, _ in asked), most=0, unit="requests"),
    )
    named = f"gitops-bot, {who} (median of {_PASSES}; git itself {said['git'] * 1000:.1f} ms CPU)"
    return Row(what=what, who=named, measured=middle, goals=goals)


def _expect_rest(what: str, said: Mapping[str, Any]) -> None:
    if said.get("result") != "converged" and not said.get("rests"):
        raise RuntimeError(f"{what}: the app is not at rest: {said}")


def _together(*parts: Measured) -> Measured:
    """Return what several steps cost in all."""
    verbs: Sequence[str] = sorted({verb for one in parts for verb in one.requests})
    return Measured(
        seconds=sum(one.seconds for one in parts),
        cpu=sum(one.cpu for one in parts),
        server=sum(one.server for one in parts),
        requests={verb: sum(one.requests.get(verb, 0) for one in parts) for verb in verbs},
        peak=max(one.peak for one in parts),
    )
