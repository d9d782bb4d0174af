"""When a person is woken, and when not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.model.announcement import PageAct
from bot.model.control import Trigger, Via
from bot.model.outcome import Failure, PassKind, Result, SyncReport
from bot.model.record import AppMemory, SyncState
from bot.oncall.escalation import PagePolicy, escalate, urgency
from tests.plan.world import app

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POLICY = PagePolicy(failures=3, duration=timedelta(minutes=15))
APP = app(path="", channel="C1", oncall_priority="P2")


def report(result: Result, at: datetime = NOW) -> SyncReport:
    return SyncReport(
        operation="op_1",
        app=APP.key,
        kind=PassKind.SYNC,
        trigger=Trigger(via=Via.SCHEDULE),
        started_at=at,
        finished_at=at,
        result=result,
    )


def failing(count: int, *, since: datetime = NOW, commit: str = "a" * 40, paged: bool = False) -> AppMemory:
    return AppMemory(
        app=APP.key,
        sync=SyncState.FAILED,
        consecutive_failures=count,
        failing_since=since,
        failing_commit=commit,
        last_error="x" * 500,
        operation="op_1",
        paged=paged,
        page_operation="op_1" if paged else "",
    )


def acts(before: AppMemory, after: AppMemory, result: Result = Result.FAILED, at: datetime = NOW) -> list[PageAct]:
    _, pages = escalate(before, after, app=APP, report=report(result, at), policy=POLICY)
    return [page.act for page in pages]


def test_third_failure_pages_once() -> None:
    assert acts(failing(0), failing(1)) == []
    assert acts(failing(1), failing(2)) == []
    assert acts(failing(2), failing(3)) == [PageAct.OPEN]
    assert acts(failing(3, paged=True), failing(4, paged=True)) == []


def test_page_is_short_and_has_a_stable_alias() -> None:
    after, (page,) = escalate(failing(2), failing(3), app=APP, report=report(Result.FAILED), policy=POLICY)
    assert (page.alias, page.priority, after.paged) == ("gitops-bot:prod:shop", "P2", True)
    assert len(page.message) <= 130


def test_outage_pages_by_its_duration_alone() -> None:
    outage = failing(0, since=NOW)
    assert acts(outage, outage, at=NOW + timedelta(minutes=14)) == []
    assert acts(outage, outage, at=NOW + timedelta(minutes=15)) == [PageAct.OPEN]


def test_new_failing_commit_is_a_note() -> None:
    assert acts(failing(3, paged=True), failing(4, commit="b" * 40, paged=True)) == [PageAct.NOTE]


def test_convergence_closes_and_nothing_else_does() -> None:
    paged = failing(3, paged=True)
    well = AppMemory(app=APP.key, sync=SyncState.SYNCED, paged=True, page_operation="op_1")
    assert acts(paged, well, Result.CONVERGED) == [PageAct.CLOSE]
    assert acts(AppMemory(app=APP.key), AppMemory(app=APP.key, sync=SyncState.SYNCED), Result.CONVERGED) == []
    refused = AppMemory(app=APP.key, sync=SyncState.REFUSED, paged=True, page_operation="op_1")
    assert acts(paged, refused, Result.REFUSED) == []


def test_workload_that_stays_degraded_pages_by_duration() -> None:
    ill = AppMemory(app=APP.key, sync=SyncState.SYNCED, degraded_since=NOW)
    assert acts(ill, ill, Result.CONVERGED, NOW + timedelta(minutes=1)) == []
    assert acts(ill, ill, Result.CONVERGED, NOW + timedelta(minutes=16)) == [PageAct.OPEN]


def test_priority_is_that_of_the_kind_of_trouble_where_one_is_given() -> None:
    kinds = {
        "failed": replace(report(Result.FAILED), failure=Failure(message="it cannot be applied")),
        "outage": replace(report(Result.FAILED), failure=Failure(message="no answer", transient=True)),
        "degraded": report(Result.CONVERGED),
    }
    assert {kind: urgency(APP, one) for kind, one in kinds.items()} == dict.fromkeys(kinds, "P2")
    graded = replace(APP, oncall_degraded="P1", oncall_outage="P4")
    expected = {"failed": "P2", "outage": "P4", "degraded": "P1"}
    assert {kind: urgency(graded, one) for kind, one in kinds.items()} == expected
    _, (page,) = escalate(failing(2), failing(3), app=graded, report=kinds["outage"], policy=POLICY)
    assert page.priority == "P4"
