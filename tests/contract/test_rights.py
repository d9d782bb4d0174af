"""Least rights, generated and compared: the bot with exactly the printed roles works, with fewer it says which."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.cli.main import run
from bot.model.outcome import Result
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config, deployment, secret
from tests.controlplane.plane import LIMITED_TOKEN

RBAC = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture
def limited(worlds: Callable[..., EngineWorld], tmp_path: Path) -> EngineWorld:
    """A world whose bot is the user `limited`, who may nothing."""
    world = worlds()
    file = tmp_path / "limited.kubeconfig"
    file.write_text(world.plane.kubeconfig_for(LIMITED_TOKEN))
    world.configuration["clusters"][0]["kubeconfig"] = str(file)
    world.restart()
    return world


def printed(world: EngineWorld, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return what `rbac` prints to an administrator."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-test")
    monkeypatch.setenv("SLACK_SIGNING_SECRET", "signing")
    out = io.StringIO()
    assert run(["--config", str(world.file), "--log-level", "error", "rbac"], out=out) == 0
    return list(yaml.safe_load_all(out.getvalue()))


def grant(world: EngineWorld, objects: list[dict[str, Any]]) -> None:
    """Create the roles, bound to the user `limited`; of service accounts as printed."""
    for one in objects:
        if one["kind"].endswith("Binding") and one["subjects"][0]["namespace"] == "gitops-bot":
            one = {**one, "subjects": [{"kind": "User", "name": "limited", "apiGroup": "rbac.authorization.k8s.io"}]}
        world.create(f"{one['kind'].lower()}s", one, base=RBAC)


def test_bot_with_exactly_the_printed_rights_works(
    worlds: Callable[..., EngineWorld], limited: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them are of one namespace: a bot without any cluster-wide right works."""
    admin_file, limited_file = limited.plane.kubeconfig, limited.configuration["clusters"][0]["kubeconfig"]
    limited.commit({"a.yaml": config("settings"), "b.yaml": deployment("api"), "c.yaml": config("dropped")})
    limited.commit({"a.yaml": config("unused")}, app="other")
    limited.configuration["clusters"][0]["kubeconfig"] = admin_file
    limited.restart()
    objects = printed(limited, monkeypatch)
    assert {one["kind"] for one in objects} == {"Role", "RoleBinding"}
    limited.configuration["clusters"][0]["kubeconfig"] = limited_file
    limited.restart()
    assert limited.sync().result is Result.FAILED
    grant(limited, objects)
    report = limited.sync()
    assert report.result is Result.CONVERGED, report.failure
    limited.commit({"c.yaml": None})
    report = limited.sync()
    assert report.result is Result.CONVERGED, report.failure
    assert limited.get("configmaps", "dropped") is None


def test_check_names_each_right_that_is_missing(limited: EngineWorld) -> None:
    from bot.cli.checking import check_cluster

    limited.commit({"a.yaml": secret("key", "canary-one")})
    limited.commit({"a.yaml": config("unused")}, app="other")
    problems = [one.message for one in check_cluster(limited.engine, "prod", limited.engine.world.clusters["prod"])]
    place = f"in the namespace {limited.namespace}"
    assert (
        f"cluster prod: we may not create leases.coordination.k8s.io {place}; apply what `gitops-bot rbac` prints"
        in problems
    )
    assert any("which rights it needs is not known" in one for one in problems) or any(
        "secrets" in one for one in problems
    )


def test_writes_of_an_app_are_its_service_account_s(
    worlds: Callable[..., EngineWorld], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account may write ConfigMaps only: a Secret in Git is refused in its name, before anything is written."""
    world = worlds(service_account="deployer")
    world.create("serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "deployer"}})
    world.commit({"a.yaml": config("settings")})
    world.commit({"a.yaml": config("unused")}, app="other")
    assert world.sync().result is Result.FAILED
    grant(world, printed(world, monkeypatch))
    report = world.sync()
    assert report.result is Result.CONVERGED, report.failure
    world.commit({"a.yaml": config("settings", "debug"), "b.yaml": secret("key", "canary-one")})
    report = world.sync()
    assert report.failure is not None
    (problem,) = report.failure.problems
    assert f"system:serviceaccount:{world.namespace}:deployer" in problem.message
    assert world.found("configmaps", "settings")["data"] == {"level": "info"}
