"""Rules in the schema of a custom resource refuse alike on both API servers, and say why in the same words."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.contract.servers import Server
from tests.waiting import until

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PORT = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "port": {"type": "integer"}},
    "x-kubernetes-validations": [{"rule": "!has(oldSelf.port) || self.port == oldSelf.port", "message": "stays"}],
}
SPEC: dict[str, Any] = {
    "type": "object",
    "properties": {
        "least": {"type": "integer"},
        "most": {"type": "integer"},
        "name": {
            "type": "string",
            "maxLength": 20,
            "x-kubernetes-validations": [{"rule": "self.startsWith('a')"}],
        },
        "kind": {
            "type": "string",
            "maxLength": 20,
            "x-kubernetes-validations": [
                {"rule": "self == oldSelf", "message": "is immutable", "reason": "FieldValueForbidden"}
            ],
        },
        "max-size": {"type": "integer"},
        "ratio": {"type": "number", "x-kubernetes-validations": [{"rule": "self < 0.75", "message": "too much"}]},
        "labels": {
            "type": "object",
            "maxProperties": 5,
            "additionalProperties": {"type": "string", "maxLength": 20},
            "x-kubernetes-validations": [{"rule": "self.all(k, k != 'bad')", "message": "no bad ones"}],
        },
        "ports": {
            "type": "array",
            "maxItems": 5,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": PORT,
        },
    },
    "x-kubernetes-validations": [
        {
            "rule": "!has(self.least) || !has(self.most) || self.least <= self.most",
            "messageExpression": "'%d is more than %d'.format([self.least, self.most])",
            "fieldPath": ".least",
        },
        {"rule": "!has(self.max__dash__size) || self.max__dash__size != 7", "reason": "FieldValueRequired"},
        {"rule": "!has(self.most) || 100 / self.most >= 1", "message": "too many"},
    ],
}

Write = Callable[..., dict[str, Any]]


@pytest.fixture
def write(server: Server, namespace: str, unique: str) -> Iterator[Write]:
    """Creates or replaces the spec of one object of a kind with rules; returns it or the Status of its refusal."""
    group = f"{unique}.example.com"
    version = {"name": "v1", "served": True, "storage": True}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC}}}
    names = {"plural": "gauges", "kind": "Gauge"}
    body = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gauges.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [{**version, "schema": schema}]},
    }
    server.request("POST", CRDS, body=body)
    path = f"/apis/{group}/v1/namespaces/{namespace}/gauges"

    def served() -> bool:
        try:
            return bool(server.request("GET", path))
        except urllib.error.HTTPError:
            return False

    until(served, "the kind is served")

    def put(spec: Mapping[str, Any], *, over: Mapping[str, Any] | None = None) -> dict[str, Any]:
        head = {"apiVersion": f"{group}/v1", "kind": "Gauge"}
        try:
            if over is None:
                made = server.request("POST", path, body={**head, "metadata": {"name": "one"}, "spec": spec})
            else:
                server.request("POST", path, body={**head, "metadata": {"name": "one"}, "spec": over})
                made = server.request("PATCH", f"{path}/one", body={"spec": spec}, kind="merge")
        except urllib.error.HTTPError as error:
            made = json.loads(error.read())
        found: dict[str, Any] = made
        return found

    yield put
    server.request("DELETE", f"{CRDS}/gauges.{group}")


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        ({"least": 3, "most": 1}, "spec.least", "Invalid value: 3 is more than 1"),
        ({"name": "bob"}, "spec.name", "Invalid value: \"bob\": failed rule: self.startsWith('a')"),
        (
            {"max-size": 7},
            "spec",
            "Required value: failed rule: !has(self.max__dash__size) || self.max__dash__size != 7",
        ),
        ({"ratio": 1}, "spec.ratio", "Invalid value: 1: too much"),
        ({"labels": {"bad": "x"}}, "spec.labels", "Invalid value: no bad ones"),
        ({"most": 0}, "spec", 'Invalid value: "object": division by zero evaluating rule: too many'),
    ],
    ids=["message-expression", "no-message", "reason", "number", "map", "error"],
)
def test_object_that_breaks_a_rule_is_refused_at_its_field(
    write: Write, spec: dict[str, Any], field: str, message: str
) -> None:
    refused = write(spec)
    assert (refused.get("code"), refused.get("reason")) == (422, "Invalid"), refused
    assert [(one["field"], one["message"]) for one in refused["details"]["causes"]] == [(field, message)]


def test_object_that_keeps_the_rules_is_stored(write: Write) -> None:
    spec = {"least": 1, "most": 2, "name": "ana", "ratio": 0.5, "ports": [{"name": "web", "port": 80}]}
    assert write(spec)["spec"] == spec


@pytest.mark.parametrize(
    ("over", "spec", "causes"),
    [
        ({"kind": "a"}, {"kind": "b"}, [("spec.kind", "Forbidden: is immutable")]),
        ({"kind": "a"}, {"kind": "a", "least": 1}, None),
        (
            {"ports": [{"name": "web", "port": 80}, {"name": "tls", "port": 443}]},
            {"ports": [{"name": "tls", "port": 443}, {"name": "web", "port": 81}]},
            [("spec.ports[1]", "Invalid value: stays")],
        ),
    ],
    ids=["changed", "same", "list-map"],
)
def test_rule_about_a_change_compares_with_what_was_there(
    write: Write, over: dict[str, Any], spec: dict[str, Any], causes: list[tuple[str, str]] | None
) -> None:
    answer = write(spec, over=over)
    if causes is None:
        assert answer["spec"] == spec
    else:
        assert [(one["field"], one["message"]) for one in answer["details"]["causes"]] == causes


def test_rules_are_not_asked_about_what_the_schema_refuses(write: Write) -> None:
    refused = write({"name": "b" * 30, "least": 3, "most": 1})
    assert [one["message"] for one in refused["details"]["causes"]] == [
        "Too long: may not be more than 20 bytes",
        "Invalid value: null: some validation rules were not checked because the object was invalid; "
        "correct the existing errors to complete validation",
    ]
