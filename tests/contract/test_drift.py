"""Hand edits: undone, left alone where someone says so, and never a fight with another owner of a field."""

from __future__ import annotations

from collections.abc import Callable

from bot.model.control import Via
from bot.model.outcome import PassKind, Result
from bot.model.plan import Action
from bot.model.record import SyncState
from tests.contract.engine import EngineWorld
from tests.contract.manifests import config, deployment

APPS = "/apis/apps/v1"
REPLICAS = [{"kind": "Deployment", "pointers": ["/spec/replicas"]}]


def test_hand_edit_is_undone(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.patch("configmaps", "settings", {"data": {"level": "mine"}})
    report = world.tick()
    assert (report.result, report.kind) == (Result.CONVERGED, PassKind.DRIFT)
    assert world.found("configmaps", "settings")["data"] == {"level": "info"}


def test_plan_says_who_scaled_by_hand(world: EngineWorld) -> None:
    """`kubectl scale` writes through a door of its own, and the server keeps its owner apart."""
    world.commit({"web.yaml": deployment("web")})
    world.sync()
    scale = world.path("deployments", "web/scale?fieldManager=kubectl", base=APPS)
    world.plane.request("PATCH", scale, body={"spec": {"replicas": 3}}, kind="merge")
    (change,) = world.planned().writes
    assert [field.path for field in change.fields] == ["spec.replicas"]
    assert change.hands == ("kubectl",)
    assert world.tick().result is Result.CONVERGED
    assert world.found("deployments", "web", base=APPS)["spec"]["replicas"] == 1


def test_object_left_alone_by_annotation_keeps_its_edit_until_it_is_enabled(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    note = {"annotations": {"gitops-bot/reconcile": "disabled"}}
    world.patch("configmaps", "settings", {"metadata": note, "data": {"level": "mine"}})
    assert world.tick().result is Result.CONVERGED
    assert world.memory().sync is SyncState.SYNCED
    assert world.found("configmaps", "settings")["data"] == {"level": "mine"}
    world.patch("configmaps", "settings", {"metadata": {"annotations": {"gitops-bot/reconcile": None}}})
    world.tick()
    assert world.found("configmaps", "settings")["data"] == {"level": "info"}


def test_ignored_replicas_stay_as_the_autoscaler_set_them(worlds: Callable[..., EngineWorld]) -> None:
    world = worlds(ignore=REPLICAS)
    world.commit({"a.yaml": deployment("api", replicas=2)})
    world.sync()
    world.plane.request(
        "PATCH",
        world.path("deployments", "api", base=APPS) + "/scale?fieldManager=autoscaler",
        body={"spec": {"replicas": 5}},
        kind="merge",
    )
    assert world.planned().writes == ()
    world.commit({"a.yaml": deployment("api", "nginx:2", replicas=2)})
    assert world.sync().result is Result.CONVERGED
    spec = world.found("deployments", "api", base=APPS)["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]) == (5, "nginx:2")


def test_change_of_ignored_fields_alone_is_unchanged_and_not_written(worlds: Callable[..., EngineWorld]) -> None:
    world = worlds(ignore=REPLICAS)
    world.commit({"a.yaml": deployment("api", replicas=2)})
    world.sync()
    before = world.found("deployments", "api", base=APPS)["metadata"]["generation"]
    world.commit({"a.yaml": deployment("api", replicas=3)})
    assert [one.action for one in world.planned().changes] == [Action.UNCHANGED]
    world.sync()
    live = world.found("deployments", "api", base=APPS)
    assert (live["metadata"]["generation"], live["spec"]["replicas"]) == (before, 2)


IGNORING = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: api
  annotations:
    gitops-bot/ignore: /spec/replicas, /spec/template/spec/containers/0/image /metadata/annotations/acme~1owner
spec:
  replicas: 2
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api, tier: TIER}}
    spec: {containers: [{name: main, image: "nginx:1"}, {name: side, image: "busybox:1"}]}
"""


def test_fields_that_an_object_s_annotation_ignores_stay_as_people_set_them(world: EngineWorld) -> None:
    """kubectl's edits of ignored fields were taken over and undone: two replicas of five were left."""
    world.commit({"a.yaml": IGNORING.replace("TIER", "one")})
    world.sync()
    edit = {
        "metadata": {"annotations": {"acme/owner": "ana"}},
        "spec": {"replicas": 5, "template": {"spec": {"containers": [{"name": "main", "image": "nginx:9"}]}}},
    }
    path = world.path("deployments", "api", base=APPS) + "?fieldManager=kubectl-edit"
    world.plane.request("PATCH", path, body=edit, kind="strategic")
    assert world.planned().writes == ()
    world.commit({"a.yaml": IGNORING.replace("TIER", "two")})
    assert world.sync().result is Result.CONVERGED
    live = world.found("deployments", "api", base=APPS)
    spec = live["spec"]
    assert spec["template"]["metadata"]["labels"]["tier"] == "two"
    assert (spec["replicas"], live["metadata"]["annotations"]["acme/owner"]) == (5, "ana")
    assert [one["image"] for one in spec["template"]["spec"]["containers"]] == ["nginx:9", "busybox:1"]
    world.plane.request("PATCH", path, body={"spec": {"template": {"spec": {"nodeName": "n1"}}}}, kind="strategic")
    assert [one.path for change in world.planned().writes for one in change.fields] == ["spec.template.spec.nodeName"]


def test_field_that_its_owner_keeps_is_left_out_by_annotation_too(world: EngineWorld) -> None:
    world.commit({"a.yaml": IGNORING.replace("TIER", "one")})
    world.sync()
    scale = world.path("deployments", "api", base=APPS) + "/scale?fieldManager=autoscaler"
    world.plane.request("PATCH", scale, body={"spec": {"replicas": 7}}, kind="merge")
    world.commit({"a.yaml": IGNORING.replace("TIER", "two")})
    assert world.sync().result is Result.CONVERGED
    live = world.found("deployments", "api", base=APPS)
    assert live["spec"]["replicas"] == 7
    owners = [
        one["manager"] for one in live["metadata"]["managedFields"] if "f:replicas" in one["fieldsV1"].get("f:spec", {})
    ]
    assert owners == ["autoscaler"]


def test_pointer_that_is_none_is_an_error_with_its_place(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings", ignore="spec.replicas")})
    failure = world.sync().failure
    assert failure is not None
    assert "JSON pointers with blanks between them" in str(failure.problems[0])


def test_drift_while_paused_is_shown_and_undone_after_resume(world: EngineWorld) -> None:
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.engine.desk.pause("prod/shop", by="os:ana", until=None, reason="incident", via=Via.CLI)
    world.patch("configmaps", "settings", {"data": {"level": "mine"}})
    world.heard()
    assert world.tick().result is Result.PAUSED
    assert world.tick().result is Result.PAUSED
    assert [one.news.value for one in world.heard()] == ["drift"]
    assert world.memory().sync is SyncState.DRIFTED
    assert world.found("configmaps", "settings")["data"] == {"level": "mine"}
    world.engine.desk.resume("prod/shop", by="os:ana", via=Via.CLI)
    world.tick()
    assert world.found("configmaps", "settings")["data"] == {"level": "info"}


def test_drift_outside_the_window_is_shown_and_undone_when_it_opens(worlds: Callable[..., EngineWorld]) -> None:
    world = worlds()
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.restart(windows=[{"kind": "deny", "schedule": "* * * * *", "duration": "1h"}])
    world.patch("configmaps", "settings", {"data": {"level": "mine"}})
    report = world.tick()
    assert (report.result, "deny window" in report.reason) == (Result.SKIPPED, True)
    assert world.memory().sync is SyncState.DRIFTED
    assert world.found("configmaps", "settings")["data"] == {"level": "mine"}
    world.restart(windows=[])
    world.tick()
    assert world.found("configmaps", "settings")["data"] == {"level": "info"}


def test_drift_is_left_where_self_heal_is_off(worlds: Callable[..., EngineWorld]) -> None:
    world = worlds(self_heal=False)
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.patch("configmaps", "settings", {"data": {"level": "mine"}})
    assert world.tick().result is Result.SKIPPED
    assert world.found("configmaps", "settings")["data"] == {"level": "mine"}
    world.commit({"a.yaml": config("settings", "debug")})
    assert world.tick().result is Result.CONVERGED


def test_drift_that_is_left_outlives_a_commit_that_changes_nothing_of_the_app(
    worlds: Callable[..., EngineWorld],
) -> None:
    """Any push undid a hand edit that people had just been asked about, and said that the commit did it."""
    world = worlds(self_heal=False)
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.patch("configmaps", "settings", {"data": {"level": "mine"}})
    assert world.tick().result is Result.SKIPPED
    world.commit({"a.yaml": config("theirs")}, app="other")
    assert (world.tick().result, world.tick().kind) == (Result.SKIPPED, PassKind.DRIFT)
    assert world.memory().sync is SyncState.DRIFTED
    assert world.found("configmaps", "settings")["data"] == {"level": "mine"}
    assert [one.news.value for one in world.heard()].count("waiting") == 0
    assert world.sync().result is Result.CONVERGED
    assert world.found("configmaps", "settings")["data"] == {"level": "info"}


def test_comment_in_the_folder_of_an_app_leaves_its_drift_open_too(worlds: Callable[..., EngineWorld]) -> None:
    """It was taken for a commit that waits, once a newer one was about another app."""
    world = worlds(self_heal=False)
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.patch("configmaps", "settings", {"data": {"level": "mine"}})
    world.commit({"a.yaml": "# the shop\n" + config("settings")})
    world.commit({"a.yaml": config("theirs")}, app="other")
    assert world.tick().kind is PassKind.DRIFT
    assert world.memory().sync is SyncState.DRIFTED
    assert {one.news.value for one in world.heard() if one.app == "shop"} >= {"drift"}


def test_edited_value_of_a_secret_is_undone_and_a_dropped_key_goes(world: EngineWorld) -> None:
    """Written as `stringData`, the fields would be owned under a name that no live Secret has."""
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {token: canary-one, more: canary-two}\n"
    world.commit({"a.yaml": text})
    world.sync()
    before = world.found("secrets", "key")["data"]
    world.patch("secrets", "key", {"data": {"token": "bWluZQ=="}})
    assert world.tick().kind is PassKind.DRIFT
    assert world.found("secrets", "key")["data"] == before
    world.commit({"a.yaml": text.replace(", more: canary-two", "")})
    assert world.tick().result is Result.CONVERGED
    assert set(world.found("secrets", "key")["data"]) == {"token"}
    assert world.planned().writes == ()
