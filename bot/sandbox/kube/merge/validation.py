"""Custom resources held against the schema of their CRD, with the errors of the real server.

Source: k8s.io/kube-openapi `validation/validate`, k8s.io/apiextensions-apiserver `apiserver/{validation,schema}`. Rules
in CEL (`x-kubernetes-validations`) are asked elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from bot.sandbox.kube.merge.elements import equal
from bot.sandbox.kube.merge.fielderror import (
    FieldError,
    duplicate,
    invalid,
    required,
    too_long,
    too_many,
    type_invalid,
    unsupported,
)
from bot.sandbox.kube.merge.formats import fits
from bot.sandbox.kube.merge.gotext import go_number
from bot.sandbox.kube.merge.schema import MISSING, OpenAPI, Schema
from bot.sandbox.kube.merge.structural import below

Body = Mapping[str, Any]
Errors = Iterator[FieldError]

# Where the real server says which field it means only in the message.
_NOWHERE: Final = "<nil>"
_RANGES: Final = {"int32": 1 << 31, "int64": 1 << 63}


def validate(schema: Schema, body: Body, old: Body | None = None) -> tuple[FieldError, ...]:
    """Return everything in a custom resource that its schema forbids.

    What was as wrong in `old`, and did not change, is let through.
    """
    source = schema.declared
    before = MISSING if old is None else old
    return (
        *_validate(source, body, "", before),
        *_embedded(source, body, ""),
        *(() if old is not None and any(_unique(source, old, "")) else _unique(source, body, "")),
    )


def _type_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int() if abs(value) < _RANGES["int64"]:
            return "integer"
        case int() | float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"


def _has_type(value: Any, kinds: Sequence[str]) -> bool:
    kind = _type_of(value)
    if kind in kinds or (kind == "integer" and "number" in kinds):
        return True
    return kind == "number" and "integer" in kinds and bool(value == int(value) and abs(value) < 1 << 53)


def _validate(source: OpenAPI, value: Any, path: str, old: Any) -> Errors:
    if old is not MISSING and equal(value, old):
        return
    kinds = ["integer", "string"] if source.get("x-kubernetes-int-or-string") else [source.get("type") or ""]
    if kinds != [""] and not (value is None and source.get("nullable")) and not _has_type(value, kinds):
        told, wanted = _type_of(value), ",".join(kinds)
        if source.get("format") and told not in ("null", "string", "array"):
            # The real server compares formats then, and a boolean or an object has none.
            told, wanted = {"integer": "int64", "number": "float64"}.get(told, ""), source["format"]
        yield type_invalid(path, told, f'{path} in body must be of type {wanted}: "{told}"')
    if value is not None:
        yield from _combined(source, value, path)
    match value:
        case str():
            yield from _string(source, value, path)
        case bool():
            pass
        case int() | float():
            yield from _number(source, value, path, kinds)
        case list():
            yield from _list(source, value, path, old)
    enum = source.get("enum")
    if enum and not any(equal(value, one) for one in enum):
        yield unsupported(path, value, enum)
    if isinstance(value, Mapping):
        yield from _object(source, value, path, old)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _string(source: OpenAPI, value: str, path: str) -> Errors:
    """Yield the first of what is wrong with the text, and its format."""
    most, least, pattern = source.get("maxLength"), source.get("minLength"), source.get("pattern")
    if most is not None and len(value) > most:
        yield too_long(path, most)
    elif least is not None and len(value) < least:
        yield invalid(path, value, f"{path} in body should be at least {least} chars long")
    elif pattern and not _pattern(pattern).search(value):
        yield invalid(path, value, f"{path} in body should match '{pattern}'")
    form = source.get("format", "")
    if form and source.get("type", "string") == "string" and not fits(form, value):
        yield type_invalid(path, value, f"{path} in body must be of type {form}: {json.dumps(value)}")


def _number(source: OpenAPI, value: float, path: str, kinds: Sequence[str]) -> Errors:
    if kinds == ["integer"]:
        form = source.get("format", "")
        limit = _RANGES.get(form, _RANGES["int64"])
        if value != int(value) or not -limit <= value < limit:
            named = f"with format {form}" if form in _RANGES else "(default format)"
            yield invalid(_NOWHERE, "", f"Checked value must be of type integer {named} in {path}")
    # Limits are compared as what the value is: beside a whole number, a limit of 1.5 is 1.
    number = int if isinstance(value, int) and abs(value) < _RANGES["int64"] else float
    factor, most, least = (source.get(name) for name in ("multipleOf", "maximum", "minimum"))
    shown = number(value)
    if factor is not None:
        factor = number(factor)
        if factor <= 0:
            yield invalid(path, factor, f"factor MultipleOf declared for {path} must be positive: {go_number(factor)}")
        elif not float(value / factor).is_integer():
            yield invalid(path, shown, f"{path} in body should be a multiple of {go_number(factor)}")
    if least is not None and (value <= number(least) if source.get("exclusiveMinimum") else value < number(least)):
        than = "greater than" if source.get("exclusiveMinimum") else "greater than or equal to"
        yield invalid(path, shown, f"{path} in body should be {than} {go_number(number(least))}")
    if most is not None and (value >= number(most) if source.get("exclusiveMaximum") else value > number(most)):
        than = "less than" if source.get("exclusiveMaximum") else "less than or equal to"
        yield invalid(path, shown, f"{path} in body should be {than} {go_number(number(most))}")


def _list(source: OpenAPI, value: list[Any], path: str, old: Any) -> Errors:
    items = source.get("items")
    if items is not None:
        before = _entries(source, old)
        for index, item in enumerate(value):
            yield from _validate(items, item, f"{path}[{index}]", before.get(_identity(source, item), MISSING))
    least, most = source.get("minItems"), source.get("maxItems")
    if least is not None and len(value) < least:
        yield invalid(path, len(value), f"{path} in body should have at least {least} items")
    if most is not None and len(value) > most:
        yield too_many(path, len(value), most)


def _entries(source: OpenAPI, old: Any) -> Mapping[str, Any]:
    """Return the old entries of a list map by their identity; those of other lists correspond to nothing."""
    if source.get("x-kubernetes-list-type") != "map" or not isinstance(old, list):
        return {}
    return {_identity(source, item): item for item in old}


def _identity(source: OpenAPI, item: Any) -> str:
    keys = source.get("x-kubernetes-list-map-keys") or ()
    return json.dumps([item.get(key) for key in keys] if isinstance(item, Mapping) else None)


def _object(source: OpenAPI, value: Mapping[str, Any], path: str, old: Any) -> Errors:
    prefix = f"{path}." if path else ""
    least, most = source.get("minProperties"), source.get("maxProperties")
    if least is not None and len(value) < least:
        yield invalid(path, len(value), f"{path} in body should have at least {least} properties")
    if most is not None and len(value) > most:
        yield too_many(path, len(value), most)
    before = old if isinstance(old, Mapping) else {}
    for name, item in value.items():
        of_item = below(source, name)
        if of_item is not None:
            yield from _validate(of_item, item, f"{prefix}{name}", before.get(name, MISSING))
    for name in source.get("required") or ():
        if name not in value:
            yield required(f"{prefix}{name}")


def _combined(source: OpenAPI, value: Any, path: str) -> Errors:
    """Yield what `anyOf`, `oneOf`, `allOf` and `not` find; the best failure of several is the one with least errors."""
    any_of, one_of, all_of = (source.get(name) or () for name in ("anyOf", "oneOf", "allOf"))
    if any_of:
        failures = [tuple(_validate(one, value, path, MISSING)) for one in any_of]
        if all(failures):
            yield invalid(_NOWHERE, "", f'"{path}" must validate at least one schema (anyOf)')
            yield from min(failures, key=len)
    if one_of:
        failures = [tuple(_validate(one, value, path, MISSING)) for one in one_of]
        valid = failures.count(())
        if valid != 1:
            found = f"Found {valid} valid alternatives" if valid else "Found none valid"
            yield invalid(_NOWHERE, "", f'"{path}" must validate one and only one schema (oneOf). {found}')
        if not valid:
            yield from min(failures, key=len)
    if all_of:
        failures = [tuple(_validate(one, value, path, MISSING)) for one in all_of]
        for errors in failures:
            yield from errors
        if any(failures):
            none = ". None validated" if all(failures) else ""
            yield invalid(_NOWHERE, "", f'"{path}" must validate all the schemas (allOf){none}')
    refused = source.get("not")
    if refused is not None and not any(_validate(refused, value, path, MISSING)):
        yield invalid(_NOWHERE, "", f'"{path}" must not validate the schema (not)')


def _children(source: OpenAPI, value: Any, path: str) -> Iterator[tuple[OpenAPI, Any, str]]:
    """Yield (schema, value, path) of everything right below that has a schema."""
    if isinstance(value, list):
        items = source.get("items")
        for index, item in enumerate(value):
            if items is not None:
                yield items, item, f"{path}[{index}]"
    elif isinstance(value, Mapping):
        for name, item in value.items():
            of_item = below(source, name)
            if of_item is not None:
                named = name in (source.get("properties") or ())
                yield of_item, item, (f"{path}.{name}" if path else name) if named else f"{path}[{name}]"


def _embedded(source: OpenAPI, value: Any, path: str) -> Errors:
    """Require `apiVersion` and `kind` of embedded resources."""
    if source.get("x-kubernetes-embedded-resource") and isinstance(value, Mapping):
        for name in ("apiVersion", "kind"):
            if name not in value:
                yield required(f"{path}.{name}")
            elif not isinstance(value[name], str):
                yield invalid(f"{path}.{name}", value[name], "must be a string")
            elif not value[name]:
                yield invalid(f"{path}.{name}", value[name], "must not be empty")
    for child in _children(source, value, path):
        yield from _embedded(*child)


def _unique(source: OpenAPI, value: Any, path: str) -> Errors:
    """Tell entries of sets and list maps that are there twice, each once."""
    if isinstance(value, list):
        kind = source.get("x-kubernetes-list-type")
        if kind == "set":
            yield from _repeated(value, path)
        elif kind == "map":
            strange = next((i for i, item in enumerate(value) if not isinstance(item, Mapping | None)), None)
            if strange is not None:
                yield invalid(f"{path}[{strange}]", value[strange], "must be an object for an array of list-type map")
            else:
                keys = source.get("x-kubernetes-list-map-keys") or ()
                yield from _repeated([{key: item[key] for key in keys if key in (item or {})} for item in value], path)
    for child in _children(source, value, path):
        yield from _unique(*child)


def _repeated(values: Sequence[Any], path: str) -> Errors:
    seen: dict[str, int] = {}
    for index, value in enumerate(values):
        text = json.dumps(value, sort_keys=True)
        seen[text] = seen.get(text, 0) + 1
        if seen[text] == 2:
            yield duplicate(f"{path}[{index}]", value)
