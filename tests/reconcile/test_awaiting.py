"""How many apps one commit reaches: said when all of them have been asked, and not before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.errors import RepositoryUnreachable
from bot.model.announcement import Announcement, News
from bot.model.app import AppSpec
from bot.model.control import Via
from bot.model.record import AppMemory, AuditEntry, Decision, Mute
from bot.model.rollout import EDITED_EVERY, FEW, OPEN_FOR
from bot.model.source import GitRef, RefKind
from bot.reconcile.notify.post import Post
from bot.reconcile.notify.routing import Routing
from bot.reconcile.schedule.awaiting import Awaiting
from bot.state import tables
from bot.state.store import SqlStore
from tests.plan.world import APP
from tests.reconcile.test_rollouts import COMMIT, LANE, NEXT, NOW, begun, delivered_as_it_is, said, states, told

BEFORE = "0" * 40
ORDER = (BEFORE, COMMIT, NEXT)
FIRST = [f"app-{number:02}" for number in range(1, FEW + 2)]
LATE = [f"late-{number:02}" for number in range(1, 4)]


def app(name: str, *, repo: str = "fleet", branch: str = "main", channel: str = LANE) -> AppSpec:
    ref = GitRef(kind=RefKind.BRANCH, name=branch)
    return replace(APP, name=name, repo=repo, cluster="prod", ref=ref, channel=channel)


def fleet(names: Sequence[str] = (*FIRST, *LATE)) -> dict[str, AppSpec]:
    return {one.key: one for one in map(app, names)}


def look(store: SqlStore, apps: Mapping[str, AppSpec], *, at: datetime = NOW) -> None:
    def descends(_: AppSpec, new: str, old: str) -> bool:
        if new not in ORDER:
            raise RepositoryUnreachable("it is away", repo="fleet")
        return ORDER.index(new) >= ORDER.index(old)

    awaiting = Awaiting(apps, store=store, post=Post(store, routing=Routing()), descends=descends)
    awaiting.look(store.memories(), store.mutes(), at)


def looked(store: SqlStore, name: str, commit: str, *, branch: str = "main") -> None:
    one = app(name, branch=branch)
    store.save_pass(AppMemory(app=one.key, target=commit, followed=one.followed))


def read(store: SqlStore, *, at: datetime = NOW) -> Announcement:
    *_, message = (one for one in delivered_as_it_is(store, at=at) if one.is_rollout)
    return message


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect what databases are asked."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def test_message_gives_no_total_before_anybody_knows_one(store: SqlStore) -> None:
    """It said "11 of 11 converged" while two hundred were still to come."""
    for name in FIRST:
        told(store, *begun(name), said(name, News.CONVERGED))
    message = read(store)
    assert (message.news, message.app, message.awaited) == (News.SYNCING, "11 apps or more", None)


def test_message_says_how_many_may_follow_until_each_has_been_asked(store: SqlStore) -> None:
    apps = fleet()
    for name in FIRST:
        told(store, *begun(name), said(name, News.CONVERGED))
    looked(store, LATE[0], BEFORE)  # the others were never looked at
    look(store, apps)
    message = read(store)
    assert (message.news, message.app) == (News.SYNCING, "11 to 14 apps")
    assert message.awaited == tuple(f"prod/{name}" for name in LATE)
    told(store, *begun(LATE[0]))  # it is counted at once, before anybody looks again
    at = NOW + EDITED_EVERY
    assert (message := read(store, at=at)).app == "12 to 14 apps"
    assert states(message)[LATE[0]] == "syncing"
    looked(store, LATE[1], COMMIT)  # the commit changes nothing of it
    told(store, said(LATE[0], News.CONVERGED))
    look(store, apps, at=at)
    assert read(store, at=at + EDITED_EVERY).app == "12 to 13 apps"
    looked(store, LATE[2], NEXT)  # it looked later, at what came after it
    look(store, apps, at=at)
    message = read(store, at=at + 2 * EDITED_EVERY)
    assert (message.news, message.app, message.awaited) == (News.CONVERGED, "12 apps", ())
    look(store, apps, at=at)
    assert delivered_as_it_is(store, at=at + 3 * EDITED_EVERY) == []


def test_who_is_not_to_be_told_there_is_not_awaited(store: SqlStore) -> None:
    others = (app("muted"), app("a", repo="other"), app("b", branch="next"), app("c", channel="C2"))
    apps = fleet(FIRST) | {one.key: one for one in others}
    for name in FIRST:
        told(store, *begun(name), said(name, News.CONVERGED))
    audit = AuditEntry(
        at=NOW, who="ana", via=Via.SLACK, verb="mute", app="prod/muted", arguments="", decision=Decision.DONE
    )
    mute = Mute(app="prod/muted", by="ana", via=Via.SLACK, reason="", since=NOW, until=NOW + timedelta(hours=1))
    store.save_mute("prod/muted", mute, audit=audit)
    look(store, apps)
    assert read(store).awaited == ()


def test_app_that_follows_something_else_by_now_is_awaited(store: SqlStore) -> None:
    apps = fleet()
    for name in FIRST:
        told(store, *begun(name))
    for name in LATE:
        looked(store, name, COMMIT, branch="next" if name == LATE[1] else "main")
    look(store, apps)
    assert read(store).awaited == (f"prod/{LATE[1]}",)


def test_app_whose_last_commit_git_does_not_know_is_awaited(store: SqlStore) -> None:
    apps = fleet()
    for name in FIRST:
        told(store, *begun(name))
    for name in LATE:
        looked(store, name, "f" * 40 if name == LATE[1] else COMMIT)
    look(store, apps)
    assert read(store).awaited == (f"prod/{LATE[1]}",)


def test_message_that_takes_nobody_any_more_waits_for_nobody(store: SqlStore) -> None:
    """An app that waits for another one for hours held the message at "syncing"."""
    apps = fleet()
    for name in FIRST:
        told(store, *begun(name), said(name, News.CONVERGED))
    look(store, apps)
    assert read(store).news is News.SYNCING
    at = NOW + OPEN_FOR + timedelta(seconds=1)
    look(store, apps, at=at)
    message = read(store, at=at + EDITED_EVERY)
    assert (message.news, message.app, message.awaited) == (News.CONVERGED, "11 apps", ())
    look(store, apps, at=at + OPEN_FOR)
    assert delivered_as_it_is(store, at=at + 2 * OPEN_FOR) == []


def test_app_that_nobody_knew_of_is_awaited_once_it_is_there(store: SqlStore) -> None:
    """A commit that adds folders to an app set adds apps a moment after the first ones have begun."""
    for name in FIRST:
        told(store, *begun(name))
    look(store, fleet(FIRST))
    assert read(store).awaited == ()
    look(store, fleet(), at=NOW + EDITED_EVERY)
    assert len(read(store, at=NOW + 2 * EDITED_EVERY).awaited or ()) == len(LATE)


def test_restart_forgets_neither_who_was_asked_nor_who_is_awaited(state_url: str) -> None:
    apps, first = fleet(), SqlStore(state_url)
    for name in FIRST:
        told(first, *begun(name), replace(said(name, News.CONVERGED)))
    look(first, apps)
    first.close()
    second = SqlStore(state_url)
    assert read(second).app == "11 to 14 apps"
    for name in LATE:
        looked(second, name, COMMIT)
    look(second, apps)
    assert read(second, at=NOW + EDITED_EVERY).news is News.CONVERGED
    second.close()


def test_old_message_is_read_while_it_waits_for_somebody(store: SqlStore) -> None:
    told(store, *(news for name in FIRST for news in begun(name)))
    later = NOW + 2 * OPEN_FOR
    (one,) = store.rollouts(since=later)  # nobody was asked yet
    assert (one.apps, one.last_at) == (frozenset(f"prod/{name}" for name in FIRST), NOW)
    store.awaits(one.root, [f"prod/{LATE[0]}"], at=NOW)
    assert [one.awaited for one in store.rollouts(since=later)] == [(f"prod/{LATE[0]}",)]
    store.awaits(one.root, (), at=NOW)
    assert store.rollouts(since=later) == ()


def test_old_message_of_before_anybody_was_awaited_is_read_no_more(store: SqlStore, state_url: str) -> None:
    """After an upgrade those of seven days were read in each round, and nothing was ever written of them."""
    told(store, *(news for name in FIRST for news in begun(name)))
    engine, value = sa.create_engine(state_url), tables.roots.c.value
    with engine.begin() as connection:
        connection.execute(tables.roots.update().values(value=sa.func.replace(value, ',"awaited":null', "")))
    engine.dispose()
    assert [one.awaited for one in store.rollouts(since=NOW)] == [()]
    assert store.rollouts(since=NOW + 2 * OPEN_FOR) == ()


def test_many_apps_cost_no_more_questions_than_a_few(store: SqlStore) -> None:
    """The mutes were read for each app that a message waits for: 300 times in each round."""
    told(store, *(news for name in FIRST for news in begun(name)))
    cost = []
    for count in (3, 300):
        apps = fleet([*FIRST, *(f"late-{number:03}" for number in range(count))])
        look(store, apps)
        with statements() as asked:
            look(store, apps)
        (one,) = store.rollouts(since=NOW)
        assert len(one.awaited or ()) == count
        cost.append(sum(one.startswith("SELECT") for one in asked))
    assert cost[0] == cost[1] <= 4  # messages, their apps, what apps remember, mutes
