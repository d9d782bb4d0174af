"""The columns that a CustomResourceDefinition declares (additionalPrinterColumns). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.tables.text import age

_STEP: Final = re.compile(r"""\.?(?:([^.\[\]]+)|\[['"]?([^\]'"]+)['"]?\])""")
_AGE: Final = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def columns(version: Mapping[str, Any], now: datetime) -> tuple[list[dict[str, Any]], list[Callable[[Body], Any]]]:
    """Return the column definitions, and what fills each of them."""
    declared = version.get("additionalPrinterColumns") or [_AGE]
    heads = [{"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0}]
    cells: list[Callable[[Body], Any]] = [lambda body: body["metadata"]["name"]]
    for one in declared:
        heads.append(
            {
                "name": one["name"],
                "type": one["type"],
                "format": one.get("format", ""),
                "description": one.get("description", ""),
                "priority": one.get("priority", 0),
            }
        )
        cells.append(_cell(one["jsonPath"], one["type"], now))
    return heads, cells


def _cell(path: str, type: str, now: datetime) -> Callable[[Body], Any]:
    def cell(body: Body) -> Any:
        value = look(body, path)
        if value is None:
            return None
        if type == "date":
            return age(str(value), now)
        if type == "string":
            return value if isinstance(value, str) else orjson.dumps(value).decode()
        return value

    return cell


def look(body: Any, path: str) -> Any:
    """Return what a simple JSONPath finds: fields, indexes, and `[?(@.type=="Ready")]`."""
    condition = re.match(
        r"""^(?P<list>.*?)\[\?\(@\.(?P<key>\w+)\s*==\s*['"](?P<value>[^'"]*)['"]\)\](?P<rest>.*)$""", path
    )
    if condition is not None:
        found = look(body, condition["list"])
        for one in found if isinstance(found, list) else ():
            if isinstance(one, Mapping) and str(one.get(condition["key"])) == condition["value"]:
                return look(one, condition["rest"])
        return None
    value = body
    for name, key in _STEP.findall(path.strip("{}")):
        step = (name or key).replace("\\.", ".")
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
