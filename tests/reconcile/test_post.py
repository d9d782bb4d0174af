"""What waits on a channel's lane while Slack takes one message a second, and in which order it leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.model.announcement import Announcement, News, TroubleLine
from bot.model.control import Via
from bot.model.record import SinkName
from bot.reconcile.notify.post import Post
from bot.reconcile.notify.routing import Routing
from bot.state.store import SqlStore

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LANE = "C1"


def said(app: str, news: News, *, in_thread: bool = False, failures: int = 0) -> Announcement:
    where = "thread" if in_thread else "root"
    return Announcement(
        id=f"{app}:{news.value}:{where}",
        operation=app,
        news=news,
        app=app,
        cluster="prod",
        env="",
        channel=LANE,
        at=NOW,
        in_thread=in_thread,
        failures=failures,
    )


def left(store: SqlStore) -> list[str]:
    found = []
    while (one := store.claim(SinkName.SLACK, LANE, now=NOW)) is not None:
        found.append(one.parcel.id)
        store.delivered(one.id)
    return found


def begun(app: str) -> list[Announcement]:
    return [said(app, News.DIFF), said(app, News.DIFF, in_thread=True), said(app, News.SYNCING)]


def told(post: Post, store: SqlStore, *news: Announcement) -> None:
    store.dispatch(post.rows(news))


def test_app_is_said_as_it_is_by_now_and_once(store: SqlStore) -> None:
    """Twelve apps converged within two seconds of a start; Slack heard of the first after twenty."""
    post = Post(store, routing=Routing())
    for app in ("web", "cart", "shop"):
        told(post, store, *begun(app))
    told(post, store, said("cart", News.CONVERGED), said("web", News.CONVERGED))
    assert left(store) == [
        *("web:diff:root", "web:diff:thread", "web:converged:root"),  # it was about to be said
        *("cart:converged:root", "cart:diff:thread"),
        *("shop:diff:root", "shop:diff:thread", "shop:syncing:root"),
    ]


def test_trouble_and_its_end_go_before_information(store: SqlStore) -> None:
    post = Post(store, routing=Routing())
    for app in ("web", "cart", "shop", "api"):
        told(post, store, *begun(app))
    told(post, store, said("web", News.CONVERGED), said("api", News.FAILED))
    told(post, store, said("api", News.PAGED, in_thread=True), said("cart", News.RECOVERED))
    assert left(store) == [
        *("cart:recovered:root", "api:failed:root", "api:paged:thread"),
        *("web:diff:root", "web:diff:thread", "web:converged:root", "cart:diff:thread"),
        *("shop:diff:root", "shop:diff:thread", "shop:syncing:root", "api:diff:thread"),
    ]


def test_root_message_is_there_before_what_is_urgent_below_it(store: SqlStore) -> None:
    post = Post(store, routing=Routing())
    told(post, store, *begun("cart"), *begun("web"), said("web", News.REMINDER, in_thread=True))
    assert left(store)[:3] == ["web:diff:root", "web:syncing:root", "web:reminder:thread"]


def test_what_a_person_asked_for_goes_before_information(store: SqlStore) -> None:
    post = Post(store, routing=Routing())
    ordered = [replace(one, via=Via.SLACK.value) for one in begun("web")]
    told(post, store, *begun("cart"), *ordered, said("shop", News.PAUSED))
    assert left(store)[:3] == ["web:diff:root", "web:syncing:root", "shop:paused:root"]


def test_failure_that_is_over_is_said_as_over_and_one_under_way_is_said(store: SqlStore) -> None:
    post = Post(store, routing=Routing())
    told(post, store, said("web", News.FAILED), said("cart", News.FAILED), said("web", News.DIFF))
    told(post, store, said("web", News.SYNCING), said("cart", News.SYNCING), said("web", News.CONVERGED, failures=1))
    assert left(store) == ["web:converged:root", "cart:failed:root", "cart:syncing:root"]


def test_end_of_trouble_that_nobody_heard_of_says_what_it_was(store: SqlStore) -> None:
    """Slack was away for as long as the app failed: the channel heard that it had recovered, and never of what."""
    post = Post(store, routing=Routing())
    trouble = TroubleLine(subject="Deployment api", message="quota exceeded")
    failed = replace(said("web", News.FAILED, failures=1), since=NOW, troubles=(trouble,), message="1 object failed.")
    counted = replace(failed, id="counted", failures=4, edits_only=True)
    over = replace(said("web", News.CONVERGED, failures=4), at=NOW + timedelta(hours=1), message="It is equal.")
    told(post, store, failed, counted, said("web", News.SYNCING), over)
    claimed = store.claim(SinkName.SLACK, LANE, now=NOW)
    assert claimed is not None
    assert isinstance(claimed.parcel, Announcement)
    assert claimed.parcel.message == (
        "It is equal. Failing from 2026-03-01 12:00 UTC until 2026-03-01 13:00 UTC: quota exceeded"
    )
    store.delivered(claimed.id)
    told(post, store, replace(counted, id="again"), replace(over, id="over again"))
    claimed = store.claim(SinkName.SLACK, LANE, now=NOW)
    assert claimed is not None
    assert claimed.parcel == replace(over, id="over again")  # what only edits was heard of before


@pytest.mark.parametrize("quietly", [False, True])
def test_message_that_will_speak_for_many_does_not_become_a_question(store: SqlStore, quietly: bool) -> None:
    """A question took the place of a failure that waited, and the message about many apps took its buttons away."""
    post = Post(store, routing=Routing())
    many = replace(said("many", News.FAILED), inherits="web", edits_only=quietly)
    told(post, store, said("cart", News.SYNCING), said("web", News.FAILED), many, said("web", News.APPROVAL))
    assert left(store) == ["web:failed:root", "many:failed:root", "web:waiting for approval:root", "cart:syncing:root"]


def test_failure_that_is_only_counted_on_rings_as_the_first_was_to(store: SqlStore) -> None:
    post = Post(store, routing=Routing())
    counted = replace(said("web", News.FAILED, failures=2), id="counted", edits_only=True)
    told(post, store, said("web", News.FAILED), counted)
    claimed = store.claim(SinkName.SLACK, LANE, now=NOW)
    assert claimed is not None
    assert claimed.parcel == replace(counted, edits_only=False)
    store.delivered(claimed.id)
    assert left(store) == []


def test_what_rings_for_nobody_leaves_what_rings(store: SqlStore) -> None:
    """Its channel was muted meanwhile, or hears of it in a message about several apps."""
    post = Post(store, routing=Routing())
    quiet = replace(said("web", News.CONVERGED), edits_only=True)
    told(post, store, said("web", News.FAILED), quiet)
    assert left(store) == ["web:failed:root", "web:converged:root"]


def test_app_that_fails_again_and_again_holds_no_other_back(store: SqlStore) -> None:
    post = Post(store, routing=Routing())
    told(post, store, said("cart", News.DIFF), said("shop", News.DIFF))
    for count in range(2, 5):
        counted = replace(said("web", News.FAILED, failures=count), id=f"counted {count}", edits_only=True)
        told(post, store, counted)
    assert left(store) == ["cart:diff:root", "shop:diff:root", "counted 4"]
