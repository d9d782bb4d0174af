"""Watches that hang, end, or cannot be had: what they would have told is noticed all the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from bot.model.outcome import Result, SyncReport
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config, deployment
from tests.faults.proxy import Proxy, status
from tests.waiting import until

TOO_OLD = b'{"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"Expired","code":410}}\n'


@pytest.fixture
def at_rest(world: EngineWorld, proxy: Proxy) -> Iterator[EngineWorld]:
    """A world whose bot runs, and looks again in an hour unless a watch tells something."""
    world.restart(interval="1h")
    world.commit({"a.yaml": config("settings")})
    with world.running():
        until(lambda: world.memory().sync.value == "synced", "it has converged")
        until(lambda: any("configmaps" in one for one in proxy.seen), "it watches")
        edit_is_undone(world)
        yield world
        proxy.end_watches()


def edit(world: EngineWorld) -> None:
    world.patch("configmaps", "settings", {"data": {"level": "mine"}})


def edit_is_undone(world: EngineWorld) -> None:
    edit(world)
    until(lambda: world.found("configmaps", "settings")["data"] == {"level": "info"}, "the edit is undone")


def test_edit_under_a_hanging_watch_is_undone_on_order_and_when_the_watch_ends(
    at_rest: EngineWorld, proxy: Proxy
) -> None:
    proxy.flowing.clear()
    edit(at_rest)
    assert at_rest.sync().result is Result.CONVERGED  # a person's order asks the server itself
    assert at_rest.found("configmaps", "settings")["data"] == {"level": "info"}
    edit(at_rest)
    proxy.end_watches()
    until(lambda: at_rest.found("configmaps", "settings")["data"] == {"level": "info"}, "the second edit is undone")


def test_edit_before_a_watch_that_fell_too_far_behind_is_undone(at_rest: EngineWorld, proxy: Proxy) -> None:
    proxy.flowing.clear()
    edit(at_rest)
    proxy.end_watches(TOO_OLD)
    until(lambda: at_rest.found("configmaps", "settings")["data"] == {"level": "info"}, "the edit is undone")
    edit_is_undone(at_rest)


@pytest.mark.parametrize(("code", "reason"), [(410, "Expired"), (500, "InternalError"), (503, "ServiceUnavailable")])
def test_edit_while_no_watch_is_to_be_had_is_undone(at_rest: EngineWorld, proxy: Proxy, code: int, reason: str) -> None:
    proxy.faults.add(status(code, reason, "not now"), match="GET *watch=1*", times=5)
    proxy.end_watches()
    edit_is_undone(at_rest)
    edit_is_undone(at_rest)


def test_label_set_between_the_look_and_the_write_goes_away(world: EngineWorld, proxy: Proxy) -> None:
    """A write takes the fields that Git has; what came beside them meanwhile was taken for what Git wants."""
    world.commit({"a.yaml": config("settings")})
    assert world.sync().result is Result.CONVERGED
    path = world.path("configmaps", "settings")
    patches = count(1)

    def label(request: str) -> None:
        if request == f"PATCH {path}" and next(patches) == 2:  # the first one only asks
            body = {"metadata": {"labels": {"extra": "yes"}}}
            world.plane.request("PATCH", f"{path}?fieldManager=kubectl-label", body=body, kind="merge")

    world.commit({"a.yaml": config("settings", "debug")})
    proxy.before = label
    world.sync()
    assert next(patches) > 2
    until(
        lambda: world.tick() and "extra" not in world.found("configmaps", "settings")["metadata"]["labels"],
        "the label is gone",
    )
    assert world.found("configmaps", "settings")["data"] == {"level": "debug"}


def test_rollout_that_ends_under_a_hanging_watch_is_seen(world: EngineWorld, proxy: Proxy) -> None:
    world.restart(timeout="2m")
    world.commit({"a.yaml": deployment("web")})
    proxy.before = lambda one: proxy.flowing.clear() if one.endswith("/deployments/web") else None
    reports: list[SyncReport] = []
    worker = threading.Thread(target=lambda: reports.append(world.tick()))
    worker.start()

    def is_ready() -> bool:
        live = world.get("deployments", "web", base="/apis/apps/v1") or {}
        return bool((live.get("status") or {}).get("availableReplicas"))

    until(is_ready, "the Deployment is ready")
    proxy.before = lambda _: None
    proxy.end_watches()
    worker.join(60)
    assert [one.result for one in reports] == [Result.CONVERGED]
