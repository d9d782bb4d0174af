"""Schemas out of what describes a kind: the OpenAPI of the built-in ones, the CRD of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bot.sandbox.kube.merge.fieldset import FieldSet, Path
from bot.sandbox.kube.merge.objectmeta import with_metadata
from bot.sandbox.kube.merge.schema import UNTYPED_DEDUCED, OpenAPI, Reader, Schema

_STATUS: Final = FieldSet.of(("f:status",))
# Kinds and groups whose status door leaves labels, or all metadata, alone.
_LABELS_KEPT: Final = {"apps": ("Deployment",)}
_METADATA_KEPT: Final = frozenset(
    {
        "admissionregistration",
        "apiregistration",
        "apiserverinternal",
        "flowcontrol",
        "lifecycle",
        "resource",
        "scheduling",
        "storage",
        "storagemigration",
    }
)


def schema_from_openapi(
    definition_name: str, definitions: Mapping[str, OpenAPI], *, zero: Mapping[str, Any] | None = None
) -> Schema:
    """Return the schema of a built-in kind, by its name in `components.schemas` (v3) or `definitions` (v2).

    `zero` is the kind's Go struct of which nothing was set, printed. Without it a create owns more than it should:
    `f:containers` would count as added, when in Go the list was there and null.
    """
    definition = definitions[definition_name]
    return Schema(
        Reader(definitions).named(definition_name),
        source=definition,
        definitions=definitions,
        name=definition_name,
        reset=_reset(definition_name, definition),
        zero=zero,
    )


def _reset(name: str, definition: OpenAPI) -> Mapping[str, FieldSet]:
    """Return the fields that each door of a built-in kind resets; the exceptions are strategies of pkg/registry."""
    if "status" not in (definition.get("properties") or {}):
        return {}
    _, group, _, kind = name.rsplit(".", 3)
    status: list[Path] = [("f:spec",)]
    if kind in _LABELS_KEPT.get(group, ()):
        status.append(("f:metadata", "f:labels"))
    elif kind == "Pod":
        status += [("f:metadata", "f:deletionTimestamp"), ("f:metadata", "f:ownerReferences")]
    elif group in _METADATA_KEPT or kind in ("ServiceCIDR", "PodCertificateRequest"):
        status.append(("f:metadata",))
    reset = {"": _STATUS, "status": FieldSet.of(*status)}
    if kind == "CertificateSigningRequest":
        reset[""] = FieldSet.of(("f:spec",), ("f:status",))
        reset["status"] = FieldSet.of(("f:spec",), ("f:status", "f:conditions"))
        reset["approval"] = FieldSet.of(("f:spec",), ("f:status", "f:certificate"))
    elif kind == "Namespace":
        reset["finalize"] = _STATUS
    return reset


def schema_from_crd(open_api_v3_schema: OpenAPI | None, *, status: bool = False) -> Schema:
    """Return the schema of one version of a CRD; without one, maps merge by key and lists are one value.

    `status` says whether the version has the status subresource.
    """
    reset = {"": _STATUS, "status": FieldSet.of(("f:metadata",), ("f:spec",))} if status else {}
    if open_api_v3_schema is None:
        return Schema(
            UNTYPED_DEDUCED, source={"x-kubernetes-preserve-unknown-fields": True}, definitions={}, reset=reset
        )
    source = with_metadata(open_api_v3_schema)
    reader = Reader({})
    root = reader.type_of(source, preserve=False)
    return Schema(root, source=source, definitions={}, reset=reset, declared=open_api_v3_schema)
