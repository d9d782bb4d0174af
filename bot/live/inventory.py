"""The parent ConfigMap of an app: its inventory, and the mirror of what people ordered (KEP-3659).

In go values, out come bodies and back. Pure. The list is JSON lines while it is short, so that people can read it;
a long one is gzipped: an object of Kubernetes ends at 1 MiB.
"""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from bot.model import marks
from bot.model.app import AppSpec
from bot.model.control import Control, Pause, Pin
from bot.model.record import Inventory
from bot.model.resource import Body, ResourceId, ResourceRef

CONTROL: Final = "gitops-bot/control"
_LIST: Final = "inventory"
_PACKED: Final = "inventory.gz"
_PLAIN_LIMIT_BYTES: Final = 400_000
_PARTS: Final = 5  # of an object in the list


def read(app: AppSpec, body: Body) -> Inventory:
    """Return what the parent lists. Raises `ValueError` for a list that is not as `patch` writes it."""
    packed = (body.get("binaryData") or {}).get(_PACKED)
    text = _unpacked(packed) if packed else (body.get("data") or {}).get(_LIST, "").encode()
    refs = frozenset(map(_ref, filter(None, text.splitlines())))
    return Inventory(app=app.name, refs=refs, version=str(body["metadata"]["resourceVersion"]))


def _ref(line: str | bytes) -> ResourceRef:
    parts = orjson.loads(line)
    if not isinstance(parts, list) or len(parts) != _PARTS or not all(isinstance(one, str) for one in parts):
        raise ValueError("a line of the list names no object")
    group, version, kind, namespace, name = parts
    return ResourceRef(ResourceId(group, kind, namespace, name), version)


def _unpacked(packed: str) -> bytes:
    try:
        return gzip.decompress(base64.b64decode(packed))
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError("the packed list is damaged") from error


def patch(app: AppSpec, inventory: Inventory, *, instance: str, parent: str, namespace: str) -> dict[str, Any]:
    """Return the merge patch (RFC 7396) that writes an inventory if nobody else wrote since it was read."""
    lines = sorted(
        orjson.dumps([ref.id.group, ref.version, ref.id.kind, ref.id.namespace, ref.id.name]) for ref in inventory.refs
    )
    text = b"\n".join(lines)
    plain = len(text) <= _PLAIN_LIMIT_BYTES
    kinds = sorted({f"{ref.id.kind}.{ref.id.group}".rstrip(".") for ref in inventory.refs})
    others = sorted({ref.id.namespace for ref in inventory.refs} - {"", namespace})
    metadata: dict[str, Any] = {
        "labels": {
            marks.INSTANCE_LABEL: instance,
            marks.APP_LABEL: app.name,
            marks.APPLYSET_ID_LABEL: marks.applyset_id(parent, namespace),
        },
        "annotations": {
            "applyset.kubernetes.io/tooling": "gitops-bot/v1",
            "applyset.kubernetes.io/contains-group-kinds": ",".join(kinds),
            "applyset.kubernetes.io/additional-namespaces": ",".join(others),
        },
    }
    if inventory.version:
        metadata["resourceVersion"] = inventory.version
    return {
        "metadata": metadata,
        "data": {_LIST: text.decode() if plain else None},
        "binaryData": {_PACKED: None if plain else base64.b64encode(gzip.compress(text, mtime=0)).decode()},
    }


def write_control(control: Control) -> str:
    """Return an annotation's value; "" for a running app."""
    value: dict[str, Any] = {}
    if control.pause is not None:
        held = control.pause
        of_many = {"order": held.order, "operation": held.operation} if held.order else {}
        value["pause"] = {"by": held.by, "reason": held.reason, "since": held.since, "until": held.until, **of_many}
    if control.pin is not None:
        pin = control.pin
        value["pin"] = {"commit": pin.commit, "by": pin.by, "reason": pin.reason, "since": pin.since}
    return orjson.dumps(value).decode() if value else ""


def read_control(body: Body) -> Control:
    """Return what `write_control` wrote; a running app for anything else."""
    text = ((body.get("metadata") or {}).get("annotations") or {}).get(CONTROL) or "{}"
    try:
        value = orjson.loads(text)
        pause, pin = value.get("pause"), value.get("pin")
        return Control(
            pause=Pause(
                by=pause["by"],
                reason=pause["reason"],
                since=_time(pause, "since"),
                until=_until(pause),
                operation=str(pause.get("operation", "")),
                order=str(pause.get("order", "")),
            )
            if pause
            else None,
            pin=Pin(commit=pin["commit"], by=pin["by"], reason=pin["reason"], since=_time(pin, "since"))
            if pin
            else None,
        )
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
        return Control()


def _time(value: Mapping[str, Any], key: str) -> datetime:
    return datetime.fromisoformat(value[key])


def _until(value: Mapping[str, Any]) -> datetime | None:
    return _time(value, "until") if value.get("until") else None
