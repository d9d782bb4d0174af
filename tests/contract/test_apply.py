"""What a sync writes, and that it writes nothing when there is nothing to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from bot.model.outcome import Deed, Result
from bot.model.plan import Action
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config, definition, deployment, namespace, secret, widget


def test_both_objects_of_a_commit_exist_and_are_listed(world: EngineWorld) -> None:
    commit = world.commit({"a.yaml": config("settings"), "b.yaml": secret("key", "canary")})
    assert world.sync().result is Result.CONVERGED
    assert world.get("configmaps", "settings") is not None
    assert world.get("secrets", "key") is not None
    assert world.inventory() == {f"ConfigMap {world.namespace}/settings", f"Secret {world.namespace}/key"}
    (status,) = world.engine.desk.status(["prod/shop"])
    assert (status.revision, status.sync.value, status.objects) == (commit, "synced", 2)


def test_renamed_objects_are_replaced_in_one_pass(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("one"), "b.yaml": secret("one", "x-value")})
    world.sync()
    world.commit({"a.yaml": config("two"), "b.yaml": secret("two", "x-value")})
    assert world.sync().result is Result.CONVERGED
    assert world.get("configmaps", "one") is None
    assert world.get("secrets", "one") is None
    assert world.inventory() == {f"ConfigMap {world.namespace}/two", f"Secret {world.namespace}/two"}


def test_name_that_needs_quoting_is_applied_and_pruned(world: EngineWorld) -> None:
    """The names of roles are free: one may hold what means something else in a URL."""
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: 'read?all=#1 ü'}\nrules: []\n"
    world.commit({"a.yaml": config("settings"), "b.yaml": role})
    assert world.sync().result is Result.CONVERGED
    assert world.planned().writes == ()
    path = world.path("roles", quote("read?all=#1 ü"), base="/apis/rbac.authorization.k8s.io/v1")
    assert world.read(path) is not None
    world.commit({"b.yaml": None})
    assert world.sync().result is Result.CONVERGED
    assert world.read(path) is None


def test_commit_in_any_order_converges_in_one_pass(world: EngineWorld, unique: str) -> None:
    group, place = f"{unique}.example.com", f"{unique}-inner"
    inner = deployment("api", env_from="settings").replace(
        "metadata: {name: api", f"metadata: {{namespace: {place}, name: api", 1
    )
    world.commit(
        {
            "a.yaml": widget(group) + "---\n" + inner,
            "b.yaml": config("settings", namespace=place),
            "y.yaml": namespace(place),
            "z.yaml": definition(group),
        }
    )
    report = world.sync()
    try:
        assert report.result is Result.CONVERGED, report.failure
        assert world.planned().writes == ()
    finally:
        world.delete(f"/api/v1/namespaces/{place}")
        world.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")


def test_second_sync_of_a_commit_writes_and_says_nothing(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings"), "b.yaml": secret("key", "canary"), "c.yaml": deployment("api")})
    world.sync()
    world.heard()
    before = [world.get(*one) for one in (("configmaps", "settings"), ("secrets", "key"))]
    api = world.found("deployments", "api", base="/apis/apps/v1")
    assert world.tick().outcomes == ()
    assert [world.get(*one) for one in (("configmaps", "settings"), ("secrets", "key"))] == before
    assert (
        world.found("deployments", "api", base="/apis/apps/v1")["metadata"]["generation"]
        == api["metadata"]["generation"]
    )
    assert world.heard() == ()


@pytest.mark.cluster  # kubectl is built with the control plane
def test_what_kubectl_added_goes_away(world: EngineWorld, tmp_path: Path) -> None:
    (tmp_path / "made.yaml").write_text(config("settings", "old"))
    world.plane.kubectl("-n", world.namespace, "apply", "-f", str(tmp_path / "made.yaml"))
    world.plane.kubectl("-n", world.namespace, "label", "configmap", "settings", "extra=yes")
    world.commit({"a.yaml": config("settings")})
    assert world.sync().result is Result.CONVERGED
    live = world.found("configmaps", "settings")
    assert live["data"] == {"level": "info"}
    assert "extra" not in live["metadata"]["labels"]
    assert "kubectl.kubernetes.io/last-applied-configuration" not in live["metadata"].get("annotations", {})
    assert {one["manager"] for one in live["metadata"]["managedFields"]} == {"gitops-bot"}
    assert world.planned().writes == ()


def test_workload_that_kubectl_made_is_adopted_without_a_restart(world: EngineWorld) -> None:
    """Its defaults are kubectl's fields too: each was shown as lost, and pods as restarting, where nothing changes."""
    made: dict[str, Any] = yaml.safe_load(deployment("web"))
    path = world.path("deployments", base="/apis/apps/v1")
    world.plane.request("POST", f"{path}?fieldManager=kubectl-create", body=made)
    world.commit({"a.yaml": deployment("web")})
    plan = world.planned()
    assert [(one.action, one.fields) for one in plan.changes] == [(Action.UPDATE, ())]
    assert plan.impact == ()
    template = world.found("deployments", "web", base="/apis/apps/v1")["spec"]
    assert world.sync().result is Result.CONVERGED
    assert world.found("deployments", "web", base="/apis/apps/v1")["spec"] == template
    assert world.planned().writes == ()


@pytest.mark.cluster  # kubectl is built with the control plane
def test_apply_merge_keeps_what_others_added(world: EngineWorld, tmp_path: Path) -> None:
    world.commit({"a.yaml": config("settings", apply="merge"), "b.yaml": config("strict")})
    world.sync()
    for name in ("settings", "strict"):
        world.plane.kubectl(
            "-n", world.namespace, "patch", "configmap", name, "-p", '{"data": {"theirs": "1", "level": "x"}}'
        )
    assert world.sync().result is Result.CONVERGED
    assert world.found("configmaps", "settings")["data"] == {"level": "info", "theirs": "1"}
    assert world.found("configmaps", "strict")["data"] == {"level": "info"}
    assert world.planned().writes == ()


def test_object_that_is_there_is_left_where_git_says_if_not_present(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings", apply="if-not-present")})
    world.sync()
    world.patch("configmaps", "settings", {"data": {"level": "theirs"}})
    world.commit({"a.yaml": config("settings", "debug", apply="if-not-present")})
    assert world.sync().result is Result.CONVERGED
    assert world.found("configmaps", "settings")["data"] == {"level": "theirs"}


def test_immutable_secret_fails_by_name_and_nothing_else_changes(world: EngineWorld) -> None:
    world.commit({"a.yaml": secret("fixed", "first-value", immutable=True), "b.yaml": config("settings")})
    world.sync()
    world.heard()
    world.commit({"a.yaml": secret("fixed", "other-value", immutable=True), "b.yaml": config("settings", "debug")})
    report = world.sync()
    assert report.result is Result.FAILED
    assert report.failure is not None
    assert "field is immutable" in report.failure.problems[0].message
    assert report.failure.problems[0].where == "apps/shop/a.yaml:1"
    assert world.found("configmaps", "settings")["data"] == {"level": "info"}
    (said,) = [one for one in world.heard() if one.news.value == "failed"]
    assert said.troubles[0].subject == f"Secret {world.namespace}/fixed"


def test_immutable_secret_with_force_is_recreated(world: EngineWorld) -> None:
    world.commit({"a.yaml": secret("fixed", "first-value", immutable=True)})
    world.sync()
    uid = world.found("secrets", "fixed")["metadata"]["uid"]
    world.commit({"a.yaml": secret("fixed", "other-value", immutable=True, force="enabled")})
    assert [change.action for change in world.planned().writes] == [Action.RECREATE]
    assert world.sync().result is Result.CONVERGED
    assert world.found("secrets", "fixed")["metadata"]["uid"] != uid


def test_plan_says_what_the_server_warns_of(world: EngineWorld) -> None:
    """kubectl shows it after the deed; a plan can before."""
    endpoints = "apiVersion: v1\nkind: Endpoints\nmetadata: {name: db}\nsubsets: [{addresses: [{ip: 192.0.2.1}]}]\n"
    world.commit({"a.yaml": endpoints, "b.yaml": config("settings")})
    warned = f"Endpoints {world.namespace}/db: v1 Endpoints is deprecated in v1.33+"
    (warning,) = world.planned().warnings
    assert warning.startswith(warned)
    assert world.sync().result is Result.CONVERGED
    assert world.planned().warnings == ()


def test_address_that_may_not_change_is_blocked_with_the_way_out(world: EngineWorld) -> None:
    """The server has many words for what cannot change; a Service that becomes headless had none of those we knew."""
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {%sports: [{port: 80}]}\n"
    world.commit({"a.yaml": service % ""})
    world.sync()
    world.commit({"a.yaml": service % "clusterIP: None, "})
    (blocked,) = world.planned().blocked
    assert "may not change once set; to delete and create it again" in blocked.why


def test_failure_in_a_late_stage_names_what_was_applied_and_keeps_it_listed(world: EngineWorld, unique: str) -> None:
    """The dry-run could not ask about the object: its kind comes with the same commit."""
    group = f"{unique}.example.com"
    bad = widget(group).replace("spec: {}", "spec: {size: many}")
    world.commit({"a.yaml": definition(group), "b.yaml": bad, "c.yaml": config("settings")})
    report = world.sync()
    try:
        assert report.result is Result.FAILED
        assert report.failure is not None
        assert report.failure.problems[0].subject == f"Widget {world.namespace}/w"
        done = {str(one.id): one.deed for one in report.outcomes}
        assert done[f"ConfigMap {world.namespace}/settings"] is Deed.CREATED
        assert f"ConfigMap {world.namespace}/settings" in world.inventory()
    finally:
        world.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")


def test_plan_is_empty_right_after_a_sync(world: EngineWorld, unique: str) -> None:
    """Defaults, canonical quantities and sorted lists of the server are no difference."""
    group = f"{unique}.example.com"
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: api}\n"
        "spec: {selector: {app: api}, ports: [{port: 80, name: web}, {port: 443, name: tls}]}\n"
    )
    api = deployment("api").replace(
        "image: 'nginx:1'",
        "image: 'nginx:1', ports: [{containerPort: 80}], "
        "resources: {limits: {cpu: 1000m, memory: 1024Mi}, requests: {cpu: '0.5'}}",
    )
    cron = (
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly}\nspec:\n  schedule: '0 2 * * *'\n"
        "  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: x}]}}}}\n"
    )
    role = (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\n"
        "rules: [{apiGroups: [''], resources: [pods], verbs: [watch, get, list]}]\n"
    )
    policy = (
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\n"
        "spec: {podSelector: {}, ingress: [{}]}\n"
    )
    world.commit(
        {
            "a.yaml": service,
            "b.yaml": api,
            "c.yaml": config("settings"),
            "d.yaml": cron,
            "e.yaml": role,
            "f.yaml": policy,
            "g.yaml": definition(group),
            "h.yaml": widget(group),
            "i.yaml": secret("key", "canary"),
        }
    )
    try:
        report = world.sync()
        assert report.result is Result.CONVERGED, report.failure
        assert world.planned().writes == ()
    finally:
        world.delete(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")


def test_object_twice_in_one_path_is_one_error_with_both_places(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings"), "b.yaml": config("settings", namespace=world.namespace)})
    report = world.sync()
    assert report.failure is not None
    (problem,) = report.failure.problems
    assert "apps/shop/a.yaml:1" in problem.message
    assert "apps/shop/b.yaml:1" in problem.message


def test_default_namespace_is_no_difference(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.commit({"a.yaml": config("settings", namespace=world.namespace)})
    assert world.planned().writes == ()


def test_plan_writes_nothing(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    assert [change.action for change in world.planned().changes] == [Action.CREATE]
    assert world.get("configmaps", "settings") is None
