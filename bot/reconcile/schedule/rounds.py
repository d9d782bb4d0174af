"""What is due by the clock and by no pass: reminders, requests that expire, mutes that end, digests, who is awaited.

The loop calls `make` every few seconds. Each thing has a name of its own in the store, so that it is said once, by one
process, across restarts; a round that fails is made again.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from bot.model.announcement import Announcement, News
from bot.model.app import AppSpec, Window
from bot.model.control import Control
from bot.model.record import EVERY_APP
from bot.oncall.sunset import Sunset
from bot.ports.state import Store
from bot.reconcile.desk.enquiry import Enquiry
from bot.reconcile.incidents import fight_pages
from bot.reconcile.incidents.attention import Attention
from bot.reconcile.notify import asking, fights, journal
from bot.reconcile.notify.news import notice, operation_at
from bot.reconcile.notify.post import Post
from bot.reconcile.orders import commands
from bot.reconcile.passes import windows
from bot.reconcile.schedule.awaiting import Awaiting
from bot.reconcile.schedule.digest import digest
from bot.reconcile.schedule.due import announced
from bot.reconcile.schedule.shared_pauses import SharedPauses

log = logging.getLogger(__name__)

REMIND_EVERY: Final = timedelta(hours=4)
_DIGEST_IS_NEWS: Final = timedelta(hours=1)  # one that was missed for longer is not made up for
_SINCE_DIGEST: Final = "Since the last digest:"
_HISTORY: Final = 200  # entries of an app that a digest looks at


class Rounds:
    """`schedule` says when digests are due, None without them; `notice` what on-call has to be told of the calendar.

    `descends` tells of an app whether a commit is known to be another one or to come after it; it asks no remote.
    """

    def __init__(
        self,
        apps: Mapping[str, AppSpec],
        *,
        store: Store,
        post: Post,
        enquiry: Enquiry,
        clock: Callable[[], datetime],
        schedule: Window | None,
        notice: Callable[[datetime], Sunset | None],
        descends: Callable[[AppSpec, str, str], bool],
    ) -> None:
        self._apps, self._store, self._post, self._enquiry = apps, store, post, enquiry
        self._clock, self._schedule = clock, schedule
        self._attention, self._notice = Attention(store, post=post), notice
        self._awaiting = Awaiting(apps, store=store, post=post, descends=descends)
        self._pauses = SharedPauses(apps, store=store, post=post)
        self._slots: dict[str, datetime] = {}  # the last quiet hours and digest that were looked at

    def make(self) -> None:
        """Say what is due. Raises `StateError`."""
        now = self._clock()
        controls = self._store.controls()
        memories = self._store.memories()
        said: list[tuple[str, Announcement]] = []
        incidents = self._store.incidents()
        fought = {one.key for one in incidents if fight_pages.is_fight(one)}
        self._pauses.end(controls, now)
        said += self._pauses.reminders(controls, now, every=REMIND_EVERY)
        for app in map(self._post.placed, self._apps.values()):
            said += self._reminders(app, controls.get(app.key, Control()).at(now), now)
            memory = memories.get(app.key)
            over = None
            if memory is not None and memory.fight:
                over = fights.ended(memory, now, base=announced(app, News.RECOVERED, now=now))
            if over is not None:
                said.append((over.id, over))
                if (key := fight_pages.key_of(app.key)) in fought:
                    self._attention.gone(app.key, "is left alone again", at=now, key=key)
            ends = commands.expires_at(memory) if memory is not None else None
            open_still = memory is not None and memory.failing_since is None and not asking.is_over(memory)
            if memory is not None and ends is not None and now >= ends and open_still:
                name = f"expired {app.key} {memory.waiting_hash} {ends.isoformat()}"
                said.append((name, asking.expired(memory, base=announced(app, News.EXPIRED, now=now))))
        for incident in incidents:
            for one in incident.failing:
                if one.app not in self._apps:
                    self._attention.gone(one.app, "is not in the configuration any more", at=now)
        self._store.released(self._apps, at=now)
        mutes = self._store.mutes()
        self._awaiting.look(memories, mutes, now)
        muted: dict[tuple[str, datetime, datetime], list[str]] = {}
        for key, mute in mutes.items():
            if mute.until <= now:
                muted.setdefault((mute.by, mute.since, mute.until), []).append(key)
        for (_, since, _), keys in muted.items():
            self._unmute(keys, since, now)
        said += self._digests(now)
        said += self._notices(now)
        for name, news in said:
            if self._store.first_time(name, at=now):
                self._store.dispatch(self._post.rows([news]))

    def _reminders(self, app: AppSpec, control: Control, now: datetime) -> Iterator[tuple[str, Announcement]]:
        """Yield the reminder of a pause or a pin that is due, every four hours; the oldest ones are not made up for."""
        held = control.pause or control.pin
        if held is None or (control.pause is not None and control.pause.is_shared):
            return
        count = int((now - held.since) / REMIND_EVERY)
        if count < 1:
            return
        base = announced(app, News.REMINDER, now=now)
        news = replace(
            base,
            operation=held.operation or base.operation,
            id=f"reminder:{app.key}:{held.since.timestamp():.0f}:{count}",
            in_thread=bool(held.operation),
            by=held.by,
            reason=held.reason,
            since=held.since,
            until=control.pause.until if control.pause is not None else None,
            message=f"It is still {control.state.value}; new commits wait.",
            next_step=f"/gitops resume {app.name} ends it",
        )
        yield f"reminder {app.key} {held.since.isoformat()} {count}", news

    def _unmute(self, keys: Sequence[str], since: datetime, now: datetime) -> None:
        """End mutes of one order that have run out and say what was not said."""
        apps = [one for one in self._apps.values() if not {EVERY_APP, one.key}.isdisjoint(keys)]
        audits = [journal.note(key, now, "unmute", "the mute has run out") for key in keys]
        news = list(self._summaries(apps, since, now, News.UNMUTED, "The mute has run out."))
        self._store.save_orders(audits, at=now, mutes=dict.fromkeys(keys), dispatches=self._post.rows(news))

    def _notices(self, now: datetime) -> Iterator[tuple[str, Announcement]]:
        """Yield the warning that the on-call service ends, in the default channel."""
        ends, channel = self._notice(now), self._post.routing.default
        if ends is None or not ends.slot or not channel:
            return
        operation = operation_at(now, secrets.token_hex(3))
        news = notice("on-call", ends.message, ends.next_step, operation=operation, channel=channel, at=now)
        yield f"sunset {ends.slot}", news

    def _digests(self, now: datetime) -> Iterator[tuple[str, Announcement]]:
        """Yield what channels hear after quiet hours and at the time of their digest; looked at once by a process."""
        quiet = self._post.routing.quiet
        apps = list(self._apps.values())
        began = self._store.began_at()
        if quiet is not None and not quiet.holds(now) and (began is None or began < quiet.ended(now)):
            since = quiet.began(now)
            yield from self._once("quiet", apps, since, now, since, "While it was quiet:")
        due = windows.last_opened(self._schedule, now) if self._schedule is not None else None
        if due is not None and self._schedule is not None and now - due < _DIGEST_IS_NEWS:
            before = windows.last_opened(self._schedule, due) or due - timedelta(days=1)
            yield from self._once("digest", apps, due, now, before, _SINCE_DIGEST)
            self._anchor(due)

    def _anchor(self, due: datetime) -> None:
        """Log where the audit ends, once for each digest: who has the log sees when lines are missing later."""
        if self._slots.get("anchor") != due:
            self._slots["anchor"] = due
            log.info("the audit ends at %s", self._store.audit_head())

    def _once(
        self, kind: str, apps: Sequence[AppSpec], slot: datetime, now: datetime, since: datetime, opening: str
    ) -> Iterator[tuple[str, Announcement]]:
        if self._slots.get(kind) == slot:
            return
        self._slots[kind] = slot
        for news in self._summaries(apps, since, now, News.DIGEST, opening):
            yield f"{kind} {news.channel} {slot.isoformat()}", news

    def _summaries(
        self, apps: Sequence[AppSpec], since: datetime, now: datetime, word: News, opening: str
    ) -> Iterator[Announcement]:
        """Yield a message for each channel in which something happened, or that hears of a mute's end."""
        by_channel: dict[str, list[AppSpec]] = {}
        for app in map(self._post.placed, apps):
            by_channel.setdefault(app.channel, []).append(app)
        digests = opening == _SINCE_DIGEST
        began = self._store.began_at()
        if began is not None and began > since:
            since, opening = began, f"Since {began:%Y-%m-%d %H:%M} UTC, when the bot began to watch:"
        anchor = (f"audit: it ends at {self._store.audit_head()}",) if digests else ()
        for here in by_channel.values():
            history = {app.title: self._store.history(app.key, limit=_HISTORY) for app in here}
            found = digest(since, history, self._enquiry.status([app.key for app in here]))
            if found is None and word is News.DIGEST:
                continue
            title = {"app": here[0].name, "cluster": here[0].cluster} if len(here) == 1 else _MANY
            yield replace(
                announced(here[0], word, now=now),
                **title,
                env="",
                since=since,
                message=f"{opening} {found.message}" if found else opening,
                impact=(*(found.lines if found else ()), *anchor),
            )


_MANY: Final[Mapping[str, Any]] = {"app": "all apps", "cluster": "this channel"}
