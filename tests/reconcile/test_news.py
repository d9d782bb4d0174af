"""What is said at the end of a pass: each edge once, and no message left unfinished."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.model.announcement import Announcement, News
from bot.model.control import Trigger, Via
from bot.model.outcome import Deed, Outcome, PassKind, Result, SyncReport
from bot.model.plan import Action, Change, Plan, Summary
from bot.model.record import AppMemory
from bot.model.resource import ResourceId, ResourceRef
from bot.model.source import Revision
from bot.reconcile.notify import news
from bot.reconcile.notify.telling import Told, Waits
from tests.oncall.test_escalation import APP

NOON = datetime(2026, 3, 6, 12, 0, tzinfo=UTC)
COMMIT = Revision(commit="a" * 40, author="Ana Lima", email="ana@shop.example", committed_at=NOON)
PLAN = Plan(app=APP.name, cluster=APP.cluster, revision=COMMIT, ref="main", changes=(), hash="sha256:a1")

EDITED = Change(
    action=Action.UPDATE,
    ref=ResourceRef(ResourceId("", "ConfigMap", "shop", "settings"), "v1"),
    why="it differs from Git",
)
CHANGING = replace(PLAN, changes=(EDITED,))


def told(
    memory: AppMemory,
    *,
    kind: PassKind = PassKind.SYNC,
    plan: Plan = PLAN,
    revision: Revision = COMMIT,
    digest: str = "",
) -> Told:
    """Return what is said of a pass of operation `op_1` that converged."""
    report = SyncReport(
        operation="op_1",
        app=APP.key,
        kind=kind,
        trigger=Trigger(via=Via.SCHEDULE),
        started_at=NOON,
        finished_at=NOON,
        result=Result.CONVERGED,
        revision=revision,
        target=revision,
        plan=plan,
        digest=digest,
        outcomes=tuple(Outcome(id=one.id, deed=Deed.UPDATED) for one in plan.writes),
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
    return news.ended(APP, report, memory, base=base, targets=(), waits=Waits())


@pytest.mark.parametrize(
    ("operation", "said"),
    [("", ()), ("op_0", ()), ("op_1", (News.CONVERGED,))],
    ids=["nothing was going on", "another operation", "the wait of this one was cut short"],
)
def test_message_of_a_wait_that_was_cut_short_is_ended(operation: str, said: tuple[News, ...]) -> None:
    """A push event during the health wait ended the pass; the next one found all done, and the message said "syncing"
    for ever."""
    heard = told(AppMemory(app=APP.key, revision=COMMIT.commit, operation=operation)).announcements
    assert tuple(one.news for one in heard) == said


def test_what_a_pass_began_is_told_and_recorded_by_the_one_that_ends_it() -> None:
    """A second push event cut the wait short: the message said "nothing to change", and the history had no line."""
    begun = Summary(create=1, update=2)
    ending = told(AppMemory(app=APP.key, operation="op_1", planned=begun))
    (message,) = ending.announcements
    assert message.summary == begun
    assert ending.history is not None
    assert (ending.history.revision, ending.history.summary) == (COMMIT.commit, begun)
    other = told(AppMemory(app=APP.key, operation="op_0", planned=begun, revision=COMMIT.commit))
    assert (other.announcements, other.history) == ((), None)


def test_approved_sync_that_was_killed_is_told_as_what_it_did() -> None:
    """Killed after its last write it ended as "Nothing waits for people any more, and nothing was applied"."""
    begun = Summary(create=2)
    asked = AppMemory(app=APP.key, operation="op_1", said="asked:sha256:a0:1:2:", planned=begun)
    ending = told(asked)
    (message,) = ending.announcements
    assert (message.news, message.summary) == (News.CONVERGED, begun)
    assert ending.history is not None
    assert ending.history.summary == begun


def test_drift_that_is_undone_is_no_commit_that_went_live() -> None:
    (message,) = told(AppMemory(app=APP.key, revision=COMMIT.commit), kind=PassKind.DRIFT, plan=CHANGING).announcements
    assert message.undone
    assert message.message == "What was changed by hand is undone: the cluster is equal to aaaaaaa."


@pytest.mark.parametrize(
    ("said", "digest", "words"),
    [
        ("drift:1", "sha256:old", "What was changed by hand is in Git now, with aaaaaaa by Ana Lima: the cluster is"),
        ("drift:1", "sha256:new", "Nothing differs any more, and nothing was applied: the cluster is"),
        ("asked:sha256:a0:1:0:", "sha256:old", "Nothing waits for people any more, and nothing was applied: the"),
    ],
    ids=["kept in Git", "taken back by hand", "a plan that Git took back"],
)
def test_what_settles_without_a_write_says_how(said: str, digest: str, words: str) -> None:
    """Its message said "Recovered", and "healthy again" of what had never been ill."""
    before = AppMemory(app=APP.key, revision="b" * 40, digest=digest, operation="op_1", said=said)
    (message,) = told(before, digest="sha256:new").announcements
    assert (message.news, message.operation, message.in_thread) == (News.SETTLED, "op_1", False)
    assert message.message.startswith(words)


def test_no_of_a_person_stays_when_git_takes_the_plan_back() -> None:
    before = AppMemory(app=APP.key, operation="op_1", said="asked:sha256:a0:1:0:U0BOB")
    (message,) = told(before).announcements
    assert (message.news, message.in_thread) == (News.SETTLED, True)


def test_history_has_the_time_of_the_commit_that_changed_the_app_and_none_where_no_commit_did() -> None:
    """The digest's mean time from commit to live went by the newest commit, and counted hand edits that were undone."""
    older = replace(COMMIT, commit="c" * 40, committed_at=NOON - timedelta(hours=1))
    before = AppMemory(app=APP.key, revision="b" * 40)
    synced = told(before, plan=CHANGING, revision=replace(COMMIT, cause=older)).history
    undone = told(before, plan=CHANGING, kind=PassKind.DRIFT).history
    assert synced is not None
    assert undone is not None
    assert (synced.committed_at, undone.committed_at) == (older.committed_at, None)


@pytest.mark.parametrize(("kind", "action"), [(PassKind.DRIFT, "restore"), (PassKind.SYNC, "create")])
def test_object_that_a_converged_app_lacks_was_deleted_by_hand(kind: PassKind, action: str) -> None:
    """A Service that somebody had deleted was told as one more object of Git."""
    lacking = replace(PLAN, changes=(replace(EDITED, action=Action.CREATE),))
    (message,) = told(AppMemory(app=APP.key, revision=COMMIT.commit), kind=kind, plan=lacking).announcements
    assert [one.action for one in message.changes] == [action]
