"""Schemas out of what describes a kind: the OpenAPI of the built-in ones, the CRD of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.sandbox.kube.merge.fieldset import FieldSet
from bot.sandbox.kube.merge.objectmeta import OBJECT_META, TYPE_META
from bot.sandbox.kube.merge.schema import UNTYPED_DEDUCED, OpenAPI, Reader, Schema

_STATUS = FieldSet.of(("f:status",))


def schema_from_openapi(definition_name: str, definitions: Mapping[str, OpenAPI]) -> Schema:
    """Return the schema of a built-in kind, by its name in `components.schemas` (v3) or `definitions` (v2)."""
    definition = definitions[definition_name]
    reset: dict[str, FieldSet] = {}
    if "status" in (definition.get("properties") or {}):
        reset = {"": _STATUS, "status": FieldSet.of(("f:spec",))}
    return Schema(
        Reader(definitions).named(definition_name),
        source=definition,
        definitions=definitions,
        name=definition_name,
        reset=reset,
    )


def schema_from_crd(open_api_v3_schema: OpenAPI | None, *, status: bool = False) -> Schema:
    """Return the schema of one version of a CRD; without one, maps merge by key and lists are one value.

    `status` says whether the version has the status subresource.
    """
    reset = {"": _STATUS, "status": FieldSet.of(("f:metadata",), ("f:spec",))} if status else {}
    if open_api_v3_schema is None:
        return Schema(
            UNTYPED_DEDUCED, source={"x-kubernetes-preserve-unknown-fields": True}, definitions={}, reset=reset
        )
    own: Mapping[str, Any] = open_api_v3_schema.get("properties") or {}
    properties = {**own, **TYPE_META, "metadata": OBJECT_META}
    source = {**open_api_v3_schema, "properties": properties}
    reader = Reader({})
    return Schema(reader.type_of(source, preserve=False), source=source, definitions={}, reset=reset)
