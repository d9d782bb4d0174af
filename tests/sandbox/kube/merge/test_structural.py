"""Defaults and pruning of custom resources."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.kube.merge import default, prune, schema_from_crd

SPEC: dict[str, Any] = {
    "replicas": {"type": "integer", "default": 1},
    "label": {"type": "string", "nullable": True, "default": "x"},
    "plain": {"type": "string"},
    "nested": {"type": "object", "default": {}, "properties": {"deep": {"type": "string", "default": "d"}}},
    "ports": {
        "type": "array",
        "items": {"type": "object", "properties": {"protocol": {"type": "string", "default": "TCP"}}},
    },
    "by_name": {
        "type": "object",
        "additionalProperties": {"type": "object", "properties": {"on": {"type": "boolean", "default": True}}},
    },
    "free": {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
        "properties": {"known": {"type": "object", "properties": {"a": {"type": "string"}}}},
    },
    "object": {"type": "object", "x-kubernetes-embedded-resource": True, "properties": {"spec": {"type": "object"}}},
}
SCHEMA = schema_from_crd({"type": "object", "properties": {"spec": {"type": "object", "properties": SPEC}}})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {"replicas": 1, "label": "x", "nested": {"deep": "d"}}),
        (
            {"replicas": None, "label": None, "plain": None},
            {"replicas": 1, "label": None, "nested": {"deep": "d"}},
        ),
        (
            {"replicas": 0, "label": "y", "nested": {"deep": "e"}, "ports": [{}], "by_name": {"a": {}}},
            {
                "replicas": 0,
                "label": "y",
                "nested": {"deep": "e"},
                "ports": [{"protocol": "TCP"}],
                "by_name": {"a": {"on": True}},
            },
        ),
    ],
)
def test_default_takes_the_place_of_nothing_and_of_a_null_that_is_not_allowed(spec: Any, expected: Any) -> None:
    body = {"spec": spec}
    once = default(SCHEMA, prune(SCHEMA, body)[0])
    assert once == {"spec": expected}
    assert default(SCHEMA, once) == once
    assert body == {"spec": spec}


def test_unknown_fields_go_and_are_named() -> None:
    spec = {
        "plain": "a",
        "foo": 1,
        "ports": [{"protocol": "UDP", "bar": 2}],
        "free": {"anything": [1], "known": {"a": "b", "c": "d"}},
        "object": {"apiVersion": "v1", "kind": "X", "metadata": {"name": "y"}, "spec": {}, "data": {}},
    }
    pruned, unknown = prune(SCHEMA, {"metadata": {"name": "w", "colour": "red"}, "spec": spec, "extra": True})
    assert unknown == (
        "extra",
        "metadata.colour",
        "spec.foo",
        "spec.free.known.c",
        "spec.object.data",
        "spec.ports[0].bar",
    )
    assert pruned == {
        "metadata": {"name": "w"},
        "spec": {
            "plain": "a",
            "ports": [{"protocol": "UDP"}],
            "free": {"anything": [1], "known": {"a": "b"}},
            "object": {"apiVersion": "v1", "kind": "X", "metadata": {"name": "y"}, "spec": {}},
        },
    }
