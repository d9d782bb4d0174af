"""What the API server serves: aggregated discovery (KEP-3352), broken groups named; two requests.

Its version is a third, which is sent when a chart wants to know it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote

from bot.errors import ClusterUnreachable
from bot.live.transport import Transport
from bot.model.resource import KindInfo, KindTable, ResourceRef, join_api_version

_AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
_PLAIN: Final = re.compile(r"[a-z0-9.:-]+")


def discover(transport: Transport) -> KindTable:
    """Return every kind, the preferred version first. Raises `ClusterError`, as does asking for the version."""
    kinds: dict[tuple[str, str], tuple[KindInfo, ...]] = {}
    broken: set[str] = set()
    for path in ("/api", "/apis"):
        reply = transport.request("GET", path, accept=_AGGREGATED)
        if reply.body.get("kind") != "APIGroupDiscoveryList":
            raise ClusterUnreachable(
                f"cluster {transport.spec.name}: no aggregated discovery at {path}; Kubernetes 1.30 or later is needed",
                cluster=transport.spec.name,
            )
        for group in reply.body.get("items") or ():
            name = str((group.get("metadata") or {}).get("name") or "")
            for version in group.get("versions") or ():
                if version.get("freshness") == "Stale":
                    broken.add(join_api_version(name, version["version"]))
                for info in _kinds(name, version):
                    kinds[(name, info.kind)] = (*kinds.get((name, info.kind), ()), info)

    @cache
    def server_version() -> str:
        return str(transport.request("GET", "/version").body.get("gitVersion") or "")

    return KindTable(kinds=MappingProxyType(kinds), broken_groups=frozenset(broken), server_version=server_version)


def _kinds(group: str, version: Mapping[str, Any]) -> list[KindInfo]:
    found = []
    for resource in version.get("resources") or ():
        response = resource.get("responseKind") or {}
        if response.get("kind") and (response.get("group") or group) == group:
            found.append(
                KindInfo(
                    group=group,
                    version=version["version"],
                    kind=response["kind"],
                    plural=resource["resource"],
                    namespaced=resource.get("scope") == "Namespaced",
                    verbs=frozenset(resource.get("verbs") or ()),
                )
            )
    return found


def path_of(info: KindInfo, namespace: str, name: str = "") -> str:
    """Return the path of one object, or of the collection in a namespace ("" is all namespaces)."""
    base = f"/apis/{info.group}/{info.version}" if info.group else f"/api/{info.version}"
    inside = f"/namespaces/{_quoted(namespace)}" if info.namespaced and namespace else ""
    return f"{base}{inside}/{info.plural}" + (f"/{_quoted(name)}" if name else "")


def _quoted(name: str) -> str:
    """Quote one part of a path: a role may be called `read?all#1`, and no name may lead elsewhere."""
    return name if _PLAIN.fullmatch(name) else quote(name, safe=":")


def info_of(table: KindTable, ref: ResourceRef) -> KindInfo | None:
    """Return the kind in the version of the reference, or in the one the server prefers today.

    None where its scope is another now: what a namespace had is gone, and its name may be that of something else.
    """
    info = table.find(ref.id.group, ref.version, ref.id.kind) or table.preferred(ref.id.group, ref.id.kind)
    return info if info is not None and info.namespaced == bool(ref.id.namespace) else None
