"""What the server says of itself: version, discovery old and aggregated, OpenAPI of built-in and custom kinds.

Built from the kind table of the moment; the OpenAPI of built-in kinds is the real server's own text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from bot.sandbox.kube import recorded
from bot.sandbox.kube.kinds import KindTable, Resource, Subresource

# kubectl asks for the old format when it does not know a kind; an openapi.v2.Document that names no kind does for that.
PROTOBUF: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
NO_DEFINITIONS: Final = b"\x0a\x032.0"
AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_CLIENTS: Final = ({"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"},)


def discovery(kinds: KindTable, path: str) -> Mapping[str, Any] | None:
    """Return the document of a discovery path, None when nothing is served there."""
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": list(_CLIENTS)}
        case ["apis"]:
            groups = [_group(name, versions) for name, versions in kinds.order if name]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["api", version]:
            return _resources(kinds, "", version)
        case ["apis", group]:
            versions = kinds.versions(group)
            return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, versions)} if versions else None
        case ["apis", group, version]:
            return _resources(kinds, group, version)
        case _:
            return None


def aggregated(kinds: KindTable, path: str) -> Mapping[str, Any]:
    """Return all groups of `/api` or of `/apis` in one document."""
    items = []
    for group, versions in kinds.order:
        if (group == "") is not (path == "/api"):
            continue
        shown = [
            {"version": version, "resources": [_discovered(one) for one in kinds.of_version(group, version)]}
            | {"freshness": "Current"}
            for version in versions
        ]
        items.append({"metadata": {"name": group} if group else {}, "versions": shown})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _group(name: str, versions: Sequence[str]) -> dict[str, Any]:
    shown = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": shown, "preferredVersion": shown[0]}


def _resources(kinds: KindTable, group: str, version: str) -> Mapping[str, Any] | None:
    found = kinds.of_version(group, version)
    if not found:
        return None
    listed: list[dict[str, Any]] = []
    for one in found:
        entry: dict[str, Any] = {
            "name": one.plural,
            "singularName": one.singular,
            "namespaced": one.namespaced,
            "kind": one.kind,
            "verbs": list(one.verbs),
        }
        if one.short_names:
            entry["shortNames"] = list(one.short_names)
        if one.categories:
            entry["categories"] = list(one.categories)
        listed.append(entry)
        for door in one.subresources.values():
            foreign = {"group": door.group, "version": door.version} if door.group else {}
            listed.append(
                {"name": f"{one.plural}/{door.name}", "singularName": "", "namespaced": one.namespaced, **foreign}
                | {"kind": door.kind, "verbs": list(door.verbs)}
            )
    api_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": listed}


def _discovered(resource: Resource) -> dict[str, Any]:
    custom = resource.definition is not None
    kind = {"group": resource.group if custom else "", "version": resource.version if custom else ""}
    found: dict[str, Any] = {
        "resource": resource.plural,
        "responseKind": {**kind, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        found["shortNames"] = list(resource.short_names)
    if resource.categories:
        found["categories"] = list(resource.categories)
    if resource.subresources:
        found["subresources"] = [_door(one) for one in resource.subresources.values()]
    return found


def _door(door: Subresource) -> dict[str, Any]:
    kind = {"group": door.group, "kind": door.kind, "version": door.version}
    return {"subresource": door.name, "responseKind": kind, "verbs": list(door.verbs)}


def openapi(kinds: KindTable, path: str) -> bytes | None:
    """Return the text of an OpenAPI path, None when there is none."""
    name = path.removeprefix("/openapi/")
    if name == "v3":
        index = orjson.loads(recorded.documents()["v3"])
        for group, version in _custom_versions(kinds):
            text = _custom_document(kinds, group, version)
            digest = hashlib.sha256(text).hexdigest().upper()
            url = f"/openapi/v3/apis/{group}/{version}?hash={digest}"
            index["paths"][f"apis/{group}/{version}"] = {"serverRelativeURL": url}
        return orjson.dumps(index)
    if (parts := name.split("/"))[:2] == ["v3", "apis"] and (*parts[2:4],) in _custom_versions(kinds):
        return _custom_document(kinds, parts[2], parts[3])
    return recorded.documents().get(name)


def _custom_versions(kinds: KindTable) -> list[tuple[str, ...]]:
    return sorted({(one.group, one.version) for one in kinds.resources.values() if one.definition is not None})


def _custom_document(kinds: KindTable, group: str, version: str) -> bytes:
    """Return OpenAPI v3 of the custom kinds in a group's version, with the paths that kubectl finds them by."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    base = ".".join(reversed(group.split(".")))
    for one in kinds.of_version(group, version):
        if one.definition is None:
            continue
        name = f"{base}.{version}.{one.kind}"
        kind = [{"group": group, "version": version, "kind": one.kind}]
        declared = dict((one.definition.get("schema") or {}).get("openAPIV3Schema") or {"type": "object"})
        metadata = {"allOf": [{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}]}
        common = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": metadata}
        declared["properties"] = {**(declared.get("properties") or {}), **common}
        schemas[name] = {**declared, "x-kubernetes-group-version-kind": kind}
        path = f"/apis/{group}/{version}/" + ("namespaces/{namespace}/" if one.namespaced else "") + one.plural
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        answers = {"200": {"description": "OK", "content": content}}
        operation = {"responses": answers, "x-kubernetes-group-version-kind": kind[0]}
        flags = [{"name": flag, "in": "query"} for flag in ("dryRun", "fieldManager", "fieldValidation", "force")]
        paths[path] = {"get": {**operation, "x-kubernetes-action": "list"}}
        patch = {**operation, "x-kubernetes-action": "patch", "parameters": flags}
        paths[f"{path}/{{name}}"] = {"get": {**operation, "x-kubernetes-action": "get"}, "patch": patch}
    known = recorded.definitions()
    for name in ("ObjectMeta", "OwnerReference", "ManagedFieldsEntry", "FieldsV1", "Time"):
        full = f"io.k8s.apimachinery.pkg.apis.meta.v1.{name}"
        schemas[full] = known[full]
    info = {"title": "Kubernetes", "version": "v1.37.2"}
    return orjson.dumps({"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}})
