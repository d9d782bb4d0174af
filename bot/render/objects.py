"""Documents to manifests: is it a Kubernetes object, and which one.

In goes one file's documents, out come manifests and every problem, at the line of the object. Only what holds for
every kind is checked here; fields are the API server's business, its dry-run is asked for every object.

What the server alone writes is dropped without a word, because exported and generated files are full of it:
`status`, and in the metadata `creationTimestamp`, `generation`, `resourceVersion`, `selfLink` and `uid`.
`managedFields` is refused, as the server refuses it in a server-side apply. `stringData` stays for the server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.errors import Problem
from bot.model.resource import Body, Manifest, Origin, ResourceId, split_api_version
from bot.render.reading import Document

_SERVERS_OWN: Final = frozenset({"creationTimestamp", "generation", "resourceVersion", "selfLink", "uid"})
_STRICT: Final = frozenset({"", "apps", "batch", "autoscaling", "policy"})
_NAME_LIMIT: Final = 253  # characters, RFC 1123 as the API server applies it
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_QUOTE: Final = "write it in quotes"
_WAY_OUT: Final = "if it is not meant for the cluster, list the file in .gitopsignore"


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as written: where it begins, and its value."""

    line: int
    value: Any


def entries(document: Document) -> Iterator[Entry]:
    """Yield the objects of a document: itself, or what its `List` holds, at any depth.

    Entries of a typed list (`ConfigMapList`) may leave apiVersion and kind to the list, as the API's own lists do.
    """
    pending: list[tuple[Entry, tuple[int, ...]]] = [(Entry(document.line, document.value), document.item_lines)]
    while pending:
        entry, lines = pending.pop()
        value = entry.value
        if not _is_list(value):
            yield entry
            continue
        items = value.get("items") or []
        given = {} if value["kind"] == "List" else {"kind": value["kind"].removesuffix("List")}
        if given:
            given["apiVersion"] = value["apiVersion"]
        inner = []
        for index, item in enumerate(items):
            line = lines[index] if index < len(lines) else entry.line
            inner.append((Entry(line, {**given, **item} if isinstance(item, Mapping) else item), ()))
        pending.extend(reversed(inner))


def manifest_of(entry: Entry, path: str) -> Manifest | tuple[Problem, ...]:
    """Return the manifest of one object, or everything that is wrong with it."""
    where = f"{path}:{entry.line}"
    body = entry.value
    if not isinstance(body, Mapping):
        return (Problem(message=f"{_kind_of(body)} is no Kubernetes object; {_WAY_OUT}", where=where),)
    subject = _subject(body)
    faults = tuple(_faults(body))
    if faults:
        return tuple(Problem(message=fault, where=where, subject=subject) for fault in faults)
    clean = _without_servers_own(body)
    group, version = split_api_version(body["apiVersion"])
    metadata = body["metadata"]
    return Manifest(
        id=ResourceId(group, body["kind"], metadata.get("namespace") or "", metadata["name"]),
        version=version,
        body=clean,
        origin=Origin(path, entry.line),
    )


def duplicates(manifests: Iterable[Manifest]) -> tuple[Problem, ...]:
    """Return one problem for each object that is there more than once, naming every place."""
    places: dict[ResourceId, list[Origin]] = {}
    for manifest in manifests:
        places.setdefault(manifest.id, []).append(manifest.origin)
    return tuple(
        Problem(
            message=f"{id} is there {len(origins)} times: {', '.join(str(origin) for origin in origins)}",
            where=str(origins[1]),
            subject=str(id),
        )
        for id, origins in places.items()
        if len(origins) > 1
    )


def encrypted_values(manifests: Iterable[Manifest]) -> tuple[Problem, ...]:
    """Return one problem for each Secret with a value that SOPS encrypted and nobody decrypted."""
    return tuple(
        Problem(
            message=f"{manifest.id} has values that are still encrypted by SOPS: its sops section is missing",
            where=str(manifest.origin),
            subject=str(manifest.id),
        )
        for manifest in manifests
        if manifest.id.kind == "Secret" and any(_encrypted(value) for value in _secret_values(manifest.body))
    )


def _secret_values(body: Body) -> Iterator[Any]:
    for field in ("data", "stringData"):
        values = body.get(field)
        if isinstance(values, Mapping):
            yield from values.values()


def _encrypted(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("ENC[AES256_GCM,")


def _is_list(value: Any) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("kind"), str):
        return False
    if not isinstance(value.get("apiVersion"), str) or not value["kind"].endswith("List"):
        return False
    if value["kind"] == "List" and value["apiVersion"] == "v1":
        return value.get("items") is None or isinstance(value["items"], list)
    return value["kind"] != "List" and isinstance(value.get("items"), list)


def _faults(body: Body) -> Iterator[str]:
    if isinstance(body.get("sops"), Mapping) and "mac" in body["sops"]:
        yield "the object is still encrypted by SOPS"
        return
    missing = [key for key in ("apiVersion", "kind") if body.get(key) is None]
    if missing:
        yield f"{' and '.join(missing)} missing: this is no Kubernetes object; {_WAY_OUT}"
    for key in ("apiVersion", "kind"):
        value = body.get(key)
        if value is not None and not isinstance(value, str):
            yield f"{key} must be a string, this is {_kind_of(value)}: {_QUOTE}"
        elif value == "":
            yield f"{key} is empty"
    version = body.get("apiVersion")
    if isinstance(version, str) and (version.count("/") > 1 or version.startswith("/") or version.endswith("/")):
        yield "apiVersion must be VERSION or GROUP/VERSION"
    metadata = body.get("metadata")
    if metadata is None:
        if not missing:
            yield "metadata.name is missing"
    elif not isinstance(metadata, Mapping):
        yield f"metadata must be a mapping, this is {_kind_of(metadata)}"
    elif not missing:
        yield from _metadata_faults(metadata, str(version).rpartition("/")[0])


def _metadata_faults(metadata: Mapping[str, Any], group: str) -> Iterator[str]:
    name = metadata.get("name")
    if name is None or name == "":
        if metadata.get("generateName") is not None:
            yield "metadata.generateName is not supported: an object in Git needs a fixed metadata.name"
        else:
            yield "metadata.name is missing"
    elif not isinstance(name, str):
        yield f"metadata.name must be a string, this is {_kind_of(name)}: {_QUOTE}"
    elif fault := _name_fault(name, group):
        yield f"metadata.name {fault}"
    namespace = metadata.get("namespace")
    if namespace is not None and not isinstance(namespace, str):
        yield f"metadata.namespace must be a string, this is {_kind_of(namespace)}: {_QUOTE}"
    elif namespace and not _LABEL.fullmatch(namespace):
        yield "metadata.namespace must be at most 63 lower-case letters, digits and dashes"
    for field in ("labels", "annotations"):
        pairs = metadata.get(field)
        if pairs is None:
            continue
        if not isinstance(pairs, Mapping):
            yield f"metadata.{field} must be a mapping, this is {_kind_of(pairs)}"
            continue
        for key, value in pairs.items():
            if not isinstance(value, str):
                yield f"metadata.{field}[{key}] must be a string, this is {_kind_of(value)}: {_QUOTE}"
    if metadata.get("managedFields"):
        yield "metadata.managedFields is the server's record and cannot be applied: remove it from the file"


def _name_fault(name: str, group: str) -> str:
    """Return why no server accepts a name, "" when one may.

    A name becomes a part of a URL's path: what could lead elsewhere is refused for every kind. Most kinds, and all
    custom ones, want an RFC 1123 subdomain; of the `*.k8s.io` groups some do not (RBAC), and the server says which.
    """
    if name in {".", ".."} or "/" in name or "%" in name:
        return "may not be . or .. and may not contain / or %"
    if (group in _STRICT or ("." in group and not group.endswith(".k8s.io"))) and not _SUBDOMAIN.fullmatch(name):
        return "must be at most 253 lower-case letters, digits, dashes and dots, with a letter or digit at both ends"
    return "is longer than 253 characters" if len(name) > _NAME_LIMIT else ""


def _without_servers_own(body: Body) -> Body:
    """Return the body without what only the server writes, and without empty maps of labels and annotations."""
    metadata = {
        key: value
        for key, value in body["metadata"].items()
        if key not in _SERVERS_OWN
        and key != "managedFields"
        and not (value is None and key in {"labels", "annotations", "namespace", "generateName"})
    }
    return {**{key: value for key, value in body.items() if key != "status"}, "metadata": metadata}


def _kind_of(value: Any) -> str:
    """Say what a value is without showing it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case Mapping():
            return "a mapping"
        case _:
            return "a list"


def _subject(body: Body) -> str:
    """Return `Kind ns/name` as far as it can be read."""
    kind, metadata = body.get("kind"), body.get("metadata")
    if not isinstance(kind, str) or not isinstance(metadata, Mapping):
        return ""
    parts = (metadata.get("namespace"), metadata.get("name"))
    place = "/".join(part for part in parts if isinstance(part, str) and part)
    return f"{kind} {place}" if place else ""
