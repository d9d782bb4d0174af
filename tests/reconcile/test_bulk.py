"""Orders about many apps: what each app makes of one, one message for each channel, and how it ends."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bot.chat.blocks import render
from bot.model.announcement import Announcement, News
from bot.model.app import AppSpec
from bot.model.bulk import BulkOrder, reasons
from bot.model.control import Control, Pause, Pin, Via
from bot.model.record import Decision, SinkName
from bot.reconcile.desk.bulk import Bulk
from bot.reconcile.incidents.attention import Attention
from bot.reconcile.notify.post import Post
from bot.reconcile.notify.routing import Route, Routing, Severity
from bot.reconcile.orders import commands
from bot.reconcile.orders.commands import Person
from bot.reconcile.schedule.shared_pauses import SharedPauses
from bot.state.store import SqlStore
from tests.plan.world import APP

NOW: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOURS: Final = timedelta(hours=1)
WEB, SEA, OPS, DEFAULT = "C0WEB", "C0SEA", "C0OPS", "C0DEPLOYS"


class Room:
    """Apps with their channels, and the orders that people give them."""

    def __init__(self, store: SqlStore, apps: dict[str, str], *routes: Route) -> None:
        specs = [replace(APP, name=name, cluster="prod", channel=channel, env="live") for name, channel in apps.items()]
        self.apps = {app.key: app for app in specs}
        self.store, self.post, self.woken = (
            store,
            Post(store, routing=Routing(routes=routes, default=DEFAULT)),
            list[str](),
        )
        self.bulk = Bulk(
            self.apps, store=store, post=self.post, attention=Attention(store, post=self.post), wake=self.wake
        )
        self.number = 0

    def wake(self, *keys: str) -> bool:
        self.woken += keys
        return False

    def person(self, who: str = "U0ANA") -> Person:
        self.number += 1
        return Person(who=who, via=Via.SLACK, at=NOW, order=f"op{self.number}")

    def order(self, verb: str, *, words: str = "all", **fields: Any) -> list[str]:
        """Order something of all apps; returns the names of those that have changed."""
        order = BulkOrder(verb=verb, words=words, by="U0ANA", via=Via.SLACK, **fields)
        self.swept = self.bulk.follow(
            order, list(self.apps.values()), person=self.person(), words=f"{verb} {words}", denied=()
        )
        return [app.name for app in self.swept.apps]

    def alone(self, name: str) -> AppSpec:
        return self.apps[f"prod/{name}"]

    def pause(self, name: str, who: str, until: datetime | None, reason: str = "migration") -> None:
        """Pause one app, as somebody does who names it."""
        app = self.alone(name)
        person = self.person(who)
        done = commands.pause(app, self.store.control(app.key), person=person, until=until, reason=reason)
        self.store.save_control(app.key, done.control, audit=done.audit)

    def heard(self, channel: str) -> list[Announcement]:
        """Return what a channel hears from now on, in order."""
        said = []
        while (one := self.store.claim(SinkName.SLACK, channel, now=NOW)) is not None:
            assert isinstance(one.parcel, Announcement)
            said.append(one.parcel)
            self.store.delivered(one.id)
        return said


def told(news: Announcement) -> tuple[News, str, list[str]]:
    return news.news, news.app, [one.name for one in news.apps]


def test_each_channel_hears_once_and_one_app_alone_has_its_own_message(store: SqlStore) -> None:
    copies = Route(channel=OPS, severities=(Severity.WARNING,))
    room = Room(store, {"a": WEB, "b": WEB, "c": SEA}, copies)
    assert room.order("pause", span=2 * HOURS, reason="upgrade") == ["a", "b", "c"]
    assert [told(one) for one in room.heard(WEB)] == [(News.PAUSED, "2 apps", ["a", "b"])]
    assert [told(one) for one in room.heard(SEA)] == [(News.PAUSED, "c", [])]
    assert [told(one) for one in room.heard(OPS)] == [(News.PAUSED, "3 apps", ["a", "b", "c"])]
    assert room.swept.done.heard_in == {OPS}, "who reads of two apps has not read of three"
    assert room.swept.channels == (OPS, SEA, WEB)
    assert sorted(room.woken) == ["prod/a", "prod/b", "prod/c"]
    lines = [(one.verb, one.app, one.arguments) for one in store.audit(app=None, limit=10)]
    assert sorted(lines) == [("pause", f"prod/{name}", "until 2026-03-01 14:00 UTC upgrade [all]") for name in "abc"]


def test_same_order_again_changes_nothing_and_says_so(store: SqlStore) -> None:
    room = Room(store, {"a": WEB, "b": WEB})
    for verb, span in (("pause", HOURS), ("mute", HOURS), ("unmute", None), ("resume", None)):
        assert room.order(verb, span=span) == ["a", "b"], verb
        assert room.heard(WEB), verb
        assert room.order(verb, span=span) == [], verb
        assert room.swept.done.text.startswith("Nothing has changed"), verb
        assert room.heard(WEB) == [], verb
    assert room.order("sync") == ["a", "b"]
    assert [one.app for one in store.requests()][-2:] == ["prod/a", "prod/b"]


def test_longer_pause_of_somebody_else_stays_and_a_shorter_one_does_not(store: SqlStore) -> None:
    room = Room(store, {"a": WEB, "b": WEB, "c": WEB, "d": WEB})
    room.pause("a", "U0BOB", None)
    room.pause("b", "U0BOB", NOW + HOURS)
    room.pause("c", "U0ANA", NOW + 9 * HOURS)
    assert room.order("pause", span=2 * HOURS) == ["b", "c", "d"], "one's own pause may be made shorter"
    (why,) = reasons(room.swept.kept)
    assert why == "a / prod is paused by U0BOB since 2026-03-01 12:00 UTC (migration) already, for as long or longer"
    assert [store.control(f"prod/{name}").pause is not None for name in "abcd"] == [True] * 4
    (denied,) = [one for one in store.audit(app="prod/a", limit=9) if one.decision is Decision.DENIED]
    assert (denied.verb, denied.arguments, denied.why) == ("pause", "pause all", why)


def test_resume_of_many_ends_pauses_and_leaves_rollbacks(store: SqlStore) -> None:
    """It would have put back, in the middle of an incident, what people had rolled back."""
    room = Room(store, {"a": WEB, "b": WEB, "c": WEB, "d": WEB})
    pin = Pin(commit="a" * 40, by="U0BOB", reason="broken", since=NOW)
    for name, control in (("a", Control(pin=pin)), ("b", Control(pin=pin, pause=Pause(by="x", reason="", since=NOW)))):
        audit = commands.audit(room.alone(name), room.person(), "rollback", "")
        store.save_control(f"prod/{name}", control, audit=audit)
    room.pause("c", "U0BOB", None)
    assert room.order("resume") == ["b", "c"]
    assert [store.control(f"prod/{name}").pin is not None for name in "abc"] == [True, True, False]
    (why,) = reasons(room.swept.kept)
    assert "a / prod stays at aaaaaaa, where U0BOB has rolled it back to" in why
    (said,) = [one for one in room.heard(WEB) if not one.edits_only]
    assert said.warnings == (
        "prod/b was paused by x since 2026-03-01 12:00 UTC",
        "prod/c was paused by U0BOB since 2026-03-01 12:00 UTC (migration)",
    )
    assert room.order("resume", words="state:pinned") == ["a", "b"]
    assert store.control("prod/a") == Control()


def test_message_of_many_follows_those_that_are_left_and_resumes_no_other(store: SqlStore) -> None:
    room = Room(store, {"a": WEB, "b": WEB, "c": SEA})
    room.order("pause", reason="upgrade")
    (paused,) = room.heard(WEB)
    held = store.control("prod/a").pause
    assert held is not None
    assert (held.operation, held.is_shared) == (paused.root_key, True), "its thread hears of what waits"
    gone = room.bulk.ends({"prod/a": held}, "a was resumed.", base=replace(paused, id="x"))
    assert [(one.root_key, told(one), one.edits_only) for one in gone] == [
        (paused.root_key, (News.PAUSED, "1 app", ["b"]), True)
    ]
    assert [app.name for app in room.bulk.paused_by("op1", NOW)] == ["a", "b", "c"]
    room.pause("c", "U0ANA", NOW + HOURS, "another")
    assert [app.name for app in room.bulk.paused_by("op1", NOW)] == ["a", "b"]


def test_end_and_reminder_of_many_pauses_are_said_once(store: SqlStore) -> None:
    room = Room(store, {**{f"a{number}": WEB for number in range(20)}, "c": SEA})
    room.order("pause", span=9 * HOURS)
    (paused,) = room.heard(WEB)
    clock = SharedPauses(room.apps, store=store, post=room.post)
    later, every = NOW + 5 * HOURS, 4 * HOURS
    ((name, reminder),) = clock.reminders(store.controls(), later, every=every)
    assert (name, reminder.root_key, reminder.in_thread) == (f"reminder {paused.root_key} 1", paused.root_key, True)
    assert reminder.app == "20 apps"
    assert list(clock.reminders(store.controls(), NOW + HOURS, every=every)) == []
    clock.end(store.controls(), later)
    assert room.heard(WEB) == []
    clock.end(store.controls(), NOW + 9 * HOURS)
    clock.end(store.controls(), NOW + 9 * HOURS)
    assert {told(one)[:2] for one in room.heard(WEB)} == {(News.RESUMED, "20 apps"), (News.PAUSED, "20 apps")}
    assert all(one == Control() for one in store.controls().values())


def test_message_about_300_apps_is_inside_the_limits_of_slack(store: SqlStore) -> None:
    names = [f"payments-service-number-{number}" for number in range(300)]
    room = Room(store, dict.fromkeys(names, WEB))
    order = BulkOrder(verb="pause", words="all", by="U0ANA", via=Via.SLACK)
    assert len(room.bulk.foresee(order, list(room.apps.values()), person=room.person()).changes) == 300
    assert len(room.order("pause", reason="upgrade " * 50)) == 300
    (said,) = room.heard(WEB)
    message = render(said)
    shown = json.dumps(message.blocks)
    assert len(shown.encode()) < 13_200
    assert len(message.blocks) <= 50
    assert len(message.text) <= 4_000
    assert all(name in shown for name in names)
