"""Which apps the words of a person mean: names of apps, and what is true of them. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bot.errors import NotThere
from bot.model.app import AppSpec
from bot.model.control import ControlState
from bot.model.outcome import HealthState
from bot.model.record import SyncState
from bot.model.status import STANDINGS, AppStatus

_NAMED: Final = 10  # apps that one answer lists
_SHOWN: Final = 60
STATES: Final = frozenset(
    {
        *(word.replace(" ", "-") for word in STANDINGS),
        *(one.value for kind in (SyncState, HealthState, ControlState) for one in kind),
    }
)


def named(apps: Mapping[str, AppSpec], text: str) -> tuple[AppSpec, ...]:
    """Return the apps that `cluster/name`, a name, or a unique beginning of one means: one for each cluster.

    Raises `NotThere`.
    """
    found = _meant(apps, text)
    if not found:
        close = difflib.get_close_matches(text, {app.name for app in apps.values()}, n=1)
        raise NotThere(f'unknown app "{text[:_SHOWN]}"{_hint(close)}', near=bool(close))
    if len({app.name for app in found}) > 1:
        raise ambiguous(text, found)
    return found


def ambiguous(text: str, found: Iterable[AppSpec]) -> NotThere:
    """Return what says which apps a text can mean."""
    keys = sorted(app.key for app in found)
    more = f" or one of {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return NotThere(f"{text} can be {' or '.join(keys[:_NAMED])}{more}: write one of them", near=True)


def chosen(lines: Sequence[AppStatus], apps: Mapping[str, AppSpec], words: Iterable[str]) -> tuple[AppStatus, ...]:
    """Return the lines of the apps that the words name, or of all where they name none, of which all others are true.

    A word that is no app is a cluster, an env, a team or a state. Raises `NotThere` for one that is nothing.
    """
    facts = {one.key: _facts(one, apps.get(one.key)) for one in lines}
    names = {app.name for app in apps.values()}
    known = STATES.union(*facts.values())
    wanted: set[str] = set()
    true: set[str] = set()
    for word in words:
        if word.lower() in known and word not in names:
            true.add(word.lower())
        elif _meant(apps, word):
            wanted |= {app.key for app in named(apps, word)}
        else:
            close = difflib.get_close_matches(word, known | names, n=1)
            nothing = f'"{word[:_SHOWN]}" is no app, cluster, env, team or state{_hint(close)}'
            raise NotThere(nothing, near=bool(close))
    return tuple(one for one in lines if (not wanted or one.key in wanted) and true <= facts[one.key])


def _meant(apps: Mapping[str, AppSpec], text: str) -> tuple[AppSpec, ...]:
    if text in apps:
        return (apps[text],)
    found = tuple(app for app in apps.values() if app.name == text)
    return found or tuple(app for app in apps.values() if text and app.name.startswith(text))


def _hint(close: Sequence[str]) -> str:
    return f", did you mean {close[0]}?" if close else ""


def _facts(one: AppStatus, app: AppSpec | None) -> frozenset[str]:
    """Return the words that are true of an app, in small letters."""
    team = app.oncall_team if app is not None else ""
    states = (word.replace(" ", "-") for word in one.words)
    words = (one.cluster, one.env, team, one.sync.value, one.health.value, one.control.value, *states)
    return frozenset(word.lower() for word in words if word)
