"""What waits on a channel's lane when a sync has ended before Slack took its first words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from bot.model.announcement import Announcement, News
from bot.model.record import SinkName
from bot.reconcile.post import Post
from bot.reconcile.routing import Routing
from bot.state.store import SqlStore

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LANE = "C1"


@pytest.fixture
def store(state_url: str) -> Iterator[SqlStore]:
    made = SqlStore(state_url)
    yield made
    made.close()


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


def test_converged_takes_the_place_of_the_progress_nobody_has_read(store: SqlStore) -> None:
    """Twelve apps converged within two seconds of a start; Slack heard of the first after twenty."""
    post = Post(store, routing=Routing())
    for app in ("web", "cart"):
        begin = [said(app, News.DIFF), said(app, News.DIFF, in_thread=True), said(app, News.SYNCING)]
        store.dispatch(post.rows(begin))
    store.dispatch(post.rows([said("web", News.CONVERGED)]))
    assert left(store) == [
        *("web:diff:root", "web:diff:thread", "web:converged:root"),
        *("cart:diff:root", "cart:diff:thread", "cart:syncing:root"),
    ]


def test_failure_is_said_before_its_recovery(store: SqlStore) -> None:
    post = Post(store, routing=Routing())
    store.dispatch(post.rows([said("web", News.SYNCING), said("web", News.FAILED)]))
    store.dispatch(post.rows([said("web", News.SYNCING), said("web", News.CONVERGED, failures=1)]))
    assert left(store) == ["web:failed:root", "web:syncing:root", "web:converged:root"]
