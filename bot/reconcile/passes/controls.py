"""What holds of what people ordered of an app, at the start of a pass: pauses that are over end here.

The store has it, and the cluster a mirror of it, from which a store that was lost is filled again.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from bot.errors import PassError
from bot.model.announcement import News
from bot.model.app import AppSpec
from bot.model.control import Control, Trigger, Via
from bot.model.record import AppMemory, SyncState
from bot.ports.state import Store
from bot.reconcile.notify import journal, news
from bot.reconcile.notify.post import Post
from bot.reconcile.orders import commands
from bot.reconcile.passes.inputs import announced
from bot.reconcile.planning.world import World

log = logging.getLogger(__name__)


class Controls:
    """Reads and mirrors the control state of apps, each under its app's lock."""

    def __init__(self, *, world: World, store: Store, post: Post) -> None:
        self._world, self._store, self._post = world, store, post
        self._mirrored: dict[str, Control] = {}

    def current(self, app: AppSpec, memory: AppMemory, stored: Control, now: datetime) -> Control:
        """Return what holds of what people ordered; the cluster's mirror when the database has never seen the app.

        The end of a pause of many apps is no pass's to say: it is said once.
        """
        cluster = self._world.clusters[app.cluster]
        if stored == Control() and memory.sync is SyncState.UNKNOWN:
            with suppress(PassError):  # the pass itself meets the same trouble and reports it
                mirrored = cluster.load_control(app)
                if mirrored != stored:
                    self._store.save_control(
                        app.key, mirrored, audit=journal.note(app.key, now, "restore", "from the cluster")
                    )
                    stored = mirrored
        current = stored.at(now)
        if current != stored and not (stored.pause is not None and stored.pause.order):
            ended = replace(
                announced(app, news.operation_at(now, secrets.token_hex(3)), Trigger(via=Via.SCHEDULE), at=now),
                news=News.RESUMED,
                message="The pause has run out.",
            )
            ends = commands.over(stored.pause, ended.message, base=ended)
            self._store.save_control(
                app.key,
                current,
                audit=journal.note(app.key, now, "resume", "the pause ran out"),
                dispatches=self._post.rows([ended, *ends]),
            )
        if self._mirrored.get(app.key) != current:
            try:
                cluster.save_control(app, current)
                self._mirrored[app.key] = current
            except PassError as error:
                log.warning("the control of %s is not mirrored on its cluster: %s", app.key, error)
        return current
