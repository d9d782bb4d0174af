"""What a plan means for those who live on the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from bot.plan.impact import impact
from tests.plan.world import dropped, live, plan, thing, wanted


def workload(kind: str = "Deployment", *, image: str = "api:1", replicas: int = 3, **spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "main", "image": image}]}}
    return thing(kind, "api", api="apps/v1", spec={"replicas": replicas, "template": template, **spec})


def sentences(before: dict[str, Any] | None, after: dict[str, Any]) -> tuple[str, ...]:
    return plan([wanted(after, live=live(before) if before is not None else None)]).impact


def test_new_image_restarts_pods_and_is_named() -> None:
    assert sentences(workload(), workload(image="api:2")) == (
        "Deployment shop/api restarts 3 pods",
        "Deployment shop/api container main goes from image api:1 to api:2",
    )


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"strategy": {"type": "Recreate"}}, "all at once"),
        ({"paused": True}, "is paused"),
    ],
)
def test_strategy_says_how_pods_are_replaced(spec: dict[str, Any], word: str) -> None:
    assert word in sentences(workload(**spec), workload(image="api:2", **spec))[0]


def test_scaling_alone_restarts_nothing() -> None:
    assert sentences(workload(), workload(replicas=1)) == ("Deployment shop/api scales from 3 to 1 replica",)


def test_deleted_workload_says_how_many_pods_stop() -> None:
    assert plan([], [dropped(live(workload()))]).impact == ("Deployment shop/api is deleted: 3 pods stop",)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (thing("Namespace", "old", namespace=""), "with everything in it"),
        (thing("PersistentVolumeClaim", "data"), "its data"),
        (
            thing("CustomResourceDefinition", "a.b", api="apiextensions.k8s.io/v1", namespace="", spec={}),
            "every object of its kind",
        ),
    ],
)
def test_what_goes_along_with_a_delete_is_said(body: dict[str, Any], word: str) -> None:
    (sentence,) = plan([], [dropped(live(body))]).impact
    assert word in sentence


def role(*verbs: str) -> dict[str, Any]:
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": list(verbs)}]
    return thing("Role", "reader", api="rbac.authorization.k8s.io/v1", rules=rules)


def test_rights_that_widen_are_named_and_those_that_narrow_are_not() -> None:
    assert sentences(role("get"), role("get", "list")) == ("Role shop/reader widens: it also allows list on secrets",)
    assert sentences(role("get", "list"), role("get")) == ()


def test_new_subject_of_a_binding_is_named() -> None:
    def binding(*names: str) -> dict[str, Any]:
        subjects = [{"kind": "ServiceAccount", "name": one, "namespace": "shop"} for one in names]
        role_ref = {"kind": "Role", "name": "reader"}
        return thing("RoleBinding", "b", api="rbac.authorization.k8s.io/v1", roleRef=role_ref, subjects=subjects)

    assert sentences(binding("a"), binding("a", "b")) == (
        "RoleBinding shop/b gives Role reader to ServiceAccount shop/b",
    )


def test_unchanged_plan_has_no_impact() -> None:
    assert sentences(workload(), workload()) == ()
    assert impact([]) == ()
