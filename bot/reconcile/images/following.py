"""When registries are asked for the tags of images: at the start, on time, when they tell of a push, after a resume.

Each registry is asked for each repository by an errand of its own: one that hangs keeps nobody else waiting. A push
event only brings the next look forward; a tag that it names and the registry does not show yet is looked for again.
What is wrong with a registry is said once in each channel whose apps follow images there, for all of them together; an
outage only when it lasts.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from bot.errors import PassError, RegistryError, RegistryUnreachable, StateError
from bot.model.announcement import Announcement
from bot.model.app import AppSpec
from bot.model.control import Via
from bot.model.image import Follow, ImageName, known_as
from bot.model.record import Followed
from bot.ports.registry import Registry
from bot.ports.state import Store
from bot.reconcile.images.tagging import Tagging
from bot.reconcile.notify.news import notice, operation_at
from bot.reconcile.notify.post import Post

log = logging.getLogger(__name__)

INTERVAL: Final = timedelta(minutes=5)  # of a registry that the configuration does not name
_SHOWN_WITHIN: Final = timedelta(minutes=2)  # a push event may come before the registry lists the tag
_ASK_AGAIN: Final = timedelta(seconds=3)
_LASTS: Final = timedelta(minutes=10)  # what is over sooner is nobody's business
_NAMED: Final = 5  # images of one message

_Key = tuple[ImageName, str]  # and the name of a repository


@dataclass(slots=True)
class _Turn:
    """When an image is looked at next; `expects` are tags that an event has named, until when they are waited for."""

    at: datetime
    expects: frozenset[str] = frozenset()
    until: datetime | None = None


class Following:
    """Looks after every image that apps follow. Safe to use from several threads."""

    def __init__(
        self,
        apps: Mapping[str, AppSpec],
        *,
        registry: Registry,
        tagging: Tagging,
        store: Store,
        post: Post,
        intervals: Mapping[str, timedelta],
        clock: Callable[[], datetime],
    ) -> None:
        self._apps, self._registry, self._tagging = apps, registry, tagging
        self._store, self._post, self._intervals, self._clock = store, post, intervals, clock
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._turns: dict[_Key, _Turn] = {}  # guarded by _lock
        self._failing: dict[tuple[str, str], dict[ImageName, RegistryError]] = {}  # each written by its own errand
        self._wrong: dict[tuple[str, str], str] = {}  # by host and repository; guarded by _lock

    def due(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield the errands that have anything to do, by name: one at a time of each."""
        now, followed = self._clock(), self._followed()
        resumed: frozenset[str] = frozenset()
        with suppress(StateError):  # they are looked at on time
            resumed = self._tagging.resumed()
        with self._lock:
            for key in followed if resumed else ():
                if any(app.key in resumed for app, _ in followed[key]):
                    self._turns[key] = _Turn(at=now)
            groups = {(image.host, repo) for image, repo in followed if self._turn((image, repo), now).at <= now}
        for host, repo in sorted(groups):
            yield f"images of {host} in {repo}", partial(self._look, host, repo)

    def stop(self) -> None:
        """Write nothing any more, whatever a registry still answers: another configuration may say otherwise."""
        self._stopping.set()

    def pushed(self, host: str, tags: Mapping[str, frozenset[str]]) -> tuple[ImageName, ...]:
        """Look at once at images of a registry by path, at all of them where none is named; returns those followed."""
        now = self._clock()
        woken: set[ImageName] = set()
        with self._lock:
            for key in self._followed():
                image = key[0]
                if image.host == host and (not tags or image.path in tags):
                    expects = tags.get(image.path, frozenset())
                    self._turns[key] = _Turn(at=now, expects=expects, until=now + _SHOWN_WITHIN)
                    woken.add(image)
        return tuple(sorted(woken))

    def standing(self) -> Mapping[str, str]:
        """Return what is wrong with each registry that is followed, by host; "" where nothing is known to be."""
        standing: dict[str, str] = {}
        with self._lock:
            for image, repo in self._followed():  # of a repository that follows it no more nothing is known
                standing[image.host] = standing.get(image.host) or self._wrong.get((image.host, repo), "")
        return standing

    def _followed(self) -> dict[_Key, list[tuple[AppSpec, Follow]]]:
        found: dict[_Key, list[tuple[AppSpec, Follow]]] = {}
        for app in self._apps.values():
            for follow in app.images:
                found.setdefault((follow.image, app.repo), []).append((app, follow))
        return found

    def _turn(self, key: _Key, now: datetime) -> _Turn:
        return self._turns.setdefault(key, _Turn(at=now))

    def _look(self, host: str, repo: str) -> None:
        """Ask a registry for the images of one repository that are due, those of an event first."""
        asked_at = self._clock()
        followed = {key: apps for key, apps in self._followed().items() if (key[0].host, key[1]) == (host, repo)}
        failing = self._failing.setdefault((host, repo), {})
        for image in set(failing).difference(image for image, _ in followed):
            del failing[image]
        for key, turn in self._taken(followed, asked_at).items():
            image = key[0]
            via = Via.WEBHOOK if turn.until is not None else Via.SCHEDULE
            try:
                tags = self._registry.tags(image)
                if self._stopping.is_set():
                    return
                if not turn.expects.issubset(tags):
                    self._ask_again(key, turn)
                self._tagging.follow(followed[key], tags, asked_at=asked_at, via=via)
            except RegistryError as error:
                log.warning("%s; asked again by itself", error)
                failing[image] = error
                if isinstance(error, RegistryUnreachable):
                    self._ask_again(key, turn)
                continue
            except PassError as error:
                log.error("%s in %s: %s", image, repo, error)
            failing.pop(image, None)
        with self._lock:
            if failing:
                self._wrong[host, repo] = str(_worst(failing))
            else:
                self._wrong.pop((host, repo), None)
        try:
            self._tell(host, repo, failing, followed)
        except StateError as error:
            log.error("registry %s: %s", host, error)

    def _taken(self, keys: Mapping[_Key, object], now: datetime) -> dict[_Key, _Turn]:
        """Return the images whose turn it is, and give each its next one."""
        with self._lock:
            due = {key: turn for key in keys if (turn := self._turn(key, now)).at <= now}
            for key in due:
                self._turns[key] = _Turn(at=now + self._intervals.get(key[0].host, INTERVAL))
        return dict(sorted(due.items(), key=lambda one: (one[1].until is None, one[0])))

    def _ask_again(self, key: _Key, turn: _Turn) -> None:
        now = self._clock()
        if turn.until is None or now >= turn.until:
            return
        with self._lock:
            following = self._turns[key]
            if following.until is None:  # else another event came meanwhile
                self._turns[key] = replace(turn, at=now + _ASK_AGAIN)

    # --- what is wrong with a registry ------------------------------------------------------------------------

    def _tell(
        self,
        host: str,
        repo: str,
        failing: Mapping[ImageName, RegistryError],
        followed: Mapping[_Key, list[tuple[AppSpec, Follow]]],
    ) -> None:
        """Say once what keeps images from being followed, and that it is over."""
        now, name = self._clock(), known_as(host, repo)
        before = self._store.followed("", name)
        after = Followed()
        news: list[Announcement] = []
        if failing:
            error = _worst(failing)
            away = isinstance(error, RegistryUnreachable)
            since = before.since or now
            word = type(error).__name__
            is_news = word != before.said and (not away or now - since >= _LASTS)
            after = replace(before, since=since, said=word if is_news else before.said)
            if is_news:
                after = replace(after, operation=before.operation or operation_at(now, secrets.token_hex(3)))
                names = ", ".join(map(str, sorted(failing)[:_NAMED]))
                rest = f" and {len(failing) - _NAMED} more" if len(failing) > _NAMED else ""
                text = f"{error}. New tags are not seen of {names}{rest}."
                apps = [app for key, some in followed.items() if key[0] in failing for app, _ in some]
                news = self._notices(host, after.operation, text, "It is asked again by itself", apps, now)
        elif before.said:
            text = f"registry {host} answers again: new tags are seen."
            apps = [app for some in followed.values() for app, _ in some]
            news = [replace(one, edits_only=True) for one in self._notices(host, before.operation, text, "", apps, now)]
        if after != before:
            self._store.save_followed("", name, after, dispatches=self._post.rows(news))

    def _notices(
        self, host: str, operation: str, text: str, next_step: str, apps: Sequence[AppSpec], now: datetime
    ) -> list[Announcement]:
        """Return one for each channel in which an app lives."""
        news: list[Announcement] = []
        for channel in sorted({self._post.placed(app).channel for app in apps} - {""}):
            place = f"{operation}@{channel}"
            one = notice(f"registry {host}", text, next_step, operation=place, channel=channel, at=now)
            news.append(replace(one, id=f"{place}:{now.timestamp():.0f}"))
        return news


def _worst(failing: Mapping[ImageName, RegistryError]) -> RegistryError:
    """Return the error to tell of: what a person must mend comes before what passes."""
    errors = [failing[image] for image in sorted(failing)]
    return next((one for one in errors if not isinstance(one, RegistryUnreachable)), errors[0])
