"""The terminal's orders that change a cluster: delete, sync one object, restore."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.cli.main import run
from bot.model.control import ControlState
from bot.model.outcome import Result
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config, deployment, job, secret
from tests.waiting import until


@pytest.fixture
def cli(world: EngineWorld, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Run a command on the configuration of the world; returns its exit status and what it printed."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-test")
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "signing")

    def command(*arguments: str) -> tuple[int, str]:
        out = io.StringIO()
        status = run(["--config", str(world.file), "--log-level", "error", *arguments], out=out)
        return status, out.getvalue()

    return command


def report(text: str) -> dict[str, Any]:
    (app,) = json.loads(text)["apps"]
    assert isinstance(app, dict)
    return app


def drop(world: EngineWorld) -> None:
    """Take the app out of the configuration."""
    world.configuration["apps"] = [one for one in world.configuration["apps"] if one["name"] != "shop"]
    world.restart()


def test_released_app_is_deleted_with_a_yes_to_the_exact_plan(
    world: EngineWorld, cli: Callable[..., tuple[int, str]]
) -> None:
    world.commit(
        {"a.yaml": config("settings"), "b.yaml": deployment("api"), "c.yaml": config("kept", prune="disabled")}
    )
    assert world.sync().result is Result.CONVERGED
    drop(world)
    assert "released" in cli("status")[1]
    status, text = cli("delete", "shop", "--output", "json")
    asked = report(text)
    assert (status, asked["result"], asked["summary"]["delete"]) == (4, "refused", 2)
    assert world.get("configmaps", "settings") is not None
    assert cli("delete", "shop", "--confirm", "sha256:other")[0] == 4
    status, text = cli("delete", "shop", "--confirm", asked["plan_hash"])
    assert status == 0, text
    assert world.get("configmaps", "settings") is None
    assert world.get("deployments", "api", base="/apis/apps/v1") is None
    kept = world.found("configmaps", "kept")
    assert "gitops-bot/app" not in kept["metadata"].get("labels", {})
    assert world.engine.desk.released() == ()
    parents = [
        one
        for one in world.plane.request("GET", world.path("configmaps"))["items"]
        if "shop" in one["metadata"]["name"]
    ]
    assert parents == []


def test_app_is_forgotten_and_its_objects_stay(world: EngineWorld, cli: Callable[..., tuple[int, str]]) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    drop(world)
    assert cli("delete", "shop", "--keep-objects")[0] == 0
    labels = world.found("configmaps", "settings")["metadata"].get("labels", {})
    assert labels == {}
    assert world.engine.desk.released() == ()
    world.commit({"a.yaml": config("settings", "theirs")}, app="other")
    assert world.sync("other").result is Result.CONVERGED


def test_deleted_app_that_is_still_configured_is_not_deployed_again(
    world: EngineWorld, cli: Callable[..., tuple[int, str]]
) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    plan_hash = report(cli("delete", "shop", "--output", "json")[1])["plan_hash"]
    assert cli("delete", "shop", "--confirm", plan_hash)[0] == 0
    assert world.tick().result is Result.PAUSED
    assert world.get("configmaps", "settings") is None
    (status,) = world.engine.desk.status(["prod/shop"])
    assert status.control is ControlState.PAUSED
    assert "it was deleted" in status.control_reason


def test_check_names_each_tool_that_the_apps_need_and_lack(
    world: EngineWorld, cli: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    missing = {name: str(tmp_path / name) for name in ("kustomize", "helm", "sops")}
    world.configuration["programs"] = missing
    world.commit({"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": config("settings")})
    world.commit({"Chart.yaml": "apiVersion: v2\nname: other\nversion: 1.0.0\n"}, app="other")
    world.restart()
    status, text = cli("check")
    assert status == 1
    assert "kustomize is needed and is not on the PATH: get it from https://" in text
    assert "(for shop)" in text
    assert "helm is needed and is not on the PATH: get it from https://" in text
    assert "sops" not in text


def test_single_object_is_synced_and_the_rest_still_differs(
    world: EngineWorld, cli: Callable[..., tuple[int, str]]
) -> None:
    first = world.commit({"a.yaml": config("one"), "b.yaml": config("two"), "j.yaml": job("before", hook="pre-sync")})
    world.sync()
    world.commit({"a.yaml": config("one", "debug"), "b.yaml": config("two", "debug"), "c.yaml": config("three")})
    status, text = cli("sync", "shop", "--only", "configmap/one", "--output", "json")
    done = report(text)
    assert (status, done["result"]) == (0, "converged"), text
    assert [one["object"]["name"] for one in done["outcomes"]] == ["one"]
    assert world.found("configmaps", "one")["data"] == {"level": "debug"}
    assert world.found("configmaps", "two")["data"] == {"level": "info"}
    assert world.memory().revision == first
    assert world.sync().result is Result.CONVERGED
    assert cli("sync", "shop", "--only", "ConfigMap/nothing")[0] == 1
    assert cli("sync", "shop", "--only", "nonsense")[0] == 64


def test_object_restored_right_after_a_slow_delete_is_left_alone(
    world: EngineWorld, cli: Callable[..., tuple[int, str]]
) -> None:
    """The inventory still lists the name of the one that was leaving."""
    world.commit({"a.yaml": config("settings"), "b.yaml": config("kept")})
    assert world.sync().result is Result.CONVERGED
    world.patch("configmaps", "settings", {"metadata": {"finalizers": ["example.com/hold"]}})
    world.commit({"a.yaml": None})
    assert world.sync().result is Result.CONVERGED
    world.patch("configmaps", "settings", {"metadata": {"finalizers": None}})
    until(lambda: world.get("configmaps", "settings") is None, "it has left")
    status, text = cli("restore", "shop", "ConfigMap/settings")
    assert status == 0, text
    report = world.sync()
    assert (report.result, report.outcomes) == (Result.CONVERGED, ())
    assert world.get("configmaps", "settings") is not None
    assert world.inventory() == {f"ConfigMap {world.namespace}/kept"}


def test_pruned_object_is_restored_and_left_alone(world: EngineWorld, cli: Callable[..., tuple[int, str]]) -> None:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: api}\nspec: {selector: {app: api}, ports: [{port: 80}]}\n"
    )
    world.commit(
        {
            "a.yaml": config("settings"),
            "b.yaml": secret("key", "canary-one"),
            "c.yaml": job("once"),
            "d.yaml": service,
            "e.yaml": config("kept"),
        }
    )
    assert world.sync().result is Result.CONVERGED
    world.commit({f"{name}.yaml": None for name in "abcd"})
    assert world.sync().result is Result.CONVERGED
    status, text = cli("restore", "shop", "--list")
    assert status == 0
    assert f"ConfigMap {world.namespace}/settings" in text
    assert "Secret" not in text
    status, text = cli("restore", "shop", "ConfigMap/settings")
    assert status == 0, text
    assert world.found("configmaps", "settings")["data"] == {"level": "info"}
    status, text = cli("restore", "shop")
    assert "already exists" in text
    assert world.get("jobs", "once", base="/apis/batch/v1") is not None
    assert world.get("services", "api") is not None
    assert world.tick().outcomes == ()
    assert world.get("configmaps", "settings") is not None
    world.commit({"a.yaml": config("settings", "back")})
    assert world.sync().result is Result.CONVERGED


def test_verify_shows_that_the_cluster_equals_a_commit_or_what_differs(
    world: EngineWorld, cli: Callable[..., tuple[int, str]]
) -> None:
    first = world.commit(
        {"a.yaml": config("settings"), "b.yaml": secret("key", "canary-one"), "c.yaml": deployment("api")}
    )
    assert world.sync().result is Result.CONVERGED
    before = world.found("configmaps", "settings")
    status, text = cli("verify", "shop", "--output", "json")
    found = json.loads(text)
    assert (status, found["equal"], found["as_recorded"], found["commit"]) == (0, True, True, first), text
    assert found["live_digest"]
    (entry,) = json.loads(cli("history", "shop", "--output", "json")[1])["entries"]
    assert (entry["rendered_digest"], entry["live_digest"]) == (found["rendered_digest"], found["live_digest"])
    world.patch("configmaps", "settings", {"data": {"level": "mine"}})
    world.patch("secrets", "key", {"data": {"token": "bWluZQ=="}})
    status, text = cli("verify", "shop")
    assert status == 2
    assert "2 differences" in text
    assert "canary" not in text
    assert world.found("configmaps", "settings")["data"] == {"level": "mine"}
    world.sync()
    world.commit({"a.yaml": config("settings", "debug")})
    world.sync()
    assert cli("verify", "shop")[0] == 0
    status, text = cli("verify", "shop", "--ref", first[:8])
    assert (status, f"ConfigMap {world.namespace}/settings" in text) == (2, True)
    assert before["metadata"]["uid"] == world.found("configmaps", "settings")["metadata"]["uid"]
