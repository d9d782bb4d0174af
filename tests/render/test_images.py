"""Where an app's own files give an image its tag, and what they say with another one: one line changes, no more."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from bot.model.app import HelmSpec, Render
from bot.model.image import ImageName
from bot.ports.source import Repository
from bot.render import CommitFiles
from bot.render.images import Place, PlaceRefused, with_tag
from tests.render.worlds import APP, Files, FilesOnly, renderer

SHOP = ImageName("quay.io", "acme/shop")
OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"

DEPLOYMENT = """\
# The shop.  Ask ana.
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: { app: shop }}
spec:
    template:
        spec:
            initContainers:
            -   name: migrate
                image: "quay.io/acme/shop:1.4.1"   # the same as below
            containers:
            -   {name: sidecar, image: quay.io/acme/proxy:1.4.1}
            -   name: shop
                image: quay.io/acme/shop:1.4.1

                args: ["--image=quay.io/acme/shop:1.4.1"]
---

apiVersion: batch/v1
kind: CronJob
metadata: {name: tidy}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: 'quay.io/acme/shop:1.3.0'}]}}}}}
"""


def places(files: Files, image: ImageName = SHOP, **app: Any) -> tuple[Place, ...]:
    source = CommitFiles(cast(Repository, FilesOnly({"c": files})), "c")
    return renderer(Path(), tools=()).images(replace(APP, **app), source, image)


def changed(before: str, found: tuple[Place, ...], tag: str = "1.4.2", digest: str = NEW) -> list[str]:
    """Return the lines that go and come."""
    after = with_tag(before.encode(), found, tag, digest).decode()
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    assert before.count("\n") == after.count("\n")
    return [line for line in lines if line[:1] in "+-" and line[:3] not in {"+++", "---"}]


def test_image_is_found_wherever_objects_run_it_and_nowhere_else() -> None:
    found = places({"app/a.yaml": DEPLOYMENT, "other/b.yaml": DEPLOYMENT, "app/readme.md": "quay.io/acme/shop:1.4.1"})
    assert sorted((one.path, one.tag) for one in found) == [("app/a.yaml", tag) for tag in ("1.3.0", "1.4.1", "1.4.1")]


def test_only_the_tag_changes_in_a_file_of_objects() -> None:
    """Flux and the image updater of Argo CD have written whole files anew: comments, quotes and blank lines went."""
    lines = changed(DEPLOYMENT, places({"app/a.yaml": DEPLOYMENT}))
    assert lines == [
        '-                image: "quay.io/acme/shop:1.4.1"   # the same as below',
        '+                image: "quay.io/acme/shop:1.4.2"   # the same as below',
        "-                image: quay.io/acme/shop:1.4.1",
        "+                image: quay.io/acme/shop:1.4.2",
        f"-{DEPLOYMENT.splitlines()[-1]}",
        f"+{DEPLOYMENT.splitlines()[-1].replace('1.3.0', '1.4.2')}",
    ]


def test_line_ends_and_byte_order_mark_stay() -> None:
    data = f"\ufeff{DEPLOYMENT}".replace("\n", "\r\n").encode()
    after = with_tag(data, places({"app/a.yaml": data}), "1.4.2", "")
    assert after == data.replace(b"shop:1.4.1\r", b"shop:1.4.2\r").replace(b'shop:1.4.1"  ', b'shop:1.4.2"  ').replace(
        b"shop:1.3.0'", b"shop:1.4.2'"
    )


def test_tag_and_digest_change_together() -> None:
    pinned = f"quay.io/acme/shop:1.4.1@{OLD}"
    text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{{image: '{pinned}'}}]}}\n"
    (found,) = places({"app/a.yaml": text})
    assert (found.tag, found.digest) == ("1.4.1", OLD)
    assert changed(text, (found,))[1].endswith(f"{{image: 'quay.io/acme/shop:1.4.2@{NEW}'}}]}}")


def test_image_of_docker_hub_is_known_by_each_of_its_names() -> None:
    names = ("nginx:1.27.0", "docker.io/nginx:1.27.0", "index.docker.io/library/nginx:1.27.0")
    pods = [f"apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{image: {name}}}\n" for name in names]
    found = places({"app/a.yaml": "---\n".join(pods)}, ImageName("docker.io", "library/nginx"))
    assert [one.before for one in found] == ["nginx:", "docker.io/nginx:", "index.docker.io/library/nginx:"]


def test_image_without_a_tag_gets_one() -> None:
    text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  image: quay.io/acme/shop  # ours\n"
    assert changed(text, places({"app/a.yaml": text}))[1] == "+  image: quay.io/acme/shop:1.4.2  # ours"


def test_values_of_another_tool_in_an_object_are_found_too() -> None:
    spec = "spec: {image: {repository: quay.io/acme/shop, tag: 1.4.1}}\n"
    text = f"apiVersion: x/v1\nkind: Shop\nmetadata: {{name: a}}\n{spec}"
    assert changed(text, places({"app/a.yaml": text}))[1].endswith("tag: 1.4.2}}")


def test_file_that_shares_by_anchors_is_refused_by_name() -> None:
    text = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {a: &one {image: 'quay.io/acme/shop:1.4.1'}, b: *one}\n"
    )
    with pytest.raises(PlaceRefused, match=r"app/a\.yaml is not edited by machine: .*; change it by hand"):
        with_tag(text.encode(), places({"app/a.yaml": text}), "1.4.2", "")


def test_list_on_one_line_is_refused() -> None:
    """The first of its objects was changed in place of each other one, and so at each look anew."""
    pods = ", ".join(
        f"{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{image: 'quay.io/acme/shop:{tag}'}}}}"
        for name, tag in (("a", "1.5.0"), ("b", "1.4.1"))
    )
    text = f"{{apiVersion: v1, kind: List, items: [{pods}]}}\n"
    found = places({"app/a.yaml": text})
    assert [one.tag for one in found] == ["1.5.0", "1.4.1"]
    with pytest.raises(PlaceRefused, match="2 objects begin on line 1"):
        with_tag(text.encode(), found[1:], "1.4.2", "")


# --- kustomize --------------------------------------------------------------------------------------------------------

OVERLAY = """\
resources: [../base, job.yaml]
images:
- name: quay.io/acme/shop   # moved by the bot
  newTag: "1.4.1"
- {name: nginx, newTag: 1.27.0}
"""
JOB = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {image: quay.io/acme/shop:1.0.0}\n"


def test_entry_of_images_in_the_app_s_own_kustomization_is_the_place() -> None:
    base = {"base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": DEPLOYMENT}
    found = places({**base, "app/kustomization.yaml": OVERLAY, "app/job.yaml": JOB})
    assert [(one.path, one.tag) for one in found] == [("app/kustomization.yaml", "1.4.1")]
    assert changed(OVERLAY, found) == ['-  newTag: "1.4.1"', '+  newTag: "1.4.2"']


def test_base_that_others_share_is_not_the_app_s_to_change() -> None:
    files = {"base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": DEPLOYMENT}
    assert places({**files, "app/kustomization.yaml": "resources: [../base]\n"}) == ()


def test_file_that_a_kustomization_does_not_use_is_left_alone() -> None:
    files = {"app/kustomization.yaml": "resources: [job.yaml]\n", "app/job.yaml": JOB, "app/old.yaml": DEPLOYMENT}
    assert [one.path for one in places(files)] == ["app/job.yaml"]


def test_renamed_image_is_followed_by_its_new_name() -> None:
    entry = f"- name: shop\n  newName: quay.io/acme/shop\n  newTag: 1.4.1\n  digest: {OLD}\n"
    text = f"resources: [job.yaml]\nimages:\n{entry}"
    found = places({"app/kustomization.yaml": text, "app/job.yaml": JOB})
    assert changed(text, found) == ["-  newTag: 1.4.1", f"-  digest: {OLD}", "+  newTag: 1.4.2", f"+  digest: {NEW}"]
    assert places({"app/kustomization.yaml": text, "app/job.yaml": JOB}, ImageName("docker.io", "library/shop")) == ()


def test_number_of_a_build_stays_text() -> None:
    text = "resources: [job.yaml]\nimages: [{name: quay.io/acme/shop, newTag: '20260301'}]\n"
    assert changed(text, places({"app/kustomization.yaml": text, "app/job.yaml": JOB}), "20260302")[1].endswith(
        "'20260302'}]"
    )
    plain = text.replace("'", "")
    found = places({"app/kustomization.yaml": plain, "app/job.yaml": JOB})
    assert changed(plain, found, "20260302")[1].endswith('newTag: "20260302"}]')


# --- Helm -------------------------------------------------------------------------------------------------------------

CHART = {"app/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n"}
VALUES = "image:\n  repository: quay.io/acme/shop\n  pullPolicy: Always\n  tag: 1.4.1  # by the bot\nreplicas: 2\n"


def test_tag_beside_its_repository_is_the_place_in_values() -> None:
    found = places({**CHART, "app/values.yaml": VALUES})
    assert changed(VALUES, found) == ["-  tag: 1.4.1  # by the bot", "+  tag: 1.4.2  # by the bot"]


def test_last_values_file_that_has_the_tag_is_the_place() -> None:
    """The repository is in one file and the tag of an environment in another one."""
    files = {**CHART, "app/values.yaml": VALUES, "env/staging.yaml": "image: {tag: 1.4.0}\n", "app/b.yaml": "x: 1\n"}
    spec = HelmSpec(values=("/env/staging.yaml", "b.yaml"))
    (found,) = places(files, helm=spec, render=Render.HELM)
    assert (found.path, found.tag) == ("env/staging.yaml", "1.4.0")


def test_values_of_a_chart_that_others_share_are_not_the_app_s_to_change() -> None:
    chart = {path.replace("app/", "charts/shop/"): text for path, text in CHART.items()}
    files = {**chart, "charts/shop/values.yaml": VALUES, "app/values.yaml": "replicas: 3\n"}
    assert places(files, helm=HelmSpec(chart="/charts/shop", values=("values.yaml",))) == ()


@pytest.mark.parametrize(
    "text",
    [
        "image: {registry: quay.io, repository: acme/shop, tag: 1.4.1}\n",
        "image: quay.io/acme/shop\ntag: 1.4.1\n",
        "image: quay.io/acme/shop:1.4.1\n",
        "extra:\n- {name: a, image: 'quay.io/acme/shop:1.4.1'}\n",
        f"web: {{image: {{repository: quay.io/acme/shop, tag: 1.4.1, digest: '{OLD}'}}}}\n",
    ],
)
def test_values_are_written_in_many_ways(text: str) -> None:
    (found,) = places({**CHART, "app/values.yaml": text})
    wanted = text.replace("1.4.1", "1.4.2").replace(OLD, NEW)
    assert with_tag(text.encode(), (found,), "1.4.2", NEW).decode() == wanted


def test_encrypted_and_broken_values_are_left_alone() -> None:
    secret = f"{VALUES}sops: {{mac: 'ENC[AES256_GCM,data:x,type:str]', version: 3.9.0}}\n"
    assert places({**CHART, "app/values.yaml": secret}) == ()
    assert places({**CHART, "app/values.yaml": "a: ["}) == ()
