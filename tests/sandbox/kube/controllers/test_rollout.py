"""The arithmetic of a rollout, for any sizes."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as some

from bot.sandbox.kube.controllers.rollout import (
    MAXIMUM,
    Bounds,
    asked,
    available,
    bounds_of,
    proportional_sizes,
    size_of_new,
    sizes_of_old,
)


@some.composite
def replica_set(draw: some.DrawFn, name: str) -> dict[str, Any]:
    replicas = draw(some.integers(0, 12))
    ready = draw(some.integers(0, replicas))
    return {"metadata": {"name": name}, "spec": {"replicas": replicas}, "status": {"availableReplicas": ready}}


@some.composite
def bounds(draw: some.DrawFn) -> Bounds:
    replicas = draw(some.integers(0, 10))
    surge, unavailable = draw(some.integers(0, 4)), draw(some.integers(0, replicas))
    assume(surge or unavailable)
    return Bounds(replicas=replicas, surge=surge, unavailable=unavailable)


OLDS = some.tuples(replica_set("a"), replica_set("b"))


@given(bounds(), some.integers(0, 20), some.integers(0, 10))
def test_new_replica_set_never_grows_beyond_the_surge(limits: Bounds, of_others: int, of_new: int) -> None:
    size = size_of_new(limits, of_others + of_new, of_new)
    assert size <= limits.replicas
    if size > of_new:
        assert of_others + size <= limits.most


@given(bounds(), replica_set("new"), OLDS)
def test_old_replica_sets_never_take_what_is_needed(
    limits: Bounds, new: dict[str, Any], olds: tuple[dict[str, Any], ...]
) -> None:
    sizes = sizes_of_old(limits, new, olds)
    before = sum(available(one) for one in (new, *olds))
    # Pods that cannot run go first, so that the others are as many as still fit.
    after = available(new) + sum(min(available(old), sizes.get(old["metadata"]["name"], asked(old))) for old in olds)
    assert after >= min(before, limits.fewest)
    assert all(0 <= sizes[name] < asked(old) for old in olds if (name := old["metadata"]["name"]) in sizes)


@given(bounds(), some.lists(some.integers(1, 12), min_size=2, max_size=4))
@example(Bounds(replicas=1, surge=1, unavailable=0), [1, 1, 1, 1])
def test_shared_change_of_size_adds_up(limits: Bounds, present: list[int]) -> None:
    """Shares are rounded, and the largest takes the rest: as much as it has, as in the real controller."""
    assume(limits.replicas)
    before = str(sum(present))
    sets = [
        {"metadata": {"name": f"s{number}", "annotations": {MAXIMUM: before}}, "spec": {"replicas": replicas}}
        for number, replicas in enumerate(present)
    ]
    sizes = proportional_sizes(limits, sets)
    total = sum(sizes.values())
    assert total == limits.most or (total > limits.most and 0 in sizes.values())
    assert all(size >= 0 for size in sizes.values())


def test_bounds_that_allow_nothing_allow_one_to_be_missed() -> None:
    rolling = {"maxSurge": 0, "maxUnavailable": "25%"}
    body = {"spec": {"replicas": 2, "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}}
    assert bounds_of(body) == Bounds(replicas=2, surge=0, unavailable=1)
