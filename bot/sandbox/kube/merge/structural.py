"""What a schema adds to an object and takes from it: defaults, and fields that it does not know.

Source: k8s.io/apiextensions-apiserver `apiserver/schema/{defaulting,pruning}`. Nothing given is changed.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from bot.sandbox.kube.merge.schema import OpenAPI, Schema, reference

Body = Mapping[str, Any]
_META = ("apiVersion", "kind", "metadata")


def resolved(schema: Schema, source: OpenAPI) -> OpenAPI:
    """Follow a reference; what stands beside it (description, default) is the referrer's and is not needed here."""
    name = reference(source)
    return source if name is None else schema.definitions[name]


def below(source: OpenAPI, name: str) -> OpenAPI | None:
    """Return the schema of a key of an object, None if the key is unknown or anything."""
    found = (source.get("properties") or {}).get(name)
    if found is not None:
        return found  # type: ignore[no-any-return]  # JSON
    additional = source.get("additionalProperties")
    return additional if isinstance(additional, Mapping) else None


def free(source: OpenAPI) -> bool:
    """Whether an object may hold keys that nothing describes."""
    additional = source.get("additionalProperties")
    if additional is not None:
        return bool(additional)
    return bool(source.get("x-kubernetes-preserve-unknown-fields"))


def default(schema: Schema, body: Body) -> dict[str, Any]:
    """Return a custom resource with every default of its schema. Idempotent."""
    return _default(schema, schema.source, dict(body))  # type: ignore[no-any-return]  # JSON


def _useless_null(value: Any, source: OpenAPI | None) -> bool:
    return value is None and source is not None and not source.get("nullable") and "default" not in source


def _without_nulls(schema: Schema, source: OpenAPI | None, value: Any) -> Any:
    """Drop nulls where null is not allowed and no default takes their place."""
    source = None if source is None else resolved(schema, source)
    if isinstance(value, Mapping):
        out = {}
        for name, item in value.items():
            of_item = None if source is None else below(source, name)
            if not _useless_null(item, of_item):
                out[name] = _without_nulls(schema, of_item, item)
        return out
    if isinstance(value, list):
        items = None if source is None else source.get("items")
        return [_without_nulls(schema, items, item) for item in value]
    return value


def _default(schema: Schema, source: OpenAPI | None, value: Any) -> Any:
    if source is None:
        return value
    source = resolved(schema, source)
    if isinstance(value, Mapping):
        out = dict(value)
        properties: Mapping[str, OpenAPI] = source.get("properties") or {}
        for name, of_item in properties.items():
            if "default" in of_item and (name not in out or (out[name] is None and not of_item.get("nullable"))):
                out[name] = copy.deepcopy(of_item["default"])
        for name, item in out.items():
            of_item_or_none = below(source, name)
            if item is None and of_item_or_none is not None and not of_item_or_none.get("nullable"):
                item = copy.deepcopy(of_item_or_none.get("default"))
            out[name] = _default(schema, of_item_or_none, item)
        return out
    if isinstance(value, list):
        items = source.get("items")
        return [
            _default(
                schema,
                items,
                copy.deepcopy(items.get("default")) if item is None and items and not items.get("nullable") else item,
            )
            for item in value
        ]
    return value


def prune(schema: Schema, body: Body) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the object without the fields its schema does not know, and where they were: `spec.template.foo`, sorted.

    Fields of `metadata` count too. Nulls that are not allowed and that no default replaces go as well, unnamed. This is
    what happens to what is sent and to what is stored; what an apply merged is not pruned before it is validated.
    """
    unknown: list[str] = []
    pruned = _prune(schema, schema.source, dict(body), "", unknown, preserve=False)
    return _without_nulls(schema, schema.source, pruned), tuple(sorted(unknown))


def _prune(schema: Schema, source: OpenAPI, value: Any, path: str, unknown: list[str], *, preserve: bool) -> Any:
    source = resolved(schema, source)
    preserve = preserve or free(source)
    if isinstance(value, Mapping):
        anything = preserve or (schema.builtin and not source.get("properties"))
        out = {}
        for name, item in value.items():
            here = f"{path}.{name}" if path else name
            of_item = below(source, name)
            if of_item is not None:
                out[name] = _prune(schema, of_item, item, here, unknown, preserve=False)
            elif anything or (source.get("x-kubernetes-embedded-resource") and name in _META):
                out[name] = item
            else:
                unknown.append(here)
        return out
    if isinstance(value, list):
        items = source.get("items")
        if items is None:
            return value
        return [
            _prune(schema, items, item, f"{path}[{index}]", unknown, preserve=preserve)
            for index, item in enumerate(value)
        ]
    return value
