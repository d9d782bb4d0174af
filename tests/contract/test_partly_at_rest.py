"""A pass over an app of which little has changed looks at that alone, and what it does not look at hides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.model.app import IgnoreRule
from bot.model.control import Control, Pause
from bot.model.outcome import Result
from bot.model.plan import Action, Plan
from bot.model.resource import Manifest
from bot.ports.live import Stamp
from bot.reconcile.notify import journal
from tests.contract.engine import EngineWorld, now
from tests.contract.manifests import config, definition, secret, widget
from tests.waiting import until

OBJECTS = 30


@pytest.fixture
def resting(world: EngineWorld) -> EngineWorld:
    world.commit({f"{number:02}.yaml": config(f"c{number:02}") for number in range(OBJECTS)})
    world.at_rest()
    return world


def until_told(world: EngineWorld, *names: str) -> None:
    """Wait until watches have told of these objects, without a pass that would forget what is known of the others."""
    cluster = world.engine.world.clusters["prod"]

    def told() -> bool:
        return set(names) <= {ref.id.name for ref in cluster.touched(world.spec(), Stamp())}

    until(told, f"the watch tells of {', '.join(names)}")


def until_level(world: EngineWorld, **wanted: str) -> None:
    def are_there() -> bool:
        world.look()
        return all((world.get("configmaps", name) or {}).get("data") == {"level": wanted[name]} for name in wanted)

    until(are_there, f"they are {wanted}")


def applied_by(world: EngineWorld, manager: str, name: str, **data: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    path = f"{world.path('configmaps', name)}?fieldManager={manager}&force=true"
    world.plane.request("PATCH", path, body=body, kind="apply")


def changed_by(world: EngineWorld, manager: str, name: str, **metadata: object) -> None:
    path = f"{world.path('configmaps', name)}?fieldManager={manager}"
    world.plane.request("PATCH", path, body={"metadata": metadata}, kind="merge")


def test_plan_of_a_few_objects_is_the_plan_of_all(resting: EngineWorld) -> None:
    """Everything that people and other tools do to an object is seen beside a commit, and nothing else is looked at."""
    world = resting
    at_rest = world.look().plan
    assert at_rest is not None
    pause = Control(pause=Pause(by="os:ana", reason="the plan is looked at", since=now()))
    world.engine.store.save_control("prod/shop", pause, audit=journal.note("prod/shop", now(), "pause", ""))

    world.patch("configmaps", "c00", {"data": {"level": "mine"}})
    world.delete(world.path("configmaps", "c01"))
    twin = world.found("configmaps", "c02")
    world.delete(world.path("configmaps", "c02"))
    metadata = {"name": "c02", "labels": twin["metadata"]["labels"]}
    world.create("configmaps", {**twin, "metadata": metadata, "data": {"level": "info"}})
    applied_by(world, "other", "c03", level="theirs")
    applied_by(world, "other", "c04", level="info")
    unmarked = dict.fromkeys(twin["metadata"]["labels"])
    changed_by(world, "helm", "c05", labels=unmarked, annotations={"meta.helm.sh/release-name": "shop"})
    changed_by(world, "somebody", "c06", annotations={"gitops-bot/reconcile": "disabled"})
    changed_by(world, "kubectl-label", "c07", labels={"extra": "yes"})
    changed_by(world, "controller", "c08", labels={"extra": "yes"})
    changed_by(world, "somebody", "c09", finalizers=["acme.example/held"])
    world.delete(world.path("configmaps", "c09"))
    changed_by(world, "somebody", "c10", labels=unmarked)
    world.patch("configmaps", "c14", {"data": {"level": "mine"}})
    until_told(world, "c14")  # the last: a watch tells in order
    world.commit(
        {
            "11.yaml": config("c11", "debug"),
            "12.yaml": None,
            "13.yaml": config("c13", wave="1"),
            "new.yaml": config("new"),
            "hook.yaml": config("hook", hook="post-sync"),
        }
    )
    try:
        part = world.look().plan
        whole = world.planned()  # asks the server about every object
        assert part is not None
        assert part.changes == whole.changes
        assert (part.hash, part.refusals, part.impact) == (whole.hash, whole.refusals, whole.impact)
        assert set(whole.warnings) == set(part.warnings)
        assert {change.id.name for change in part.changes if change.action is not Action.UNCHANGED} == {
            *("c00", "c01", "c03", "c05", "c07", "c10", "c11", "c12", "c13", "c14", "new", "hook")
        }
        kept = {id(change) for change in at_rest.changes}
        assert {f"c{number}" for number in range(15, OBJECTS)} <= {
            one.id.name for one in part.changes if id(one) in kept
        }
    finally:
        changed_by(world, "somebody", "c09", finalizers=None)


def test_edit_of_what_a_pass_has_written_is_seen_by_the_next(resting: EngineWorld) -> None:
    resting.commit({"00.yaml": config("c00", "debug")})
    until_level(resting, c00="debug")
    resting.patch("configmaps", "c00", {"data": {"level": "mine"}})
    until_level(resting, c00="debug")
    resting.patch("configmaps", "c01", {"data": {"level": "mine"}})
    until_level(resting, c00="debug", c01="info")
    resting.at_rest()


def test_object_that_was_made_anew_is_watched_as_before(world: EngineWorld) -> None:
    """It was deleted by the bot, whose own deletes are no news, and nobody heard of what happened to it since."""
    world.commit({"s.yaml": secret("token", "one", immutable=True, force="enabled"), "c.yaml": config("c")})
    world.at_rest()
    uid = world.found("secrets", "token")["metadata"]["uid"]
    world.commit({"s.yaml": secret("token", "two", immutable=True, force="enabled")})
    assert world.look().result is Result.CONVERGED
    assert world.found("secrets", "token")["metadata"]["uid"] != uid
    world.patch("secrets", "token", {"metadata": {"annotations": {"gitops-bot/force": "disabled"}}})

    def is_ours_again() -> bool:
        world.look()
        return bool(world.found("secrets", "token")["metadata"]["annotations"]["gitops-bot/force"] == "enabled")

    until(is_ours_again, "the edit is undone")


def test_object_that_another_app_of_the_bot_writes_is_no_longer_taken_for_ours(resting: EngineWorld) -> None:
    """What the one app is told to be equal to its own files says nothing about another's."""
    world, cluster = resting, resting.engine.world.clusters["prod"]
    other = replace(world.spec("other"), moved_from="shop")
    manifest = manifest_of(world.look().plan, "c00")
    labels = world.engine.world.labels(world.spec("other"))
    metadata = {**manifest.body["metadata"], "labels": labels}
    cluster.apply(other, replace(manifest, body={**manifest.body, "metadata": metadata}))
    world.patch("configmaps", "c01", {"data": {"level": "mine"}})

    def is_blocked() -> bool:
        plan = world.look().plan
        return plan is not None and [change.id.name for change in plan.blocked] == ["c00"]

    until(is_blocked, "the app says whose the object is")


def manifest_of(plan: Plan | None, name: str) -> Manifest:
    assert plan is not None
    (manifest,) = [one.manifest for one in plan.changes if one.id.name == name]
    assert manifest is not None
    return manifest


def test_inventory_that_somebody_shortened_is_whole_again(resting: EngineWorld) -> None:
    world = resting
    every = world.inventory()
    parents = world.plane.request("GET", world.path("configmaps"))["items"]
    (parent,) = [one for one in parents if "inventory" in (one.get("data") or {})]
    listed = parent["data"]["inventory"].splitlines(keepends=True)
    world.patch("configmaps", parent["metadata"]["name"], {"data": {"inventory": "".join(listed[:-3])}})
    until(lambda: world.inventory() < every, "the shorter one is read")
    world.patch("configmaps", "c07", {"data": {"level": "mine"}})
    until_level(world, c07="info")
    assert world.inventory() == every


def test_field_that_is_ignored_no_longer_is_set_back(resting: EngineWorld) -> None:
    """Another configuration of an app ends what was known under the one before."""
    world = resting
    rule = IgnoreRule(kind="ConfigMap", name="c00", pointers=("/data/level",))
    ignoring = replace(world.spec(), ignore=(rule,))
    applied_by(world, "other", "c00", level="theirs")

    def rests() -> bool:
        first, second = world.look(ignoring), world.look(ignoring)
        return first.plan is not None and second.plan is not None and first.plan.changes is second.plan.changes

    until(rests, "the app is at rest with its rule")
    until_told(world, "c00")
    assert world.found("configmaps", "c00")["data"] == {"level": "theirs"}
    until_level(world, c00="info")


def test_objects_of_a_kind_that_was_gone_are_made_again_beside_an_edit(
    worlds: Callable[..., EngineWorld], unique: str
) -> None:
    world = worlds(timeout="5s")  # a pass that finds the kind on its way out waits no longer for it
    group = f"{unique}.example.com"
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}"
    world.commit({"a.yaml": definition(group), "b.yaml": widget(group), "c.yaml": config("c"), "d.yaml": config("d")})
    try:
        world.at_rest()
        before = world.found("widgets", "w", base=f"/apis/{group}/v1")["metadata"]["uid"]
        world.delete(path)
        until(lambda: world.read(path) is None, "the kind is gone")
        world.patch("configmaps", "c", {"data": {"level": "mine"}})

        def is_whole() -> bool:
            world.look()
            made = world.get("widgets", "w", base=f"/apis/{group}/v1")
            level = world.found("configmaps", "c")["data"]["level"]
            return made is not None and made["metadata"]["uid"] != before and level == "info"

        until(is_whole, "kind and object are there again")
        world.at_rest()
    finally:
        world.delete(path)
