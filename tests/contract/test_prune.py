"""What is deleted, what stays, and what a human is asked first."""

from __future__ import annotations

import urllib.error
from collections.abc import Callable

from bot.model.control import Trigger, Via
from bot.model.outcome import Deed, PassKind, Result
from bot.model.record import SyncState
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config, definition, deployment, namespace
from tests.waiting import until

APPS = "/apis/apps/v1"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"


def test_removed_file_deletes_its_object(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings"), "b.yaml": config("kept")})
    world.sync()
    world.commit({"a.yaml": None})
    assert world.sync().result is Result.CONVERGED
    assert world.get("configmaps", "settings") is None


def test_object_with_a_finalizer_stays_listed_while_it_leaves(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings"), "b.yaml": config("kept")})
    world.sync()
    world.patch("configmaps", "settings", {"metadata": {"finalizers": ["example.com/hold"]}})
    world.commit({"a.yaml": None})
    assert world.sync().result is Result.CONVERGED
    assert world.found("configmaps", "settings")["metadata"]["deletionTimestamp"]
    assert f"ConfigMap {world.namespace}/settings" in world.inventory()
    world.patch("configmaps", "settings", {"metadata": {"finalizers": None}})
    world.sync()
    assert world.inventory() == {f"ConfigMap {world.namespace}/kept"}


def test_delete_whose_turn_comes_later_is_no_hand_edit(worlds: Callable[..., EngineWorld]) -> None:
    """It was told as drift, and undone as somebody's edit; without self-healing it waited for a person."""
    world = worlds(self_heal=False)
    world.commit({"a.yaml": config("kept"), "b.yaml": config("base"), "web.yaml": deployment("web")})
    world.sync()
    held = {"metadata": {"finalizers": ["example.com/hold"]}}
    world.patch("deployments", "web", held, base=APPS)
    world.commit({"b.yaml": None, "web.yaml": None})
    assert world.sync(trigger=Trigger(via=Via.SCHEDULE), stop=True).result is Result.CONVERGED
    assert world.get("configmaps", "base") is not None
    world.heard()
    world.patch("deployments", "web", {"metadata": {"finalizers": None}}, base=APPS)
    until(lambda: world.get("deployments", "web", base=APPS) is None, "the Deployment is gone")
    report = world.tick()
    assert (report.result, report.kind) == (Result.CONVERGED, PassKind.SYNC)
    assert world.get("configmaps", "base") is None
    assert not any("by hand" in one.message for one in world.heard())
    world.patch("configmaps", "kept", {"data": {"level": "mine"}})
    assert world.tick().kind is PassKind.DRIFT


def test_object_with_prune_disabled_stays_and_is_named(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings", prune="disabled"), "b.yaml": config("kept")})
    world.sync()
    world.commit({"a.yaml": None})
    assert world.sync().result is Result.CONVERGED
    assert world.get("configmaps", "settings") is not None
    assert any("settings" in warning for warning in world.planned().warnings)
    assert f"ConfigMap {world.namespace}/settings" in world.inventory()


def test_object_that_another_app_has_taken_is_not_deleted(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings"), "b.yaml": config("kept")})
    world.sync()
    world.patch("configmaps", "settings", {"metadata": {"labels": {"gitops-bot/app": "other"}}})
    world.commit({"a.yaml": None})
    assert world.sync().result is Result.CONVERGED
    assert world.get("configmaps", "settings") is not None
    assert world.inventory() == {f"ConfigMap {world.namespace}/kept"}


def test_refused_prune_stays_in_inventory(world: EngineWorld, unique: str) -> None:
    """An admission policy refuses the DELETE; when it no longer does, the next pass deletes and recovers."""
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": unique},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["configmaps"]}
                ]
            },
            "validations": [{"expression": "false", "message": "deletes are frozen"}],
        },
    }
    selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}}
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": unique},
        "spec": {"policyName": unique, "validationActions": ["Deny"], "matchResources": selector},
    }
    world.commit({"a.yaml": config("settings"), "b.yaml": config("kept")})
    world.sync()
    world.create("configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}})
    world.plane.request("POST", f"{ADMISSION}/validatingadmissionpolicies", body=policy)
    world.plane.request("POST", f"{ADMISSION}/validatingadmissionpolicybindings", body=binding)

    def frozen() -> bool:
        try:
            world.plane.request("DELETE", world.path("configmaps", "probe") + "?dryRun=All")
        except urllib.error.HTTPError as error:
            with error:
                return error.code == 422
        return False

    until(frozen, "the policy works")
    world.commit({"a.yaml": None})
    report = world.sync()
    assert report.result is Result.FAILED
    assert report.failure is not None
    assert "deletes are frozen" in report.failure.problems[0].message
    assert world.memory().sync is SyncState.FAILED
    assert f"ConfigMap {world.namespace}/settings" in world.inventory()
    world.delete(f"{ADMISSION}/validatingadmissionpolicybindings/{unique}")
    world.delete(f"{ADMISSION}/validatingadmissionpolicies/{unique}")
    until(lambda: not frozen(), "the policy is gone")
    assert world.sync().result is Result.CONVERGED
    assert world.get("configmaps", "settings") is None
    assert world.memory().sync is SyncState.SYNCED


def test_path_that_renders_nothing_deletes_nothing_without_a_yes(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.heard()
    world.commit({"a.yaml": None, "readme.txt": "empty"})
    report = world.tick()
    assert report.result is Result.REFUSED
    assert "renders no object at all" in report.reason
    assert [one.news.value for one in world.heard() if not one.in_thread] == ["refused"]
    assert world.get("configmaps", "settings") is not None
    assert report.plan is not None
    assert world.sync(confirm="sha256:other").result is Result.REFUSED
    assert world.sync(confirm=report.plan.hash).result is Result.CONVERGED
    assert world.get("configmaps", "settings") is None


def test_app_that_is_paused_and_then_removed_leaves_its_objects(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.engine.desk.pause("prod/shop", by="os:ana", until=None, reason="", via=Via.CLI)
    world.configuration["apps"] = [one for one in world.configuration["apps"] if one["name"] != "shop"]
    world.restart()
    world.commit({"b.yaml": config("theirs")}, app="other")
    assert world.sync("other").result is Result.CONVERGED
    assert world.get("configmaps", "settings") is not None
    assert [(one.app, one.sync) for one in world.engine.desk.released()] == [("shop", SyncState.RELEASED)]


def test_object_to_confirm_is_deleted_after_a_yes(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings", prune="confirm"), "b.yaml": config("kept")})
    world.sync()
    world.commit({"a.yaml": None})
    report = world.tick()
    assert (report.result, world.memory().sync) == (Result.REFUSED, SyncState.REFUSED)
    assert world.get("configmaps", "settings") is not None
    assert report.plan is not None
    assert world.sync(confirm=report.plan.hash).result is Result.CONVERGED
    assert world.get("configmaps", "settings") is None


def test_what_a_pod_needs_to_leave_is_deleted_after_it(world: EngineWorld) -> None:
    base = "/apis/rbac.authorization.k8s.io/v1"
    role = (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\nrules: []\n---\n"
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: sa}\n---\n"
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: rb}\n"
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}\n"
        f"subjects: [{{kind: ServiceAccount, name: sa, namespace: {world.namespace}}}]\n"
    )
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p, finalizers: [example.com/hold]}\n"
        "spec: {containers: [{name: main, image: x}], terminationGracePeriodSeconds: 0}\n"
    )
    world.commit({"a.yaml": role, "b.yaml": pod, "c.yaml": config("kept")})
    assert world.sync().result is Result.CONVERGED
    world.commit({"a.yaml": None, "b.yaml": None})
    report = world.sync()
    pod_first, *later = report.outcomes
    assert (pod_first.id.kind, pod_first.deed) == ("Pod", Deed.DELETING)
    assert {one.message for one in later} == {f"its turn comes once Pod {world.namespace}/p is gone"}
    assert world.tick().outcomes == ()
    assert world.get("roles", "r", base=base) is not None
    world.patch("pods", "p", {"metadata": {"finalizers": None}})
    until(lambda: world.get("pods", "p") is None, "the pod is gone")
    report = world.sync()
    assert report.result is Result.CONVERGED
    assert [one.id.kind for one in report.outcomes] == ["RoleBinding", "Role", "ServiceAccount"]


def test_namespace_that_still_holds_an_object_stays(world: EngineWorld, unique: str) -> None:
    place = f"{unique}-inner"
    world.commit({"a.yaml": namespace(place), "b.yaml": config("inside", namespace=place)})
    assert world.sync().result is Result.CONVERGED
    world.commit({"a.yaml": None})
    report = world.sync()
    try:
        assert report.result is Result.CONVERGED
        assert report.plan is not None
        assert any("it is in use, it holds" in warning for warning in report.plan.warnings)
        live = world.read(f"/api/v1/namespaces/{place}")
        assert live is not None
        assert "deletionTimestamp" not in live["metadata"]
    finally:
        world.delete(f"/api/v1/namespaces/{place}")


def test_more_deletes_than_the_limit_wait_for_a_yes(world: EngineWorld) -> None:
    world.restart(max_delete={"count": 2, "share": 0.5})
    world.commit({f"{n}.yaml": config(f"c{n}") for n in range(4)})
    world.sync()
    world.commit({f"{n}.yaml": None for n in range(3)})
    report = world.sync()
    assert report.result is Result.REFUSED
    assert report.reason.startswith("3 of 4 objects would be deleted")
    assert report.plan is not None
    assert world.sync(confirm=report.plan.hash).result is Result.CONVERGED
    assert world.inventory() == {f"ConfigMap {world.namespace}/c3"}


def test_definition_is_not_deleted_without_a_yes(world: EngineWorld, unique: str) -> None:
    group = f"{unique}.example.com"
    world.commit({"a.yaml": definition(group), "b.yaml": config("kept")})
    world.sync()
    world.commit({"a.yaml": None})
    report = world.sync()
    assert report.result is Result.REFUSED
    assert f"widgets.{group}" in report.reason
    assert report.plan is not None
    assert world.sync(confirm=report.plan.hash).result is Result.CONVERGED


def test_workload_goes_with_its_pods(world: EngineWorld) -> None:
    world.commit({"a.yaml": deployment("api"), "b.yaml": config("kept")})
    world.sync()
    world.commit({"a.yaml": None})
    assert world.sync().result is Result.CONVERGED
    until(lambda: not world.plane.request("GET", world.path("pods"))["items"], "the pods are gone")
