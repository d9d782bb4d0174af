"""Everything people commit by mistake: legal files give what kubectl reads, all others one error each with its line."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.render import Renderer
from bot.render.files import MAX_FILE_BYTES
from tests.render.worlds import origins, problems, render

GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n"
WAY_OUT = "if it is not meant for the cluster, list the file in .gitopsignore"
BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))


def with_metadata(text: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n{text}"


# --- refused, each with its line --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        # broken and half YAML
        ("a: [1, 2\n", ":2: while parsing a flow sequence: did not find expected ',' or ']'"),
        (f"{GOOD}data:\n  x: 1\n y: 2\n", ":7: while parsing a block mapping: did not find expected key"),
        ('a: "unfinished\n', ":2: while scanning a quoted scalar: found unexpected end of stream"),
        (f"{GOOD}data: {{a: b\n", ":6: while parsing a flow mapping: did not find expected ',' or '}'"),
        ("%YAML 9.9\n---\na: 1\n", ":1: found incompatible YAML document"),
        ("a: *nobody\n", ":1: an alias has no anchor in this document"),
        ("a: &x [*x]\n", ":1: an alias refers to what contains it"),
        ("{{ .Values.image }}\n", ":1: a key must be a plain word, not a mapping or a list"),
        ("<<<<<<< HEAD\na: 1\n=======\n", ":1: the file has a merge conflict that nobody resolved"),
        # keys
        (f"{GOOD}data: {{x: '1'}}\ndata: {{x: '2'}}\n", ":6: the key 'data' is there twice"),
        ("? [a]\n: 1\n", ":1: a key must be a plain word, not a mapping or a list"),
        ("1.5: x\n", ":1: a key is a number with a fraction: write it in quotes"),
        ("~: x\n", ":1: a key is empty or null: write it in quotes"),
        # tags
        (f"{GOOD}data: !!python/object/apply:os.system [id]\n", ":5: the tag '!!python/object/apply:os.system' is not"),
        (f"{GOOD}data: {{x: !secret y}}\n", ":5: the tag '!secret' is not supported"),
        (f"{GOOD}data: {{x: !!binary aGk=}}\n", ":5: the tag '!!binary' is not supported"),
        (f"{GOOD}data: {{x: !!int one}}\n", ":5: the value is no !!int"),
        # numbers that JSON has not
        (f"{GOOD}data: {{x: .nan}}\n", ":5: infinity and NaN cannot be written in JSON"),
        (f"{GOOD}data: {{x: -.inf}}\n", ":5: infinity and NaN cannot be written in JSON"),
        # bytes
        (b"apiVersion: v1\nkind: \xff\n", ":2: the file is not valid UTF-8 here"),
        (b"a: 1\nb: \0\n", ":2: the file has a NUL character here"),
        (GOOD.encode("utf-16"), ":1: the file is UTF-16: save it as UTF-8"),
        (GOOD.encode("utf-16-le"), ":1: the file has a NUL character here: it is no text, or UTF-16 without a mark"),
        ("a: \x07\n", ":1: the control character U+0007 is not allowed in YAML"),
        (
            f"{GOOD}data:\n\tx: y\n",
            ":6: while scanning for the next token: found character that cannot start any token",
        ),
        (POINTER, ":1: the file is a Git LFS pointer, its content is not in Git: commit it plainly"),
        # size
        ("# " + "x" * MAX_FILE_BYTES, ":1: the file has 5.0 MB, more than 5 MB"),
        (f"a: {'[' * 5000}{']' * 5000}\n", ":1: while increasing flow level: exceeded maximum nesting depth"),
        (f"a: {'[' * 300}{']' * 300}\n", ":1: more than 200 levels of nesting"),
        ("".join(f"{' ' * n}k:\n" for n in range(300)), "more than 200 levels of nesting"),
        (BOMB, "the aliases of this file stand for more than 200,000 values"),
        # what an object needs
        ("just text\n", f":1: a string is no Kubernetes object; {WAY_OUT}"),
        ("- 1\n", f":1: a list is no Kubernetes object; {WAY_OUT}"),
        ("image: shop\n", f":1: apiVersion and kind missing: this is no Kubernetes object; {WAY_OUT}"),
        ("apiVersion: v1\nmetadata: {name: a}\n", f":1: kind missing: this is no Kubernetes object; {WAY_OUT}"),
        ("apiVersion: 1\nkind: X\nmetadata: {name: a}\n", ":1: apiVersion must be a string, this is a number"),
        ("apiVersion: a/b/c\nkind: X\nmetadata: {name: a}\n", ":1: apiVersion must be VERSION or GROUP/VERSION"),
        ("apiVersion: v1\nkind: ConfigMap\n", ":1: metadata.name is missing"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: a\n", ":1: metadata must be a mapping, this is a string"),
        (with_metadata("  name: 1\n"), ":1: metadata.name must be a string, this is a number: write it in quotes"),
        (with_metadata("  name: yes\n"), ":1: metadata.name must be a string, this is a boolean: write it in quotes"),
        (with_metadata("  name: ''\n"), ":1: metadata.name is missing"),
        (with_metadata("  name: a\n  namespace: 7\n"), ":1: metadata.namespace must be a string, this is a number"),
        (with_metadata("  name: a\n  labels: [x]\n"), ":1: metadata.labels must be a mapping, this is a list"),
        (with_metadata("  name: a\n  labels: {v: 1.0}\n"), ":1: metadata.labels[v] must be a string, this is a number"),
        (
            with_metadata("  name: a\n  annotations: {v: true}\n"),
            ":1: metadata.annotations[v] must be a string, this is",
        ),
        (with_metadata("  generateName: a-\n"), ":1: metadata.generateName is not supported"),
        (with_metadata("  name: a\n  managedFields: [{manager: x}]\n"), ":1: metadata.managedFields is the server's"),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {x: 'ENC[AES256_GCM,data:eA==]'}\n",
            ":1: Secret s has",
        ),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nsops: {mac: x}\n",
            ":1: the object is still encrypted by SOPS",
        ),
    ],
)
def test_bad_file_is_one_error_with_its_line(data: str | bytes, said: str, tool: Renderer) -> None:
    (problem,) = problems({"app/x.yaml": data}, with_=tool)
    assert problem.startswith("app/x.yaml:")
    assert said in problem


@pytest.mark.parametrize("name", ["a/../b", "..", "A", "a_b", "a b", "-a", "a" * 300, "a/b", "ä", "a%00", "a.", ".a"])
def test_name_that_no_server_accepts_is_refused(name: str, tool: Renderer) -> None:
    (problem,) = problems({"app/x.yaml": with_metadata(f"  name: '{name}'\n")}, with_=tool)
    assert problem.startswith("app/x.yaml:1: metadata.name ")
    assert len(problem) < 400


def test_names_of_rbac_objects_may_have_colons(tool: Renderer) -> None:
    text = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'system:shop:Read_er'}\n"
    assert origins(render({"app/x.yaml": text}, with_=tool)) == {"ClusterRole system:shop:Read_er": "app/x.yaml:1"}


# --- links and paths --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/etc/passwd", "the link points to an absolute path, which is outside the commit"),
        ("../../etc/passwd", "the link leaves the repository"),
        ("../secret.yaml", "the link leaves the app's path app: put the file there, or ignore the link"),
        ("nowhere.yaml", "the link points to nothing"),
        ("x.yaml", "the link leads through more than 40 other links: a loop"),
        (".", "the link points to a folder that contains it"),
    ],
)
def test_link_out_of_the_path_is_refused_and_its_content_never_shown(target: str, said: str, tool: Renderer) -> None:
    files = {"app/x.yaml": f"-> {target}", "secret.yaml": "do-not-show: [", "app/good.yaml": GOOD}
    assert problems(files, with_=tool) == [f"app/x.yaml:1: {said}"]


def test_link_inside_the_path_is_followed_under_its_own_name(tool: Renderer) -> None:
    files = {"app/x.yaml": "-> parts/a.yaml", "app/parts/.hidden/a.yaml": "{", "app/parts/a.txt": GOOD}
    assert problems(files, with_=tool) == ["app/x.yaml:1: the link points to nothing"]
    files = {"app/x.yaml": "-> parts/a.txt", "app/parts/a.txt": GOOD}
    assert origins(render(files, with_=tool)) == {"ConfigMap a": "app/x.yaml:1"}


# --- all at once ------------------------------------------------------------------------------------------------------


def test_every_problem_of_every_file_is_said_at_once(tool: Renderer) -> None:
    files = {
        "app/broken.yaml": "a: [",
        "app/good.yaml": GOOD,
        "app/half.yaml": f"{GOOD}---\nkind: ConfigMap\nmetadata: {{name: b}}\n---\n{with_metadata('  name: 5')}",
        "app/kustomized/kustomization.yaml": "resources: []\n",
        "app/twice.yaml": GOOD,
    }
    assert problems(files, with_=tool) == [
        "app/kustomized/kustomization.yaml:1: this file is for kustomize and lies in an app of plain YAML: make its "
        "folder the app's path, refer to it from a kustomization at the app's path, or list it in .gitopsignore",
        "app/broken.yaml:2: while parsing a flow node: did not find expected node content",
        f"app/half.yaml:6: apiVersion missing: this is no Kubernetes object; {WAY_OUT}",
        "app/half.yaml:9: metadata.name must be a string, this is a number: write it in quotes",
        "app/half.yaml:1: ConfigMap a is there 3 times: app/good.yaml:1, app/half.yaml:1, app/twice.yaml:1",
    ]


def test_one_file_with_endless_problems_says_the_first_twenty(tool: Renderer) -> None:
    text = "".join(f"k{n % 2}: x\n" for n in range(10_000))
    assert len(problems({"app/x.yaml": text}, with_=tool)) == 20


HOSTILE = [BOMB, "[" * 100_000, "{a: " * 100_000, "&a " * 10_000, "? " * 50_000, "- " * 50_000, "!" * 100_000]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_file_costs_bounded_time(text: str, tool: Renderer) -> None:
    """Seconds of processor time, not of the clock: a busy machine must not fail the test. Endless would be minutes."""
    before = time.process_time()
    assert problems({"app/x.yaml": text}, with_=tool)
    assert time.process_time() - before < 10


def test_hostile_files_cost_bounded_memory() -> None:
    """Read in a process that may have little more than an interpreter with our modules needs."""
    program = (
        "import resource, sys\n"
        "from tests.render.test_bad_files import HOSTILE\n"
        "from bot.render.documents import read_bytes\n"
        "used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (used + 200 * 1024**2,) * 2)\n"
        "assert all(read_bytes(text.encode()).problems for text in HOSTILE)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2], timeout=120)


# --- legal ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        GOOD.encode("utf-8-sig"),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        f"---\n{GOOD}---\n---\n# nothing\n---\n",
        f"# licence\n\n{GOOD}...\n",
        f"%YAML 1.1\n---\n{GOOD}",
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}',
        f"{GOOD}status: {{x: 1}}\n",
        f"{GOOD}  creationTimestamp: null\n  uid: x\n  resourceVersion: '1'\n  generation: 3\n  selfLink: /x\n",
        f"{GOOD}  labels:\n  annotations: {{}}\n  namespace:\n  managedFields: []\n",
        "apiVersion: &v v1\nkind: !!str ConfigMap\nmetadata: {name: a}\n",
        "x: &m {name: a}\n---\n" + GOOD.replace("\n  name: a", " {name: a}"),
    ],
)
def test_legal_file_is_one_object(data: str | bytes, tool: Renderer) -> None:
    if isinstance(data, str) and data.startswith("x: &m"):
        assert problems({"app/x.yaml": data}, with_=tool)[0].startswith("app/x.yaml:1: apiVersion and kind missing")
        return
    (manifest,) = render({"app/x.yaml": data}, with_=tool).manifests
    body = dict(manifest.body)
    metadata = {key: value for key, value in body["metadata"].items() if value not in ({}, None)}
    assert (str(manifest.id), metadata) == ("ConfigMap a", {"name": "a"})
    assert "status" not in body


def test_exported_list_and_typed_list_are_their_items(tool: Renderer) -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n"
        "- apiVersion: v1\n  kind: ConfigMapList\n  items:\n  - metadata: {name: b}\n"
    )
    assert origins(render({"app/x.yaml": text}, with_=tool)) == {
        "ConfigMap a": "app/x.yaml:4",
        "ConfigMap b": "app/x.yaml:7",
    }


def test_merge_keys_read_as_the_specification_says(tool: Renderer) -> None:
    text = f"{GOOD}data:\n  <<: {{x: '1', z: '2'}}\n  x: '3'\n"
    (manifest,) = render({"app/x.yaml": text}, with_=tool).manifests
    assert manifest.body["data"] == {"x": "3", "z": "2"}


def test_large_file_of_many_objects_is_read(tool: Renderer) -> None:
    text = "---\n".join(f"{GOOD[:-2]}a{n}\ndata: {{x: '{'y' * 400}'}}\n" for n in range(8000))
    assert 3_500_000 < len(text) < MAX_FILE_BYTES
    state = render({"app/x.yaml": text}, with_=tool)
    assert len(state.manifests) == 8000
    assert str(state.manifests[-1].origin) == "app/x.yaml:47995"


@pytest.mark.parametrize(
    "files",
    [
        {"app/.github/x.yaml": "{", "app/.gitlab-ci.yml": "{", "app/readme.md": "{", "app/a.yaml": GOOD},
        {
            "app/.gitopsignore": "/values*.yaml\nold/\n",
            "app/values-prod.yaml": "{",
            "app/old/x.yaml": "{",
            "app/a.yaml": GOOD,
        },
    ],
)
def test_what_is_not_meant_for_the_cluster_is_left_out(files: Mapping[str, str], tool: Renderer) -> None:
    assert origins(render(files, with_=tool)) == {"ConfigMap a": "app/a.yaml:1"}
