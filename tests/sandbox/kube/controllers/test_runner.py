"""How decisions are run."""

from __future__ import annotations

from datetime import datetime

import pytest

from bot.sandbox.kube.api import Api
from bot.sandbox.kube.controllers.decision import Create, Decision, Update
from bot.sandbox.kube.controllers.objects import annotations_of, with_annotations
from bot.sandbox.kube.controllers.runner import Runner
from bot.sandbox.kube.controllers.view import View
from bot.sandbox.kube.ports import Body
from tests.sandbox.kube.controllers.world import START


def config_map(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}}


@pytest.fixture
def api() -> Api:
    api = Api(clock=lambda: START)
    for name in ("default", "shop"):
        api.create("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, manager="test")
    api.create("configmaps", config_map("one"), manager="test")
    return api


def test_bug_in_one_decision_stops_no_other(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    def fails(body: Body, view: View, now: datetime) -> Decision:
        raise ZeroDivisionError

    def notes(body: Body, view: View, now: datetime) -> Decision:
        if annotations_of(body):
            return Decision()
        return Decision(writes=(Update(resource="namespaces", body=with_annotations(body, {"seen": "yes"})),))

    Runner(api, {"configmaps": (fails,), "namespaces": (notes,)}).turn(0)
    namespace = api.get("namespaces", "", "shop")
    assert namespace is not None
    assert annotations_of(namespace) == {"seen": "yes"}
    assert "sandbox controller failed on configmaps shop/one" in caplog.text


def test_refused_write_is_told_and_tried_again_later(api: Api) -> None:
    def creates(body: Body, view: View, now: datetime) -> Decision:
        return Decision(writes=(Create(resource="configmaps", body=config_map("Not A Name")),))

    runner = Runner(api, {"configmaps": (creates,)})
    runner.turn(0)
    told = [event["message"] for event in api.list("events")]
    assert len(told) == 1
    assert told[0].startswith('Error creating: ConfigMap "Not A Name" is invalid')
    due = runner.next_due()
    assert due is not None
    assert due > START


def test_writers_that_undo_each_other_take_no_processor(api: Api) -> None:
    def flips(body: Body, view: View, now: datetime) -> Decision:
        turned = {"side": "tails" if annotations_of(body).get("side") == "heads" else "heads"}
        return Decision(writes=(Update(resource="configmaps", body=with_annotations(body, turned)),))

    runner = Runner(api, {"configmaps": (flips,)})
    runner.turn(0)
    due = runner.next_due()
    assert due is not None
    assert due > START
