"""The tables of `docs/settings.md`, made from the schema: one for each section, in the order of the file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Shape = Mapping[str, Any]
_TYPES = {"string": "text", "boolean": "`true` or `false`", "integer": "whole number", "number": "number"}


def tables(schema: Shape) -> Iterator[str]:
    """Yield the lines; a section that is used in several places is described at the first."""
    yield from _table(schema, schema, links=True)
    described: set[str] = set()
    for key, shape in schema["properties"].items():
        yield from _sections(key, shape, schema, described, depth=2)


def _sections(key: str, shape: Shape, schema: Shape, described: set[str], *, depth: int) -> Iterator[str]:
    for name in _refs(shape):
        if name in described:
            continue
        described.add(name)
        section = schema["$defs"][name]
        kind = section["properties"].get("type", {}).get("const")
        yield f"\n{'#' * depth} `{key}`" + (f", `type: {kind}`" if kind else "")
        if "description" in section:
            yield f"\n{' '.join(section['description'].split())}"
        if name == "AppSet":
            yield "\nEvery other key of an app belongs here too."
            section = {**section, "properties": _own(section, schema["$defs"]["App"])}
        yield ""
        yield from _table(section, schema)
        for further, inner in section["properties"].items():
            yield from _sections(f"{key}.{further}", inner, schema, described, depth=min(depth + 1, 3))


def _own(section: Shape, other: Shape) -> dict[str, Shape]:
    """Return what a section has that another has not, or not so."""
    return {key: one for key, one in section["properties"].items() if other["properties"].get(key) != one}


def _table(section: Shape, schema: Shape, *, links: bool = False) -> Iterator[str]:
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    required = section.get("required", ())
    for key, shape in sorted(section["properties"].items(), key=lambda one: (one[0] != "name", one[0] not in required)):
        shown = f"[`{key}`](#{key})" if links and list(_refs(shape)) else f"`{key}`"
        default = "required" if key in required else _default(shape)
        yield f"| {shown} | {_value(shape)} | {default} | {_meaning(shape, schema)} |".replace("  ", " ")


def _meaning(shape: Shape, schema: Shape) -> str:
    """Return what a key says of itself, else the first line of what its section says."""
    about = [shape, *(schema["$defs"][name] for name in _refs(shape))]
    return next((str(one["description"]).partition("\n")[0] for one in about if "description" in one), "")


def _refs(shape: Shape) -> Iterator[str]:
    if "$ref" in shape:
        yield shape["$ref"].rpartition("/")[2]
    for one in (*shape.get("anyOf", ()), *shape.get("oneOf", ()), shape.get("items")):
        if one is not None:
            yield from _refs(one)


def _value(shape: Shape) -> str:
    if shape.get("type") == "array":
        return "list" if list(_refs(shape)) else f"list of {_value(shape['items'])}"
    if list(_refs(shape)):
        return "keys"
    if "anyOf" in shape:
        return _value(next(one for one in shape["anyOf"] if one.get("type") != "null"))
    if "enum" in shape or "const" in shape:
        return ", ".join(f"`{one}`" for one in shape.get("enum", (shape.get("const"),)) if one)
    if shape.get("type") == "object":
        return "names with text"
    if "ms|s|m|h|d" in shape.get("pattern", ""):
        return "duration"
    return _TYPES[shape["type"]]


def _default(shape: Shape) -> str:
    default = shape.get("default")
    if list(_refs(shape)) or default in (None, "", [], {}):
        return ""
    if isinstance(default, list):
        return ", ".join(f"`{one}`" for one in default)
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"
