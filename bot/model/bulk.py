"""One order about many apps: those that its words mean at that moment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bot.model.app import AppSpec
from bot.model.control import Via
from bot.model.status import Followed

ALL: Final = "all"  # in place of words that choose
KINDS: Final = ("app", "cluster", "env", "team", "state")  # of words that choose: `cluster:prod`
_NAMED: Final = 10  # apps in a sentence
_PINNED: Final = "state:pinned"


def chooses(words: str) -> bool:
    """Tell whether what stands in the place of an app means all that fit at the moment, and not one app."""
    return any(word == ALL or ":" in word for word in words.split())


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkOrder:
    """Sync, pause, resume, mute or unmute the apps that `words` choose; `span` is how long a pause or mute lasts.

    Without words it is about what one order has paused.
    """

    verb: str
    words: str
    by: str
    via: Via
    span: timedelta | None = None
    reason: str = ""

    @property
    def ends_pins(self) -> bool:
        """Tell whether a resume ends rollbacks too: of many apps it does where they were chosen for that."""
        return _PINNED in self.words.split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An app that an order leaves as it is, with the sentence that says why."""

    app: AppSpec
    why: str


def reasons(kept: Iterable[Kept]) -> list[str]:
    """Return why apps stay as they are; those that do for the same reason share a line."""
    alike: dict[str, list[Kept]] = {}
    for one in kept:
        same = one.why.replace(one.app.title, "", 1).replace(f" {one.app.name}`", " <app>`").strip()
        alike.setdefault(same, []).append(one)
    return [
        some[0].why if len(some) == 1 else f"each {same}: {_titles([one.app for one in some])}"
        for same, some in alike.items()
    ]


def _titles(apps: Sequence[AppSpec]) -> str:
    rest = f" and {len(apps) - _NAMED} more" if len(apps) > _NAMED else ""
    return f"{', '.join(app.title for app in apps[:_NAMED])}{rest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What an order changes, and what it leaves."""

    changes: tuple[AppSpec, ...]
    kept: tuple[Kept, ...] = ()

    @property
    def digest(self) -> str:
        """Name the apps that change: who has agreed to these has not agreed to others."""
        keys = "\n".join(sorted(app.key for app in self.changes))
        return hashlib.sha256(keys.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """An order that was followed: the apps it has changed, in the words of `done`, and those that it left.

    `channels` have heard of it, each of the apps that it hears of.
    """

    done: Followed
    channels: tuple[str, ...] = ()
    apps: tuple[AppSpec, ...] = ()
    kept: tuple[Kept, ...] = ()
