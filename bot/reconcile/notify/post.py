"""Puts what is to be said on its lanes: a channel, an alert, a write-back. Routes, quiet hours and mutes count here.

What is said becomes rows of the outbox, in the transaction of what it is about; nothing here contacts anybody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from bot.model.announcement import Announcement, News, Page, PageAct, Parcel, WriteBack
from bot.model.app import AppSpec
from bot.model.control import Via
from bot.model.record import EVERY_APP, Dispatch, Mute, SinkName, Turn
from bot.ports.state import Store
from bot.reconcile.notify.routing import Routing

OWN: Final = frozenset({News.FAILED, News.DEGRADED, News.CONVERGED, News.RECOVERED, News.SETTLED})
# What is said of the mute itself, and what people are asked: a question that nobody hears holds the app for ever.
_HEARD: Final = frozenset(
    {News.MUTED, News.UNMUTED, News.DIGEST} | {News.REFUSED, News.APPROVAL, News.APPROVED, News.REJECTED, News.EXPIRED}
)
_INFORMATION: Final = frozenset({News.DIFF, News.SYNCING, News.CONVERGED, News.DELETED, News.WAITING, News.DIGEST})
_ASKED_BY: Final = frozenset({Via.SLACK.value, Via.CLI.value})  # a person, who waits for the answer


class Post:
    """`announces` is False for a terminal's `--no-announce`; `providers` names who gets pages.

    Safe to use from several threads.
    """

    def __init__(
        self, store: Store, *, routing: Routing, announces: bool = True, providers: Sequence[str] = ("",)
    ) -> None:
        self._store, self.routing, self._announces = store, routing, announces
        self._providers = tuple(providers)

    def is_muted(self, app: str, at: datetime, *, mutes: Mapping[str, Mute] | None = None) -> bool:
        """True while somebody has muted the app (key) or all of them; who asks about many apps gives the mutes."""
        mutes = self._store.mutes() if mutes is None else mutes
        return any(one is not None and one.until > at for one in (mutes.get(app), mutes.get(EVERY_APP)))

    def placed(self, app: AppSpec) -> AppSpec:
        """Return the app with the channel it lives in."""
        return self.routing.placed(app)

    def hears(self, channel: str, news: Announcement, *, mutes: Mapping[str, Mute]) -> bool:
        """Tell whether news rings in a channel."""
        return any(one.channel == channel for one in self._ringing(news, mutes))

    def heard(self, news: Announcement) -> Mapping[str, str]:
        """Return the root message of news in each channel that it rings in."""
        return {one.channel: one.root_key for one in self.ringing(news)}

    def ringing(self, news: Announcement) -> tuple[Announcement, ...]:
        """Return news as each channel has it that it rings in."""
        return self._ringing(news, None)

    def _ringing(self, news: Announcement, mutes: Mapping[str, Mute] | None) -> tuple[Announcement, ...]:
        if not news.channel or not self._announces:
            return ()
        muted = self._is_hushed(news, mutes)
        return tuple(one for one in self.routing.addressed(news, muted=muted) if not one.edits_only)

    def exactly(self, news: Sequence[Announcement]) -> tuple[Dispatch, ...]:
        """Return the rows of news for the channels they name, whatever routes say; a message's last one counts."""
        return tuple(_dispatch(one) for one in news if self._announces and one.channel)

    def copies(self, page: Page) -> tuple[Dispatch, ...]:
        """Return a row for each on-call provider: one that is away holds no other."""
        several = len(self._providers) > 1
        return tuple(
            Dispatch(
                sink=SinkName.ONCALL,
                lane=f"{page.alias}@{number}" if number else page.alias,
                parcel=replace(
                    page,
                    id=f"{page.id}@{number}" if number else page.id,
                    provider=number,
                    via=name if several else "",
                ),
            )
            for number, name in enumerate(self._providers)
        )

    def rows(self, parcels: Sequence[Parcel], *, hushed: Collection[str] = ()) -> tuple[Dispatch, ...]:
        """Return the rows of parcels, in order.

        In `hushed` channels a message about many apps speaks for this one: its own is only edited.
        """
        rows: list[Dispatch] = []
        for parcel in parcels:
            match parcel:
                case Page():
                    clears = parcel.act is PageAct.CLOSE
                    rows += [replace(one, clears=clears, collapse=parcel.collapse) for one in self.copies(parcel)]
                case WriteBack():
                    rows.append(
                        Dispatch(sink=SinkName.WRITEBACK, lane=parcel.receiver or str(parcel.target), parcel=parcel)
                    )
                case Announcement() if parcel.channel and self._announces:
                    rows += self._said(parcel, hushed)
                case _:
                    pass  # Slack is off, or nobody wants to hear of it
        return tuple(rows)

    def _is_hushed(self, news: Announcement, mutes: Mapping[str, Mute] | None = None) -> bool:
        """Tell whether somebody has muted what news is about."""
        return news.news not in _HEARD and self.is_muted(f"{news.cluster}/{news.app}", news.at, mutes=mutes)

    def _said(self, news: Announcement, hushed: Collection[str]) -> list[Dispatch]:
        muted = self._is_hushed(news)
        return [
            _dispatch(replace(one, edits_only=True) if one.channel in hushed and one.news in OWN else one)
            for one in self.routing.addressed(news, muted=muted)
        ]


def _dispatch(news: Announcement) -> Dispatch:
    """Return the row of news for its channel: a message is heard as it reads last, its thread line by line."""
    collapse = "" if news.in_thread else news.root_key
    return Dispatch(sink=SinkName.SLACK, lane=news.channel, parcel=news, turn=_turn(news), collapse=collapse)


def _turn(news: Announcement) -> Turn:
    """Return whether somebody is called, asked or answered, or only told.

    What rings for nobody is information: an app that fails again and again would hold all others back.
    """
    if news.edits_only or (news.in_thread and news.news in _INFORMATION):
        return Turn.NEXT
    matters = news.news not in _INFORMATION or news.failures or news.since or news.via in _ASKED_BY
    return Turn.FIRST if matters else Turn.NEXT
