"""Which apps the words of a person mean: names of apps, and what is true of them. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bot.errors import NotThere
from bot.model.app import AppSpec
from bot.model.bulk import ALL
from bot.model.control import ControlState
from bot.model.outcome import HealthState
from bot.model.record import SyncState
from bot.model.status import STANDINGS, AppStatus

_NAMED: Final = 10  # apps that one answer lists
_SHOWN: Final = 60
_COMMIT: Final = re.compile(r"[0-9a-f]{7,40}")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What words say of apps: the keys of those they name (none: any), and what is true of them, by kind.

    `commits` are beginnings of the commits that they are at, or on their way to.
    """

    keys: frozenset[str] = frozenset()
    facts: frozenset[tuple[str, str]] = frozenset()  # of a word without a kind it is ""
    commits: frozenset[str] = frozenset()

    def may_be(self, app: AppSpec) -> bool:
        """Tell whether an app can be meant, by what the configuration says of it: how it stands is not known yet."""
        known = _configured(app.cluster, app.env, app.oncall_team)
        said = (fact for fact in self.facts if fact[0] != "state" and not (fact[0] == "" and fact[1] in STATES))
        return (not self.keys or app.key in self.keys) and all(_holds(fact, known) for fact in said)

    def means(self, line: AppStatus, app: AppSpec | None) -> bool:
        """Tell whether an app is meant that stands like this; one that the configuration has dropped has no team."""
        states = {line.sync.value, line.health.value, line.control.value}
        states.update(word.replace(" ", "-") for word in line.words)
        known = {**_configured(line.cluster, line.env, app.oncall_team if app is not None else ""), "state": states}
        at = (line.revision, line.target_revision)
        return (
            (not self.keys or line.key in self.keys)
            and all(_holds(fact, known) for fact in self.facts)
            and all(any(one.startswith(commit) for one in at) for commit in self.commits)
        )


def wanted(apps: Mapping[str, AppSpec], words: Iterable[str], *, dropped: Sequence[AppStatus] = ()) -> Wanted:
    """Return what words mean: names of apps, `all`, and what is true of an app, such as `env:staging` or `staging`.

    A word without a kind that is no app is a cluster, an env, a team, a state or the beginning of a commit. Raises
    `NotThere` for one that is nothing.
    """
    names = {app.name for app in apps.values()}
    places = _places(apps.values(), dropped)
    keys: set[str] = set()
    facts: set[tuple[str, str]] = set()
    commits: set[str] = set()
    for word in words:
        kind, colon, value = word.partition(":")
        known = {one.lower() for some in places.values() for one in some}
        if colon and kind.lower() == "app":
            keys |= {app.key for app in named(apps, value)}
        elif colon:
            facts.add((kind.lower(), _among(places, kind.lower(), value)))
        elif word.lower() in known and word not in names:
            facts.add(("", word.lower()))
        elif word.lower() != ALL or word in names:
            if not _meant(apps, word):
                if _COMMIT.fullmatch(word.lower()):
                    commits.add(word.lower())
                    continue
                close = difflib.get_close_matches(word, known | names, n=1)
                nothing = f'"{word[:_SHOWN]}" is no app, cluster, env, team or state{_hint(close)}'
                raise NotThere(nothing, near=bool(close))
            keys |= {app.key for app in named(apps, word)}
    return Wanted(keys=frozenset(keys), facts=frozenset(facts), commits=frozenset(commits))


def _among(places: Mapping[str, frozenset[str]], kind: str, value: str) -> str:
    """Return a value of a kind in small letters. Raises `NotThere`, with what there is, for any other."""
    if kind not in places:
        raise NotThere(f'"{kind[:_SHOWN]}:" is none of app:, {", ".join(f"{one}:" for one in sorted(places))}')
    there = sorted(places[kind])
    if value.lower() not in {one.lower() for one in there}:
        close = difflib.get_close_matches(value, there, n=1)
        listed = f"; there is {', '.join(there[:_NAMED])}" + (" …" if len(there) > _NAMED else "") if there else ""
        raise NotThere(f'"{value[:_SHOWN]}" is no {kind}{_hint(close)}{listed}', near=bool(close))
    return value.lower()


def _places(apps: Iterable[AppSpec], dropped: Sequence[AppStatus]) -> dict[str, frozenset[str]]:
    """Return what there is of each kind, as it is written."""
    specs = [_configured(app.cluster, app.env, app.oncall_team) for app in apps]
    found = [*specs, *(_configured(one.cluster, one.env, "") for one in dropped)]
    kinds = {kind: frozenset[str]().union(*(one[kind] for one in found)) for kind in ("cluster", "env", "team")}
    return {**kinds, "state": STATES}


def _configured(cluster: str, env: str, team: str) -> dict[str, Collection[str]]:
    return {"cluster": {cluster} - {""}, "env": {env} - {""}, "team": {team} - {""}}


def _holds(fact: tuple[str, str], known: Mapping[str, Collection[str]]) -> bool:
    kind, value = fact
    return any(value == one.lower() for name, some in known.items() if kind in {"", name} for one in some)


def _meant(apps: Mapping[str, AppSpec], text: str) -> tuple[AppSpec, ...]:
    if text in apps:
        return (apps[text],)
    found = tuple(app for app in apps.values() if app.name == text)
    return found or tuple(app for app in apps.values() if text and app.name.startswith(text))


def _hint(close: Sequence[str]) -> str:
    return f", did you mean {close[0]}?" if close else ""
