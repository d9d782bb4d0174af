"""How a plan reads in a terminal, for each situation that a person must understand before saying yes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import orjson
import pytest

from bot.errors import Problem
from bot.model import marks
from bot.model.plan import Accepted, NotAskable, Owner, OwnerKind, Plan, PlanFailure, Rejected
from bot.plan.explain import plan_json, plan_text
from tests import golden
from tests.plan.world import REVISION, config, dropped, live, plan, thing, wanted


def deployment(image: str, *, replicas: int = 3, **pod: Any) -> dict[str, Any]:
    template = {
        "metadata": {"labels": {"app": "api"}},
        "spec": {"containers": [{"name": "main", "image": image}], **pod},
    }
    selector = {"matchLabels": {"app": "api"}}
    return thing(
        "Deployment", "api", api="apps/v1", spec={"replicas": replicas, "selector": selector, "template": template}
    )


def role(*verbs: str) -> dict[str, Any]:
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": list(verbs)}]
    return thing("Role", "reader", api="rbac.authorization.k8s.io/v1", rules=rules)


def definition(*versions: str) -> dict[str, Any]:
    spec = {
        "group": "acme.example",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets"},
        "versions": [{"name": one, "served": True, "storage": one == versions[0]} for one in versions],
    }
    return thing(
        "CustomResourceDefinition", "widgets.acme.example", api="apiextensions.k8s.io/v1", namespace="", spec=spec
    )


def claim(size: str) -> dict[str, Any]:
    return thing("PersistentVolumeClaim", "data", spec={"resources": {"requests": {"storage": size}}})


BUDGET = thing(
    "PodDisruptionBudget", "api", api="policy/v1", spec={"minAvailable": 2, "selector": {"matchLabels": {"app": "api"}}}
)


def changed(before: dict[str, Any], after: dict[str, Any]) -> Any:
    return wanted(after, live=live(before))


def every_action() -> Plan:
    return plan(
        [
            wanted(config("new", level="info"), line=3),
            changed(config(level="info"), config(level="debug")),
            wanted(config("same", a="1"), live=live(config("same", a="1"))),
        ],
        [
            dropped(live(config("old"), uid="u2")),
            dropped(live(thing("ConfigMap", "kept", annotations={marks.PRUNE: "disabled"}), uid="u3")),
        ],
    )


def reach() -> Plan:
    """Workloads that restart, images, replicas, budgets, volumes, served versions, namespaces, rights that widen."""
    volume = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}
    return plan(
        [
            wanted(thing("Namespace", "shop-more", namespace="")),
            changed(definition("v1", "v1beta1"), definition("v1")),
            changed(role("get"), role("get", "list", "delete")),
            changed(claim("1Gi"), claim("2Gi")),
            wanted(BUDGET, live=live(BUDGET)),
            changed(deployment("api:1"), deployment("api:2", replicas=5, **volume)),
        ]
    )


def secret() -> Plan:
    def holding(value: str) -> dict[str, Any]:
        return thing("Secret", "token", data={"token": value, "same": "c2FtZQ=="})

    return plan([changed(holding("Y2FuYXJ5LW9uZQ=="), holding("Y2FuYXJ5LXR3bw=="))])


def hand_edit() -> Plan:
    edit = {
        "manager": "kubectl-edit",
        "operation": "Update",
        "time": "2026-03-01T12:00:00Z",
        "fieldsV1": {"f:data": {"f:level": {}}},
    }
    edited = live(config(level="mine"))
    return plan(
        [wanted(config(level="info"), live={**edited, "metadata": {**edited["metadata"], "managedFields": [edit]}})]
    )


def taken_over() -> Plan:
    helm = Owner(kind=OwnerKind.HELM, name="shop/redis")
    taken = replace(changed(config(level="old"), config(level="info")), former=helm)
    moved = replace(changed(config("moved"), config("moved")), former=Owner(kind=OwnerKind.APP, name="billing"))
    return plan([taken, replace(moved, answer=Accepted(predicted=marked(config("moved"))))])


def marked(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "metadata": {**body["metadata"], "labels": {marks.APP_LABEL: "shop"}}}


def blocked() -> Plan:
    immutable = Rejected(status=422, reason="Invalid", message="data: field is immutable", immutable=True)
    return plan(
        [
            wanted(config("theirs"), live=live(config("theirs")), owner=Owner(kind=OwnerKind.HELM, name="shop/redis")),
            wanted(config("frozen", a="2"), live=live(config("frozen", a="1")), answer=immutable),
            wanted(config("later"), answer=NotAskable(waits_for="Namespace shop")),
        ]
    )


def refused() -> Plan:
    return plan([], [dropped(live(config())), dropped(live(thing("PersistentVolumeClaim", "data"), uid="u2"))])


def broken() -> PlanFailure:
    problems = (
        Problem(message="did not find expected ',' or ']'", where="apps/shop/api.yaml:7"),
        Problem(message="metadata.name is missing", where="apps/shop/web.yaml:1", subject="ConfigMap"),
    )
    return PlanFailure(app="shop", cluster="prod", revision=REVISION, ref="main", problems=problems)


SITUATIONS: Final[dict[str, Callable[[], Plan | PlanFailure]]] = {
    "every-action": every_action,
    "reach": reach,
    "secret": secret,
    "hand-edit": hand_edit,
    "taken-over": taken_over,
    "blocked": blocked,
    "refused": refused,
    "broken": broken,
    "nothing-to-change": lambda: plan([wanted(config(), live=live(config()))]),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_plan_reads_as_reviewed(situation: str, write_golden: bool) -> None:
    made = SITUATIONS[situation]()
    text = plan_text(made)
    assert "Y2FuYXJ5" not in text
    golden.check(f"plan/{situation}.txt", f"{text.rstrip()}\n", write=write_golden)


@pytest.mark.parametrize("situation", SITUATIONS)
def test_plan_for_programs_has_the_keys_that_are_documented(situation: str, write_golden: bool) -> None:
    text = orjson.dumps(plan_json(SITUATIONS[situation]()), option=orjson.OPT_INDENT_2).decode()
    assert "Y2FuYXJ5" not in text
    golden.check(f"plan/{situation}.json", f"{text}\n", write=write_golden)
