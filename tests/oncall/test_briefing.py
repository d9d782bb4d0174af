"""What a page says to somebody who has nothing but a phone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.errors import Problem
from bot.model.outcome import Cause, Failure, Health, HealthState, Result, SyncReport
from bot.model.record import AppMemory, SyncState
from bot.model.resource import ResourceId
from bot.model.source import Revision
from bot.oncall.briefing import DESCRIPTION_LIMIT, MESSAGE_LIMIT, briefing, headline
from tests.oncall.test_escalation import APP, NOW, report

API = ResourceId("apps", "Deployment", "shop", "api")
BAD = Revision(commit="a" * 40, subject="Raise the limit", author="Ana Lima", email="ana@example.com")
GOOD = "9f8e7d6" + "0" * 33
LINK = "https://git.example.com/fleet/commit/" + BAD.commit
UNHEALTHY = replace(
    report(Result.UNHEALTHY, NOW + timedelta(minutes=17)),
    revision=BAD,
    previous=GOOD,
    failure=Failure(
        message="not healthy after 5 minutes",
        problems=(Problem(message="0 of 3 pods are ready", where="shop/api.yaml:1", subject=str(API)),),
    ),
    health=(
        (
            API,
            Health(
                state=HealthState.DEGRADED,
                cause=Cause(pod="api-7d4-x", reason="CrashLoopBackOff", log=("no such host: db",)),
            ),
        ),
    ),
)
FAILING = AppMemory(
    app=APP.key,
    sync=SyncState.FAILED,
    consecutive_failures=3,
    failing_since=NOW,
    failing_commit=BAD.commit,
    last_error="not healthy after 5 minutes: 0 of 3 pods are ready",
)


def told(one: SyncReport, memory: AppMemory = FAILING, link: str = LINK) -> str:
    return briefing(APP, memory, one, since=NOW, link=link)


def test_message_names_app_cluster_environment_and_what_within_the_limit() -> None:
    assert headline(APP, FAILING, UNHEALTHY) == f"shop / prod ({APP.env}): {FAILING.last_error}"
    long = replace(FAILING, last_error="x" * 500)
    assert len(headline(APP, long, UNHEALTHY)) == MESSAGE_LIMIT


def test_description_answers_what_is_asked_next_and_ends_with_the_command_that_helps() -> None:
    assert told(UNHEALTHY).splitlines() == [
        "not healthy after 5 minutes",
        f"- {API} (shop/api.yaml:1): 0 of 3 pods are ready",
        "  pod api-7d4-x - CrashLoopBackOff",
        "  no such host: db",
        "",
        "Since: 2026-03-01 12:00:00 UTC (17 min), 3 failures in a row",
        "Commit: aaaaaaa Raise the limit, by Ana Lima",
        LINK,
        "Last good: 9f8e7d6",
        "",
        "What helps: push a fix, or",
        "/gitops rollback shop 9f8e7d6",
        "It is tried again by itself.",
        "The page closes by itself when shop / prod has converged and is healthy. op_1",
    ]


@pytest.mark.parametrize("previous", ["", BAD.commit])
def test_no_rollback_is_offered_to_a_commit_that_is_none_or_fails_itself(previous: str) -> None:
    text = told(replace(UNHEALTHY, previous=previous))
    assert "rollback" not in text
    assert "/gitops history shop" in text


def test_outage_blames_no_commit() -> None:
    down = Failure(message="cluster prod: no answer", transient=True, neighbour="cluster prod")
    text = told(replace(UNHEALTHY, failure=down), replace(FAILING, consecutive_failures=0))
    assert "No commit is to blame: cluster prod does not answer." in text
    assert "rollback" not in text
    assert BAD.subject not in text
    assert "Since: 2026-03-01 12:00:00 UTC (17 min)\n" in text


def test_degraded_workload_is_named_with_its_pod_and_what_is_deployed() -> None:
    ill = replace(UNHEALTHY, result=Result.CONVERGED, failure=None)
    memory = AppMemory(app=APP.key, sync=SyncState.SYNCED, degraded_since=NOW)
    text = told(ill, memory)
    assert f"- {API}" in text
    assert "no such host: db" in text
    assert "Deployed: aaaaaaa Raise the limit, by Ana Lima" in text
    assert headline(APP, memory, ill).startswith(f"shop / prod ({APP.env}): {API} is degraded")


def test_pass_that_was_cut_short_while_the_app_fails_says_why_it_fails() -> None:
    cut = replace(UNHEALTHY, result=Result.SUPERSEDED, failure=None, health=())
    assert told(cut).startswith(FAILING.last_error)
    assert "/gitops rollback shop 9f8e7d6" in told(cut)


def test_many_long_errors_stay_within_the_limit() -> None:
    many = tuple(Problem(message="y" * 20_000, subject=f"ConfigMap shop/{number}") for number in range(300))
    text = told(replace(UNHEALTHY, failure=Failure(message="z" * 20_000, problems=many)))
    assert len(text) <= DESCRIPTION_LIMIT
