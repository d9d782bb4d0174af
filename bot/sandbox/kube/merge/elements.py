"""The entries of lists and maps, as structured-merge-diff v6 names and compares them.

MISSING stands for its nil value, None for an explicit null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.sandbox.kube.merge import fieldset
from bot.sandbox.kube.merge.schema import ListType, MapType, Type

Json = Any


class Unfit(Exception):
    """A value that its type does not allow; worded as structured-merge-diff words it, with the path in front."""


def equal(left: Json, right: Json) -> bool:
    """Compare JSON values; unlike Python, true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(equal(value, right[name]) for name, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


def element_of(type_: ListType, item: Json) -> str:
    """Return the path element of an entry of a set or a list map; raises Unfit for one that has none."""
    if not type_.keys:
        if isinstance(item, Mapping):
            raise Unfit("associative list without keys has an element that's a map type")
        if isinstance(item, list):
            raise Unfit("not supported: associative list with lists as elements")
        if item is None:
            raise Unfit("associative list without keys has an element that's an explicit null")
        return fieldset.member(item)
    if item is None:
        raise Unfit("associative list with keys may not have a null element")
    if not isinstance(item, Mapping):
        raise Unfit("associative list with keys may not have non-map elements")
    values = {}
    for name in type_.keys:
        if name in item:
            values[name] = item[name]
        elif name in type_.key_defaults:
            values[name] = type_.key_defaults[name]
    if not values:
        keys = " ".join(f'"{name}"' for name in type_.keys)
        raise Unfit(
            f"associative list with keys has an element that omits all key fields [{keys}] "
            "(and doesn't have default values for any key fields)"
        )
    return fieldset.key(values)


def grouped(type_: ListType, items: Sequence[Json]) -> dict[str, list[Json]]:
    """Return the entries by their path element; one that is there twice has two."""
    groups: dict[str, list[Json]] = {}
    for item in items:
        groups.setdefault(element_of(type_, item), []).append(item)
    return groups


def entry_type(type_: MapType, name: str) -> Type:
    """Return the type of an entry of a map; raises Unfit for one that it does not have."""
    found = type_.field(name)
    if found is None:
        raise Unfit(f".{name}: field not declared in schema")
    return found


def as_map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def as_list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()
