"""Kustomizations by the real kustomize: what it renders, where each object is from, what is refused before it runs."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from bot.model.app import Render
from bot.render import Renderer
from bot.render.programs import Limits
from tests.render.worlds import origins, problems, render, renderer

pytestmark = pytest.mark.tools

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"
BASE = {
    "base/kustomization.yaml": "resources: [objects.yaml]\nconfigMapGenerator:\n- name: settings\n  literals: [a=b]\n",
    "base/objects.yaml": f"{CONFIG_MAP % 'one'}---\n{CONFIG_MAP % 'two'}",
}


def test_overlay_of_a_base_outside_the_path_knows_its_origins(tool: Renderer) -> None:
    files = {
        **BASE,
        "app/kustomization.yaml": "namePrefix: p-\nnamespace: shop\nresources: [../base, own.yaml]\n",
        "app/own.yaml": CONFIG_MAP % "own",
        "unrelated/broken.yaml": "{",
    }
    state = render(files, with_=tool)
    assert origins(state) == {
        "ConfigMap shop/p-own": "app/own.yaml:1",
        "ConfigMap shop/p-one": "base/objects.yaml:1",
        "ConfigMap shop/p-two": "base/objects.yaml:5",
        "ConfigMap shop/p-settings-4h2mbtbbt6": "base/kustomization.yaml:3",
    }
    assert all("annotations" not in one.body["metadata"] for one in state.manifests)


def test_origin_annotations_stay_when_the_kustomization_asks_for_them(tool: Renderer) -> None:
    files = {**BASE, "app/kustomization.yaml": "resources: [../base]\nbuildMetadata: [originAnnotations]\n"}
    state = render(files, with_=tool)
    assert all("config.kubernetes.io/origin" in one.annotations for one in state.manifests)


def test_every_bad_reference_is_said_at_once_with_its_line(tool: Renderer) -> None:
    files = {
        "app/kustomization.yaml": "\n".join(
            [
                "resources:",
                "- https://example.com/install.yaml",
                "- github.com/acme/fleet//base?ref=v1",
                "- git@github.com:acme/fleet.git",
                "- ../../outside",
                "- /etc/passwd",
                "- missing.yaml",
                "- empty",
                "- ../shared/patch.yaml",
                "- linked.yaml",
                "- ../base",
                "helmCharts:",
                "- {name: x}",
            ]
        ),
        "app/empty/readme.md": "",
        "app/linked.yaml": "-> /etc/passwd",
        "shared/patch.yaml": CONFIG_MAP % "x",
        "base/kustomization.yml": "resources:\n- git::https://example.com/x\n",
    }
    host = "is on another host, which is not fetched from: copy the files into the repository"
    outside = "is outside the folder of its kustomization: refer to a folder with a kustomization of its own"
    assert sorted(problems(files, with_=tool)) == sorted(
        [
            f"app/kustomization.yaml:2: https://example.com/install.yaml {host}",
            f"app/kustomization.yaml:3: github.com/acme/fleet//base?ref=v1 {host}",
            f"app/kustomization.yaml:4: git@github.com:acme/fleet.git {host}",
            "app/kustomization.yaml:5: ../../outside leaves the repository",
            "app/kustomization.yaml:6: /etc/passwd is an absolute path, which is outside the commit",
            "app/kustomization.yaml:7: missing.yaml does not exist in this commit",
            "app/kustomization.yaml:8: empty is a folder without a kustomization",
            f"app/kustomization.yaml:9: ../shared/patch.yaml {outside}",
            "app/kustomization.yaml:10: linked.yaml: the link points to an absolute path, which is outside the commit",
            "app/kustomization.yaml:12: helmCharts is not supported: use render: helm, or commit what the chart "
            "renders",
            f"base/kustomization.yml:2: git::https://example.com/x {host}",
        ]
    )


def test_path_hidden_in_a_generators_file_reads_nothing_of_this_machine(tool: Renderer, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("do-not-show")
    generator = "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: x}\nfiles: [SECRET]\n".replace(
        "SECRET", str(secret)
    )
    files = {"app/kustomization.yaml": "generators: [g.yaml]\n", "app/g.yaml": generator}
    (problem,) = problems(files, with_=tool)
    assert problem.startswith("app/kustomization.yaml:1: kustomize: ")
    assert "do-not-show" not in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("resourcess: [a.yaml]\n", 'app/kustomization.yaml:1: kustomize: .*unknown field "resourcess"'),
        ("resources: [a.yaml]\nresources: [a.yaml]\n", "app/kustomization.yaml:2: the key 'resources' is there twice"),
        ("- x\n", "app/kustomization.yaml:1: a kustomization is one mapping"),
        ("resources: [a.yaml]\npatches:\n- {path: p.yaml}\n", "app/kustomization.yaml:3: p.yaml does not exist"),
        ("resources: [a.yaml, .]\n", "cycle"),
    ],
)
def test_broken_kustomization_is_one_error_at_its_file(text: str, said: str, tool: Renderer) -> None:
    files = {"app/kustomization.yaml": text, "app/a.yaml": CONFIG_MAP % "a"}
    (problem,) = problems(files, with_=tool)
    assert re.search(said, problem), problem
    assert "/shm/" not in problem
    assert "/tmp/" not in problem


def test_rendered_twice_is_the_error_of_plain_yaml(tool: Renderer) -> None:
    files = {
        "app/kustomization.yaml": "resources: [a.yaml]\n",
        "app/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n",
    }
    (problem,) = problems(files, with_=tool)
    assert "app/kustomization.yaml:1: kustomize: " in problem


def test_missing_program_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    bare = renderer(tmp_path, tools=())
    files = {"app/kustomization.yaml": "resources: [a.yaml]\n", "app/a.yaml": CONFIG_MAP % "a"}
    said = "kustomize is needed and is not on the PATH: get it from https://kubectl.docs.kubernetes.io/installation/kustomize/"
    assert problems(files, with_=bare) == [f"app/kustomization.yaml:1: {said}"]
    assert problems(files, with_=bare, render=Render.KUSTOMIZE) == [f"app/kustomization.yaml:1: {said}"]


def test_rendering_without_a_kustomization_says_so(tool: Renderer) -> None:
    assert problems({"app/a.yaml": CONFIG_MAP % "a"}, with_=tool, render=Render.KUSTOMIZE) == [
        "app:1: the folder has no kustomization.yaml"
    ]


def test_output_and_time_are_bounded(tmp_path: Path) -> None:
    files = {
        "app/kustomization.yaml": "resources: [a.yaml]\n",
        "app/a.yaml": CONFIG_MAP % "a" + f"data: {{x: {'y' * 300_000}}}\n",
    }
    little = renderer(tmp_path, limits=Limits(output_bytes=100_000))
    assert problems(files, with_=little) == ["app/kustomization.yaml:1: kustomize wrote more than 0 MiB and was ended"]
    quick = renderer(tmp_path, limits=Limits(time=timedelta(milliseconds=1)))
    assert problems(files, with_=quick) == [
        "app/kustomization.yaml:1: kustomize did not end within 0.001 s and was ended"
    ]


def test_values_of_the_configuration_reach_what_kustomize_renders(tool: Renderer) -> None:
    files = {
        "app/kustomization.yaml": "resources: [a.yaml]\n",
        "app/a.yaml": CONFIG_MAP % "a" + "data: {c: '${CLUSTER}'}\n",
    }
    state = render(files, with_=tool, substitute={"CLUSTER": "prod-eu"})
    assert state.manifests[0].body["data"] == {"c": "prod-eu"}
