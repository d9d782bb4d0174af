"""What was placed before is taken over as it is, while nothing else would come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import pytest

from bot.errors import RenderError
from bot.model.app import AppSpec
from bot.model.resource import DesiredState, KindInfo, KindTable
from bot.plan.placing import Placement, place
from tests.plan.world import APP, config, thing, wanted

LABELS: Final = {"gitops-bot/app": "shop"}
WIDGET: Final = KindInfo(group="acme.io", version="v1", kind="Widget", plural="widgets", namespaced=True)
CONFIG_MAP: Final = KindInfo(group="", version="v1", kind="ConfigMap", plural="configmaps", namespaced=True)
DESIRED: Final = DesiredState(
    manifests=tuple(
        wanted(body).manifest
        for body in (config("settings", level="info"), thing("Widget", "w", api="acme.io/v1", namespace=""))
    ),
    digest="sha256:1",
)


def table(*infos: KindInfo) -> KindTable:
    return KindTable(kinds={(one.group, one.kind): (one,) for one in infos})


KINDS: Final = table(CONFIG_MAP, WIDGET)


def placed(
    desired: DesiredState,
    *,
    kinds: KindTable = KINDS,
    app: AppSpec = APP,
    labels: Mapping[str, str] = LABELS,
    before: Placement | None = None,
) -> Placement:
    """Place beside what is known, and hold that the same comes of it as without."""
    found, _ = place(desired, kinds, app=app, labels=labels, before=before)
    assert found == place(desired, kinds, app=app, labels=labels)[0]
    return found


def test_commit_that_changes_one_object_leaves_the_others_the_same_objects() -> None:
    before = placed(DESIRED)
    changed = replace(DESIRED, manifests=(wanted(config("settings", level="debug")).manifest, DESIRED.manifests[1]))
    after = placed(changed, before=before)
    assert [then is now for then, now in zip(before.manifests, after.manifests, strict=True)] == [False, True]
    assert after.manifests[0].body["data"] == {"level": "debug"}


def test_other_settings_and_marks_place_everything_anew() -> None:
    before = placed(DESIRED)
    moved = placed(DESIRED, app=replace(APP, namespace="other"), before=before)
    assert [one.id.namespace for one in moved.manifests] == ["shop", "other"]
    marked = placed(DESIRED, labels={"gitops-bot/app": "renamed"}, before=before)
    assert {one.body["metadata"]["labels"]["gitops-bot/app"] for one in marked.manifests} == {"renamed"}


def test_placement_holds_for_the_very_same_things_alone() -> None:
    before, kinds = placed(DESIRED), table(CONFIG_MAP, WIDGET)
    found, _ = place(DESIRED, kinds, app=APP, labels=LABELS, before=before)
    assert found.holds(APP, LABELS, DESIRED, kinds)
    assert not found.holds(APP, LABELS, DESIRED, table(CONFIG_MAP, WIDGET))
    assert not found.holds(APP, LABELS, replace(DESIRED), kinds)
    assert not found.holds(APP, {"gitops-bot/app": "renamed"}, DESIRED, kinds)
    assert not found.holds(replace(APP, namespace="other"), LABELS, DESIRED, kinds)


def test_kind_that_was_made_anew_with_another_scope_is_placed_anew() -> None:
    before = placed(DESIRED)
    after = placed(DESIRED, kinds=table(CONFIG_MAP, replace(WIDGET, namespaced=False)), before=before)
    assert after.manifests[1].id.namespace == ""
    assert "namespace" not in after.manifests[1].body["metadata"]


def test_kind_that_is_gone_is_a_problem_of_what_was_placed_before_too() -> None:
    before = placed(DESIRED)
    with pytest.raises(RenderError) as error:
        place(DESIRED, table(CONFIG_MAP), app=APP, labels=LABELS, before=before)
    assert [one.subject for one in error.value.problems] == ["Widget w"]


@pytest.mark.parametrize(
    ("place_of_it", "key", "said"),
    [
        (
            "annotations",
            "gitops-bot/prunes",
            "there is no annotation gitops-bot/prunes: did you mean gitops-bot/prune? "
            "If it is your own, write it below another prefix",
        ),
        (
            "annotations",
            "gitops-bot/owner",
            "there is no annotation gitops-bot/owner: write one of your own below another prefix",
        ),
        ("labels", "gitops-bot/prune", "gitops-bot/prune is a label here and says nothing: write it as an annotation"),
    ],
)
def test_mark_that_would_say_nothing_is_a_problem(place_of_it: str, key: str, said: str) -> None:
    """`gitops-bot/prunes: disabled`, or the label that Flux would take, protected nothing and nobody said so."""
    body = config("settings")
    marked = {**body, "metadata": {**body["metadata"], place_of_it: {key: "disabled"}}}
    with pytest.raises(RenderError) as caught:
        placed(DesiredState(manifests=(wanted(marked).manifest,), digest="sha256:1"))
    assert [one.message for one in caught.value.problems] == [said]


def test_marks_of_the_bot_itself_and_of_others_are_left_in_peace() -> None:
    """Files that were exported from a cluster have them."""
    body = config("settings")
    metadata = {**body["metadata"], "labels": {"gitops-bot/app": "x"}, "annotations": {"acme.io/prune": "x"}}
    (found,) = placed(DesiredState(manifests=(wanted({**body, "metadata": metadata}).manifest,), digest="x")).manifests
    assert found.body["metadata"]["labels"]["gitops-bot/app"] == "shop"
