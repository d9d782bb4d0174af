"""Rules of metadata that hold for every kind: what a new object gets, and what an update may not touch.

Source: k8s.io/apiserver/pkg/registry/rest (BeforeCreate, BeforeUpdate), apimachinery/pkg/api/validation.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from bot.sandbox.kube.errors import StatusError, bad_request
from bot.sandbox.kube.ports import Body

_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: no words by accident
_RANDOM: Final = 5
_GENERATED_BASE: Final = 58  # characters of generateName that are kept before the random ones
# Set by the server alone; an update keeps what is there.
_SYSTEM: Final = (
    *("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"),
)


def private(body: Any) -> Any:
    """Return a copy that nobody else sees, all the way down."""
    return orjson.loads(orjson.dumps(body))


def stamp(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_uid() -> str:
    return str(uuid.uuid4())


def with_generated_name(metadata: dict[str, Any]) -> None:
    """Give a name to an object that has only `generateName`."""
    base = metadata.get("generateName")
    if base and not metadata.get("name"):
        tail = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM))
        metadata["name"] = f"{base[:_GENERATED_BASE]}{tail}"


def place(metadata: dict[str, Any], *, namespaced: bool, namespace: str) -> None:
    """Put an object into the namespace of its request. Raises `StatusError` 400 when it names another."""
    given = metadata.get("namespace")
    if given and given != namespace and (namespaced or namespace):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if namespaced:
        metadata["namespace"] = namespace
    else:
        metadata.pop("namespace", None)


def begin(metadata: dict[str, Any], now: datetime) -> None:
    """Give a new object what only the server gives."""
    for name in (*_SYSTEM, "resourceVersion"):
        metadata.pop(name, None)
    metadata["uid"] = new_uid()
    metadata["creationTimestamp"] = stamp(now)


def keep_system_fields(metadata: dict[str, Any], old: Mapping[str, Any]) -> None:
    """Put back what an update may not set."""
    for name in _SYSTEM:
        if name in old:
            metadata[name] = old[name]
        else:
            metadata.pop(name, None)


def finalizers(body: Body) -> list[str]:
    return list(body["metadata"].get("finalizers") or ())


def owners(body: Body) -> Iterator[Mapping[str, Any]]:
    yield from body["metadata"].get("ownerReferences") or ()


def leaving(body: Body) -> bool:
    """Whether a deletion has been asked for."""
    return "deletionTimestamp" in body["metadata"]


def status_details(error: StatusError, resource: str, group: str, name: str) -> StatusError:
    """Say in an error which object it is about."""
    error.kind, error.group, error.name = error.kind or resource, error.group or group, error.name or name
    return error
