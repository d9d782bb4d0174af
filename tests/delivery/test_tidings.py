"""What people hear of a page's way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.delivery.tidings import Fate, tidings
from bot.model.announcement import News, Page, PageAct
from bot.model.record import Consignment, SinkName

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PAGE = Page(
    id="op_1:open:1",
    act=PageAct.OPEN,
    alias="gitops-bot:prod:shop",
    app="shop",
    cluster="prod",
    env="production",
    channel="C1",
    operation="op_1",
    at=NOW,
    message="shop / prod: broken",
)


def heard(act: PageAct, fate: Fate) -> list[tuple[News, str, bool, bool]]:
    page = replace(PAGE, act=act)
    consignment = Consignment(id=1, sink=SinkName.ONCALL, lane="a", parcel=page, attempts=0, created_at=NOW)
    found = tidings(consignment, fate, why="it does not answer", at=NOW)
    assert len({one.id for one in found}) == len(found)
    return [(one.news, one.operation, one.in_thread, one.edits_only) for one in found]


def test_page_that_arrives_is_a_line_in_the_thread_of_its_trouble() -> None:
    line, own = heard(PageAct.OPEN, Fate.ARRIVED)
    assert line == (News.PAGED, "op_1", True, False)
    assert own == (News.PAGED, "op_1:page", False, True)


def test_page_that_is_late_or_lost_is_a_message_of_its_own() -> None:
    assert heard(PageAct.OPEN, Fate.LATE) == [(News.PAGE_LATE, "op_1:page", False, False)]
    assert heard(PageAct.OPEN, Fate.LOST) == [(News.UNDELIVERABLE, "op_1:page", False, False)]


def test_end_of_the_trouble_mends_the_message_about_the_late_page() -> None:
    line, own = heard(PageAct.CLOSE, Fate.ARRIVED)
    assert (line[0], own) == (News.PAGE_CLOSED, (News.PAGE_CLOSED, "op_1:page", False, True))


@pytest.mark.parametrize(
    ("act", "fate"), [(PageAct.NOTE, Fate.ARRIVED), (PageAct.NOTE, Fate.LATE), (PageAct.CLOSE, Fate.LATE)]
)
def test_notes_and_late_closes_are_not_worth_a_message(act: PageAct, fate: Fate) -> None:
    assert heard(act, fate) == []
