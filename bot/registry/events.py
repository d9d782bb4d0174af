"""Push events of registries: headers and body in, the images that were pushed out. Nothing is believed unsigned. Pure.

| sender | names the image in | proof |
|---|---|---|
| Quay | `repository`, `updated_tags` | `?secret=` in the address: it sends nothing of its own |
| Docker Hub | `repository.repo_name`, `push_data.tag` | `?secret=` in the address |
| Harbor | `event_data.repository.repo_full_name`, `resources[].tag` | its auth header: the secret in `Authorization` |
| GitHub, `package` | `package.namespace`, `name`, `container_metadata.tag.name` | `X-Hub-Signature-256` |
| distribution, Azure | `events[].target` or `target`: `repository`, `tag` | a header we choose: `Authorization` |

An event only says that it is time to ask the registry: nothing that it names is written by itself, so that a repeated
or stale one does no harm. One of another form is a reason to ask for every image of that registry.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson


class EventRefused(Exception):
    """The event does not prove that it knows our secret; the message is for the sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEvent:
    """Tags that were pushed by the path of their image; nothing where the event is of a form that we do not know."""

    pushed: Mapping[str, frozenset[str]] = field(default_factory=dict)


def read_event(headers: Mapping[str, str], given: str, body: bytes, *, secret: str) -> RegistryEvent:
    """Return what was pushed; `given` is the secret of the address. Raises `EventRefused`."""
    lower = {name.lower(): value for name, value in headers.items()}
    if not secret:
        raise EventRefused("no secret is configured for this registry: set REGISTRY_WEBHOOK_SECRET")
    signature = lower.get("x-hub-signature-256", "")
    if signature:
        expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        if not _same(signature.removeprefix("sha256="), expected):
            raise EventRefused("the signature of the event does not fit its body and our secret")
    elif not any(_same(one, secret) for one in (given, *_tokens(lower.get("authorization", "")))):
        raise EventRefused("the event does not know our secret: send it as ?secret=… or in the header Authorization")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return RegistryEvent()
    pushed: dict[str, frozenset[str]] = {}
    for path, tag in _pushed(value if isinstance(value, dict) else {}):
        if isinstance(path, str) and path:
            path = path.strip("/").lower()
            pushed[path] = pushed.get(path, frozenset()) | ({tag} if isinstance(tag, str) and tag else frozenset())
    return RegistryEvent(pushed=pushed)


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())


def _tokens(header: str) -> Iterator[str]:
    """Yield what may be the secret in an `Authorization` header: all of it, a token, or a password."""
    yield header
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        yield rest
    elif scheme.lower() == "basic":
        try:
            yield base64.b64decode(rest, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return


def _pushed(value: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield path and tag of each image that an event names."""
    for event in [*_list(value.get("events")), value]:  # Azure sends one alone
        target = _map(_map(event).get("target"))
        yield target.get("repository"), target.get("tag")
    repository = value.get("repository")
    if isinstance(repository, str):  # Quay
        yield from ((repository, tag) for tag in _list(value.get("updated_tags")) or [""])
    else:
        yield _map(repository).get("repo_name"), _map(value.get("push_data")).get("tag")  # Docker Hub
    data = _map(value.get("event_data"))  # Harbor
    for resource in _list(data.get("resources")):
        yield _map(data.get("repository")).get("repo_full_name"), _map(resource).get("tag")
    package = _map(value.get("package")) or _map(value.get("registry_package"))  # GitHub
    if package.get("name"):
        metadata = _map(_map(package.get("package_version")).get("container_metadata"))
        yield f"{package.get('namespace') or ''}/{package['name']}", _map(metadata.get("tag")).get("name")


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
