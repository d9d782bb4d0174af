"""From a kustomization, a chart and an encrypted file in Git to objects on the API server, by the real tools."""

from __future__ import annotations

import pytest

from bot.model.outcome import Result
from tests.contract.engine import EngineWorld
from tests.tools.building import search_path

pytestmark = pytest.mark.tools

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: red}\n"
CHART = "apiVersion: v2\nname: shop\nversion: 0.1.0\n"
TEMPLATE = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}-kube}\n"
    "data:\n  version: {{ .Capabilities.KubeVersion.Version }}\n"
    '  apps: {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" | quote }}\n'
)


def test_kustomization_and_chart_converge_on_the_api_server(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", search_path())
    world.upstream.commit({"apps/base/kustomization.yaml": "resources: [a.yaml]\n", "apps/base/a.yaml": CONFIG_MAP})
    world.commit({"kustomization.yaml": "namePrefix: prod-\nresources: [../base]\n"})
    assert world.sync().result is Result.CONVERGED
    settings = world.get("configmaps", "prod-settings")
    assert settings is not None
    assert settings["data"] == {"colour": "red"}
    assert "annotations" not in settings["metadata"]

    world.commit({"Chart.yaml": CHART, "templates/a.yaml": TEMPLATE}, app="other")
    assert world.sync("other").result is Result.CONVERGED
    kube = world.get("configmaps", "other-kube")
    assert kube is not None
    assert kube["data"]["version"].startswith("v1.")
    assert kube["data"]["apps"] == "true"
    assert world.planned().writes == ()
    assert world.planned("other").writes == ()


def test_broken_chart_changes_nothing(world: EngineWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", search_path())
    world.commit({"Chart.yaml": CHART, "templates/a.yaml": TEMPLATE})
    assert world.sync().result is Result.CONVERGED
    world.commit({"templates/a.yaml": "{{ fail `no image` }}\n"})
    report = world.sync()
    assert report.result is Result.FAILED
    assert report.failure is not None
    (problem,) = report.failure.problems
    assert problem.where == "apps/shop/templates/a.yaml:1"
    assert "no image" in problem.message
    assert world.get("configmaps", "shop-kube") is not None
