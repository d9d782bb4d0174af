"""Whom a commit of many apps may reach still: the message about it gives no total before all have been asked.

An app finds out in its own pass what a commit means to it, and remembers that it has looked. Who has not may join: an
app whose turn comes later, one that waits for a lane, a dependency or a cluster. Nobody who is muted, or whose channel
hears nothing now, would be told of there. When the message takes nobody any more, it waits for nobody either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

from bot.errors import PassError
from bot.model.announcement import News
from bot.model.app import AppSpec
from bot.model.record import AppMemory, Mute
from bot.model.rollout import OPEN_FOR, Rollout
from bot.ports.state import Store
from bot.reconcile.notify.post import Post
from bot.reconcile.schedule.due import announced


class Awaiting:
    """`descends` tells of an app whether a commit is known to be another one or to come after it; it asks no remote.

    Raises `StateError`.
    """

    def __init__(
        self,
        apps: Mapping[str, AppSpec],
        *,
        store: Store,
        post: Post,
        descends: Callable[[AppSpec, str, str], bool],
    ) -> None:
        self._apps, self._store, self._post, self._descends = apps, store, post, descends

    def look(self, memories: Mapping[str, AppMemory], mutes: Mapping[str, Mute], now: datetime) -> None:
        """Let each message know whom it waits for, given what apps remember and which are muted."""
        for one in self._store.rollouts(since=now - OPEN_FOR):
            open_still = now - one.last_at <= OPEN_FOR
            awaited = self._awaited(one, memories, mutes, now) if open_still else ()
            if awaited != one.awaited:
                self._store.awaits(one.root, awaited, at=now)

    def _awaited(
        self, rollout: Rollout, memories: Mapping[str, AppMemory], mutes: Mapping[str, Mute], now: datetime
    ) -> tuple[str, ...]:
        followed = {app.followed for key in rollout.apps if (app := self._apps.get(key)) is not None}
        known: dict[tuple[str, str], bool] = {}  # hundreds of apps looked last at one commit

        def has_looked(app: AppSpec) -> bool:
            last = _last_look(app, memories.get(app.key))
            if (app.repo, last) not in known:
                known[(app.repo, last)] = bool(last) and self._is_past(app, last, rollout.commit)
            return known[(app.repo, last)]

        return tuple(
            sorted(
                app.key
                for app in self._apps.values()
                if app.key not in rollout.apps
                and app.followed in followed
                and not has_looked(app)
                and self._is_told(app, rollout.channel, mutes, now)
            )
        )

    def _is_past(self, app: AppSpec, last: str, commit: str) -> bool:
        """Tell whether an app that looked last at that commit is not asked about this one any more."""
        if last == commit:
            return True
        with suppress(PassError):
            return self._descends(app, last, commit)
        return False

    def _is_told(self, app: AppSpec, channel: str, mutes: Mapping[str, Mute], now: datetime) -> bool:
        if channel not in self._post.routing.channels(app):
            return False
        return self._post.hears(channel, announced(self._post.placed(app), News.SYNCING, now=now), mutes=mutes)


def _last_look(app: AppSpec, memory: AppMemory | None) -> str:
    """Return the commit that the last pass of an app has seen of what it follows; "" before the first one."""
    return memory.target if memory is not None and memory.followed == app.followed else ""
