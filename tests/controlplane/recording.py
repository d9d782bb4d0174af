"""Records what the sandbox API server knows of the built-in kinds, from the real server.

`python -m tests.controlplane record` writes three files under `bot/sandbox/kube/data`. They hold no time and no name
of a machine, so that a second recording of the same version gives the same bytes.
"""

from __future__ import annotations

import io
import json
import lzma
import ssl
import tarfile
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.controlplane.plane import ControlPlane

DATA: Final = Path(__file__).parents[2] / "bot" / "sandbox" / "kube" / "data"
_DISCOVERY: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_PROSE: Final = ("description", "externalDocs", "example")


def record(plane: ControlPlane) -> tuple[Path, ...]:
    """Write discovery, definitions and OpenAPI documents; returns the files."""
    documents = {"v2": _get(plane, "/openapi/v2"), "v3": _get(plane, "/openapi/v3")}
    definitions: dict[str, Any] = {}
    for path, where in json.loads(documents["v3"])["paths"].items():
        document = _get(plane, where["serverRelativeURL"])
        documents[f"v3/{path}"] = document
        for name, definition in json.loads(document).get("components", {}).get("schemas", {}).items():
            definitions[name] = _bare(definition)
    discovery = {
        "api": json.loads(_get(plane, "/api", accept=_DISCOVERY)),
        "apis": json.loads(_get(plane, "/apis", accept=_DISCOVERY)),
        "version": json.loads(_get(plane, "/version")),
    }
    DATA.mkdir(exist_ok=True)
    return (
        _write("discovery.json.xz", _compact(discovery)),
        _write("definitions.json.xz", _compact(definitions)),
        _write("openapi.tar.xz", _archive(documents)),
    )


def _get(plane: ControlPlane, path: str, *, accept: str = "application/json") -> bytes:
    request = urllib.request.Request(
        plane.url + path, headers={"Authorization": f"Bearer {plane.token}", "Accept": accept}
    )
    context = ssl.create_default_context(cafile=plane.ca_file)
    with urllib.request.urlopen(request, timeout=60, context=context) as answer:
        return bytes(answer.read())


def _bare(value: Any) -> Any:
    """Leave out the prose, which only people read and the OpenAPI documents keep."""
    if isinstance(value, list):
        return [_bare(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: {field: _bare(schema) for field, schema in item.items()} if name == "properties" else _bare(item)
        for name, item in value.items()
        if name not in _PROSE or not isinstance(item, str | dict) or name == "properties"
    }


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _archive(documents: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(documents):
            entry = tarfile.TarInfo(f"{name}.json")
            entry.size = len(documents[name])
            archive.addfile(entry, io.BytesIO(documents[name]))
    return buffer.getvalue()


def _write(name: str, content: bytes) -> Path:
    path = DATA / name
    path.write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    return path
