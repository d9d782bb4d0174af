"""What differs between two typed values: the walk `compare` of structured-merge-diff v6 `typed`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.sandbox.kube.merge.elements import Json, as_list, as_map, entry_type, equal, grouped
from bot.sandbox.kube.merge.fieldset import FieldSet, Path
from bot.sandbox.kube.merge.schema import MISSING, ListType, MapType, Scalar, Type


@dataclass(slots=True, kw_only=True)
class Comparison:
    """Fields that were added, changed and removed between two values; no field is in two of them."""

    added: FieldSet = field(default_factory=FieldSet)
    modified: FieldSet = field(default_factory=FieldSet)
    removed: FieldSet = field(default_factory=FieldSet)

    def without(self, ignored: FieldSet | None) -> Comparison:
        if not ignored:
            return self
        return Comparison(
            added=self.added.without(ignored),
            modified=self.modified.without(ignored),
            removed=self.removed.without(ignored),
        )


def compare(type_: Type, left: Json, right: Json) -> Comparison:
    """Tell what changed from `left` to `right`."""
    result = Comparison()
    _compare(type_, left, right, (), result)
    return result


def _compare(type_: Type, left: Json, right: Json, path: Path, result: Comparison) -> None:
    old, new = type_.pick(left), type_.pick(right)
    if right is MISSING:
        branches = [old]
    elif left is MISSING or old is new:
        branches = [new]
    else:
        branches = [old, new]
    leaf = False
    for branch in branches:
        leaf = _compare_branch(branch, left, right, path, result)
    if not leaf:
        if left is MISSING:
            result.added.insert(path)
        elif right is MISSING:
            result.removed.insert(path)


def _compare_branch(
    branch: Scalar | ListType | MapType, left: Json, right: Json, path: Path, result: Comparison
) -> bool:
    """Compare as one branch of the type; returns whether it was taken as one value."""
    if isinstance(branch, MapType):
        lefts, rights = as_map(left), as_map(right)
        if not branch.atomic and (lefts or rights):
            for name, old in lefts.items():
                new = rights.get(name, MISSING)
                if new is not old:
                    _compare(entry_type(branch, name), old, new, (*path, f"f:{name}"), result)
            for name, new in rights.items():
                if name not in lefts:
                    _compare(entry_type(branch, name), MISSING, new, (*path, f"f:{name}"), result)
            return False
    elif isinstance(branch, ListType):
        left_items, right_items = as_list(left), as_list(right)
        if not branch.atomic and (left_items or right_items):
            _compare_list(branch, left_items, right_items, path, result)
            return False
    _compare_leaf(left, right, path, result)
    return True


def _compare_leaf(left: Json, right: Json, path: Path, result: Comparison) -> None:
    if left is MISSING:
        result.added.insert(path)
    elif right is MISSING:
        result.removed.insert(path)
    elif not equal(left, right):
        result.modified.insert(path)


def _compare_list(type_: ListType, left: Sequence[Json], right: Sequence[Json], path: Path, result: Comparison) -> None:
    lefts, rights = grouped(type_, left), grouped(type_, right)
    for element in lefts | rights:
        old, new = lefts.get(element, []), rights.get(element, [])
        here = (*path, element)
        if len(old) <= 1 and len(new) <= 1:
            _compare(type_.items, old[0] if old else MISSING, new[0] if new else MISSING, here, result)
        elif len(old) >= 2 and len(new) >= 2:
            if not equal(old, new):
                result.modified.insert(here)
        elif len(old) >= 2:
            if new:
                _compare(type_.items, MISSING, new[0], here, result)
            result.removed.insert(here)
        else:
            if old:
                _compare(type_.items, old[0], MISSING, here, result)
            result.added.insert(here)
