"""What the engine does to a real API server, named by fact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.model.outcome import Result
from bot.model.plan import Action, PlanFailure
from bot.plan.explain import plan_text
from tests.contract.engine import EngineWorld
from tests.controlplane.plane import ControlPlane

pytestmark = pytest.mark.cluster


@pytest.fixture
def world(tmp_path: Path, control_plane: ControlPlane, kube_namespace: str) -> Iterator[EngineWorld]:
    made = EngineWorld(tmp_path, control_plane, kube_namespace)
    yield made
    made.engine.close()


def config(name: str, level: str = "info", **notes: str) -> str:
    annotations = "".join(f", '{key.replace('_', '/')}': '{value}'" for key, value in notes.items()).lstrip(", ")
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\n"
        f"data: {{level: {level}}}\n"
    )


def test_both_objects_of_a_commit_exist_and_are_listed(world: EngineWorld) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {token: canary}\n"
    world.commit({"a.yaml": config("settings"), "b.yaml": secret})
    assert world.sync().result is Result.CONVERGED
    assert world.get("configmaps", "settings") is not None
    assert world.get("secrets", "key") is not None
    assert world.inventory() == {f"ConfigMap {world.namespace}/settings", f"Secret {world.namespace}/key"}


def test_renamed_objects_are_replaced_in_one_pass(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("one")})
    world.sync()
    world.commit({"a.yaml": config("two")})
    assert world.sync().result is Result.CONVERGED
    assert world.get("configmaps", "one") is None
    assert world.inventory() == {f"ConfigMap {world.namespace}/two"}


def test_plan_is_empty_right_after_a_sync(world: EngineWorld) -> None:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: api}\n"
        "spec: {selector: {app: api}, ports: [{port: 80}, {port: 443, name: tls}]}\n"
    ).replace("{port: 80}", "{port: 80, name: web}")
    deployment = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec:\n  selector: {matchLabels: {app: api}}\n"
        "  template:\n    metadata: {labels: {app: api}}\n    spec:\n      containers:\n"
        "        - {name: main, image: nginx, resources: {limits: {cpu: 1000m, memory: 1024Mi}}, "
        "ports: [{containerPort: 80}]}\n"
    )
    world.commit({"s.yaml": service, "d.yaml": deployment, "c.yaml": config("settings")})
    assert world.sync().result is Result.CONVERGED
    assert world.planned().writes == ()


def test_second_sync_of_a_commit_writes_nothing(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    before = world.get("configmaps", "settings")
    assert world.sync().outcomes == ()
    assert world.get("configmaps", "settings") == before


def test_what_kubectl_added_goes_away(world: EngineWorld, tmp_path: Path) -> None:
    (tmp_path / "made.yaml").write_text(config("settings", "old") + "  # by hand\n")
    world.plane.kubectl("-n", world.namespace, "apply", "-f", str(tmp_path / "made.yaml"))
    world.plane.kubectl("-n", world.namespace, "label", "configmap", "settings", "extra=yes")
    world.commit({"a.yaml": config("settings")})
    assert world.sync().result is Result.CONVERGED
    live = world.get("configmaps", "settings")
    assert live is not None
    assert live["data"] == {"level": "info"}
    assert "extra" not in live["metadata"]["labels"]
    assert "kubectl.kubernetes.io/last-applied-configuration" not in live["metadata"].get("annotations", {})
    assert world.planned().writes == ()


def test_object_with_a_finalizer_stays_listed_while_it_leaves(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings"), "b.yaml": config("kept")})
    world.sync()
    world.patch("configmaps", "settings", {"metadata": {"finalizers": ["example.com/hold"]}})
    world.commit({"a.yaml": None})
    assert world.sync().result is Result.CONVERGED
    assert f"ConfigMap {world.namespace}/settings" in world.inventory()
    world.patch("configmaps", "settings", {"metadata": {"finalizers": None}})
    world.sync()
    assert world.inventory() == {f"ConfigMap {world.namespace}/kept"}


def test_object_with_prune_disabled_stays(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings", **{"gitops-bot_prune": "disabled"}), "b.yaml": config("kept")})
    world.sync()
    world.commit({"a.yaml": None})
    world.sync()
    assert world.get("configmaps", "settings") is not None
    assert any("settings" in warning for warning in world.planned().warnings)


def test_object_of_another_app_is_blocked_with_its_owner(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")}, app="other")
    world.sync("other")
    world.commit({"a.yaml": config("settings", "mine")})
    report = world.sync()
    assert report.result is Result.FAILED
    assert report.failure is not None
    assert "belongs to app other" in report.failure.problems[0].message
    live = world.get("configmaps", "settings")
    assert live is not None
    assert live["data"] == {"level": "info"}


def test_path_that_renders_nothing_deletes_nothing_without_a_yes(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.commit({"a.yaml": None, "readme.txt": "empty"})
    report = world.sync()
    assert report.result is Result.REFUSED
    assert "renders no object at all" in report.reason
    assert world.get("configmaps", "settings") is not None
    assert report.plan is not None
    assert world.sync(confirm="sha256:other").result is Result.REFUSED
    assert world.sync(confirm=report.plan.hash).result is Result.CONVERGED
    assert world.get("configmaps", "settings") is None


def test_definition_and_its_objects_converge_in_one_commit(world: EngineWorld, unique: str) -> None:
    group = f"{unique}.example.com"
    crd = (
        f"apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: widgets.{group}}}\n"
        f"spec:\n  group: {group}\n  scope: Namespaced\n  names: {{kind: Widget, plural: widgets}}\n  versions:\n"
        "    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: "
        "{spec: {type: object, properties: {size: {type: integer, default: 3}}}}}}}\n"
    )
    widget = f"apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: w}}\nspec: {{}}\n"
    world.commit({"a.yaml": widget, "z.yaml": crd})
    report = world.sync()
    assert report.result is Result.CONVERGED, report.failure
    assert world.planned().writes == ()
    world.plane.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}")


def test_immutable_field_fails_by_name_and_force_recreates(world: EngineWorld) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fixed}\nimmutable: true\ndata: {a: 'VALUE'}\n"
    world.commit({"a.yaml": text.replace("VALUE", "1"), "b.yaml": config("settings")})
    world.sync()
    world.commit({"a.yaml": text.replace("VALUE", "2"), "b.yaml": config("settings", "debug")})
    report = world.sync()
    assert report.result is Result.FAILED
    assert report.failure is not None
    assert "immutable" in report.failure.problems[0].message
    assert report.failure.problems[0].where == "apps/shop/a.yaml:1"
    live = world.get("configmaps", "settings")
    assert live is not None
    assert live["data"] == {"level": "info"}
    forced = text.replace("VALUE", "2").replace(
        "{name: fixed}", "{name: fixed, annotations: {gitops-bot/force: enabled}}"
    )
    world.commit({"a.yaml": forced})
    assert world.sync().result is Result.CONVERGED
    recreated = world.get("configmaps", "fixed")
    assert recreated is not None
    assert recreated["data"] == {"a": "2"}


def test_changed_secret_shows_its_key_and_never_its_value(world: EngineWorld) -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {token: VALUE}\n"
    world.commit({"a.yaml": text.replace("VALUE", "canary-one")})
    world.sync()
    world.commit({"a.yaml": text.replace("VALUE", "canary-two")})
    shown = plan_text(world.planned())
    assert "data.token" in shown
    assert "(hidden, changed)" in shown
    assert "canary" not in shown


def test_every_broken_file_is_named_and_nothing_is_touched(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.commit({"a.yaml": "a: [\n", "b.yaml": "apiVersion: v1\nkind: Frob\nmetadata: {name: x}\n", "c.yaml": "- 1\n"})
    failure = world.plan()
    assert isinstance(failure, PlanFailure)
    assert {problem.where.partition(":")[0] for problem in failure.problems} >= {"apps/shop/a.yaml", "apps/shop/c.yaml"}
    assert world.sync().result is Result.FAILED
    assert world.get("configmaps", "settings") is not None


def test_missing_namespace_is_named_with_file_and_line(world: EngineWorld) -> None:
    text = config("settings").replace("{name: settings", "{name: settings, namespace: nowhere-at-all")
    world.commit({"a.yaml": text})
    report = world.sync()
    assert report.result is Result.FAILED
    assert report.failure is not None
    assert "nowhere-at-all" in report.failure.problems[0].message
    assert report.failure.problems[0].where == "apps/shop/a.yaml:1"


def test_object_left_alone_by_annotation_keeps_its_edit(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    note = {"annotations": {"gitops-bot/reconcile": "disabled"}}
    world.patch("configmaps", "settings", {"metadata": note, "data": {"level": "mine"}})
    assert world.sync().result is Result.CONVERGED
    live = world.get("configmaps", "settings")
    assert live is not None
    assert live["data"]["level"] == "mine"


def test_failing_job_is_degraded_and_ends_the_wait(world: EngineWorld) -> None:
    job = (
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, annotations: {gitops-bot/hook: pre-sync}}\n"
        "spec:\n  backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n"
        "      containers: [{name: main, image: 'gitops-bot.test/failing-job:1'}]\n"
    )
    world.commit({"a.yaml": job})
    report = world.sync()
    assert report.result is Result.UNHEALTHY
    assert report.failure is not None
    assert "Job" in report.failure.message


def test_waiting_actions_are_in_the_plan_before_the_first_write(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    plan = world.planned()
    assert [change.action for change in plan.changes] == [Action.CREATE]
    assert world.get("configmaps", "settings") is None
