"""Records what the sandbox API server knows of the built-in kinds, from the real server.

`python -m tests.controlplane record` writes files under `bot/sandbox/kube/data`. They hold no time and no name of a
machine, so that a second recording of the same version gives the same bytes.
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
_TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io"
_FIRST: Final = (
    *(f"/apis/rbac.authorization.k8s.io/v1/{one}" for one in ("clusterroles", "clusterrolebindings")),
    *(f"/apis/rbac.authorization.k8s.io/v1/{one}" for one in ("roles", "rolebindings")),
    "/apis/scheduling.k8s.io/v1/priorityclasses",
    *(f"/apis/flowcontrol.apiserver.k8s.io/v1/{one}" for one in ("flowschemas", "prioritylevelconfigurations")),
)
_PROSE: Final = ("description", "externalDocs", "example")


def record(plane: ControlPlane) -> tuple[Path, ...]:
    """Write discovery, definitions, OpenAPI documents, columns and the first objects; returns the files."""
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
        _write("columns.json.xz", _compact(_columns(plane, discovery))),
        _write("bootstrap.json.xz", _compact(_bootstrap(plane))),
    )


def _columns(plane: ControlPlane, discovery: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the columns in which the server lists each kind, without their descriptions."""
    found = {}
    for door in ("api", "apis"):
        for group in discovery[door]["items"]:
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                base = f"/apis/{name}/{version['version']}" if name else f"/api/{version['version']}"
                for one in version["resources"]:
                    if "list" in one["verbs"]:
                        table = json.loads(_get(plane, f"{base}/{one['resource']}?limit=1", accept=_TABLE))
                        key = f"{one['resource']}.{name}/{version['version']}"
                        found[key] = [
                            [column["name"], column["type"], column["format"], column["priority"]]
                            for column in table["columnDefinitions"]
                        ]
    return found


def _bootstrap(plane: ControlPlane) -> list[Any]:
    """Return the objects that a new server makes for itself: roles, bindings, priorities."""
    made = []
    for path in _FIRST:
        listed = json.loads(_get(plane, path))
        for item in listed["items"]:
            metadata = {
                name: item["metadata"][name]
                for name in ("name", "namespace", "labels", "annotations")
                if name in item["metadata"]
            }
            if metadata.get("labels", {}).get("kubernetes.io/bootstrapping") or "rbac" not in path:
                kind = {"apiVersion": listed["apiVersion"], "kind": listed["kind"].removesuffix("List")}
                made.append({**kind, **item, "metadata": metadata})
    return [{name: value for name, value in one.items() if name != "status"} for one in made]


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
