"""Strategic merge patch: what kubectl sends for built-in kinds. A document and a patch in, a new document out. Pure.

Lists with a merge key are merged entry by entry, `$patch`, `$retainKeys`, `$deleteFromPrimitiveList/` and
`$setElementOrder/` are obeyed. Source: k8s.io/apimachinery/pkg/util/strategicpatch; the strategies are those of
the Go structs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bot.sandbox.kube.errors import bad_request
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.scalars import Shape
from bot.sandbox.kube.shapes import Field, List, Map, Struct, shape_of

_PATCH: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_DELETE: Final = "$deleteFromPrimitiveList/"
_ORDER: Final = "$setElementOrder/"


def strategic_patch(resource: Resource, live: Body, patch: Any) -> Any:
    """Return the patched object. Raises `StatusError` 400 for a patch that makes no sense."""
    if not isinstance(patch, Mapping):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        )
    return _merge_map(shape_of(resource.group, resource.version, resource.kind), live, patch)


def _merge_map(shape: Shape | None, live: Any, patch: Mapping[str, Any]) -> Any:
    directive = patch.get(_PATCH)
    if directive == "replace":
        return _cleaned({key: value for key, value in patch.items() if key != _PATCH})
    if directive == "delete":
        return {}
    if directive not in {None, "merge"}:
        raise bad_request(f"unknown patch type found: {directive}")
    merged = dict(live) if isinstance(live, Mapping) else {}
    if _RETAIN in patch:
        merged = {key: value for key, value in merged.items() if key in patch[_RETAIN]}
    for key, value in patch.items():
        if key in {_PATCH, _RETAIN} or key.startswith((_DELETE, _ORDER)):
            continue
        inside = _field(shape, key)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = _merge_map(_shape(shape, inside), merged.get(key), value)
        elif isinstance(value, list) and inside is not None and "merge" in inside.strategy:
            merged[key] = _merge_list(inside, merged.get(key) or [], value, patch.get(_ORDER + key))
        else:
            merged[key] = _cleaned(value)
    for key, value in patch.items():
        if key.startswith(_DELETE):
            name = key.removeprefix(_DELETE)
            merged[name] = [one for one in merged.get(name) or [] if one not in value]
        elif key.startswith(_ORDER) and (name := key.removeprefix(_ORDER)) not in patch and name in merged:
            inside = _field(shape, name)
            merged[name] = _ordered(merged[name], value, merged[name], inside.merge_key if inside is not None else "")
    return merged


def _merge_list(field: Field, live: list[Any], patch: list[Any], order: Sequence[Any] | None) -> list[Any]:
    key = field.merge_key
    if not key:
        merged = [*live, *(one for one in patch if one not in live)]
        return _ordered(merged, order or patch, live, "")
    if any(isinstance(one, Mapping) and one.get(_PATCH) == "replace" for one in patch):
        return [_cleaned(one) for one in patch if one.get(_PATCH) != "replace" or len(one) > 1]
    items = field.shape.items if isinstance(field.shape, List) else None
    merged = list(live)
    for one in patch:
        if not isinstance(one, Mapping):
            raise bad_request("map: value is not an object in a list that is merged by key")
        if one.get(_PATCH) == "delete":
            merged = [other for other in merged if other.get(key) != one.get(key)]
            continue
        if key not in one:
            raise bad_request(f"map: {dict(one)} does not contain declared merge key: {key}")
        index = next((i for i, other in enumerate(merged) if other.get(key) == one[key]), None)
        if index is None:
            merged.append(_merge_map(items, None, one))
        else:
            merged[index] = _merge_map(items, merged[index], one)
    return _ordered(merged, order or patch, live, key)


def _ordered(items: list[Any], order: Sequence[Any], live: Sequence[Any], key: str) -> list[Any]:
    """Return the entries that the patch names in its order, and the others before or after them as they were."""

    def name(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, Mapping) else item

    wanted, before = [name(one) for one in order], [name(one) for one in live]
    named = sorted((one for one in items if name(one) in wanted), key=lambda one: wanted.index(name(one)))
    others = [one for one in items if name(one) not in wanted]
    result = []
    while named and others:
        first, second = name(others[0]), name(named[0])
        kept = first in before and second in before and before.index(first) < before.index(second)
        result.append((others if kept else named).pop(0))
    return [*result, *others, *named]


def _field(shape: Shape | None, name: str) -> Field | None:
    return shape.field(name) if isinstance(shape, Struct) else None


def _shape(parent: Shape | None, field: Field | None) -> Shape | None:
    if field is not None:
        return field.shape
    return parent.values if isinstance(parent, Map) else None


def _cleaned(value: Any) -> Any:
    """Return a value without directives, which a new value may carry too."""
    if isinstance(value, Mapping):
        return {key: _cleaned(inner) for key, inner in value.items() if not key.startswith("$") and inner is not None}
    return [_cleaned(one) for one in value] if isinstance(value, list) else value
