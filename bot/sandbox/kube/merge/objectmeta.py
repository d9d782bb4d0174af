"""TypeMeta and ObjectMeta as OpenAPI, for custom resources: every kind has them, and no CRD spells them out.

Source: k8s.io/apimachinery `meta/v1`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_STRING: Final = {"type": "string"}
_TIME: Final = {"type": "string", "format": "date-time"}
_STRINGS: Final = {"type": "object", "additionalProperties": _STRING}

TYPE_META: Final[dict[str, Any]] = {"apiVersion": _STRING, "kind": _STRING}

OBJECT_META: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "annotations": _STRINGS,
        "creationTimestamp": _TIME,
        "deletionGracePeriodSeconds": {"type": "integer", "format": "int64"},
        "deletionTimestamp": _TIME,
        "finalizers": {"type": "array", "items": _STRING, "x-kubernetes-list-type": "set"},
        "generateName": _STRING,
        "generation": {"type": "integer", "format": "int64"},
        "labels": _STRINGS,
        "managedFields": {
            "type": "array",
            "x-kubernetes-list-type": "atomic",
            "items": {
                "type": "object",
                "properties": {
                    "apiVersion": _STRING,
                    "fieldsType": _STRING,
                    "fieldsV1": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    "manager": _STRING,
                    "operation": _STRING,
                    "subresource": _STRING,
                    "time": _TIME,
                },
            },
        },
        "name": _STRING,
        "namespace": _STRING,
        "ownerReferences": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "items": {
                "type": "object",
                "required": ["apiVersion", "kind", "name", "uid"],
                "x-kubernetes-map-type": "atomic",
                "properties": {
                    "apiVersion": _STRING,
                    "blockOwnerDeletion": {"type": "boolean"},
                    "controller": {"type": "boolean"},
                    "kind": _STRING,
                    "name": _STRING,
                    "uid": _STRING,
                },
            },
        },
        "resourceVersion": _STRING,
        "selfLink": _STRING,
        "uid": _STRING,
    },
}


def with_metadata(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add what every object has to the schema of one, in place of what the schema says of it."""
    own: Mapping[str, Any] = source.get("properties") or {}
    return {**source, "properties": {**own, **TYPE_META, "metadata": OBJECT_META}}
