"""How each cost grows with the number of objects of one app, beside the bare client and kubectl where they do the same.

What is told as `growth: WHAT, N ConfigMaps` is a line of the table "How it grows", with a column for each client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from bench import living, starting
from bench.applying import cpu_goal, resting
from bench.clients import bare_apply, bot_plan, engine_of, kubectl_apply, kubectl_diff
from bench.rows import GROWTH, Row
from bench.running import SPACE, new_world
from bench.workloads import Body, configmaps

_OTHERS: Final[Mapping[Callable[[int], Iterator[Row]], Sequence[str]]] = {
    starting.render: ("render, all changed", "render, 10 changed"),
    living.drift: ("hand edit, undone after",),
    living.push: ("push that changes 10, applied after",),
}


def growth(count: int) -> Iterator[Row]:
    """A tenth of the number of objects, the number and ten times it."""
    for number in (count // 10, count, count * 10):
        yield from _applied(number, goals=number >= count, kubectl=True)  # a few objects do not carry the start
        for scenario, whats in _OTHERS.items():
            for what, row in zip(whats, scenario(number), strict=False):
                yield replace(row, what=_what(what, number), goals=())


def large(count: int) -> Iterator[Row]:
    """Fifty times the number of objects, without kubectl, which would take ten minutes."""
    yield from _applied(count * 50, goals=True, kubectl=False)


def _applied(number: int, *, goals: bool, kubectl: bool) -> Iterator[Row]:
    def bodies() -> Iterator[Body]:
        return configmaps(number, SPACE)

    apply, unchanged, plan = (_what(what, number) for what in ("first apply", "unchanged", "plan, a fresh process"))
    with new_world(controllers=False) as world:
        bare = bare_apply(world, bodies)
    yield Row(what=apply, who="bare client", measured=bare)
    if kubectl:
        with new_world(controllers=False) as world:
            applied, compared = kubectl_apply(world, bodies), kubectl_diff(world, bodies)
        yield Row(what=apply, who="kubectl apply --server-side", measured=applied, against=bare.seconds)
        yield Row(what=plan, who="kubectl diff --server-side", measured=compared)
    with new_world(controllers=False) as world, engine_of(world, bodies) as engine:
        first = engine.converged("pass prod/shop")
        wanted = (cpu_goal(first, number),) if goals else ()
        yield Row(what=apply, who="gitops-bot", measured=first, against=bare.seconds, goals=wanted)
        yield from resting(engine, unchanged, number)
        yield Row(what=plan, who="gitops-bot", measured=bot_plan(world))


def _what(what: str, number: int) -> str:
    return f"{GROWTH}{what}, {number} ConfigMaps"
