"""Which resources are served: the built-in ones from the recorded discovery, the others from CustomResourceDefinitions.

A `Resource` is one plural in one version. The table is replaced as a whole when a definition comes or goes, so that a
request works with one table from its beginning to its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from bot.sandbox.kube.errors import qualified
from bot.sandbox.kube.ports import Body

_VERBS: Final = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
# Two doors to one storage: the group on the left serves the objects that the right one keeps.
SHARED: Final[Mapping[str, str]] = {"events.events.k8s.io": "events"}
# Of the groups with several versions, what the server stores; elsewhere the preferred version is it.
_STORED: Final[Mapping[str, str]] = {"horizontalpodautoscalers.autoscaling": "v2"}
CRDS: Final = "customresourcedefinitions.apiextensions.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subresource:
    """A door below an object, such as `status`; the kind it speaks may be of another group."""

    name: str
    kind: str
    group: str = ""
    version: str = ""
    verbs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One plural in one version; `definition` is its version of a CRD, None for what is built in."""

    group: str
    version: str
    plural: str
    kind: str
    singular: str
    namespaced: bool
    stored_version: str
    verbs: tuple[str, ...] = _VERBS
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: Mapping[str, Subresource] = field(default_factory=dict)
    definition: Mapping[str, Any] | None = None
    list_kind: str = ""

    @property
    def key(self) -> str:
        """The name the store knows it by: `deployments.apps`."""
        named = qualified(self.plural, self.group)
        return SHARED.get(named, named)

    @property
    def qualified(self) -> str:
        return qualified(self.plural, self.group)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def has_status(self) -> bool:
        """Whether status is written through its own door, and only there."""
        return "status" in self.subresources


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTable:
    """All resources by group, version and plural; `order` keeps groups and versions as discovery lists them."""

    resources: Mapping[tuple[str, str, str], Resource]
    order: tuple[tuple[str, tuple[str, ...]], ...]  # group, its versions, the preferred one first

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self.resources.get((group, version, plural))

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """Return the resource that serves a kind."""
        group, _, version = api_version.rpartition("/")
        return next((one for one in self.of_version(group, version) if one.kind == kind), None)

    def builtin(self, group: str, version: str) -> bool:
        """Whether the server itself has resources in a version of a group."""
        return any(one.definition is None for one in self.of_version(group, version))

    def of_version(self, group: str, version: str) -> Sequence[Resource]:
        return [one for one in self.resources.values() if (one.group, one.version) == (group, version)]

    def versions(self, group: str) -> tuple[str, ...]:
        return next((versions for name, versions in self.order if name == group), ())

    def stored(self, key: str) -> Resource | None:
        """Return the resource of `deployments.apps` in the version the store keeps."""
        plural, _, group = key.partition(".")
        for version in self.versions(group):
            found = self.find(group, version, plural)
            if found is not None and found.stored_version == version:
                return found
        return None

    def keys(self) -> Iterable[str]:
        return {one.key for one in self.resources.values() if "list" in one.verbs}

    def with_custom(self, definitions: Iterable[Body]) -> KindTable:
        """Return the table with these CustomResourceDefinitions served beside what is built in."""
        resources = {at: one for at, one in self.resources.items() if one.definition is None}
        versions: dict[str, list[str]] = {
            group: list(known) for group, known in self.order if any(at[0] == group for at in resources)
        }
        for definition in definitions:
            for one in custom_resources(definition):
                resources[(one.group, one.version, one.plural)] = one
                known = versions.setdefault(one.group, [])
                if one.version not in known:
                    known.append(one.version)
        builtin = {at[0] for at, one in resources.items() if one.definition is None}
        order = tuple(
            (group, tuple(known) if group in builtin else tuple(sorted(known, key=version_priority)))
            for group, known in versions.items()
        )
        return KindTable(resources=resources, order=order)


def version_priority(version: str) -> tuple[int, int, int, str]:
    """Order versions as discovery does: v2, v1, v1beta2, v1beta1, v1alpha1, then other words."""
    text = version.removeprefix("v")
    for stage, word in enumerate(("", "beta", "alpha")):
        major, found, minor = text.partition(word) if word else (text, "", "0")
        if major.isdigit() and minor.isdigit() and (found or not word):
            return (stage, -int(major), -int(minor), "")
    return (3, 0, 0, version)


def builtin_table(*documents: Mapping[str, Any]) -> KindTable:
    """Read aggregated discovery documents (apidiscovery.k8s.io/v2 APIGroupDiscoveryList)."""
    resources: dict[tuple[str, str, str], Resource] = {}
    order = []
    for group in (group for document in documents for group in document["items"]):
        name = group["metadata"].get("name") or ""
        versions = tuple(version["version"] for version in group["versions"])
        order.append((name, versions))
        for version in group["versions"]:
            for one in version["resources"]:
                plural = one["resource"]
                stored = _STORED.get(qualified(plural, name)) or next(
                    other["version"]
                    for other in group["versions"]
                    if any(r["resource"] == plural for r in other["resources"])
                )
                resources[(name, version["version"], plural)] = Resource(
                    group=name,
                    version=version["version"],
                    plural=plural,
                    kind=one["responseKind"]["kind"],
                    singular=one.get("singularResource") or "",
                    namespaced=one["scope"] == "Namespaced",
                    stored_version=stored,
                    verbs=tuple(one.get("verbs") or ()),
                    short_names=tuple(one.get("shortNames") or ()),
                    categories=tuple(one.get("categories") or ()),
                    subresources={sub["subresource"]: _subresource(sub) for sub in one.get("subresources") or ()},
                )
    return KindTable(resources=resources, order=tuple(order))


def _subresource(document: Mapping[str, Any]) -> Subresource:
    kind = document.get("responseKind") or {}
    return Subresource(
        name=document["subresource"],
        kind=kind.get("kind") or "",
        group=kind.get("group") or "",
        version=kind.get("version") or "",
        verbs=tuple(document.get("verbs") or ()),
    )


def custom_resources(definition: Body) -> tuple[Resource, ...]:
    """Return what an established CustomResourceDefinition serves, one resource a version."""
    spec = definition["spec"]
    names = (definition.get("status") or {}).get("acceptedNames") or spec["names"]
    stored = next((one["name"] for one in spec["versions"] if one.get("storage")), "")
    common = Resource(
        group=spec["group"],
        version="",
        plural=names["plural"],
        kind=names["kind"],
        singular=names.get("singular") or names["kind"].lower(),
        namespaced=spec["scope"] == "Namespaced",
        stored_version=stored,
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        list_kind=names.get("listKind") or f"{names['kind']}List",
    )
    return tuple(
        replace(common, version=one["name"], subresources=_custom_doors(common, one), definition=one)
        for one in spec["versions"]
        if one.get("served")
    )


def _custom_doors(resource: Resource, version: Mapping[str, Any]) -> Mapping[str, Subresource]:
    doors = {}
    declared = version.get("subresources") or {}
    if "status" in declared:
        doors["status"] = Subresource(
            name="status",
            kind=resource.kind,
            group=resource.group,
            version=version["name"],
            verbs=("get", "patch", "update"),
        )
    if "scale" in declared:
        doors["scale"] = Subresource(
            name="scale", kind="Scale", group="autoscaling", version="v1", verbs=("get", "patch", "update")
        )
    return doors
