"""A request as the door sees it, what a path asks for, and what is answered. Plain values.

Source of the path rules: k8s.io/apiserver/pkg/endpoints/request/requestinfo.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
import yaml

from bot.sandbox.kube import protobuf
from bot.sandbox.kube.errors import StatusError, bad_request, unsupported_media

JSON: Final = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    groups: tuple[str, ...] = ()  # of Impersonate-Group, the one header that comes several times

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in {"1", "true"}

    def document(self) -> Any:
        """Return the body, JSON or YAML by its media type, None when there is none. Raises `StatusError`."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip() or JSON
        if not self.body:
            return None
        if kind == protobuf.MEDIA_TYPE:
            return protobuf.decode(self.body)
        try:
            if kind.endswith("yaml"):
                return _yaml(self.body)
            if kind == JSON or kind.endswith("+json"):
                return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise bad_request(f"error decoding the request body: {error}") from error
        except yaml.YAMLError as error:
            raise bad_request(f"error decoding YAML: {error}") from error
        raise unsupported_media(
            "the body of the request was in an unknown format - accepted media types include: "
            "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        )


def _yaml(body: bytes) -> Any:
    try:
        return orjson.loads(body)  # what most clients send as YAML is JSON
    except orjson.JSONDecodeError:
        return yaml.load(body, Loader=_Loader)


class _Loader(yaml.CSafeLoader):
    """YAML without dates, which JSON does not have."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that is complete."""

    status: int = 200
    body: bytes = b""
    kind: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An answer without end: chunks until the client goes away; an empty chunk asks whether it did."""

    chunks: Iterator[bytes]
    close: Callable[[], None]
    kind: str = JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a path asks for; without a resource it asks for something of the server itself."""

    group: str = ""
    version: str = ""
    namespace: str = ""
    plural: str = ""
    name: str = ""
    subresource: str = ""


def asked(path: str) -> Asked | None:
    """Read the path of a resource, None for any other path."""
    parts = [part for part in path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces":
        if len(rest) > 1:
            namespace = rest[1]
        if len(rest) > 2 and rest[2] not in {"status", "finalize"}:
            rest = rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    return Asked(
        group=group,
        version=version,
        namespace=namespace,
        plural=rest[0],
        name=name,
        subresource="proxy" if rest[2:3] == ["proxy"] else "/".join(rest[2:]),  # what follows is for who is behind it
    )


def json_reply(body: Any, *, status: int = 200, warnings: tuple[str, ...] = ()) -> Reply:
    return Reply(status=status, body=orjson.dumps(body) + b"\n", warnings=warnings)


def error_reply(error: StatusError) -> Reply:
    headers = {"Retry-After": str(error.retry_after_seconds)} if error.retry_after_seconds else {}
    return Reply(status=error.code, body=orjson.dumps(error.body()) + b"\n", headers=headers)


_AS: Final = re.compile(r"as=(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The form a client accepts: `Table`, `PartialObjectMetadata`, `PartialObjectMetadataList`, "" for the object."""

    form: str = ""
    version: str = "v1"


def wanted(accept: str, known: frozenset[str]) -> Wanted:
    """Return the first form that is accepted and known here."""
    for part in accept.split(","):
        if "json" not in part and "*/*" not in part and part.strip():
            continue
        found = _AS.search(part)
        if found is None:
            return Wanted()
        if found[1] in known and "g=meta.k8s.io" in part:
            version = re.search(r"v=(\w+)", part)
            return Wanted(form=found[1], version=version[1] if version else "v1")
    return Wanted()
