"""One typed value laid over another: the walk `merge` of structured-merge-diff v6 `typed`. Nothing given is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.sandbox.kube.merge.elements import Json, as_list, as_map, element_of, entry_type
from bot.sandbox.kube.merge.schema import MISSING, ListType, MapType, Scalar, Type


def merge(type_: Type, left: Json, right: Json) -> Json:
    """Lay `right` over `left`: nothing is removed, leaves are taken from `right`, lists take its order.

    Returns MISSING where nothing is left, as for a map whose entries all were MISSING.
    """
    branch = type_.pick(left if right is MISSING else right)
    if isinstance(branch, Scalar):
        return left if right is MISSING else right
    if isinstance(branch, ListType):
        if branch.atomic or not (as_list(left) or as_list(right)):
            return left if right is MISSING else right
        return _merge_list(branch, as_list(left), as_list(right)) or MISSING
    if branch.atomic or not (as_map(left) or as_map(right)):
        return left if right is MISSING else right
    return _merge_map(branch, as_map(left), as_map(right)) or MISSING


def _merge_map(type_: MapType, left: Mapping[str, Json], right: Mapping[str, Json]) -> dict[str, Json]:
    out = {}
    for name, old in left.items():
        new = right.get(name, MISSING)
        value = old if new is MISSING else merge(entry_type(type_, name), old, new)
        if value is not MISSING:
            out[name] = value
    for name, new in right.items():
        if name not in left:
            value = merge(entry_type(type_, name), MISSING, new)
            if value is not MISSING:
                out[name] = value
    return out


def _merge_list(type_: ListType, left: Sequence[Json], right: Sequence[Json]) -> list[Json]:
    """Interleave two lists: entries only on the left stay between their neighbours, the rest follows the right."""
    right_elements = [element_of(type_, item) for item in right]
    rights = dict(zip(right_elements, right, strict=True))
    left_elements = [element_of(type_, item) for item in left]
    lefts: dict[str, Json] = {}
    for element, item in zip(left_elements, left, strict=True):
        # An entry that is there twice is not merged with the new one.
        lefts[element] = None if element in lefts else item
    shared = iter([element for element in right_elements if element in lefts])
    next_shared = next(shared, None)
    merged: set[str] = set()
    out: list[Json] = []

    def take(element: str, old: Json, new: Json) -> None:
        value = merge(type_.items, old, new)
        if value is not MISSING:
            out.append(value)

    i = j = 0
    while i < len(left_elements) or j < len(right_elements):
        if i < len(left_elements) and j < len(right_elements):
            element = left_elements[i]
            if element == right_elements[j]:
                merged.add(element)
                take(element, lefts[element], rights[element])
                i, j = i + 1, j + 1
                next_shared = next(shared, None)
                continue
            if element in rights and next_shared is not None and next_shared != element:
                i += 1
                continue
        if i < len(left_elements):
            element = left_elements[i]
            if element not in rights:
                take(element, left[i], MISSING)
                i += 1
                continue
            if element in merged:
                i += 1
        if j < len(right_elements):
            element = right_elements[j]
            merged.add(element)
            take(element, lefts.get(element, MISSING), rights[element])
            j += 1
            if next_shared == element:
                next_shared = next(shared, None)
    return out
