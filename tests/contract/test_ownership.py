"""Whose object is it: others' objects are named and left, nobody's are adopted, one object is tracked once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from bot.model.control import Via
from bot.model.outcome import Result
from bot.model.plan import Action
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config, deployment


def made(**metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", **metadata},
        "data": {"level": "old"},
    }


HELM = {
    "labels": {"app.kubernetes.io/managed-by": "Helm"},
    "annotations": {"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "web"},
}
FLUX = {
    "labels": {
        "kustomize.toolkit.fluxcd.io/name": "apps",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
    }
}
MONIKER = {"moniker.spinnaker.io/application": "shop", "moniker.spinnaker.io/cluster": "configMap settings"}
ARTIFACT = {"artifact.spinnaker.io/type": "kubernetes/configMap", "artifact.spinnaker.io/name": "settings"}
SPINNAKER = {
    "labels": {"app.kubernetes.io/managed-by": "spinnaker", "app.kubernetes.io/name": "shop"},
    "annotations": {**MONIKER, **ARTIFACT, "artifact.spinnaker.io/location": "web"},
}
ARGOCD = {"annotations": {"argocd.argoproj.io/tracking-id": "guestbook:/ConfigMap:web/settings"}}


def test_object_of_another_app_is_blocked_with_its_owner(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")}, app="other")
    world.sync("other")
    before = world.get("configmaps", "settings")
    world.commit({"a.yaml": config("settings", "mine"), "b.yaml": config("new")})
    (blocked,) = world.planned().blocked
    assert "belongs to app other" in blocked.why
    report = world.sync()
    assert report.result is Result.FAILED
    assert world.get("configmaps", "settings") == before
    assert world.get("configmaps", "new") is None


def test_object_is_adopted_once_its_owner_s_mark_is_gone(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.patch("configmaps", "settings", {"metadata": {"labels": {"gitops-bot/app": "other"}}})
    (blocked,) = world.planned().blocked
    assert "belongs to app other" in blocked.why
    marks = {"gitops-bot/app": None, "applyset.kubernetes.io/part-of": None}
    world.patch("configmaps", "settings", {"metadata": {"labels": marks}})
    assert world.sync().result is Result.CONVERGED
    assert world.found("configmaps", "settings")["metadata"]["labels"]["gitops-bot/app"] == "shop"


@pytest.mark.parametrize(
    ("owner", "name", "tool", "manager"),
    [
        (HELM, "Helm release web/shop", "helm", "helm"),
        (FLUX, "Flux flux-system/apps", "flux", "kustomize-controller"),
        (ARGOCD, "Argo CD application guestbook", "argocd", "argocd-controller"),
        (SPINNAKER, "Spinnaker application shop", "spinnaker", "kubectl-client-side-apply"),
        (SPINNAKER, "Spinnaker application shop", "spinnaker", "kubectl"),
        ({"annotations": ARTIFACT}, "Spinnaker artifact settings", "spinnaker", "kubectl-replace"),
    ],
    ids=["helm", "flux", "argocd", "spinnaker", "spinnaker-server-side", "spinnaker-own-names"],
)
def test_object_of_another_tool_is_taken_over_only_where_the_app_says_so(
    worlds: Callable[..., EngineWorld], owner: dict[str, Any], name: str, tool: str, manager: str
) -> None:
    """The plan says whose it was; afterwards nothing of the former owner is left on the object."""
    world = worlds()
    body = {**made(**owner), "data": {"level": "old", "theirs": "1"}}
    world.plane.request("POST", world.path("configmaps") + f"?fieldManager={manager}", body=body)
    world.commit({"a.yaml": config("settings")})
    (blocked,) = world.planned().blocked
    assert name in blocked.why
    assert f"adopt: [{tool}]" in blocked.why
    assert world.sync().result is Result.FAILED
    world.restart(adopt=[tool])
    (change,) = world.planned().writes
    assert change.action is Action.UPDATE
    assert f"taken over from {name}" in change.why
    assert world.sync().result is Result.CONVERGED
    live = world.found("configmaps", "settings")
    assert live["data"] == {"level": "info"}
    assert set(live["metadata"]["labels"]) == {"gitops-bot/app", "applyset.kubernetes.io/part-of"}
    assert not set(owner.get("annotations", {})) & set(live["metadata"].get("annotations", {}))
    assert world.planned().writes == ()


def test_pods_that_spinnaker_marked_restart_when_it_is_left(worlds: Callable[..., EngineWorld]) -> None:
    """It writes its annotations and labels into the template of pods, too."""
    world = worlds(adopt=["spinnaker"])
    body = yaml.safe_load(deployment("api"))
    body["metadata"].update(SPINNAKER)
    template = body["spec"]["template"]["metadata"]
    template.update(annotations=SPINNAKER["annotations"], labels={**template["labels"], **SPINNAKER["labels"]})
    path = world.path("deployments", base="/apis/apps/v1")
    world.plane.request("POST", f"{path}?fieldManager=kubectl-client-side-apply", body=body)
    world.commit({"a.yaml": deployment("api")})
    plan = world.planned()
    (change,) = plan.writes
    assert "taken over from Spinnaker application shop" in change.why
    assert any("restarts 1 pod" in one for one in plan.impact), plan.impact
    assert world.sync().result is Result.CONVERGED
    template = world.found("deployments", "api", base="/apis/apps/v1")["spec"]["template"]["metadata"]
    assert template["labels"] == {"app": "api"}
    assert not template.get("annotations")


def test_object_of_a_controller_is_blocked(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("parent")})
    world.sync()
    parent = world.found("configmaps", "parent")["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "parent", "uid": parent["uid"], "controller": True}
    world.create("configmaps", made(ownerReferences=[reference]))
    world.commit({"b.yaml": config("settings")})
    (blocked,) = world.planned().blocked
    assert "controller ConfigMap parent" in blocked.why


def test_object_that_moves_to_another_api_group_is_tracked_once(world: EngineWorld) -> None:
    """Events are served by two groups: the same object, with one uid, under both."""
    text = (
        "apiVersion: {}\nkind: Event\nmetadata: {{name: e}}\n{}type: Normal\nreason: Because\n"
        "{}: {{apiVersion: v1, kind: Namespace, name: NS, namespace: NS}}\n"
    )
    core = text.format("v1", "", "involvedObject").replace("NS", world.namespace)
    world.commit({"a.yaml": core})
    assert world.sync().result is Result.CONVERGED
    uid = world.found("events", "e")["metadata"]["uid"]
    newer = text.format(
        "events.k8s.io/v1",
        "action: Do\nreportingController: example.com/c\nreportingInstance: i\n"
        "eventTime: '2026-01-01T00:00:00.000000Z'\n",
        "regarding",
    ).replace("NS", world.namespace)
    world.commit(
        {
            "a.yaml": newer.replace(
                "metadata: {name: e}", "metadata: {name: e, annotations: {gitops-bot/force: enabled}}"
            )
        }
    )
    plan = world.planned()
    assert not [one for one in plan.changes if one.action is Action.DELETE], plan
    assert uid


def test_two_apps_share_a_namespace_and_prune_only_their_own(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("mine"), "b.yaml": deployment("api")})
    world.commit({"a.yaml": config("theirs"), "b.yaml": config("kept")}, app="other")
    assert world.sync().result is Result.CONVERGED
    assert world.sync("other").result is Result.CONVERGED
    world.commit({"a.yaml": None}, app="other")
    world.sync("other")
    assert world.get("configmaps", "theirs") is None
    assert world.get("configmaps", "mine") is not None


def test_object_without_its_marks_goes_to_another_app_alive(world: EngineWorld) -> None:
    """The way of the README from one app to another: pause, take the marks off, push, resume."""
    world.commit({"a.yaml": config("settings"), "k.yaml": config("kept")})
    assert world.sync().result is Result.CONVERGED
    uid = world.found("configmaps", "settings")["metadata"]["uid"]
    desk = world.engine.desk
    desk.pause("prod/shop", by="os:ana", until=None, reason="moving", via=Via.CLI)
    marks = dict.fromkeys(("gitops-bot/app", "applyset.kubernetes.io/part-of"))
    world.patch("configmaps", "settings", {"metadata": {"labels": marks}})
    world.upstream.commit({"apps/shop/a.yaml": None, "apps/other/a.yaml": config("settings")})
    assert world.sync("other").result is Result.CONVERGED
    desk.resume("prod/shop", by="os:ana", via=Via.CLI)
    assert world.sync().result is Result.CONVERGED
    assert world.found("configmaps", "settings")["metadata"]["uid"] == uid
    assert world.inventory() == {f"ConfigMap {world.namespace}/kept"}
    assert world.inventory("other") == {f"ConfigMap {world.namespace}/settings"}
