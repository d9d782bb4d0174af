"""What people hear of the deliveries themselves: a page that arrived, that is late, that will never arrive. Pure.

A page that arrives is a line in the thread of its trouble. One that does not is a message of its own, because nobody
was woken: it is edited when the page arrives after all, or is no longer needed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import Enum

from bot.model.announcement import TEST_ALIAS, Announcement, News, Page, PageAct
from bot.model.control import Via
from bot.model.record import Consignment


class Fate(Enum):
    ARRIVED = "arrived"
    LATE = "late"  # not yet: it is tried again
    LOST = "lost"  # never: trying again is useless


def tidings(consignment: Consignment, fate: Fate, *, why: str, at: datetime) -> tuple[Announcement, ...]:
    """Return what is said of one attempt. Parcels that are no pages say nothing: a lost message has no other way."""
    page = consignment.parcel
    if not isinstance(page, Page):
        return ()
    if page.alias == TEST_ALIAS:
        return _of_test(page, fate, why=why, at=at)
    match fate, page.act:
        case Fate.ARRIVED, PageAct.OPEN:
            who = f"{page.team or 'on-call'}, {page.priority}"
            after_all = _own(page, News.PAGED, f"On-call is paged{_by(page)} after all: {page.message}", at)
            return (
                replace(_thread(page, News.PAGED, page.message, at), page=who),
                replace(after_all, edits_only=True, page=who),
            )
        case Fate.ARRIVED, PageAct.CLOSE:
            line = _thread(page, News.PAGE_CLOSED, page.message, at)
            return (line, replace(_own(page, News.PAGE_CLOSED, page.message, at), edits_only=True))
        case Fate.LATE, PageAct.OPEN:
            late = _own(
                page, News.PAGE_LATE, f"On-call could not be paged{_by(page)} yet: {why}. The page: {page.message}", at
            )
            return (replace(late, next_step="It is tried again by itself. Call the on-call person if it cannot wait."),)
        case Fate.LOST, _:
            lost = _own(page, News.UNDELIVERABLE, f"On-call could not be {_done(page)}{_by(page)}: {why}.", at)
            # Another service may have them: its arrival stands in the thread.
            unless = ", unless the thread says that another service has paged them" if page.via else ""
            again = "; with these it is sent again" if page.act is PageAct.OPEN else ""
            return (
                replace(lost, next_step=f"Call the on-call person{unless}, and correct the on-call settings{again}."),
            )
        case _:
            return ()


def _of_test(page: Page, fate: Fate, *, why: str, at: datetime) -> tuple[Announcement, ...]:
    """Return what is said of a test alert: that it arrived, then that it is closed, or that on-call does not work.

    An end without a beginning says nothing.
    """
    own = _own(page, News.PAGED, f"The test alert has arrived{_by(page)}.", at)
    if fate is Fate.ARRIVED and page.act is PageAct.OPEN:
        return (replace(own, operation=f"{own.operation}:test"),)
    if fate is Fate.ARRIVED and page.act is PageAct.CLOSE:
        said = f"The test alert has arrived{_by(page)} and is closed again: on-call works."
        closed = _own(page, News.PAGE_CLOSED, said, at)
        return (replace(closed, operation=f"{closed.operation}:test", edits_only=True),)
    message = f"The test alert could not be opened and closed{_by(page)}: {why}."
    lost = _own(page, News.UNDELIVERABLE, message, at)
    return (replace(lost, next_step="Nobody would be woken now: correct the on-call settings and test again."),)


def _by(page: Page) -> str:
    return f" by {page.via}" if page.via else ""


def _done(page: Page) -> str:
    return {
        PageAct.OPEN: "paged",
        PageAct.NOTE: "told more",
        PageAct.ACKNOWLEDGE: "told who has the page",
        PageAct.RAISE: "told how urgent it is",
        PageAct.CLOSE: "told that it is over",
    }[page.act]


def _thread(page: Page, news: News, message: str, at: datetime) -> Announcement:
    line = _own(page, news, message, at)
    # Several providers get the same page: the first that has it says so for all.
    said = page.id.removesuffix(f"@{page.provider}")
    return replace(line, id=f"{said}:{news.value}", operation=page.operation, in_thread=True)


def _own(page: Page, news: News, message: str, at: datetime) -> Announcement:
    """Return an announcement in a root message of its own, the same for all that is said of one alert by a provider."""
    return Announcement(
        id=f"{page.id}:own:{news.value}",
        operation=f"{page.operation}:page{page.provider or ''}",
        news=news,
        app=page.app,
        cluster=page.cluster,
        env=page.env,
        channel=page.channel,
        at=at,
        by=page.by,
        via=Via.SLACK.value if page.by else Via.SCHEDULE.value,
        message=message,
    )
