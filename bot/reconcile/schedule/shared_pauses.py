"""Pauses that one order has made of many apps: what is due by the clock is said once for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bot.model.announcement import Announcement, News
from bot.model.app import AppSpec
from bot.model.control import Control, Pause
from bot.ports.state import Store
from bot.reconcile.notify import journal
from bot.reconcile.notify.post import Post
from bot.reconcile.orders import commands, gathering
from bot.reconcile.schedule.due import announced


class SharedPauses:
    """`apps` are all there are. All methods raise `StateError`."""

    def __init__(self, apps: Mapping[str, AppSpec], *, store: Store, post: Post) -> None:
        self._apps, self._store, self._post = apps, store, post

    def reminders(
        self, controls: Mapping[str, Control], now: datetime, *, every: timedelta
    ) -> Iterator[tuple[str, Announcement]]:
        """Yield the reminder of each pause of many apps that is due, in the thread of each of its messages."""
        threads: dict[str, list[tuple[AppSpec, Pause]]] = {}
        for key, control in controls.items():
            pause = control.at(now).pause
            if pause is not None and pause.is_shared and key in self._apps:
                threads.setdefault(pause.operation, []).append((self._post.placed(self._apps[key]), pause))
        for operation, here in threads.items():
            app, held = here[0]
            count = int((now - held.since) / every)
            if count >= 1:
                news = replace(
                    gathering.about(announced(app, News.REMINDER, now=now), [one for one, _ in here]),
                    operation=operation,
                    id=f"reminder:{operation}:{count}",
                    in_thread=True,
                    by=held.by,
                    reason=held.reason,
                    since=held.since,
                    until=held.until,
                    message="They are still paused; new commits wait.",
                    next_step=gathering.RESUME,
                )
                yield f"reminder {operation} {count}", news

    def end(self, controls: Mapping[str, Control], now: datetime) -> None:
        """End the pauses of many apps that have run out, and say so once in each channel."""
        orders: dict[str, dict[str, Pause]] = {}
        for key, control in controls.items():
            if key in self._apps and control.pause is not None and control.pause.order and control != control.at(now):
                orders.setdefault(control.pause.order, {})[key] = control.pause
        for order, pauses in orders.items():
            apps = {key: self._post.placed(self._apps[key]) for key in pauses}
            own = {
                key: replace(announced(app, News.RESUMED, now=now), message="The pause has run out.")
                for key, app in apps.items()
            }
            heard = [gathering.Heard(app=apps[key], said=said) for key in own for said in self._post.ringing(own[key])]
            base = next(iter(own.values()))
            said = gathering.gathered(f"{order}:end", heard, base).said
            members = gathering.held_by(order, self._apps, controls)
            channels = self._post.routing.channels
            how = "The pause has run out."
            ends = gathering.left(members, self._apps, ended=pauses, how=how, base=base, channels=channels)
            own_ends = [one for key in own for one in commands.over(pauses[key], how, base=own[key])]
            self._store.save_orders(
                [journal.note(key, now, "resume", "the pause ran out") for key in apps],
                at=now,
                controls={key: controls[key].at(now) for key in apps},
                dispatches=self._post.exactly([*said, *ends, *own_ends]),
            )
