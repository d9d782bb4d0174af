"""Kustomizations by the real kustomize: what it renders, where each object is from, what is refused before it runs."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import RenderError
from bot.model.app import Render
from bot.render import Renderer
from bot.render.programs import Limits
from bot.render.remote import Remote, parse
from tests.render.worlds import FilesOnly, origins, problems, render, renderer

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
    copy = "copy the files into the repository"
    host = f"is on another host: {copy}, or name github.com in the app's kustomize.remote_hosts"
    no_ref = "names no tag or commit (?ref=), so that the same commit would not always render the same"
    outside = "is outside the folder of its kustomization: refer to a folder with a kustomization of its own"
    assert sorted(problems(files, with_=tool)) == sorted(
        [
            f"app/kustomization.yaml:2: https://example.com/install.yaml is no folder of a Git repository: {copy}",
            f"app/kustomization.yaml:3: github.com/acme/fleet//base?ref=v1 {host}",
            f"app/kustomization.yaml:4: git@github.com:acme/fleet.git {no_ref}: {copy}",
            "app/kustomization.yaml:5: ../../outside leaves the repository",
            "app/kustomization.yaml:6: /etc/passwd is an absolute path, which is outside the commit",
            "app/kustomization.yaml:7: missing.yaml does not exist in this commit",
            "app/kustomization.yaml:8: empty is a folder without a kustomization",
            f"app/kustomization.yaml:9: ../shared/patch.yaml {outside}",
            "app/kustomization.yaml:10: linked.yaml: the link points to an absolute path, which is outside the commit",
            "app/kustomization.yaml:12: helmCharts is not supported: use render: helm, or commit what the chart "
            "renders",
            f"base/kustomization.yml:2: git::https://example.com/x is no folder of a Git repository: {copy}",
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


BASES = FilesOnly(
    {
        "v1.2": {
            "web/kustomization.yaml": "resources: [objects.yaml, ../common]\n",
            "web/objects.yaml": CONFIG_MAP % "web",
            "common/kustomization.yaml": "resources: [one.yaml]\n",
            "common/one.yaml": f"# ours\n{CONFIG_MAP % 'common'}",
            "greedy/kustomization.yaml": "resources: [../../../../../secret]\n",
            "chain/kustomization.yaml": "resources: ['https://elsewhere.example.com/a/b//c?ref=v1']\n",
            "plain/x.yaml": CONFIG_MAP % "x",
        }
    }
)
GITHUB = {"https://github.com/acme/bases": BASES}


def test_remote_base_of_an_allowed_host_is_rendered_with_its_origins(tool: Renderer) -> None:
    files = {
        "app/kustomization.yaml": "namePrefix: p-\nresources:\n- github.com/acme/bases//web?ref=v1.2\n"
        "- 'https://github.com/acme/bases/common?ref=v1.2&timeout=10s'  # twice is once\n- own.yaml\n",
        "app/own.yaml": CONFIG_MAP % "own",
    }
    with pytest.raises(RenderError):  # two ways to one base: kustomize itself refuses the same object twice
        render(files, with_=tool, others=GITHUB, remote_hosts=("github.com",))
    files["app/kustomization.yaml"] = "namePrefix: p-\nresources: ['github.com/acme/bases//web?ref=v1.2', own.yaml]\n"
    state = render(files, with_=tool, others=GITHUB, remote_hosts=("github.com",))
    assert origins(state) == {
        "ConfigMap p-common": ".remote-bases/github.com/acme/bases@v1.2/common/one.yaml:2",
        "ConfigMap p-own": "app/own.yaml:1",
        "ConfigMap p-web": ".remote-bases/github.com/acme/bases@v1.2/web/objects.yaml:1",
    }


def test_every_bad_remote_base_is_said_with_its_line(tool: Renderer) -> None:
    references = [
        "github.com/acme/bases//web?ref=main",
        "github.com/acme/bases//nowhere?ref=v1.2",
        "github.com/acme/bases//plain?ref=v1.2",
        "github.com/acme/bases//greedy?ref=v1.2",
        "github.com/acme/bases//chain?ref=v1.2",
        "http://github.com/acme/bases//web?ref=v1.2",
        "https://ana:secret@github.com/acme/bases//web?ref=v1.2",
        "github.com/acme/bases//../x?ref=v1.2",
    ]
    files = {
        "app/kustomization.yaml": "".join(["resources:\n", *(f"- {one}\n" for one in references)])
        + "patches:\n- path: github.com/acme/bases//web/objects.yaml?ref=v1.2\n",
        "secret/kustomization.yaml": "resources: []\n",
    }
    copy = "copy the files into the repository"
    said = problems(files, with_=tool, others=GITHUB, remote_hosts=("github.com",))
    place = ".remote-bases/github.com/acme/bases@v1.2"
    assert sorted(said) == sorted(
        [
            f"app/kustomization.yaml:2: {references[0]}: ref must be a tag or a commit: repository fleet: has no tag "
            "main",
            f"app/kustomization.yaml:3: {references[1]}: there is no folder nowhere at v1.2",
            f"app/kustomization.yaml:4: {references[2]} is a folder without a kustomization",
            f"{place}/greedy/kustomization.yaml:1: ../../../../../secret leaves the repository",
            f"{place}/chain/kustomization.yaml:1: https://elsewhere.example.com/a/b//c?ref=v1 is on another host: "
            f"{copy}, or name elsewhere.example.com in the app's kustomize.remote_hosts",
            f"app/kustomization.yaml:7: {references[5]} is neither at https:// nor at ssh://: {copy}",
            f"app/kustomization.yaml:8: {references[6]} contains a password, for everybody who reads the file: {copy}",
            f"app/kustomization.yaml:9: {references[7]} leaves its repository: {copy}",
            "app/kustomization.yaml:11: github.com/acme/bases//web/objects.yaml?ref=v1.2 is a file on another host: "
            f"{copy}",
        ]
    )


@pytest.mark.parametrize(
    ("text", "url", "path"),
    [
        ("https://github.com/a/b//c/d?ref=v1", "https://github.com/a/b", "c/d"),
        ("https://github.com/a/b?ref=v1", "https://github.com/a/b", ""),
        ("github.com/a/b/c?version=v1", "https://github.com/a/b", "c"),
        ("git@gitlab.example.com:g/sub/b.git//c?ref=v1", "ssh://git@gitlab.example.com/g/sub/b.git", "c"),
        ("ssh://git@host:7999/g/b.git/c?ref=v1", "ssh://git@host:7999/g/b.git", "c"),
        ("git::https://dev.azure.com/o/p/_git/r/c?ref=v1", "https://dev.azure.com/o/p/_git/r", "c"),
    ],
)
def test_kustomize_s_notation_is_read(text: str, url: str, path: str) -> None:
    remote = parse(text)
    assert isinstance(remote, Remote)
    assert (remote.url, remote.path, remote.ref) == (url, path, "v1")
