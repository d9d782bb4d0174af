"""One commit and many apps in a channel: what waits in the outbox becomes one message, which follows them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
import sqlalchemy as sa

from bot.model.announcement import Announcement, AppLine, News
from bot.model.control import Via
from bot.model.record import SinkName
from bot.model.rollout import EDITED_EVERY, FEW, OPEN_FOR
from bot.model.source import Revision
from bot.ports.state import MessageRef
from bot.reconcile.notify.post import Post
from bot.reconcile.notify.routing import Routing
from bot.state import tables
from bot.state.store import SqlStore

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + EDITED_EVERY
LANE = "C1"
COMMIT, NEXT = "a" * 40, "b" * 40
APPS = [f"app-{number:02}" for number in range(1, FEW + 2)]  # one too many


def said(app: str, news: News, *, commit: str = COMMIT, at: datetime = NOW, channel: str = LANE) -> Announcement:
    return Announcement(
        id=f"{app}:{news.value}:{commit[:7]}",
        operation=app,
        news=news,
        app=app,
        cluster="prod",
        env="live",
        channel=channel,
        at=at,
        via=Via.SCHEDULE.value,
        revision=Revision(commit=commit),
        previous="0" * 40,
        failures=1 if news is News.FAILED else 0,
    )


def begun(app: str, *, commit: str = COMMIT, at: datetime = NOW, channel: str = LANE) -> list[Announcement]:
    diff = said(app, News.DIFF, commit=commit, at=at, channel=channel)
    diff = replace(diff, id=f"{app}:diff:{commit[:7]}")
    thread = replace(diff, id=f"{diff.id}:thread", in_thread=True)
    return [diff, thread, said(app, News.SYNCING, commit=commit, at=at, channel=channel)]


def told(store: SqlStore, *news: Announcement) -> None:
    store.dispatch(Post(store, routing=Routing()).rows(news))


def all_begin(store: SqlStore, apps: Sequence[str] = APPS) -> None:
    for app in apps:
        told(store, *begun(app))


def delivered(store: SqlStore, *, at: datetime = NOW, lane: str = LANE) -> list[Announcement]:
    """Deliver all that is due, as Slack's sink does: a root message is posted once, and edited from then on.

    Every app has been asked by then.
    """
    for one in store.rollouts(since=at):
        if one.awaited is None:
            store.awaits(one.root, (), at=at)
    return delivered_as_it_is(store, at=at, lane=lane)


def delivered_as_it_is(store: SqlStore, *, at: datetime = NOW, lane: str = LANE) -> list[Announcement]:
    found = []
    while (one := store.claim(SinkName.SLACK, lane, now=at)) is not None:
        assert isinstance(one.parcel, Announcement)
        if not one.parcel.in_thread and store.message(one.parcel.root_key) is None:
            store.save_message(one.parcel.root_key, MessageRef(channel=lane, ts=f"1.{one.id}"), about="")
        store.delivered(one.id)
        found.append(one.parcel)
    return found


def states(news: Announcement) -> dict[str, str]:
    assert news.is_rollout
    return {one.name: one.how for one in news.apps}


def test_ten_apps_are_told_one_by_one(store: SqlStore) -> None:
    all_begin(store, APPS[:FEW])
    told(store, *(said(app, News.CONVERGED) for app in APPS[:FEW]))
    found = delivered(store)
    assert [one.app for one in found if one.news is News.CONVERGED] == APPS[:FEW]
    assert not any(one.is_rollout for one in found)


def test_one_more_makes_one_message_of_all_of_them(store: SqlStore) -> None:
    told(store, said("other", News.PAUSED))
    all_begin(store)
    told(store, *(said(app, News.CONVERGED) for app in APPS[:3]))
    other, message = delivered(store)
    assert (other.app, message.app, message.news) == ("other", f"{len(APPS)} apps", News.SYNCING)
    assert states(message) == dict.fromkeys(APPS, "syncing") | dict.fromkeys(APPS[:3], "converged")
    told(store, *(said(app, News.CONVERGED) for app in APPS[3:]))
    assert delivered(store) == []
    (message,) = delivered(store, at=LATER)
    assert (message.news, message.started_at) == (News.CONVERGED, NOW)
    assert states(message) == dict.fromkeys(APPS, "converged")


def test_it_is_edited_every_few_seconds_and_lets_others_go_first(store: SqlStore) -> None:
    all_begin(store)
    delivered(store)
    told(store, *(said(app, News.CONVERGED) for app in APPS))
    told(store, said("other", News.PAUSED))
    assert store.due_lanes(SinkName.SLACK, now=NOW) == (LANE,)
    assert [one.app for one in delivered(store)] == ["other"]
    assert store.due_lanes(SinkName.SLACK, now=NOW) == ()
    assert store.due_lanes(SinkName.SLACK, now=LATER) == (LANE,)
    assert len(delivered(store, at=LATER)) == 1
    assert delivered(store, at=LATER + EDITED_EVERY) == []


def test_app_that_was_posted_or_tried_keeps_its_message_and_is_counted(store: SqlStore) -> None:
    told(store, *begun(APPS[0]))
    assert len(delivered(store)) == 3
    told(store, *begun(APPS[1]))
    tried = store.claim(SinkName.SLACK, LANE, now=NOW)
    assert tried is not None
    all_begin(store, [*APPS[2:], "app-12", "app-13"])
    told(store, *(said(app, News.CONVERGED) for app in [*APPS, "app-12", "app-13"]))
    store.postpone(tried.id, until=NOW, why="Slack was away")
    found = delivered(store)
    (message,) = (one for one in found if one.is_rollout)
    assert states(message) == dict.fromkeys([*APPS, "app-12", "app-13"], "converged")
    alone = [(one.app, one.news) for one in found if not (one.is_rollout or one.in_thread)]
    assert set(alone) == {(APPS[1], News.DIFF), (APPS[0], News.CONVERGED), (APPS[1], News.CONVERGED)}


def test_app_that_fails_has_a_message_of_its_own_and_is_counted(store: SqlStore) -> None:
    told(store, said("early", News.FAILED))
    all_begin(store)
    told(store, said(APPS[0], News.FAILED), said("late", News.FAILED))
    told(store, *(said(app, News.CONVERGED) for app in APPS[1:]))
    *failed, message = delivered(store)
    assert [one.app for one in failed] == ["early", APPS[0], "late"]
    assert message.news is News.CONVERGED
    failing = dict.fromkeys(["early", APPS[0], "late"], "failed")
    assert states(message) == dict.fromkeys(APPS, "converged") | failing
    over = replace(said(APPS[0], News.CONVERGED), failures=1)
    told(store, over)
    assert delivered(store, at=LATER)[0] == over
    told(store, replace(said("early", News.CONVERGED, at=LATER), failures=1))
    assert states(delivered(store, at=LATER + EDITED_EVERY)[-1])["early"] == "converged"


def test_tries_of_an_app_that_fails_edit_nothing(store: SqlStore) -> None:
    """It flipped between syncing and failed with each try, and the time that the commit took grew."""
    all_begin(store)
    told(store, said(APPS[0], News.FAILED))
    told(store, *(said(app, News.CONVERGED) for app in APPS[1:]))
    (*_, message) = delivered(store)
    assert message.at == NOW
    again = replace(said(APPS[0], News.SYNCING, at=LATER), id="again")
    told(store, again, replace(said(APPS[0], News.FAILED, at=LATER), id="failed again", failures=2))
    assert not any(one.is_rollout for one in delivered(store, at=LATER + EDITED_EVERY))


def test_app_that_is_deleted_or_released_on_its_way_is_told_so(store: SqlStore) -> None:
    """It stayed "syncing" for ever, and the message with it."""
    all_begin(store)
    told(store, *(said(app, News.CONVERGED) for app in APPS[3:]))
    delivered(store)
    store.released([f"prod/{app}" for app in APPS], at=NOW)
    assert delivered(store, at=LATER) == []
    told(store, *(replace(said(app, News.DELETED, at=LATER), operation=f"delete {app}") for app in (APPS[0], APPS[5])))
    store.released([f"prod/{app}" for app in APPS if app != APPS[1]], at=LATER)
    (message,) = (one for one in delivered(store, at=LATER + EDITED_EVERY) if one.is_rollout)
    assert (message.news, states(message)[APPS[2]]) == (News.SYNCING, "syncing")
    assert states(message)[APPS[0]] == "deleted"
    assert states(message)[APPS[1]] == "released"
    assert states(message)[APPS[5]] == "converged"  # before it was deleted
    told(store, said(APPS[2], News.CONVERGED, at=LATER))
    (message,) = delivered(store, at=LATER + 2 * EDITED_EVERY)
    assert message.news is News.CONVERGED


def test_app_that_fails_names_the_message_that_says_why(store: SqlStore) -> None:
    """People looked for it: its own, or the one of all that fail for one reason."""
    all_begin(store)
    told(store, *(said(app, News.CONVERGED) for app in APPS[3:]))
    told(store, said(APPS[0], News.FAILED))
    silent = [replace(said(app, News.FAILED), edits_only=True) for app in APPS[1:3]]
    lines = (AppLine(key=f"prod/{APPS[1]}", name=APPS[1], cluster="prod"),)
    fold = replace(said("2 apps", News.FAILED), operation="incident", apps=lines)
    told(store, *silent, fold)
    (message,) = (one for one in delivered(store) if one.is_rollout)
    roots = {one.name: one.root for one in message.apps}
    assert roots == dict.fromkeys(APPS, "") | {APPS[0]: APPS[0], APPS[1]: "incident"}


def test_app_that_drifts_later_has_a_message_of_its_own(store: SqlStore) -> None:
    all_begin(store)
    told(store, *(said(app, News.CONVERGED) for app in APPS))
    delivered(store)
    drift = replace(said(APPS[0], News.DIFF), operation="another", previous=COMMIT)
    told(store, drift)
    assert delivered(store, at=LATER) == [drift]


def test_app_that_goes_on_to_the_next_commit_is_told_of_there(store: SqlStore) -> None:
    all_begin(store)
    told(store, *(said(app, News.CONVERGED) for app in APPS[1:]))
    delivered(store)
    told(store, *begun(APPS[0], commit=NEXT))
    told(store, said(APPS[0], News.CONVERGED, commit=NEXT))
    alone = [one for one in delivered(store, at=LATER) if not one.in_thread]
    assert [(one.app, one.news) for one in alone if not one.is_rollout] == [(APPS[0], News.CONVERGED)]
    message = next(one for one in alone if one.is_rollout)
    assert message.news is News.CONVERGED
    assert message.revision == Revision(commit=COMMIT)
    assert states(message)[APPS[0]] == f"went on to {NEXT[:7]}"


def test_next_commit_has_a_message_of_its_own(store: SqlStore) -> None:
    all_begin(store)
    first = delivered(store)
    for app in APPS:
        told(store, *begun(app, commit=NEXT))
    second = [one for one in delivered(store, at=LATER) if one.root_key != first[0].root_key]
    assert [one.revision for one in second] == [Revision(commit=NEXT)]


def test_channels_have_messages_of_their_own(store: SqlStore) -> None:
    for app in APPS:
        told(store, *begun(app))
    for app in ("far-1", "far-2"):
        told(store, *begun(app, channel="C2"))
    (message,) = delivered(store)
    assert set(states(message)) == set(APPS)
    assert {one.app for one in delivered(store, lane="C2")} == {"far-1", "far-2"}


def test_what_a_person_waits_for_is_told_alone(store: SqlStore) -> None:
    asked = [replace(one, via=Via.SLACK.value) for app in APPS for one in begun(app)]
    told(store, *asked)
    assert {one.app for one in delivered(store)} == set(APPS)


def test_who_comes_much_later_is_told_in_another_message(store: SqlStore) -> None:
    all_begin(store)
    told(store, *(said(app, News.CONVERGED) for app in APPS))
    (first,) = delivered(store)
    ref = store.message(first.root_key)
    much_later = NOW + OPEN_FOR + timedelta(seconds=1)
    told(store, *begun("new", at=much_later))
    assert [one.app for one in delivered(store, at=much_later) if not one.in_thread] == ["new", "new"]
    for number in range(FEW + 1):
        told(store, *begun(f"new-{number}", at=much_later))
    (second,) = delivered(store, at=much_later)
    assert len(states(second)) == FEW + 1
    assert store.message(second.root_key) != ref


def test_restart_and_redelivery_neither_lose_nor_double(store: SqlStore, state_url: str) -> None:
    all_begin(store)
    claimed = store.claim(SinkName.SLACK, LANE, now=NOW)
    assert claimed is not None
    again = SqlStore(state_url)  # killed while it was posted
    all_begin(again)
    told(again, *(said(app, News.CONVERGED) for app in APPS))
    told(again, *(said(app, News.CONVERGED) for app in APPS))
    (message,) = delivered(again)
    assert message.id == claimed.parcel.id
    assert states(message) == dict.fromkeys(APPS, "converged")
    assert len(delivered(again, at=LATER)) == 1  # of what happened after the claim
    assert delivered(again, at=LATER + EDITED_EVERY) == []
    again.close()


def test_what_is_old_is_forgotten_unless_it_waits(store: SqlStore) -> None:
    all_begin(store)
    store.tidy(before=NOW + timedelta(days=1))
    (message,) = delivered(store)
    assert set(states(message)) == set(APPS)
    store.tidy(before=NOW + timedelta(days=1))
    assert store.message(message.root_key) is None


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_order_every_app_is_told_as_it_is_in_the_end(store: SqlStore, seed: int) -> None:
    chance = Random(seed)
    left = {f"app-{number:02}": [*begun(f"app-{number:02}")] for number in range(16)}
    ends = {}
    for app, news in left.items():
        ends[app] = chance.choice([News.CONVERGED, News.CONVERGED, News.CONVERGED, News.FAILED])
        news.append(said(app, ends[app]))
    heard: list[Announcement] = []
    while any(left.values()):
        app = chance.choice([app for app, news in left.items() if news])
        told(store, left[app].pop(0))
        if chance.random() < 0.1 and (one := store.claim(SinkName.SLACK, LANE, now=NOW)) is not None:
            store.postpone(one.id, until=NOW, why="Slack was away")
        if chance.random() < 0.1:
            heard += delivered(store)
    heard += [*delivered(store), *delivered(store, at=LATER)]
    roots = {one.root_key: one for one in heard if not one.in_thread}  # as each reads in the end
    for app, end in ends.items():
        in_rollout = [states(one)[app] for one in roots.values() if one.is_rollout and app in states(one)]
        own = [one.news for one in roots.values() if one.operation == app]
        assert own == [end] or (not own and in_rollout == ["converged"] and end is News.CONVERGED), (app, own)
        assert set(in_rollout) <= {end.value}


def test_what_is_claimed_while_the_next_is_said_takes_nothing_of_it_along(store: SqlStore, state_url: str) -> None:
    """PostgreSQL let both: the new row got the place of the claimed one, and was taken for delivered with it."""
    told(store, said("docs", News.SYNCING))
    box = tables.outbox
    engine = sa.create_engine(state_url)
    with ThreadPoolExecutor(1) as pool, engine.connect() as claiming:
        with claiming.begin():
            row = claiming.execute(sa.select(box).with_for_update()).one()
            claiming.execute(box.update().values(attempts=1))
            told_next = pool.submit(told, store, said("docs", News.CONVERGED))
            with suppress(TimeoutError):
                told_next.result(0.5)
        told_next.result(10)
    engine.dispose()
    store.delivered(row.id)
    assert [one.news for one in delivered(store)] == [News.CONVERGED]


def test_passes_and_deliveries_at_the_same_time_lose_and_double_nothing(store: SqlStore) -> None:
    apps = [f"app-{number:02}" for number in range(32)]

    def synced(app: str) -> None:
        for one in (*begun(app), said(app, News.CONVERGED)):
            told(store, one)

    heard: list[Announcement] = []
    with ThreadPoolExecutor(8) as pool:
        passes = [pool.submit(synced, app) for app in apps]
        while not all(one.done() for one in passes):
            heard += delivered(store)
    for one in passes:
        one.result()
    heard += [*delivered(store), *delivered(store, at=LATER)]
    roots = {one.root_key: one for one in heard if not one.in_thread}
    for app in apps:
        listed = [states(one)[app] for one in roots.values() if one.is_rollout and app in states(one)]
        own = [one.news for one in roots.values() if one.operation == app]
        assert own == [News.CONVERGED] or (not own and listed), app
        assert set(listed) <= {"converged"}
