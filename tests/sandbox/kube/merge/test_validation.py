"""Errors of custom resources; each was seen on the real 1.37 server, word by word."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.kube.merge import schema_from_crd, validate

STRING = {"type": "string"}
PORTS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["port", "protocol"],
    "items": {
        "type": "object",
        "required": ["port"],
        "properties": {"port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}},
    },
}
EITHER: dict[str, Any] = {
    "type": "object",
    "properties": {"p": STRING, "q": STRING},
    "oneOf": [{"required": ["p"]}, {"required": ["q"]}],
}
SPEC: dict[str, Any] = {
    "replicas": {"type": "integer", "minimum": 0, "maximum": 10},
    "mode": {"type": "string", "enum": ["a", "b"]},
    "name": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"},
    "args": {"type": "array", "maxItems": 3, "items": STRING},
    "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": STRING},
    "ports": PORTS,
    "when": {"x-kubernetes-int-or-string": True},
    "since": {"type": "string", "format": "date-time"},
    "small": {"type": "integer", "format": "int32"},
    "ratio": {"type": "number", "maximum": 2000000, "multipleOf": 2},
    "either": EITHER,
    "object": {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
    "nothing": {"type": "string", "nullable": True},
}
SCHEMA = schema_from_crd({"type": "object", "properties": {"spec": {"type": "object", "properties": SPEC}}})


@pytest.mark.parametrize(
    ("spec", "errors"),
    [
        ({"replicas": 3, "mode": "a", "name": "abc", "when": "50%", "nothing": None}, []),
        (
            {"replicas": "x"},
            ['spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"'],
        ),
        (
            {"replicas": 11},
            ["spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10"],
        ),
        (
            {"replicas": 1.5},
            [
                'spec.replicas: Invalid value: "number": spec.replicas in body must be of type integer: "number"',
                '<nil>: Invalid value: "": Checked value must be of type integer (default format) in spec.replicas',
            ],
        ),
        (
            {"small": 1.5},
            [
                'spec.small: Invalid value: "float64": spec.small in body must be of type int32: "float64"',
                '<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.small',
            ],
        ),
        ({"mode": "c"}, ['spec.mode: Unsupported value: "c": supported values: "a", "b"']),
        ({"name": "A"}, ['spec.name: Invalid value: "A": spec.name in body should be at least 2 chars long']),
        ({"name": "aB"}, ["spec.name: Invalid value: \"aB\": spec.name in body should match '^[a-z]+$'"]),
        ({"name": "abcde"}, ["spec.name: Too long: may not be more than 4 bytes"]),
        ({"args": list("abcd")}, ["spec.args: Too many: 4: must have at most 3 items"]),
        ({"tags": ["a", "a", "a"]}, ['spec.tags[1]: Duplicate value: "a"']),
        ({"ports": [{"protocol": "TCP"}]}, ["spec.ports[0].port: Required value"]),
        (
            {"ports": [{"port": 1, "protocol": "TCP"}, {"port": 1, "protocol": "TCP"}]},
            ['spec.ports[1]: Duplicate value: {"port":1,"protocol":"TCP"}'],
        ),
        (
            {"when": True},
            ['spec.when: Invalid value: "boolean": spec.when in body must be of type integer,string: "boolean"'],
        ),
        ({"since": "x"}, ['spec.since: Invalid value: "x": spec.since in body must be of type date-time: "x"']),
        (
            {"ratio": 2000002.5},
            [
                "spec.ratio: Invalid value: 2.0000025e+06: spec.ratio in body should be a multiple of 2",
                "spec.ratio: Invalid value: 2.0000025e+06: spec.ratio in body should be less than or equal to 2e+06",
            ],
        ),
        (
            {"either": {"p": "a", "q": "b"}},
            [
                '<nil>: Invalid value: "": "spec.either" must validate one and only one schema (oneOf). '
                "Found 2 valid alternatives"
            ],
        ),
        ({"object": {"apiVersion": "v1"}}, ["spec.object.kind: Required value"]),
    ],
)
def test_error_is_worded_as_the_server_words_it(spec: dict[str, Any], errors: list[str]) -> None:
    assert [str(error) for error in validate(SCHEMA, {"spec": spec})] == errors


def test_what_was_wrong_before_and_did_not_change_is_let_through() -> None:
    old = {"spec": {"replicas": 99, "ports": [{"port": "x"}]}}
    new = {"spec": {"replicas": 99, "ports": [{"port": "x"}], "mode": "c"}}
    assert [error.field for error in validate(SCHEMA, new, old)] == ["spec.mode"]
    assert [error.field for error in validate(SCHEMA, new)] == ["spec.replicas", "spec.ports[0].port", "spec.mode"]
