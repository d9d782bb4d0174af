"""An API server in trouble: what is said of it, how often, and what goes on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from bot.model.announcement import Announcement
from bot.model.control import Trigger, Via
from bot.model.outcome import PassKind, Result, SyncReport
from bot.model.plan import Plan
from bot.sandbox.faults import Fault, FaultKind
from tests.contract.engine import PATIENCE, EngineWorld, now
from tests.contract.manifests import config
from tests.faults.proxy import Proxy, status
from tests.faults.scene import CONFIGS, NEW, OLD, objects, settled
from tests.waiting import PATIENCE_SECONDS, until


def test_short_outage_is_not_said_and_counts_no_failure(world: EngineWorld, proxy: Proxy) -> None:
    world.commit(OLD)
    settled(world)
    world.heard()
    proxy.faults.add(Fault(kind=FaultKind.REFUSE))
    assert [world.tick().result for _ in range(3)] == [Result.FAILED] * 3
    assert world.heard() == ()
    assert world.memory().consecutive_failures == 0
    proxy.faults.heal()
    assert world.sync().result is Result.CONVERGED


def test_retry_asks_the_server_that_refused(world: EngineWorld, proxy: Proxy) -> None:
    """What watches had told was enough for "converged", and for a last sync that never was."""
    world.commit(OLD)
    settled(world)
    good = world.memory().last_sync_at
    proxy.faults.add(Fault(kind=FaultKind.REFUSE))
    assert world.sync().result is Result.FAILED

    def retried() -> SyncReport | None:
        return world.engine.passes.perform(
            world.spec(), Trigger(via=Via.SCHEDULE), stop=lambda _: False, patience=PATIENCE, since=now()
        )

    report = retried()
    assert report is not None
    assert report.result is Result.FAILED
    assert world.memory().last_sync_at == good
    proxy.faults.heal()
    report = retried()
    assert report is not None
    assert report.result is Result.CONVERGED


def test_drift_that_is_left_outlives_an_outage_and_a_commit_about_another_app(
    worlds: Callable[..., EngineWorld], proxy: Proxy
) -> None:
    """The failed pass had the next one take the commit for a change of the app: the edit was undone."""
    world = worlds(self_heal=False)
    world.commit({"a.yaml": config("settings")})
    world.sync()
    world.patch("configmaps", "settings", {"data": {"level": "mine"}})
    assert world.tick().result is Result.SKIPPED
    world.commit({"a.yaml": config("theirs")}, app="other")
    proxy.faults.add(status(503, "ServiceUnavailable", "the server is currently unable to handle the request"))
    assert world.tick().result is Result.FAILED
    proxy.faults.heal()
    report = world.tick()
    assert (report.result, report.kind) == (Result.SKIPPED, PassKind.DRIFT)
    assert world.found("configmaps", "settings")["data"] == {"level": "mine"}


def test_commit_that_got_halfway_and_is_taken_back_is_no_drift(
    worlds: Callable[..., EngineWorld], proxy: Proxy
) -> None:
    world = worlds(self_heal=False)
    good = {"a.yaml": config("first"), "b.yaml": config("second")}
    world.commit(good)
    world.sync()
    world.commit({"a.yaml": config("first", "debug"), "b.yaml": config("second", "debug")})
    proxy.faults.add(status(403, "Forbidden", "no"), match="PATCH */configmaps/second?*Validation=Ignore")
    assert world.tick().result is Result.FAILED
    assert world.found("configmaps", "first")["data"] == {"level": "debug"}
    proxy.faults.heal()
    world.commit(good)
    report = world.tick()
    assert (report.result, report.kind) == (Result.CONVERGED, PassKind.SYNC)
    assert world.found("configmaps", "first")["data"] == {"level": "info"}


def test_kind_that_may_not_be_written_is_said_once_with_its_object(world: EngineWorld, proxy: Proxy) -> None:
    world.commit(OLD)
    settled(world)
    world.heard()
    world.commit(NEW)
    refusal = status(403, "Forbidden", 'secrets "key" is forbidden: User "bot" cannot patch resource "secrets"')
    proxy.faults.add(refusal, match="PATCH */secrets/*")
    heard: list[Announcement] = []
    for _ in range(2):
        assert world.tick().result is Result.FAILED
        heard += world.heard()
    said = [one for one in heard if one.news.value == "failed"]
    assert [one.edits_only for one in said] == [False, True]  # a message, which counts on
    assert [one.subject for one in said[0].troubles] == [f"Secret {world.namespace}/key"]
    assert world.found("configmaps", "changed")["data"] == {"level": "info"}
    proxy.faults.heal()
    assert world.tick().result is Result.CONVERGED


def test_delete_that_is_refused_fails_and_is_made_up_for(world: EngineWorld, proxy: Proxy) -> None:
    world.commit(OLD)
    settled(world)
    world.heard()
    world.commit(NEW)
    proxy.faults.add(status(403, "Forbidden", "deletes are frozen"), match="DELETE */configmaps/dropped*")
    for _ in range(2):
        report = world.tick()
        assert report.result is Result.FAILED
        assert "deletes are frozen" in str(report.failure)
        assert f"ConfigMap {world.namespace}/dropped" in world.inventory()
    assert len({one.operation for one in world.heard() if one.news.value == "failed"}) == 1  # a message, and its edits
    proxy.faults.heal()
    assert world.tick().result is Result.CONVERGED
    CONFIGS.check(world)


def test_hanging_request_holds_its_own_app_only(world: EngineWorld, proxy: Proxy) -> None:
    world.commit(OLD)
    world.commit({"a.yaml": config("theirs")}, app="other")
    settled(world)
    world.commit(NEW)
    hanging = threading.Event()
    proxy.before = lambda request: hanging.set() if request.endswith("/secrets/key") else None
    proxy.faults.add(Fault(kind=FaultKind.HANG), match="PATCH */secrets/key*")
    reports: list[SyncReport] = []
    worker = threading.Thread(target=lambda: reports.append(world.tick()))
    worker.start()
    assert hanging.wait(PATIENCE_SECONDS)
    assert world.tick("other").result is Result.CONVERGED
    proxy.faults.heal()
    worker.join(60)
    assert reports[0].result in {Result.FAILED, Result.CONVERGED}  # a connection that ended may be tried once more
    settled(world)
    CONFIGS.check(world)


def test_token_that_was_rotated_is_read_again(world: EngineWorld) -> None:
    file = world.file.with_name("token.kubeconfig")
    file.write_text(world.plane.kubeconfig_for("stale-token"))
    world.configuration["clusters"][0]["kubeconfig"] = str(file)
    world.restart()
    world.commit(OLD)
    report = world.tick()
    assert report.failure is not None
    assert "does not accept our credentials (401)" in report.failure.message
    file.write_text(world.plane.kubeconfig_for(world.plane.token))
    assert world.tick().result is Result.CONVERGED


def test_admission_webhook_that_flaps_fails_by_name_and_heals(world: EngineWorld, unique: str) -> None:
    """It decides about every Secret of the namespace, and nobody listens at its address."""
    world.commit(OLD)
    settled(world)
    hook = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": unique},
        "webhooks": [
            {
                "name": "flaps.example.com",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "timeoutSeconds": 1,
                "clientConfig": {"url": "https://127.0.0.1:9/"},
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["secrets"]}],
            }
        ],
    }
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    world.commit(NEW)

    def refuses() -> bool:
        plan = world.plan()
        return isinstance(plan, Plan) and bool(plan.blocked)

    for _ in range(2):
        world.plane.request("POST", path, body=hook)
        try:
            until(refuses, "the webhook refuses")
            report = world.tick()
        finally:
            world.delete(f"{path}/{unique}")
        assert "flaps.example.com" in str(report.failure)
        assert "canary" not in str(report.failure)
        assert world.found("configmaps", "changed")["data"] == {"level": "info"}
        until(lambda: not refuses(), "the webhook is gone")
    assert world.tick().result is Result.CONVERGED


def test_two_installations_of_one_name_do_not_write_at_once(world: EngineWorld, tmp_path: Path) -> None:
    world.commit(OLD)
    settled(world)
    (tmp_path / "twin").mkdir()
    twin = EngineWorld(tmp_path / "twin", world.plane, world.namespace)
    try:
        twin.commit({"a.yaml": config("changed"), "b.yaml": config("dropped"), "x.yaml": config("twins")})
        report = twin.sync()
        assert report.failure is not None
        assert f"another bot named {world.namespace}" in report.failure.message
        assert set(objects(world)) == {"ConfigMap changed", "ConfigMap dropped", "Secret key"}
        world.close()
        assert twin.sync().result is Result.CONVERGED
        assert set(objects(twin)) == {"ConfigMap changed", "ConfigMap dropped", "ConfigMap twins"}
    finally:
        twin.close()


def test_clock_that_jumps_stops_nothing(worlds: Callable[..., EngineWorld]) -> None:
    shift = timedelta(0)
    world = worlds(clock=lambda: now() + shift)
    for jump, files in ((timedelta(0), OLD), (timedelta(days=-1), NEW), (timedelta(days=400), OLD)):
        shift = jump
        world.commit(files)
        assert world.sync().result is Result.CONVERGED


def test_write_between_the_look_and_the_question_is_no_difference_of_ours(world: EngineWorld, proxy: Proxy) -> None:
    """A controller's annotation, newer than what was seen of the object, stood in the plan as a change."""
    world.commit({"a.yaml": config("settings")})
    settled(world)
    world.commit({"a.yaml": config("settings", "debug")})
    meddled = iter([{"metadata": {"annotations": {"controller/revision": "2"}}}])

    def meddle(request: str) -> None:
        if request.startswith("PATCH") and (note := next(meddled, None)) is not None:
            world.patch("configmaps", "settings", note)

    proxy.before = meddle
    plan = world.planned()
    proxy.before = lambda _: None
    assert next(meddled, None) is None, "nobody has meddled"
    assert [field.path for change in plan.writes for field in change.fields] == ["data.level"]
