"""Functions that are invoked when apps converge, by the real bot."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.flow.office import Office
from tests.waiting import until
from tests.writeback.aws import LONG, REGION, Answer, Aws, refusal

Offices = Callable[..., Office]
SILENCE = {"AWS_EC2_METADATA_DISABLED": "true"}


def entry(aws: Aws, function: str = "shop:live") -> str:
    where = f"region: {REGION}, endpoint_url: '{aws.url}'"
    return f"writebacks: [{{type: lambda, function: '{function}', {where}, envs: [staging], events: [converged]}}]"


def of(queue: list[Any], app: str) -> list[Any]:
    return [one for one in queue if one["data"]["app"] == app]


def test_function_hears_once_of_each_app_of_its_envs(offices: Offices) -> None:
    with Aws("shop:live") as aws:
        office = offices(more=entry(aws), **SILENCE, **LONG.environment())
        commit = office.open()
        queue = aws.queues["shop:live"]
        until(lambda: of(queue, "shop") and of(queue, "docs"))
        code, text = office.bot.run("check")
        assert "writebacks" not in text, (code, text)
        assert aws.tried == ["shop:live"]
        office.bot.kill()
        office.bot.start()
        second = office.commit("debug", payments="info", docs="info")
        until(lambda: len(of(queue, "shop")) == 2)
        assert [one["subject"] for one in of(queue, "shop")] == [commit, second]
        assert [one["type"] for one in queue] == ["io.gitops-bot.converged.v1"] * len(queue)
        assert len({one["id"] for one in queue}) == len(queue)
        assert of(queue, "payments") == []


def test_event_of_an_entry_that_is_taken_out_goes_to_no_other(offices: Offices) -> None:
    """It waited by the place of its entry, and the one that came to stand there got it, for a commit it knew."""
    with Aws("shop:live") as aws:
        kept = entry(aws)
        gone = f"{{type: lambda, function: gone, region: {REGION}, endpoint_url: 'http://127.0.0.1:9'}}"
        office = offices(more=kept.replace("[{", f"[{gone}, {{"), **SILENCE, **LONG.environment())
        commit = office.open()
        queue = aws.queues["shop:live"]
        until(lambda: of(queue, "shop") and of(queue, "docs"))
        office.bot.configure(lambda text: text.replace(f"{gone}, ", ""))
        office.bot.hang_up()
        until(lambda: "the write-back is no longer in the configuration" in office.bot.log())
        second = office.commit("debug", payments="info", docs="info")
        until(lambda: len(of(queue, "shop")) == 2)
        assert [one["subject"] for one in of(queue, "shop")] == [commit, second]


def test_event_whose_answer_died_with_the_bot_keeps_its_id(offices: Offices) -> None:
    """Lambda had it in its queue, and the bot was killed before it could write that down."""
    with Aws("shop:live") as aws:
        aws.hold = Event()
        office = offices(more=entry(aws), **SILENCE, **LONG.environment())
        office.commit("info")
        office.start()
        queue = aws.queues["shop:live"]
        until(lambda: queue)
        office.bot.kill()
        aws.hold.set()
        aws.hold = None
        office.bot.start()
        until(lambda: of(queue, "shop") and of(queue, "docs"))
        until(lambda: len(queue) > len({one["id"] for one in queue}))
        assert len({one["id"] for one in of(queue, "shop")}) == 1
        assert len({one["id"] for one in of(queue, "docs")}) == 1


@pytest.mark.parametrize(
    "fault",
    [refusal(429, "TooManyRequestsException", Retry_After="1"), refusal(500, "ServiceException"), (0, {}, "")],
    ids=["throttled", "broken", "reset"],
)
def test_event_outlives_the_troubles_of_lambda(offices: Offices, fault: Answer) -> None:
    with Aws("shop:live") as aws:
        aws.fails.append(fault)
        office = offices(more=entry(aws), **SILENCE, **LONG.environment())
        office.open()
        queue = aws.queues["shop:live"]
        until(lambda: len(queue) == 2)
        assert len({one["id"] for one in queue}) == 2
        assert office.bot.metric("gitops_bot_delivery_failures_total", 'sink="writeback"', 'how="late"') == 1


def test_check_says_what_a_function_lacks(offices: Offices) -> None:
    with Aws() as aws:
        office = offices(more=entry(aws), **SILENCE, **LONG.environment())
        office.open()
        code, text = office.bot.run("check")
        assert code == 1
        assert f"writebacks[0]: lambda shop:live: {urlsplit(aws.url).netloc} has no such function or alias" in text
        assert "canary" not in text
