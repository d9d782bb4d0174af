"""When a failed app is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from bot.model.control import Trigger, Via
from bot.model.outcome import Failure, PassKind, Result, SyncReport
from bot.model.source import Revision
from bot.reconcile.notify.fingerprint import api_server
from bot.reconcile.schedule.retry import Retry, Tries

NOON: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
LONG_AGO: Final = NOON - timedelta(days=1)
RETRY: Final = Retry(first=timedelta(seconds=10), factor=2, longest=timedelta(minutes=3))
NO_REST: Final = timedelta(0)


def report(result: Result = Result.FAILED, *, neighbour: str = "") -> SyncReport:
    head = Revision(commit="a" * 40)
    return SyncReport(
        operation="op_1",
        app="prod/shop",
        kind=PassKind.SYNC,
        trigger=Trigger(via=Via.SCHEDULE),
        started_at=NOON - timedelta(seconds=2),
        finished_at=NOON,
        result=result,
        target=head,
        failure=Failure(message="no", neighbour=neighbour) if result is Result.FAILED else None,
    )


def ended(tries: Tries, one: SyncReport | None, *, calm: timedelta = NO_REST, returned: datetime = LONG_AGO) -> Tries:
    tries.ended(one, RETRY, calm=calm, now=NOON, returned=returned)
    return tries


def test_rest_grows_with_each_failure_and_ends_with_a_pass_that_did_not_fail() -> None:
    tries = ended(ended(Tries(), report()), None)
    assert (tries.failures, tries.not_before) == (2, NOON + timedelta(seconds=20))
    assert tries.rests(NOON + timedelta(seconds=19))
    assert not tries.rests(NOON + timedelta(seconds=20))
    assert ended(tries, report(Result.CONVERGED)) == Tries()


def test_what_is_fought_over_rests_though_it_converged() -> None:
    tries = ended(Tries(), report(Result.CONVERGED), calm=timedelta(minutes=1))
    assert (tries.failures, tries.not_before, tries.commit) == (0, NOON + timedelta(minutes=1), "a" * 40)


def test_end_of_an_outage_is_no_reason_for_what_failed_otherwise() -> None:
    tries = ended(Tries(), report())
    assert tries.cluster_returned(NOON) is None
    assert tries.not_before == NOON + timedelta(seconds=10)


def test_what_was_cut_off_is_tried_soon_after_its_cluster_returned() -> None:
    tries = ended(Tries(), report(neighbour=api_server("prod")))
    assert tries.cluster_returned(NOON + timedelta(seconds=7)) == NOON + timedelta(seconds=7)
    assert tries.cluster_returned(NOON + timedelta(seconds=8)) is None


def test_cluster_that_returned_while_the_pass_was_failing_is_asked_soon() -> None:
    tries = ended(Tries(), report(neighbour=api_server("prod")), returned=NOON - timedelta(seconds=1))
    assert tries.not_before == NOON + timedelta(seconds=5)


def test_nothing_puts_a_try_off() -> None:
    tries = ended(Tries(), report())
    assert not tries.sooner(NOON + timedelta(seconds=11))
    assert tries.sooner(NOON + timedelta(seconds=3))
    assert tries.not_before == NOON + timedelta(seconds=3)
    assert not Tries().sooner(NOON)
