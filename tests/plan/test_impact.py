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
    assert impact([], []) == ()


def budget(limit: dict[str, Any]) -> dict[str, Any]:
    return thing(
        "PodDisruptionBudget", "api", api="policy/v1", spec={"selector": {"matchLabels": {"app": "api"}}, **limit}
    )


def test_restart_names_the_budget_that_covers_it() -> None:
    template = {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [{"name": "main", "image": "api:2"}]}}
    before, after = workload(), workload(template=template)
    kept = budget({"minAvailable": 2})
    first, *_ = plan([wanted(after, live=live(before)), wanted(kept, live=live(kept))]).impact
    assert first == "Deployment shop/api restarts 3 pods; covered by PodDisruptionBudget api (minAvailable 2)"


def test_budget_volume_size_and_served_versions_that_change_are_said() -> None:
    assert sentences(budget({"minAvailable": 2}), budget({"maxUnavailable": 1})) == (
        "PodDisruptionBudget shop/api changes from minAvailable 2 to maxUnavailable 1",
    )

    def claim(size: str) -> dict[str, Any]:
        return thing("PersistentVolumeClaim", "data", spec={"resources": {"requests": {"storage": size}}})

    assert sentences(claim("1Gi"), claim("2Gi")) == (
        "PersistentVolumeClaim shop/data changes its size from 1Gi to 2Gi",
    )
    assert sentences(None, claim("1Gi")) == ("PersistentVolumeClaim shop/data asks for a volume of 1Gi",)

    def definition(*served: str) -> dict[str, Any]:
        versions = [{"name": name, "served": True} for name in served]
        api = "apiextensions.k8s.io/v1"
        return thing("CustomResourceDefinition", "w.x", api=api, namespace="", spec={"versions": versions})

    assert sentences(definition("v1beta1"), definition("v1")) == (
        "CustomResourceDefinition w.x no longer serves v1beta1: whoever uses it fails",
        "CustomResourceDefinition w.x serves v1 from now on",
    )


def test_claim_that_a_workload_begins_or_ends_to_mount_is_said() -> None:
    def mounting(*claims: str) -> dict[str, Any]:
        volumes = [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in claims]
        return workload(template={"spec": {"containers": [{"name": "main", "image": "a"}], "volumes": volumes}})

    assert sentences(mounting("old"), mounting("new"))[1:] == (
        "Deployment shop/api no longer mounts PersistentVolumeClaim old",
        "Deployment shop/api mounts PersistentVolumeClaim new",
    )


def test_reader_of_a_changed_setting_that_does_not_restart_is_said() -> None:
    container = {"name": "main", "image": "a", "envFrom": [{"configMapRef": {"name": "settings"}}]}
    reader = workload(template={"spec": {"containers": [container]}})
    before, after = thing("ConfigMap", "settings", data={"a": "1"}), thing("ConfigMap", "settings", data={"a": "2"})
    assert plan([wanted(after, live=live(before)), wanted(reader, live=live(reader))]).impact == (
        "Deployment shop/api reads ConfigMap settings when it starts and does not restart by itself",
    )


def test_new_namespace_is_said() -> None:
    assert sentences(None, thing("Namespace", "new", namespace="")) == ("Namespace new is created",)
