"""Objects as the rows that `kubectl get` prints: columns as recorded, cells as the real printers write them.

Source of the cells: k8s.io/kubernetes/pkg/printers/internalversion/printers.go. A kind that is not here shows its name
and age, and "<none>" in its other columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from bot.sandbox.kube import recorded
from bot.sandbox.kube.kinds import Resource
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.tables import cluster, custom, network, pods, storage, workloads
from bot.sandbox.kube.tables.text import Cell, age

Cells = Mapping[str, Cell]

_CELLS: Final[Mapping[str, Cells]] = {
    **workloads.CELLS,
    **pods.CELLS,
    **network.CELLS,
    **storage.CELLS,
    **cluster.CELLS,
}


def table(
    resource: Resource,
    objects: Sequence[Body],
    metadata: Mapping[str, Any] | None,
    version: str,
    query: Mapping[str, str],
) -> Mapping[str, Any]:
    """Return objects as a Table; of a list with its `metadata`, of one object with that object's version."""
    now = datetime.now(tz=UTC)
    if resource.definition is not None:
        columns, cells = custom.columns(resource.definition, now)
    else:
        known = recorded.columns().get(f"{resource.plural}.{resource.group}/{resource.version}", _PLAIN)
        columns = [_column(*one) for one in known]
        printers = _CELLS.get(resource.key, {})
        cells = [_cell(str(one["name"]), printers, now) for one in columns]
    shown = metadata if metadata is not None else {"resourceVersion": objects[0]["metadata"].get("resourceVersion", "")}
    include = query.get("includeObject", "Metadata")
    rows = [{"cells": [cell(body) for cell in cells], **_object(body, include, version)} for body in objects]
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": dict(shown),
        "columnDefinitions": columns,
        "rows": rows,
    }


_PLAIN: Final = (("Name", "string", "name", 0), ("Age", "string", "", 0))


def _column(name: str, type: str, format: str, priority: int) -> dict[str, Any]:
    return {"name": name, "type": type, "format": format, "description": "", "priority": priority}


def _cell(name: str, printers: Cells, now: datetime) -> Callable[[Body], Any]:
    if (printer := printers.get(name)) is not None:
        return lambda body: printer(body, now)
    match name:
        case "Name":
            return lambda body: body["metadata"]["name"]
        case "Age":
            return lambda body: age(body["metadata"].get("creationTimestamp"), now)
        case "Created At":
            return lambda body: body["metadata"].get("creationTimestamp")
        case _:
            return lambda body: "<none>"


def _object(body: Body, include: str, version: str) -> dict[str, Any]:
    match include:
        case "None":
            return {}
        case "Object":
            return {"object": body}
        case _:
            meta = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}"}
            return {"object": {**meta, "metadata": body["metadata"]}}
