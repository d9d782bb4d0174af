"""Objects held against their schema, with the errors of the real server.

Source: k8s.io/kube-openapi `validation/validate`, as k8s.io/apiextensions-apiserver words its results.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bot.sandbox.kube.merge.schema import OpenAPI, Schema
from bot.sandbox.kube.merge.structural import below, resolved

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """One thing wrong with one field: `reason` as a Status cause names it, `message` as `Invalid value: ...`."""

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


def shown(value: Any) -> str:
    """Print a value as field.Error does: JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError(
        reason="FieldValueInvalid",
        field=field,
        message=f"Invalid value: {shown(value)}" + (f": {detail}" if detail else ""),
    )


def type_invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError(reason="FieldValueTypeInvalid", field=field, message=invalid(field, value, detail).message)


def required(field: str, detail: str = "") -> FieldError:
    return FieldError(
        reason="FieldValueRequired", field=field, message="Required value" + (f": {detail}" if detail else "")
    )


def unsupported(field: str, value: Any, allowed: list[Any]) -> FieldError:
    listed = ", ".join(shown(one if isinstance(one, str) else shown(one)) for one in allowed)
    return FieldError(
        reason="FieldValueNotSupported",
        field=field,
        message=f"Unsupported value: {shown(value)}: supported values: {listed}",
    )


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError(reason="FieldValueDuplicate", field=field, message=f"Duplicate value: {shown(value)}")


def too_long(field: str, most: int) -> FieldError:
    return FieldError(reason="FieldValueTooLong", field=field, message=f"Too long: may not be more than {most} bytes")


def too_many(field: str, actual: int, most: int) -> FieldError:
    return FieldError(
        reason="FieldValueTooMany", field=field, message=f"Too many: {actual}: must have at most {most} items"
    )


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, Mapping),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value == int(value),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}


def validate(schema: Schema, body: Body) -> tuple[FieldError, ...]:
    """Return everything in a custom resource that its schema forbids, in the order of the schema."""
    return tuple(_validate(schema, schema.source, body, ""))


def _validate(schema: Schema, source: OpenAPI, value: Any, path: str) -> Iterator[FieldError]:
    source = resolved(schema, source)
    if value is None and source.get("nullable"):
        return
    kinds = ["integer", "string"] if source.get("x-kubernetes-int-or-string") else [source.get("type") or ""]
    if kinds != [""] and not any(_TYPES[kind](value) for kind in kinds):
        told = _go_type(value) if isinstance(value, Mapping | list) or value is None else value
        yield type_invalid(path, told, f"{path} in body must be of type {','.join(kinds)}: {shown(told)}")
        return
    if "enum" in source and value not in source["enum"]:
        yield unsupported(path, value, list(source["enum"]))
    if isinstance(value, str):
        yield from _string(source, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number(source, value, path)
    elif isinstance(value, list):
        yield from _list(schema, source, value, path)
    elif isinstance(value, Mapping):
        yield from _object(schema, source, value, path)


def _go_type(value: Any) -> str:
    return "null" if value is None else "object" if isinstance(value, Mapping) else "array"


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _string(source: OpenAPI, value: str, path: str) -> Iterator[FieldError]:
    most, least, pattern = source.get("maxLength"), source.get("minLength"), source.get("pattern")
    if most is not None and len(value) > most:
        yield too_long(path, most)
    if least is not None and len(value) < least:
        yield invalid(path, value, f"{path} in body should be at least {least} chars long")
    if pattern is not None and not _pattern(pattern).search(value):
        yield invalid(path, value, f"{path} in body should match '{pattern}'")


def _number(source: OpenAPI, value: float, path: str) -> Iterator[FieldError]:
    most, least = source.get("maximum"), source.get("minimum")
    if most is not None and (value >= most if source.get("exclusiveMaximum") else value > most):
        than = "less than" if source.get("exclusiveMaximum") else "less than or equal to"
        yield invalid(path, value, f"{path} in body should be {than} {most}")
    if least is not None and (value <= least if source.get("exclusiveMinimum") else value < least):
        than = "greater than" if source.get("exclusiveMinimum") else "greater than or equal to"
        yield invalid(path, value, f"{path} in body should be {than} {least}")
    factor = source.get("multipleOf")
    if factor is not None and value % factor:
        yield invalid(path, value, f"{path} in body should be a multiple of {factor}")


def _list(schema: Schema, source: OpenAPI, value: list[Any], path: str) -> Iterator[FieldError]:
    most, least = source.get("maxItems"), source.get("minItems")
    if least is not None and len(value) < least:
        yield invalid(path, len(value), f"{path} in body should have at least {least} items")
    if most is not None and len(value) > most:
        yield too_many(path, len(value), most)
    items = source.get("items")
    if items is not None:
        for index, item in enumerate(value):
            yield from _validate(schema, items, item, f"{path}[{index}]")


def _object(schema: Schema, source: OpenAPI, value: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    prefix = f"{path}." if path else ""
    most, least = source.get("maxProperties"), source.get("minProperties")
    if least is not None and len(value) < least:
        yield invalid(path, len(value), f"{path} in body should have at least {least} properties")
    if most is not None and len(value) > most:
        yield too_many(path, len(value), most)
    for name in source.get("required") or ():
        if name not in value:
            yield required(f"{prefix}{name}")
    for name, item in value.items():
        of_item = below(source, name)
        if of_item is not None:
            yield from _validate(schema, of_item, item, f"{prefix}{name}")
