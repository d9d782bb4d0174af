"""CustomResourceDefinitions: names, versions, and schemas that are structural.

Pure. Source: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation and pkg/apiserver/schema/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bot.sandbox.kube.checks.fields import forbidden, immutable, invalid, required, unsupported
from bot.sandbox.kube.checks.names import wrong_old_label, wrong_subdomain
from bot.sandbox.kube.errors import Cause
from bot.sandbox.kube.ports import Body

_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_META: Final = frozenset({"name", "generateName"})
_LEVELS: Final = {"root": "at the root", "item": "for specified array items", "field": "for specified object fields"}


def check_definition(body: Body, old: Body | None) -> Iterator[Cause]:
    spec, before = body.get("spec") or {}, (old or {}).get("spec") or {}
    names, group = spec.get("names") or {}, spec.get("group", "")
    name = body["metadata"].get("name", "")
    if old is None and name != f"{names.get('plural', '')}.{group}":
        yield invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    yield from _group(group)
    yield from _scope(spec.get("scope", ""))
    yield from _versions(spec.get("versions") or ())
    yield from _names(names)
    yield from _stored((body.get("status") or {}).get("storedVersions") or [], spec.get("versions") or ())
    if old is None:
        return
    if _established(old):
        for at, value, kept in (
            ("spec.scope", spec.get("scope", ""), before.get("scope", "")),
            ("spec.names.kind", names.get("kind", ""), before["names"].get("kind", "")),
        ):
            if value != kept:
                yield immutable(at, value)
    for at, value, kept in (
        ("spec.group", group, before.get("group", "")),
        ("spec.names.plural", names.get("plural", ""), before["names"].get("plural", "")),
    ):
        if value != kept:
            yield immutable(at, value)


def _established(definition: Body) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def _group(group: str) -> Iterator[Cause]:
    if not group:
        yield required("spec.group")
    elif wrong := list(wrong_subdomain(group)):
        yield invalid("spec.group", group, ",".join(wrong))
    elif "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")


def _scope(scope: str) -> Iterator[Cause]:
    if not scope:
        yield required("spec.scope")
    elif scope not in {"Cluster", "Namespaced"}:
        yield unsupported("spec.scope", scope, ("Cluster", "Namespaced"))


def _versions(versions: Sequence[Mapping[str, Any]]) -> Iterator[Cause]:
    for index, one in enumerate(versions):
        if not (one.get("schema") or {}).get("openAPIV3Schema"):
            yield required(f"spec.versions[{index}].schema.openAPIV3Schema")
    for index, one in enumerate(versions):
        at = f"spec.versions[{index}]"
        if wrong := list(wrong_old_label(one.get("name", ""))):
            yield invalid(f"{at}.name", one.get("name", ""), ",".join(wrong))
        schema = (one.get("schema") or {}).get("openAPIV3Schema")
        if schema:
            yield from _schema(schema, f"{_schemas(versions, at)}.openAPIV3Schema", "root")
        yield from _columns(one.get("additionalPrinterColumns") or (), at)
    if len({one.get("name") for one in versions}) < len(versions):
        yield invalid("spec.versions", _printed(versions), "must contain unique version names")
    if sum(bool(one.get("storage")) for one in versions) != 1:
        yield invalid("spec.versions", _printed(versions), "must have exactly one version marked as storage version")


def _schemas(versions: Sequence[Mapping[str, Any]], at: str) -> str:
    """Return where errors of a schema are said to be: that of a single version lives at the top, inside the server."""
    return "spec.validation" if len(versions) == 1 else f"{at}.schema"


def _printed(versions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the versions as the Go structs of the server print; what is inside of schemas is left out."""
    fields = ("DeprecationWarning", "Schema", "Subresources", "AdditionalPrinterColumns", "SelectableFields")
    return [
        {
            "Name": one.get("name", ""),
            "Served": bool(one.get("served")),
            "Storage": bool(one.get("storage")),
            "Deprecated": bool(one.get("deprecated")),
            **dict.fromkeys(fields),
        }
        for one in versions
    ]


def _columns(columns: Sequence[Mapping[str, Any]], at: str) -> Iterator[Cause]:
    for index, one in enumerate(columns):
        here, kind = f"{at}.additionalPrinterColumns[{index}]", one.get("type", "")
        if not one.get("name"):
            yield required(f"{here}.name")
        allowed = f"must be one of {','.join(_COLUMN_TYPES)}"
        if not kind:
            yield required(f"{here}.type", allowed)
        elif kind not in _COLUMN_TYPES:
            yield invalid(f"{here}.type", kind, allowed)
        if not one.get("jsonPath"):
            yield required(f"{here}.JSONPath")


def _names(names: Mapping[str, Any]) -> Iterator[Cause]:
    for field in ("plural", "singular", "kind", "listKind"):
        if not names.get(field):
            yield required(f"spec.names.{field}")
    for field, said in (("plural", ""), ("singular", ""), ("kind", _MIXED), ("listKind", _MIXED)):
        name = names.get(field) or ""
        wrong = list(wrong_old_label(name.lower() if said else name)) if name else []
        if wrong:
            yield invalid(f"spec.names.{field}", name, said + ",".join(wrong))
    for field in ("shortNames", "categories"):
        for index, name in enumerate(names.get(field) or ()):
            if wrong := list(wrong_old_label(name)):
                yield invalid(f"spec.names.{field}[{index}]", name, ",".join(wrong))
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        yield invalid("spec.names.listKind", names["listKind"], "kind and listKind may not be the same")


_MIXED: Final = "may have mixed case, but should otherwise match: "


def _stored(stored: Sequence[str], versions: Sequence[Mapping[str, Any]]) -> Iterator[Cause]:
    if not stored:
        yield invalid("status.storedVersions", None, "must have at least one stored version")
    names = [one.get("name", "") for one in versions]
    for index, name in enumerate(stored):
        if name not in names:
            why = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and removes "
                f"{name} from status.storedVersions"
            )
            yield invalid(f"status.storedVersions[{index}]", name, why)


def _schema(schema: Mapping[str, Any], at: str, level: str) -> Iterator[Cause]:
    """Say what keeps a schema from being structural: types that are missing, and what contradicts itself."""
    kind, embedded = schema.get("type", ""), schema.get("x-kubernetes-embedded-resource")
    preserves, either = schema.get("x-kubernetes-preserve-unknown-fields"), schema.get("x-kubernetes-int-or-string")
    if kind == "array" and not schema.get("items"):
        yield required(f"{at}.items", "must be specified")
    if items := schema.get("items"):
        yield from _schema(items, f"{at}.items", "item")
    for name, inside in sorted((schema.get("properties") or {}).items()):
        if level == "root" and name == "metadata":
            yield from _metadata(inside, f"{at}.properties[{name}]")
        else:
            yield from _schema(inside, f"{at}.properties[{name}]", "field")
    if (values := schema.get("additionalProperties")) is not None:
        if level == "root":
            yield forbidden(f"{at}.additionalProperties", "must not be used at the root")
        if isinstance(values, Mapping):
            yield from _schema(values, f"{at}.additionalProperties", "field")
        if schema.get("properties"):
            yield forbidden(f"{at}.additionalProperties", "additionalProperties and properties are mutual exclusive")
    if either and preserves:
        why = "must be false if x-kubernetes-int-or-string is true"
        yield invalid(f"{at}.x-kubernetes-preserve-unknown-fields", True, why)
    if embedded and kind != "object":
        why = "must be object if x-kubernetes-embedded-resource is true"
        yield invalid(f"{at}.type", kind, why) if kind else required(f"{at}.type", why)
    elif not kind and not either and not preserves:
        yield required(f"{at}.type", f"must not be empty {_LEVELS[level]}")
    if level == "root" and kind and kind != "object":
        yield invalid(f"{at}.type", kind, "must be object at the root")


def _metadata(schema: Mapping[str, Any], at: str) -> Iterator[Cause]:
    if schema.get("type") != "object":
        yield invalid(f"{at}.type", schema.get("type", ""), "must be object")
    if set(schema.get("properties") or ()) - _META:
        why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield forbidden(at, why)
