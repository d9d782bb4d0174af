"""The set of fields that a typed value mentions, and a value without some of them.

The walks `toset` and `remove` of structured-merge-diff v6 `typed`. Nothing given is changed; results may share parts
with what was given.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.sandbox.kube.merge.elements import Json, as_list, as_map, element_of, entry_type, grouped
from bot.sandbox.kube.merge.fieldset import FieldSet, Path
from bot.sandbox.kube.merge.schema import ListType, Scalar, Type


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
        for element, items in grouped(branch, as_list(value)).items():
            here = (*path, element)
            if len(items) == 1:
                _fields_of(branch.items, items[0], here, result)
            result.insert(here)
    else:
        for name, below in as_map(value).items():
            here = (*path, f"f:{name}")
            _fields_of(entry_type(branch, name), below, here, result)
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
        out[name] = remove(entry_type(branch, name), item, below) if below else item
    return out or None
