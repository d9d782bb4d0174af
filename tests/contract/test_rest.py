"""An app at rest costs a pass nothing, and the pass sees every difference all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.model.outcome import Result
from tests.contract.engine import EngineWorld, now
from tests.contract.manifests import config, deployment
from tests.contract.servers import SandboxServer, Server
from tests.controlplane.plane import ControlPlane
from tests.waiting import until


def until_repaired(world: EngineWorld, name: str) -> None:
    def repaired() -> bool:
        world.look()
        return (world.get("configmaps", name) or {}).get("data") == {"level": "info"}

    until(repaired, f"{name} is Git's again")


@pytest.fixture
def resting(world: EngineWorld) -> EngineWorld:
    world.commit({"a.yaml": config("settings"), "b.yaml": config("other")})
    world.at_rest()
    return world


def test_pass_over_an_app_at_rest_tells_as_much_as_the_one_before(resting: EngineWorld) -> None:
    before = resting.look()
    unrelated = resting.upstream.commit({"README": "1"})
    after = resting.look()
    assert (before.health, before.digest, before.live_digest) == (after.health, after.digest, after.live_digest)
    assert after.plan is not None
    assert after.plan.revision.commit == unrelated
    fresh = resting.planned()
    assert (after.plan.hash, after.plan.ref) == (fresh.hash, fresh.ref)
    assert resting.memory().revision == unrelated


def untouched(world: EngineWorld, commit: str) -> bool:
    """Tell what the loop asks for each app that a push has woken."""
    return world.engine.passes.resting.is_untouched(world.spec(), lambda _: commit)


def test_commit_about_another_app_leaves_one_at_rest_untouched(resting: EngineWorld) -> None:
    elsewhere = resting.commit({"c.yaml": config("own")}, app="other")
    here = resting.commit({"a.yaml": config("settings", "debug")})
    resting.engine.world.repos["fleet"].head(resting.spec().ref, newer_than=now())  # fetches both
    assert untouched(resting, elsewhere)
    assert not untouched(resting, here)
    assert not untouched(resting, "0" * 40)  # what Git does not know may be about anything
    resting.delete(resting.path("configmaps", "settings"))
    until(lambda: not untouched(resting, elsewhere), "an app that has something to do is not left alone")


def test_app_that_only_notes_a_push_says_where_it_is(worlds: Callable[..., EngineWorld]) -> None:
    """Those that a commit is about go first; the others follow, by a pass of their own, and are at rest again."""
    world = worlds(interval="1h")
    world.commit({"a.yaml": config("settings")})
    world.commit({"b.yaml": config("own")}, app="other")
    settled = world.engine.passes.resting.is_settled
    with world.running():
        until(lambda: all(settled(world.spec(app), None) for app in ("shop", "other")), "both are at rest")
        pushed = world.commit({"b.yaml": config("own", "debug")}, app="other")
        world.engine.desk.pushed("fleet", {"refs/heads/main": pushed})
        until(lambda: all(world.memory(app).revision == pushed for app in ("shop", "other")), "both have it")
        assert world.found("configmaps", "own")["data"] == {"level": "debug"}
        until(lambda: settled(world.spec(), lambda _: pushed), "it is at rest there")


def test_hand_edit_ends_the_rest(resting: EngineWorld) -> None:
    resting.patch("configmaps", "settings", {"data": {"level": "mine"}})
    until_repaired(resting, "settings")
    resting.at_rest()


def test_deletion_ends_the_rest(resting: EngineWorld) -> None:
    resting.delete(resting.path("configmaps", "settings"))
    until_repaired(resting, "settings")
    resting.at_rest()


def test_another_object_under_the_same_name_ends_the_rest(resting: EngineWorld) -> None:
    """Its content is what Git says, its uid and owners are not."""
    twin = resting.found("configmaps", "settings")
    metadata = {"name": "settings", "labels": twin["metadata"]["labels"]}
    resting.delete(resting.path("configmaps", "settings"))
    resting.create("configmaps", {**twin, "metadata": metadata, "data": {"level": "twin"}})
    until_repaired(resting, "settings")
    resting.at_rest()


def test_lost_inventory_ends_the_rest(resting: EngineWorld) -> None:
    parents = resting.plane.request("GET", resting.path("configmaps"))["items"]
    (parent,) = [one["metadata"]["name"] for one in parents if "inventory" in one["data"]]
    resting.delete(resting.path("configmaps", parent))

    def listed() -> bool:
        resting.look()
        return resting.inventory() == {f"ConfigMap {resting.namespace}/{name}" for name in ("settings", "other")}

    until(listed, "the inventory is whole again")


def test_what_changed_while_no_bot_ran_is_seen_by_the_next_one(resting: EngineWorld) -> None:
    """It recalls what the server said to be equal, of exactly those objects."""
    twin = resting.found("configmaps", "other")
    resting.restart()  # a fresh process, which has asked nobody yet
    resting.patch("configmaps", "settings", {"data": {"level": "mine"}})
    resting.delete(resting.path("configmaps", "other"))
    metadata = {"name": "other", "labels": twin["metadata"]["labels"]}
    resting.create("configmaps", {**twin, "metadata": metadata, "data": {"level": "twin"}})
    for name in ("settings", "other"):
        until_repaired(resting, name)
    resting.at_rest()


def test_commit_that_only_moves_things_ends_the_rest(world: EngineWorld) -> None:
    """Files are known by their hashes, and each of these has been seen before: names, links and the branch change."""
    texts = {name: config(name, level) for name, level in (("settings", "info"), ("other", "debug"))}
    linked = {f"{level}.txt": config("linked", level) for level in ("one", "two")}

    def push(files: Mapping[str, str | None], **links: str) -> str:
        placed = {f"apps/shop/{name}": text for name, text in files.items()}
        return world.upstream.commit(placed, links={f"apps/shop/{name}.yaml": to for name, to in links.items()})

    def follows(**levels: str) -> None:
        def has() -> bool:
            world.look()
            items = world.plane.request("GET", world.path("configmaps"))["items"]
            ours = [one for one in items if (one["metadata"].get("labels") or {}).get("gitops-bot/app") == "shop"]
            return {one["metadata"]["name"]: one["data"]["level"] for one in ours if "level" in one["data"]} == levels

        until(has, f"the cluster has {levels}")
        world.at_rest()

    first = push({"a.yaml": texts["settings"], "b.yaml": texts["other"], **linked}, link="one.txt")
    follows(settings="info", other="debug", linked="one")
    push({"b.yaml": None, "b.txt": texts["other"]})  # no manifest by its name
    follows(settings="info", linked="one")
    push({"b.txt": None, "B.YAML": texts["other"]}, link="two.txt")
    follows(settings="info", other="debug", linked="two")
    push({"a.yaml": texts["other"], "B.YAML": texts["settings"]})
    follows(settings="info", other="debug", linked="two")
    push({".gitopsignore": "B.*\n"})
    follows(other="debug", linked="two")
    world.upstream.git("update-ref", "refs/heads/main", first)  # pushed by force, to an older commit
    follows(settings="info", other="debug", linked="one")


def parent_of(world: EngineWorld) -> dict[str, Any]:
    parents = world.plane.request("GET", world.path("configmaps"))["items"]
    parent: dict[str, Any]
    (parent,) = [one for one in parents if "inventory" in (one.get("data") or {})]
    return parent


def test_inventory_that_somebody_edits_is_whole_again_at_once(worlds: Callable[..., EngineWorld]) -> None:
    """It woke nobody: what Git dropped after such an edit was listed no more, and stayed for ever."""
    world = worlds(interval="1h")
    world.commit({"a.yaml": config("settings"), "b.yaml": config("other")})
    settled = world.engine.passes.resting.is_settled
    with world.running():
        until(lambda: settled(world.spec(), None), "the app is at rest")
        parent = parent_of(world)
        name, listed = parent["metadata"]["name"], parent["data"]["inventory"]
        world.create("configmaps", {"metadata": {"name": "theirs"}})
        theirs = f'["","v1","ConfigMap","{world.namespace}","theirs"]'
        for text in ("", listed.splitlines()[0], f"{listed}\n{theirs}"):
            world.patch("configmaps", name, {"data": {"inventory": text}})
            until(lambda: parent_of(world)["data"]["inventory"] == listed, "the list is what it was")
            until(lambda: settled(world.spec(), None), "the app is at rest again")
        assert world.get("configmaps", "theirs")
        world.engine.desk.pushed("fleet", {"refs/heads/main": world.commit({"b.yaml": None})})
        until(lambda: world.get("configmaps", "other") is None, "what Git dropped is deleted")


def test_damaged_inventory_is_said_and_what_to_do(worlds: Callable[..., EngineWorld]) -> None:
    """A list that could not be read was an unexpected error."""
    world = worlds(interval="1h")
    world.commit({"a.yaml": config("settings")})
    with world.running():
        until(lambda: world.engine.passes.resting.is_settled(world.spec(), None), "the app is at rest")
        name = parent_of(world)["metadata"]["name"]
        world.patch("configmaps", name, {"data": {"inventory": "{"}})
        until(lambda: f"delete ConfigMap {world.namespace}/{name}" in world.memory().last_error, "it is said")
        world.delete(world.path("configmaps", name))
        until(lambda: world.engine.passes.resting.is_settled(world.spec(), None), "the app is at rest again")
        assert world.inventory() == {f"ConfigMap {world.namespace}/settings"}


def test_health_that_turns_bad_is_told_by_the_next_pass(world: EngineWorld) -> None:
    world.commit({"d.yaml": deployment("api")})
    world.at_rest()
    pod = world.plane.request("GET", world.path("pods"))["items"][0]["metadata"]["name"]
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off"}  # for long, after so many restarts
    status = {"name": "main", "image": "nginx:1", "imageID": "", "ready": False, "restartCount": 20}
    body = {"status": {"containerStatuses": [{**status, "state": {"waiting": waiting}}]}}
    world.plane.request("PATCH", world.path("pods", pod) + "/status", body=body, kind="merge")
    until(
        lambda: world.look().result is not Result.CONVERGED or world.memory().degraded_since, "the crash loop is told"
    )


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.cluster)])
def breakable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, Callable[[], None]]]:
    """A server of the test's own, and what ends all of its watches."""
    if request.param == "real":
        plane = ControlPlane(controllers=False)
        try:
            plane.start()
            yield plane, plane.restart_api
        finally:
            plane.stop()
        return
    made = SandboxServer(tmp_path)

    def restart() -> None:
        made.sandbox.pause()
        made.sandbox.resume()

    try:
        yield made, restart
    finally:
        made.stop()


def test_change_that_no_watch_told_is_seen(breakable: tuple[Server, Callable[[], None]], tmp_path: Path) -> None:
    server, restart = breakable
    server.request(
        "POST", "/api/v1/namespaces", body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
    )
    world = EngineWorld(tmp_path, server, "n")
    try:
        world.commit({"a.yaml": config("settings"), "b.yaml": config("other")})
        world.at_rest()
        restart()
        world.patch("configmaps", "settings", {"data": {"level": "mine"}})
        world.delete(world.path("configmaps", "other"))
        for name in ("settings", "other"):
            until_repaired(world, name)
        world.at_rest()
    finally:
        world.close()
