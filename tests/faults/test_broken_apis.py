"""An API whose backend is away: who does not use it is not concerned; who does hears which one, and loses nothing.

Only the real API server aggregates APIs, converts by webhook, and keeps a Namespace while it cannot look into it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.model.outcome import Deed, Result
from tests.contract.engine import EngineWorld
from tests.contract.manifests import api_service, config, definition, namespace, widget
from tests.contract.servers import REAL_ONLY
from tests.faults.extension import Extension
from tests.waiting import until

pytestmark = REAL_ONLY
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def group(unique: str) -> str:
    return f"{unique}.example.com"


@pytest.fixture
def extension(world: EngineWorld, group: str, tmp_path: Path) -> Iterator[Extension]:
    made = Extension(world, group, tmp_path / "extension")
    yield made
    made.close()


def assert_not_concerned(world: EngineWorld, level: str) -> None:
    world.commit({"a.yaml": config("theirs", level)}, app="other")
    assert world.sync("other").result is Result.CONVERGED
    assert world.found("configmaps", "theirs")["data"] == {"level": level}


def assert_kept_until_it_is_back(world: EngineWorld, kept: str, said: str) -> None:
    """Drop the object from Git: everything else converges, and it stays listed, in a fresh process too."""
    world.commit({"a.yaml": None, "b.yaml": config("mine", "debug")})
    for _ in range(2):
        assert world.sync().result is Result.CONVERGED
        assert any(said in one for one in world.planned().warnings), world.planned().warnings
        assert kept in world.inventory()
        world.restart()
    assert world.found("configmaps", "mine")["data"] == {"level": "debug"}


def assert_deleted_now(world: EngineWorld, kept: str) -> None:
    def deeds() -> list[tuple[str, Deed]]:
        """What serves the group is there a moment before discovery knows what it serves."""
        return [(str(one.id), one.deed) for one in world.tick().outcomes]

    assert until(deeds, "something is done") == [(kept, Deed.DELETED)]
    assert kept not in world.inventory()


def test_aggregated_api_that_is_away_concerns_who_uses_it_and_forgets_nothing(
    world: EngineWorld, extension: Extension, group: str
) -> None:
    """Its objects were taken for gone, and left behind for ever, by a process that began while it was away."""
    world.commit({"a.yaml": widget(group), "b.yaml": config("mine")})
    assert world.sync().result is Result.CONVERGED
    assert_not_concerned(world, "before")
    extension.leave()
    assert_not_concerned(world, "away")
    failed = world.sync()
    assert failed.result is Result.FAILED
    assert failed.failure is not None
    assert f"the API group {group} is not available" in failed.failure.message
    assert failed.failure.neighbour == f"cluster prod: the API group {group}"
    world.restart()
    assert_not_concerned(world, "fresh")
    kept = f"Widget {world.namespace}/w"
    assert_kept_until_it_is_back(world, kept, f"the API group {group} is not available")
    extension.come_back()
    assert_deleted_now(world, kept)


def test_conversion_webhook_that_is_away_concerns_who_uses_it_and_forgets_nothing(
    world: EngineWorld, group: str
) -> None:
    converted: dict[str, Any] = yaml.safe_load(definition(group))
    (first,) = converted["spec"]["versions"]
    converted["spec"]["versions"] = [{**first, "name": "v2", "storage": False}, first]
    world.plane.request("POST", DEFINITIONS, body=converted)
    path = f"{DEFINITIONS}/widgets.{group}"
    try:
        world.commit({"a.yaml": widget(group).replace("/v1", "/v2"), "b.yaml": config("mine")})
        assert world.sync().result is Result.CONVERGED
        assert_not_concerned(world, "before")
        client = {"service": {"namespace": world.namespace, "name": "nobody"}}
        webhook = {"strategy": "Webhook", "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]}}
        world.plane.request("PATCH", path, body={"spec": {"conversion": webhook}}, kind="merge")
        world.restart()
        assert_not_concerned(world, "away")
        failed = world.sync()
        assert failed.result is Result.FAILED
        assert failed.failure is not None
        assert "conversion webhook" in failed.failure.message
        assert failed.failure.neighbour == f"cluster prod: the API group {group}"
        kept = f"Widget {world.namespace}/w"
        assert_kept_until_it_is_back(world, kept, "conversion webhook")
        none = {"spec": {"conversion": {"strategy": "None", "webhook": None}}}
        world.plane.request("PATCH", path, body=none, kind="merge")
        assert_deleted_now(world, kept)
    finally:
        world.delete(path)


def test_namespace_that_a_broken_api_keeps_is_named_with_the_reason(
    world: EngineWorld, group: str, unique: str
) -> None:
    place = f"{unique}-more"
    world.commit({"a.yaml": namespace(place), "b.yaml": config("mine")})
    assert world.sync().result is Result.CONVERGED
    services = "/apis/apiregistration.k8s.io/v1/apiservices"
    broken = api_service(group, service={"namespace": world.namespace, "name": "nobody"})
    world.plane.request("POST", services, body=broken)
    try:
        world.commit({"a.yaml": None})
        refused = world.sync()
        assert refused.plan is not None
        assert world.sync(confirm=refused.plan.hash).result is Result.CONVERGED
        why = "unable to retrieve the complete list of server APIs"
        until(lambda: any(place in one and why in one for one in world.planned().warnings), "the plan says why")
        assert f"Namespace {place}" in world.inventory()
    finally:
        world.delete(f"{services}/v1.{group}")
