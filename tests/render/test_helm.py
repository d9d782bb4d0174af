"""Charts by the real `helm template`: semantics, hooks, capabilities, origins, and errors at their template."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from bot.model.app import HelmSpec, Render
from bot.model.resource import KindInfo, KindTable
from bot.ports.source import Repository
from bot.render import CommitFiles, Renderer
from bot.render.programs import Limits
from tests.render.worlds import APP, KINDS, FilesOnly, origins, problems, render, renderer

pytestmark = pytest.mark.tools

CHART = "apiVersion: v2\nname: shop\nversion: 0.1.0\n"
API = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-api
data:
  image: {{ .Values.image | quote }}
  kube: {{ .Capabilities.KubeVersion.Version }}
  widgets: {{ .Capabilities.APIVersions.Has "example.com/v1/Widget" | quote }}
  install: {{ .Release.IsInstall | quote }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: second}
"""
CRD = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: widgets.example.com}\n"
FILES = {
    "app/Chart.yaml": CHART,
    "app/values.yaml": "image: shop:1\n",
    "app/templates/api.yaml": API,
    "app/templates/_helpers.tpl": '{{ define "x" }}x{{ end }}',
    "app/crds/widget.yaml": CRD,
}


CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: kept\n"


def job(name: str, hook: str, more: str = "") -> str:
    return (
        "apiVersion: batch/v1\nkind: Job\n"
        f'metadata:\n  name: {name}\n  annotations: {{"helm.sh/hook": "{hook}", a: b{more}}}\n'
    )


def test_chart_at_the_path_is_rendered_with_its_crds_and_origins(tool: Renderer) -> None:
    state = render(FILES, with_=tool)
    assert origins(state) == {
        "CustomResourceDefinition widgets.example.com": "app/crds/widget.yaml:2",
        "ConfigMap shop-api": "app/templates/api.yaml:2",
        "ConfigMap second": "app/templates/api.yaml:12",
    }
    api = next(one for one in state.manifests if one.id.name == "shop-api")
    assert api.body["data"] == {"image": "shop:1", "kube": "v1.37.2", "widgets": "false", "install": "true"}


def test_chart_values_and_release_come_from_the_configuration(tool: Renderer) -> None:
    files = {name.replace("app/", "charts/shop/"): data for name, data in FILES.items()}
    files |= {"app/prod.yaml": "image: shop:2\n", "common/all.yaml": "image: shop:3\n", "app/readme": ""}
    spec = HelmSpec(chart="../charts/shop", values=("/common/all.yaml", "prod.yaml"), release="web")
    state = render(files, with_=tool, helm=spec)
    api = next(one for one in state.manifests if one.id.name == "web-api")
    assert api.body["data"]["image"] == "shop:2"
    assert str(api.origin) == "charts/shop/templates/api.yaml:2"


def test_what_the_cluster_serves_is_known_to_the_chart_and_a_new_kind_renders_again(tool: Renderer) -> None:
    source = CommitFiles(cast(Repository, FilesOnly({"c": FILES})), "c")
    first = tool.render(APP, source, kinds=lambda: KINDS)
    assert tool.render(APP, source, kinds=lambda: KINDS) is first
    widget = KindInfo(group="example.com", version="v1", kind="Widget", plural="widgets", namespaced=True)
    table = KindTable(kinds={**KINDS.kinds, ("example.com", "Widget"): (widget,)}, server_version=lambda: "v1.38.0")
    second = tool.render(APP, source, kinds=lambda: table)
    api = next(one for one in second.manifests if one.id.name == "shop-api")
    assert (api.body["data"]["widgets"], api.body["data"]["kube"]) == ("true", "v1.38.0")


def test_hooks_become_ours_and_those_without_a_point_in_a_sync_are_left_out(tool: Renderer) -> None:
    files = {
        "app/Chart.yaml": CHART,
        "app/templates/a.yaml": job("migrate", "pre-install,pre-upgrade", ', "helm.sh/hook-weight": "-5"'),
        "app/templates/b.yaml": job("notify", "post-upgrade"),
        "app/templates/c.yaml": job("probe", "test"),
        "app/templates/d.yaml": job("clean", "pre-delete"),
        "app/templates/e.yaml": CONFIG_MAP + '  annotations: {a: b, "helm.sh/resource-policy": keep}\n',
    }
    state = render(files, with_=tool)
    assert {one.id.name: dict(one.annotations) for one in state.manifests} == {
        "migrate": {"a": "b", "gitops-bot/hook": "pre-sync", "gitops-bot/wave": "-5"},
        "notify": {"a": "b", "gitops-bot/hook": "post-sync"},
        "kept": {"a": "b", "helm.sh/resource-policy": "keep", "gitops-bot/prune": "disabled"},
    }


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("x: {{ .Values.a.b.c }}\n", r"^app/templates/bad\.yaml:1: helm: .*nil pointer"),
        ('a: 1\nx: {{ include "nope" . }}\n', r"^app/templates/bad\.yaml:2: helm: "),
        ("{{ if }}\n", r"^app/templates/bad\.yaml:1: helm: parse error"),
        ("kind: x\n a: [\n", r"^app/templates/bad\.yaml:1: helm: YAML parse error"),
        ('{{ fail "set image" }}\n', r"^app/templates/bad\.yaml:1: helm: .*set image"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: 1, a: 2}\n",
            r"^app/templates/bad\.yaml:1: .*twice",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 1}\n",
            r"^app/templates/bad\.yaml:2: metadata.name must be",
        ),
        ("kind: ConfigMap\nmetadata: {name: x}\n", r"^app/templates/bad\.yaml:1: apiVersion missing"),
    ],
)
def test_broken_template_is_one_error_at_its_line(template: str, said: str, tool: Renderer) -> None:
    (problem,) = problems({**FILES, "app/templates/bad.yaml": template}, with_=tool)
    assert re.search(said, problem), problem


def test_what_is_missing_is_said_all_at_once(tool: Renderer) -> None:
    spec = HelmSpec(values=("nope.yaml", "../../out.yaml", "pointer.yaml"))
    files = {**FILES, "app/pointer.yaml": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"}
    assert problems(files, with_=tool, helm=spec) == [
        "app/Chart.yaml:1: helm.values nope.yaml is no file in this commit",
        "app/Chart.yaml:1: helm.values ../../out.yaml is no file in this commit: it leaves the repository",
        "app/pointer.yaml:1: the file is a Git LFS pointer, its content is not in Git: commit it plainly",
    ]
    assert problems({"app/x": ""}, with_=tool, helm=HelmSpec(chart="charts/shop")) == [
        "app/Chart.yaml:1: helm.chart charts/shop is no folder with a Chart.yaml in this commit"
    ]


def test_dependency_that_is_not_vendored_says_what_to_run(tool: Renderer) -> None:
    chart = f"{CHART}dependencies:\n- {{name: redis, version: 1.x, repository: 'https://example.com'}}\n"
    assert problems({**FILES, "app/Chart.yaml": chart}, with_=tool) == [
        "app/Chart.yaml:1: helm: the chart needs redis in its charts folder: run helm dependency update and commit it"
    ]


def test_memory_of_a_template_is_bounded(tmp_path: Path) -> None:
    bomb = '{{ $x := repeat 1000000 "x" }}{{ range until 100000 }}{{ $x = cat $x $x }}{{ end }}a: {{ len $x }}\n'
    small = renderer(tmp_path, limits=Limits(memory_bytes=200 * 1024**2))
    assert problems({**FILES, "app/templates/bad.yaml": bomb}, with_=small) == [
        "app/Chart.yaml:1: helm needs more memory than it may have"
    ]


def test_chart_is_rendered_again_only_when_something_it_reads_changed(tool: Renderer) -> None:
    files = {**FILES, "app/prod.yaml": "image: shop:2\n", "env/all.yaml": "image: shop:3\n", "other/x": "1"}
    app = replace(APP, render=Render.HELM, helm=HelmSpec(values=("/env/all.yaml",)))
    repo = FilesOnly({"1": files, "2": {**files, "other/x": "2"}, "3": {**files, "env/all.yaml": "image: shop:4\n"}})

    def rendered(commit: str) -> object:
        return tool.render(app, CommitFiles(cast(Repository, repo), commit), kinds=lambda: KINDS)

    first = rendered("1")
    assert rendered("2") is first
    assert rendered("3") is not first
