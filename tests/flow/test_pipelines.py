"""Pipelines of Spinnaker that run when apps converge, started by the real bot."""

from __future__ import annotations

from collections.abc import Callable

from tests.flow.office import Office
from tests.waiting import until
from tests.writeback.spinnaker import RESET, Pipeline, Spinnaker

Offices = Callable[..., Office]


def entry(spinnaker: Spinnaker, more: str = "") -> str:
    return f"writebacks: [{{type: spinnaker, url: '{spinnaker.url}', secret_env: GATE_SECRET {more}}}]"


def test_pipeline_runs_once_for_each_commit_that_is_live(offices: Offices) -> None:
    shop = Pipeline(constraints={"app": "^shop$", "secret": "^canary$"})
    stranger = Pipeline(constraints={"secret": "^other$"})
    with Spinnaker(shop, stranger) as spinnaker:
        office = offices(more=entry(spinnaker), GATE_SECRET="canary")
        first = office.open()
        until(lambda: len(shop.runs) == 1)
        code, text = office.bot.run("check")
        assert "writebacks" not in text, (code, text)
        second = office.commit("debug", payments="info", docs="info")
        until(lambda: len(shop.runs) == 2)
        assert [one["parameters"]["commit"] for one in shop.runs] == [first, second]
        assert shop.runs[0]["artifacts"] == [], "the office's repository is a folder"
        assert stranger.runs == []
        assert "canary" not in office.bot.log() + text


def test_event_whose_answer_was_lost_comes_again_with_its_id(offices: Offices) -> None:
    shop = Pipeline(constraints={"app": "^shop$"})
    with Spinnaker(shop) as spinnaker:
        spinnaker.fails.append(RESET)
        spinnaker.accepts = True
        office = offices(more=entry(spinnaker, ", envs: [staging]"), GATE_SECRET="canary")
        office.commit("info", payments="info")
        office.start()
        until(lambda: shop.runs)
        until(lambda: office.bot.metric("gitops_bot_outbox_waiting", 'sink="writeback"') == 0)
        assert len({one["payload"]["id"] for one in shop.runs}) == 1
