"""What a hand edit looks like in the file it would have to be made in. Pure.

In go the plan of a drift and the live objects; out come edits of files, so that Git says what the cluster has, and a
sentence for each field that is not kept this way: Secrets, deleted objects, what a tool renders from several files.
Nothing is guessed: a field whose place in the file is not certain is left to people, with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.model import marks
from bot.model.fields import ABSENT, Parts
from bot.model.masking import is_secret
from bot.model.plan import Action, Change, FieldChange, Plan
from bot.model.resource import Body, Origin, ResourceId
from bot.plan.explain import field_text
from bot.plan.hands import after_name

_NUMBER: Final = re.compile(r"\[\d+\]")  # an entry without a name


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field that differs: of which object, where that is in Git, and the field's path in kubectl's words."""

    id: ResourceId
    origin: Origin
    path: str
    text: str  # `path: before -> after`, masked: as the cluster has it, as Git has it

    @property
    def title(self) -> str:
        return f"{self.id} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One change of a file: the parts lead to the field in the object at `origin`; ABSENT as its value removes it."""

    fields: tuple[Field, ...]
    origin: Origin
    parts: Parts
    value: Any


@dataclass(frozen=True, slots=True)
class Left:
    """A field that is not kept, and why: a sentence that says what to do instead."""

    why: str


def fields_of(plan: Plan) -> Iterator[Field | Left]:
    """Yield every field that people changed, or why it can be no edit of a file."""
    for change in plan.changes:
        if change.action in {Action.UNCHANGED, Action.BLOCKED} or change.hook:
            continue
        if change.action is not Action.UPDATE or change.origin is None:
            yield Left(_no_field(change))
            continue
        for one in change.fields:
            yield Field(id=change.id, origin=change.origin, path=one.path, text=_text(one))


def kept(
    fields: Sequence[Field], written: Mapping[ResourceId, Body], live: Mapping[ResourceId, Body]
) -> Iterator[Kept | Left]:
    """Yield the edits that make Git say what the cluster has, in an order in which they can be made.

    `written` are the objects as their files have them.
    """
    found: dict[tuple[ResourceId, Parts], Kept] = {}
    added: dict[tuple[ResourceId, Parts], int] = {}
    for field in fields:
        if is_secret(field.id):
            yield Left(f"{field.title} is left out: values of Secrets are not written to Git; change {field.origin}")
            continue
        place = located(field.path, written.get(field.id), live.get(field.id))
        if place is None:
            yield Left(f"{field.title} has no certain place in {field.origin}: change it there")
            continue
        parts, value, old = place
        if isinstance(old, str) and "${" in old:
            yield Left(f"{field.title} is {old} in {field.origin}, which is filled in elsewhere: change it there")
            continue
        if old is ABSENT and isinstance(parts[-1], int):  # several new entries of a list follow each other
            above = (field.id, parts[:-1])
            parts = (*parts[:-1], parts[-1] + added.get(above, 0))
            added[above] = added.get(above, 0) + 1
        before = found.get((field.id, parts))
        together = (*(before.fields if before is not None else ()), field)
        found[field.id, parts] = Kept(fields=together, origin=field.origin, parts=parts, value=value)
    # What goes, goes last and from the end: the numbers of the entries before it stay what they are.
    stays = [one for one in found.values() if one.value is not ABSENT]
    goes = sorted((one for one in found.values() if one.value is ABSENT), key=_numbers, reverse=True)
    yield from (*stays, *goes)


def ignored(field: Field, written: Mapping[ResourceId, Body], live: Mapping[ResourceId, Body]) -> Kept | Left:
    """Return the edit that adds a field to those its object ignores."""
    body = written.get(field.id)
    place = located(field.path, body, live.get(field.id))
    if body is None or place is None:
        return Left(f"{field.title} has no certain place in {field.origin}")
    annotations: Mapping[str, str] = (body.get("metadata") or {}).get("annotations") or {}
    pointers = [*marks.ignored(annotations), marks.pointer_of(place[0])]
    return Kept(
        fields=(field,),
        origin=field.origin,
        parts=("metadata", "annotations", marks.IGNORE),
        value=" ".join(dict.fromkeys(pointers)),
    )


def rule(field: Field, pointer: str) -> str:
    """Return the rule of the configuration file that ignores a field."""
    return f"ignore: [{{kind: {field.id.kind}, name: {field.id.name}, pointers: [{pointer}]}}]"


def pointer_to(field: Field, wanted: Body | None, live: Body | None) -> str:
    """Return a field's JSON pointer in the object as Git has it, "" where that is not certain."""
    place = located(field.path, wanted, live)
    return marks.pointer_of(place[0]) if place is not None else ""


def located(path: str, want: Any, have: Any) -> tuple[Parts, Any, Any] | None:
    """Return the way to a field in the file, its live value and the file's (ABSENT for none); None when uncertain.

    A list whose entries have no names is taken as a whole: what differs in it has no place of its own.
    """
    parts: list[str | int] = []
    while path:
        if isinstance(want, list) or isinstance(have, list):
            step = _entry(path, want if isinstance(want, list) else [], have if isinstance(have, list) else [])
            if step is None:
                return (tuple(parts), have, want) if _NUMBER.match(path) and isinstance(have, list) else None
            index, want, have, path = step
            parts.append(index)
            continue
        known = {*(want if isinstance(want, Mapping) else ()), *(have if isinstance(have, Mapping) else ())}
        fits = [(key, rest) for key in known if (rest := after_name(path, key)) is not None]
        if not fits:
            return None
        key, path = min(fits, key=lambda one: len(one[1]))
        parts.append(key)
        want = want.get(key, ABSENT) if isinstance(want, Mapping) else ABSENT
        have = have.get(key, ABSENT) if isinstance(have, Mapping) else ABSENT
    return (tuple(parts), have, want) if parts and (want is not ABSENT or have is not ABSENT) else None


def _entry(path: str, want: list[Any], have: list[Any]) -> tuple[int, Any, Any, str] | None:
    """Return number, both entries and the rest of the path for `[name=api]`; None for an entry without a name."""
    name, closing, rest = path.removeprefix("[").partition("]")
    if not path.startswith("[") or not closing or "=" not in name:
        return None
    keys = dict(part.partition("=")[::2] for part in name.split(","))
    index = next((i for i, one in enumerate(want) if _is(one, keys)), None)
    other = next((one for one in have if _is(one, keys)), ABSENT)
    if index is None and other is ABSENT:
        return None
    rest = rest.removeprefix(".")
    return (len(want), ABSENT, other, rest) if index is None else (index, want[index], other, rest)


def _is(entry: Any, keys: Mapping[str, str]) -> bool:
    defaults = {"protocol": "TCP"}  # a port without a protocol and one with TCP are the same port
    return isinstance(entry, Mapping) and all(
        str(entry.get(key, defaults.get(key))) == value for key, value in keys.items()
    )


def _numbers(one: Kept) -> tuple[str, ...]:
    return tuple(f"{part:06}" if isinstance(part, int) else part for part in one.parts)


def _text(field: FieldChange) -> str:
    """Return a field as people read it here: what Git has becomes what the cluster has."""
    return field_text(FieldChange(path=field.path, before=field.after, after=field.before))


def _no_field(change: Change) -> str:
    where = f" at {change.origin}" if change.origin is not None else ""
    if change.action is Action.CREATE:
        return f"{change.id} was deleted by hand: to keep it so, remove it from Git{where}"
    return f"{change.id} cannot be kept: {change.why}{where}"
