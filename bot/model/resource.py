"""Kubernetes objects as values: how one is named, what a kind can do, what Git wants of it.

Bodies are plain mappings as they come from YAML or the API server. They are shared and must never be changed in
place: copy what you change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

Body = Mapping[str, Any]


class ResourceId(NamedTuple):
    """What makes an object the same one for us: API group, kind, namespace ("" if cluster-scoped) and name.

    A tuple, like `ResourceRef`: both are hashed and compared a hundred times for each object of a pass.
    """

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.place}"

    @property
    def place(self) -> str:
        """`namespace/name`, or the name alone for what is cluster-scoped."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class ResourceRef(NamedTuple):
    """An object and the version of the API to talk to it in; an entry of an inventory."""

    id: ResourceId
    version: str

    @property
    def api_version(self) -> str:
        return join_api_version(self.id.group, self.version)


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """The place in the repository: path from the repository's root, and line, counted from 1."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One object as Git wants it. After placing, `id.namespace` is final and the marks are in the body."""

    id: ResourceId
    version: str
    body: Body = field(hash=False)
    origin: Origin

    @property
    def ref(self) -> ResourceRef:
        return ResourceRef(self.id, self.version)

    @property
    def annotations(self) -> Mapping[str, str]:
        return (self.body.get("metadata") or {}).get("annotations") or {}


@dataclass(frozen=True, slots=True, kw_only=True)
class KindInfo:
    """What discovery says of one kind in one version."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    verbs: frozenset[str] = frozenset({"get", "list", "watch", "create", "patch", "delete"})
    verified: bool = True  # False: announced by a CRD of the same commit, not served yet


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTable:
    """Every kind a cluster serves. `kinds` maps (group, kind) to its versions, the preferred one first.

    `broken_groups` are API groups (`group/version`) whose discovery failed, an unavailable APIService for instance:
    what is in them is unknown, which is different from absent.
    """

    kinds: Mapping[tuple[str, str], tuple[KindInfo, ...]] = field(default_factory=lambda: MappingProxyType({}))
    broken_groups: frozenset[str] = frozenset()
    server_version: Callable[[], str] = field(default=str, compare=False)  # v1.37.2: asked by who needs it; "" unknown

    def lacks(self, group: str) -> bool:
        """Tell whether what is in a group is unknown."""
        return any(one.rpartition("/")[0] == group for one in self.broken_groups)

    def find(self, group: str, version: str, kind: str) -> KindInfo | None:
        """Return the kind in exactly this version, or None when the server does not serve it."""
        for info in self.kinds.get((group, kind), ()):
            if info.version == version:
                return info
        return None

    def preferred(self, group: str, kind: str) -> KindInfo | None:
        """Return the kind in the version the server prefers, or None."""
        return next(iter(self.kinds.get((group, kind), ())), None)

    def with_kinds(self, infos: Iterable[KindInfo]) -> KindTable:
        """Return a table that also knows `infos`; what the server already serves stays as it is."""
        merged = dict(self.kinds)
        for info in infos:
            known = merged.get((info.group, info.kind), ())
            if all(other.version != info.version for other in known):
                merged[(info.group, info.kind)] = (*known, info)
        return KindTable(
            kinds=MappingProxyType(merged), broken_groups=self.broken_groups, server_version=self.server_version
        )


@dataclass(frozen=True, slots=True, weakref_slot=True, kw_only=True)
class DesiredState:
    """What a commit wants of one app: its objects in the order of the files, and the digest of all of them.

    `sources` is what they were read into, kept for as long as they are, so that the next commit need not read it again.
    """

    manifests: tuple[Manifest, ...]
    digest: str
    sources: tuple[object, ...] = field(default=(), compare=False, repr=False)


def join_api_version(group: str, version: str) -> str:
    """Return `group/version`, or the version alone for the core group."""
    return f"{group}/{version}" if group else version


def split_api_version(api_version: str) -> tuple[str, str]:
    """Return (group, version) of an `apiVersion`."""
    group, _, version = api_version.rpartition("/")
    return group, version


def id_of(body: Body) -> ResourceId:
    """Return the id written in an object's body."""
    metadata = body.get("metadata") or {}
    group, _ = split_api_version(str(body.get("apiVersion", "")))
    return ResourceId(
        group,
        str(body.get("kind", "")),
        str(metadata.get("namespace") or ""),
        str(metadata.get("name") or ""),
    )


def names(ids: Sequence[ResourceId], *, limit: int = 5) -> str:
    """Return `Kind a/b, Kind c/d and 3 more` for a sentence."""
    shown = ", ".join(str(one) for one in ids[:limit])
    rest = len(ids) - limit
    return f"{shown} and {rest} more" if rest > 0 else shown
