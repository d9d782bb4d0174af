"""What is said at the end of a pass: each edge once, and no message left unfinished."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.model.announcement import Announcement, News
from bot.model.control import Trigger, Via
from bot.model.outcome import PassKind, Result, SyncReport
from bot.model.plan import Plan
from bot.model.record import AppMemory
from bot.model.source import Revision
from bot.reconcile import news
from tests.oncall.test_escalation import APP

NOON = datetime(2026, 3, 6, 12, 0, tzinfo=UTC)
COMMIT = Revision(commit="a" * 40, author="Ana Lima", email="ana@shop.example", committed_at=NOON)
PLAN = Plan(app=APP.name, cluster=APP.cluster, revision=COMMIT, ref="main", changes=(), hash="sha256:a1")


def ended(memory: AppMemory) -> tuple[News, ...]:
    """Return what is said of a pass of operation `op_1` that found nothing to do."""
    report = SyncReport(
        operation="op_1",
        app=APP.key,
        kind=PassKind.SYNC,
        trigger=Trigger(via=Via.SCHEDULE),
        started_at=NOON,
        finished_at=NOON,
        result=Result.CONVERGED,
        revision=COMMIT,
        target=COMMIT,
        plan=PLAN,
    )
    base = Announcement(
        id="",
        operation="op_1",
        news=News.SYNCING,
        app=APP.name,
        cluster=APP.cluster,
        env=APP.env,
        channel=APP.channel,
        at=NOON,
    )
    told = news.ended(APP, report, memory, base=base, targets=(), waits=news.Waits())
    return tuple(one.news for one in told.announcements)


@pytest.mark.parametrize(
    ("operation", "said"),
    [("", ()), ("op_0", ()), ("op_1", (News.CONVERGED,))],
    ids=["nothing was going on", "another operation", "the wait of this one was cut short"],
)
def test_message_of_a_wait_that_was_cut_short_is_ended(operation: str, said: tuple[News, ...]) -> None:
    """A push event during the health wait ended the pass; the next one found all done, and the message said "syncing"
    for ever."""
    assert ended(AppMemory(app=APP.key, revision=COMMIT.commit, operation=operation)) == said
