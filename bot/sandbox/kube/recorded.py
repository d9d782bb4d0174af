"""What the real API server says of its built-in kinds, recorded by `python -m tests.controlplane record`.

Read on first use. Nothing given may be changed: every caller gets the same objects.
"""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import orjson


def _read(name: str) -> bytes:
    return lzma.decompress(files("bot.sandbox.kube").joinpath("data", name).read_bytes())


@cache
def discovery() -> Mapping[str, Any]:
    """Return `api` and `apis`, each an APIGroupDiscoveryList, and `version`."""
    found: Mapping[str, Any] = orjson.loads(_read("discovery.json.xz"))
    return found


@cache
def definitions() -> Mapping[str, Any]:
    """Return every OpenAPI v3 schema by its name, without descriptions."""
    found: Mapping[str, Any] = orjson.loads(_read("definitions.json.xz"))
    return found


@cache
def documents() -> Mapping[str, bytes]:
    """Return the OpenAPI documents as JSON text: `v2`, the index `v3`, and each `v3/apis/apps/v1`. 13 MB."""
    with tarfile.open(fileobj=io.BytesIO(_read("openapi.tar.xz"))) as archive:
        found = {}
        for entry in archive:
            content = archive.extractfile(entry)
            assert content is not None, entry.name
            found[entry.name.removesuffix(".json")] = content.read()
        return found


@cache
def columns() -> Mapping[str, Sequence[Sequence[Any]]]:
    """Return name, type, format and priority of the columns of `deployments.apps/v1`, `pods./v1`."""
    found: Mapping[str, Sequence[Sequence[Any]]] = orjson.loads(_read("columns.json.xz"))
    return found


def bootstrap() -> Sequence[Mapping[str, Any]]:
    """Return the objects that a new server makes for itself."""
    found: Sequence[Mapping[str, Any]] = orjson.loads(_read("bootstrap.json.xz"))
    return found


@cache
def definition_names() -> Mapping[tuple[str, str, str], str]:
    """Return the definition of each (group, version, kind)."""
    return {
        (kind["group"], kind["version"], kind["kind"]): name
        for name, definition in definitions().items()
        for kind in definition.get("x-kubernetes-group-version-kind", ())
    }
