"""Whom a page that was refused still wakes when its settings are mended, on a real store."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.model.announcement import Page, PageAct
from bot.model.control import Via
from bot.model.incident import Incident, OpenPage, Sufferer
from bot.model.place import Place
from bot.model.record import SinkName
from bot.reconcile.incidents.attention import Attention
from bot.reconcile.notify.post import Post
from bot.reconcile.notify.routing import Routing
from bot.reconcile.orders.commands import Person
from bot.state.store import SqlStore

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ALIAS = "gitops-bot:prod:shop"
SECOND = f"{ALIAS}@1"  # lane of the second provider
PAGE = OpenPage(alias=ALIAS, team="", priority="P2", operation="op_1", channel="C1", at=NOW)
SHOP = Sufferer(
    app="prod/shop", title="shop", cluster="prod", env="", team="", priority="P2", since=NOW, reason="it fails"
)
INCIDENT = Incident(
    id="op_1",
    key="it fails",
    shared=False,
    news="failed",
    message="it fails",
    since=NOW,
    joined_at=NOW,
    sufferers=(SHOP,),
    pages=(PAGE,),
)


def call(act: PageAct) -> Page:
    return PAGE.call(act, Place(app="shop", cluster="prod", env=""), id=act.value, at=NOW, message="it fails")


def attending(store: SqlStore, *providers: str) -> tuple[Attention, Post]:
    post = Post(store, routing=Routing(), providers=providers)
    return Attention(store, post=post), post


def carried(store: SqlStore, lane: str, *, refused: bool = False) -> None:
    """Carry the next call of a lane to its service, which takes it or refuses it."""
    one = store.claim(SinkName.ONCALL, lane, now=NOW)
    assert one is not None
    if refused:
        store.undeliverable(one.id, why="wrong key")
    else:
        store.delivered(one.id)


@pytest.mark.parametrize("act", [PageAct.NOTE, PageAct.RAISE, PageAct.ACKNOWLEDGE])
def test_refused_page_is_sent_again_whatever_the_service_takes_for_an_alert_that_it_lacks(
    store: SqlStore, act: PageAct
) -> None:
    """The note about the next commit was taken with 202, though there was no alert, and nobody was ever woken."""
    attention, post = attending(store, "")
    store.save_incidents([INCIDENT], dispatches=post.copies(call(PageAct.OPEN)))
    carried(store, ALIAS, refused=True)
    store.dispatch(post.copies(call(act)))
    carried(store, ALIAS)
    assert attention.send_again(at=NOW) == (ALIAS,)
    again = store.claim(SinkName.ONCALL, ALIAS, now=NOW)
    assert again is not None
    assert isinstance(again.parcel, Page)
    assert again.parcel.act is PageAct.OPEN


def test_refused_page_is_not_sent_again_when_its_alert_was_closed_since(store: SqlStore) -> None:
    attention, post = attending(store, "")
    store.save_incidents([INCIDENT], dispatches=post.copies(call(PageAct.OPEN)))
    carried(store, ALIAS, refused=True)
    store.dispatch(post.copies(call(PageAct.CLOSE)))
    carried(store, ALIAS)
    assert attention.send_again(at=NOW) == ()


def test_refused_page_is_not_sent_again_when_somebody_has_acknowledged_it(store: SqlStore) -> None:
    """Ana had it from the first provider; with the key of the second one mended, it rang again."""
    attention, post = attending(store, "opsgenie", "jsm")
    store.save_incidents([INCIDENT], dispatches=post.copies(call(PageAct.OPEN)))
    carried(store, ALIAS)
    carried(store, SECOND, refused=True)
    attention.acknowledge(ALIAS, Person(who="U0ANA", via=Via.SLACK, at=NOW, order="o1"), tell_service=False)
    assert attention.send_again(at=NOW) == ()
    assert store.claim(SinkName.ONCALL, SECOND, now=NOW) is None
