"""Mutes that people order: of one app, or of all there are and will be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from bot.model.announcement import Announcement, News
from bot.model.app import AppSpec
from bot.model.record import EVERY_APP, Mute
from bot.model.status import Followed
from bot.ports.state import Store
from bot.reconcile.notify.post import Post
from bot.reconcile.orders import commands, muting


class Mutes:
    """An app is its key, or `EVERY_APP`. Safe to use from several threads. All methods raise `StateError`."""

    def __init__(self, apps: Mapping[str, AppSpec], *, store: Store, post: Post, clock: Callable[[], datetime]) -> None:
        self._apps, self._store, self._post, self._clock = apps, store, post, clock

    def mute(self, app: str, *, person: commands.Person, until: datetime, reason: str) -> Followed:
        """Mute, or change the terms of a mute. Raises `OrderRefused` when it is muted like that already."""
        made = muting.mute(app, self._title(app), self.of(app), person=person, until=until, reason=reason)
        return self._save(app, made, person)

    def unmute(self, app: str, *, person: commands.Person) -> Followed:
        """End a mute. Raises `OrderRefused` when there is none."""
        return self._save(app, muting.unmute(app, self._title(app), self.of(app), person=person), person)

    def of(self, app: str) -> Mute | None:
        """Return the mute that somebody has ordered of exactly that, while it holds."""
        held = self._store.mutes().get(app)
        return held if held is not None and held.until > self._clock() else None

    def explained(self, app: str) -> Iterator[str]:
        """Yield a line for each mute that keeps an app silent."""
        for one in (self.of(app), self.of(EVERY_APP)):
            if one is not None:
                yield f"muted by {one.by} until {one.until:%Y-%m-%d %H:%M} UTC: {one.reason}".rstrip(": ")

    def _save(self, app: str, muted: muting.Muted, person: commands.Person) -> Followed:
        said = [muting.said(muted, one) for one in self._bases(app, person)]
        self._store.save_mute(app, muted.mute, audit=muted.audit, dispatches=self._post.rows(said))
        return Followed(text=muted.answer, heard_in=frozenset(place for one in said for place in self._post.heard(one)))

    def _bases(self, app: str, person: commands.Person) -> Iterator[Announcement]:
        """Yield what announcements of an app are made from, or one for each channel of all apps."""
        if app != EVERY_APP:
            yield commands.announcement(self._post.placed(self._apps[app]), person, News.MUTED)
            return
        homes = {placed.channel: placed for placed in map(self._post.placed, self._apps.values())}
        for channel, any_app in sorted(homes.items()):
            base = commands.announcement(any_app, person, News.MUTED)
            yield replace(
                base,
                id=f"{base.id}:{channel}",
                operation=f"{person.order}@{channel}",
                app="all apps",
                cluster="all clusters",
                env="",
                ref="",
            )

    def _title(self, app: str) -> str:
        return "every app" if app == EVERY_APP else self._apps[app].title
