"""What is wrong with each section of a file, and the part of the file that is right.

pydantic looks at a section as a whole only when each of its keys is right. So whatever it finds is left out and it
looks again, until it finds nothing more: a person hears of all of it at once, and what sections say of each other can
be checked in what is left. Places are those of the file, whatever was left out before them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, ValidationError

from bot.settings import wording
from bot.settings.git import Repo
from bot.settings.model import Cluster, Settings
from bot.settings.yamlfile import Location


class _Part(Settings):
    """A file of which so much is left out that it is none."""

    clusters: Annotated[tuple[Cluster, ...], Field(strict=False)] = ()
    repos: Annotated[tuple[Repo, ...], Field(strict=False)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """`right` is what is left without `wrong`, None when it is nothing; `faults` say why."""

    right: Settings | None
    wrong: frozenset[Location]
    faults: tuple[tuple[Location, str], ...]
    kept: Mapping[Location, tuple[int, ...]]  # which entries are left of the list at a place of `right`

    def entries(self, section: str) -> Iterator[tuple[int, Any]]:
        """Yield the entries that are left of a list, each with its index in the file."""
        yield from zip(self.kept.get((section,), ()), getattr(self.right, section, ()), strict=True)

    def is_wrong(self, location: Location) -> bool:
        """Say whether the value at a place of the file, or one around it, was left out."""
        return any(location[:length] in self.wrong for length in range(1, len(location) + 1))


def examine(value: Any) -> Examined:
    """Look at the value of a file; there is nothing to say of one that could not be read (None)."""
    if value is None:
        return Examined(right=None, wrong=frozenset(), faults=(), kept={})
    wrong: set[Location] = set()
    faults: list[tuple[Location, str]] = []
    model: type[Settings] = Settings
    while True:
        kept: dict[Location, tuple[int, ...]] = {}
        try:
            right: Settings | None = model.model_validate(_without(wrong, value, kept))
            break
        except ValidationError as error:
            found = [(_in_file(wording.location(one), kept), one) for one in error.errors(include_url=False)]
        for location, detail in found:
            emptied = detail["type"] == "too_short" and value_at(value, location)
            if not emptied and location not in wrong:  # else it is missing because we left it out
                faults.append((location, wording.sentence(detail, location)))
        culprits = {_culprit(location, value, wrong) for location, _ in found}
        if () in culprits:
            right = None
            break
        wrong |= culprits
        model = _Part
    return Examined(right=right, wrong=frozenset(wrong), faults=tuple(faults), kept=kept)


def value_at(value: Any, location: Location) -> Any:
    """Return what stands at a place of the file; None when nothing does."""
    for part in location:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _without(
    wrong: set[Location], value: Any, kept: dict[Location, tuple[int, ...]], was: Location = (), now: Location = ()
) -> Any:
    """Return a value without what is wrong, and note in `kept` what is left of its lists."""
    if isinstance(value, Mapping):
        return {
            key: _without(wrong, one, kept, (*was, key), (*now, key))
            for key, one in value.items()
            if (*was, key) not in wrong
        }
    if isinstance(value, list):
        kept[now] = tuple(index for index in range(len(value)) if (*was, index) not in wrong)
        return [
            _without(wrong, value[index], kept, (*was, index), (*now, place)) for place, index in enumerate(kept[now])
        ]
    return value


def _in_file(location: Location, kept: Mapping[Location, tuple[int, ...]]) -> Location:
    """Return the place in the file of a place in what is left of it."""
    found: list[str | int] = []
    for length, part in enumerate(location):
        indexes = kept.get(location[:length])
        found.append(indexes[part] if isinstance(part, int) and indexes is not None else part)
    return tuple(found)


def _culprit(location: Location, value: Any, wrong: set[Location]) -> Location:
    """Return what to leave out: the value itself, or the nearest around it that is in the file still."""
    while location and (location in wrong or value_at(value, location) is None):
        location = location[:-1]
    return location
