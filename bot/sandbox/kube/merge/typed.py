"""Values and their types together: merge, compare, remove, and the set of fields that a value mentions.

The walks of sigs.k8s.io/structured-merge-diff v6 `typed`, over plain JSON values. MISSING stands for its nil value,
None for an explicit null. Nothing given is changed; results may share parts with what was given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.kube.merge import fieldset
from bot.sandbox.kube.merge.fieldset import FieldSet, Path
from bot.sandbox.kube.merge.gotext import go_syntax, go_value
from bot.sandbox.kube.merge.schema import MISSING, ListType, MapType, Scalar, Type

Json = Any


class Unfit(Exception):
    """A value that its type does not allow; worded as structured-merge-diff words it, with the path in front."""


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


def _as_map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _as_list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()


# --- merge ------------------------------------------------------------------------------------------------------------


def merge(type_: Type, left: Json, right: Json) -> Json:
    """Lay `right` over `left`: nothing is removed, leaves are taken from `right`, lists take its order.

    Returns MISSING where nothing is left, as for a map whose entries all were MISSING.
    """
    branch = type_.pick(left if right is MISSING else right)
    if isinstance(branch, Scalar):
        return left if right is MISSING else right
    if isinstance(branch, ListType):
        if branch.atomic or not (_as_list(left) or _as_list(right)):
            return left if right is MISSING else right
        return _merge_list(branch, _as_list(left), _as_list(right)) or MISSING
    if branch.atomic or not (_as_map(left) or _as_map(right)):
        return left if right is MISSING else right
    return _merge_map(branch, _as_map(left), _as_map(right)) or MISSING


def _merge_map(type_: MapType, left: Mapping[str, Json], right: Mapping[str, Json]) -> dict[str, Json]:
    out = {}
    for name, old in left.items():
        new = right.get(name, MISSING)
        value = old if new is MISSING else merge(_field(type_, name), old, new)
        if value is not MISSING:
            out[name] = value
    for name, new in right.items():
        if name not in left:
            value = merge(_field(type_, name), MISSING, new)
            if value is not MISSING:
                out[name] = value
    return out


def _field(type_: MapType, name: str) -> Type:
    found = type_.field(name)
    if found is None:
        raise Unfit(f".{name}: field not declared in schema")
    return found


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


# --- compare ----------------------------------------------------------------------------------------------------------


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
        lefts, rights = _as_map(left), _as_map(right)
        if not branch.atomic and (lefts or rights):
            for name, old in lefts.items():
                new = rights.get(name, MISSING)
                if new is not old:
                    _compare(_field(branch, name), old, new, (*path, f"f:{name}"), result)
            for name, new in rights.items():
                if name not in lefts:
                    _compare(_field(branch, name), MISSING, new, (*path, f"f:{name}"), result)
            return False
    elif isinstance(branch, ListType):
        left_items, right_items = _as_list(left), _as_list(right)
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


def _grouped(type_: ListType, items: Sequence[Json]) -> dict[str, list[Json]]:
    groups: dict[str, list[Json]] = {}
    for item in items:
        groups.setdefault(element_of(type_, item), []).append(item)
    return groups


def _compare_list(type_: ListType, left: Sequence[Json], right: Sequence[Json], path: Path, result: Comparison) -> None:
    lefts, rights = _grouped(type_, left), _grouped(type_, right)
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


# --- sets of fields ---------------------------------------------------------------------------------------------------


def fields_of(type_: Type, value: Json) -> FieldSet:
    """Return every leaf that `value` mentions, and every entry of its lists and maps."""
    result = FieldSet()
    _fields_of(type_, value, (), result)
    return result


def _fields_of(type_: Type, value: Json, path: Path, result: FieldSet) -> None:
    branch = type_.pick(value)
    if isinstance(branch, Scalar) or branch.atomic:
        result.insert(path)
    elif isinstance(branch, ListType):
        for element, items in _grouped(branch, _as_list(value)).items():
            here = (*path, element)
            if len(items) == 1:
                _fields_of(branch.items, items[0], here, result)
            result.insert(here)
    else:
        for name, below in _as_map(value).items():
            here = (*path, f"f:{name}")
            _fields_of(_field(branch, name), below, here, result)
            if below is None or below == {} or name not in branch.names:
                result.insert(here)


def with_named_fields(type_: Type | None, fields: FieldSet) -> FieldSet:
    """Add the structs on the way to each path: owning `spec.replicas` counts as owning `spec`, a map's key does not."""
    members = set(fields.members)
    children = {}
    for element, child in fields.children.items():
        below: Type | None = None
        if element[0] == "f" and type_ is not None and type_.map is not None:
            name = element[2:]
            below = type_.map.field(name)
            if name in type_.map.names:
                members.add(element)
        elif element[0] == "k" and type_ is not None and type_.list is not None:
            below = type_.list.items
        children[element] = with_named_fields(below, child)
    return FieldSet(members, children)


def remove(type_: Type, value: Json, fields: FieldSet) -> Json:
    """Take the named entries out of `value`; None where a list or map ends up empty, as the original does."""
    branch = type_.pick(value)
    if isinstance(branch, Scalar):
        return value
    if isinstance(branch, ListType):
        if branch.atomic or not isinstance(value, list):
            return None
        items = []
        for item in value:
            element = element_of(branch, item)
            if element in fields.members:
                continue
            below = fields.below(element)
            items.append(remove(branch.items, item, below) if below else item)
        return items or None
    if branch.atomic or not isinstance(value, Mapping):
        return None
    out = {}
    for name, item in value.items():
        element = f"f:{name}"
        if element in fields.members:
            continue
        below = fields.below(element)
        out[name] = remove(_field(branch, name), item, below) if below else item
    return out or None


# --- fit --------------------------------------------------------------------------------------------------------------


def check(type_: Type, value: Json, *, duplicates: bool = False) -> tuple[str, ...]:
    """Return what does not fit the type, each as `.spec.replicas: expected numeric (int or float), got string`."""
    errors: list[str] = []
    _check(type_, value, "", errors, duplicates)
    return tuple(errors)


_GO_TYPES = {str: "string", bool: "bool", int: "int64", float: "float64"}


def _check(type_: Type, value: Json, path: str, errors: list[str], duplicates: bool) -> None:
    branch = type_.pick(value)
    if value is None:
        return
    if isinstance(branch, Scalar):
        _check_scalar(branch, value, path, errors)
    elif isinstance(branch, ListType):
        if not isinstance(value, list):
            errors.append(_at(path, f"expected list, got &{{{go_value(value)}}}"))
            return
        seen: set[str] = set()
        for index, item in enumerate(value):
            below = f"{path}[{index}]"
            if not branch.atomic:
                try:
                    element = element_of(branch, item)
                except Unfit as e:
                    errors.append(_at(path, f"element {index}: {e}"))
                    return
                below = path + fieldset.show((element,))
                if element in seen and not duplicates:
                    errors.append(_at(path, f"duplicate entries for key {fieldset.show((element,))}"))
                seen.add(element)
            _check(branch.items, item, below, errors, duplicates)
    elif not isinstance(value, Mapping):
        errors.append(_at(path, f"expected map, got &{{{go_value(value)}}}"))
    else:
        for name, item in value.items():
            below_type = branch.field(name)
            if below_type is None:
                errors.append(f"{path}.{name}: field not declared in schema")
                return
            _check(below_type, item, f"{path}.{name}", errors, duplicates)


def _check_scalar(branch: Scalar, value: Json, path: str, errors: list[str]) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if branch is Scalar.NUMERIC and not number:
        kind = _GO_TYPES.get(type(value)) or (
            "[]interface {}" if isinstance(value, list) else "map[string]interface {}"
        )
        errors.append(_at(path, f"expected numeric (int or float), got {kind}"))
    elif branch is Scalar.STRING and not isinstance(value, str):
        errors.append(_at(path, f"expected string, got &value.valueUnstructured{{Value:{go_syntax(value)}}}"))
    elif branch is Scalar.BOOLEAN and not isinstance(value, bool):
        errors.append(_at(path, f"expected boolean, got &{{{go_value(value)}}}"))
    elif branch is Scalar.UNTYPED and isinstance(value, list | Mapping):
        errors.append(_at(path, f"expected any scalar, got &{{{go_value(value)}}}"))


def _at(path: str, message: str) -> str:
    return f"{path}: {message}" if path else message
