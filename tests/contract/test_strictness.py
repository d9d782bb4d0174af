"""What `fieldValidation: Strict` would add to a server-side apply of JSON: nothing. So it is not asked for.

It reads the body once more to look for keys given twice, which our JSON cannot have; fields that no schema has are
refused by the apply itself, and where a schema lets them be, by nobody.
"""

from __future__ import annotations

import urllib.error
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.contract.servers import Server
from tests.waiting import until

SPEC = {
    "closed": {"type": "object", "properties": {"size": {"type": "integer"}}},
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "items": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
    "embedded": {
        "type": "object",
        "x-kubernetes-embedded-resource": True,
        "x-kubernetes-preserve-unknown-fields": True,
    },
    "either": {"x-kubernetes-int-or-string": True},
}
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}}
BODIES: Mapping[str, tuple[str, dict[str, Any]]] = {  # what is merged into a good object of the kind
    "configmap": ("ConfigMap", {"data": {"level": "info"}}),
    "configmap-unknown": ("ConfigMap", {"dta": {"level": "info"}}),
    "configmap-metadata-unknown": ("ConfigMap", {"metadata": {"lables": {"a": "b"}}}),
    "configmap-value-of-another-type": ("ConfigMap", {"data": {"level": 1}}),
    "deployment": ("Deployment", {}),
    "deployment-unknown": ("Deployment", {"spec": {"replica": 1}}),
    "deployment-unknown-in-template": ("Deployment", {"spec": {"template": {"spec": {"hostnetwork": True}}}}),
    "custom": ("Sheet", {"spec": {"closed": {"size": 1}}}),
    "custom-top-unknown": ("Sheet", {"sepc": {}}),
    "custom-metadata-unknown": ("Sheet", {"metadata": {"lables": {"a": "b"}}}),
    "custom-unknown": ("Sheet", {"spec": {"colour": "red"}}),
    "custom-unknown-below": ("Sheet", {"spec": {"closed": {"colour": "red"}}}),
    "custom-unknown-in-list": ("Sheet", {"spec": {"items": [{"name": "a", "colour": "red"}]}}),
    "custom-free": ("Sheet", {"spec": {"free": {"any": [1, {"thing": None}]}}}),
    "custom-embedded": ("Sheet", {"spec": {"embedded": POD}}),
    "custom-embedded-unknown": ("Sheet", {"spec": {"embedded": {**POD, "more": 1}}}),
    "custom-embedded-metadata-unknown": (
        "Sheet",
        {"spec": {"embedded": {**POD, "metadata": {"name": "p", "lables": {"a": "b"}}}}},
    ),
    "custom-either": ("Sheet", {"spec": {"either": "50%"}}),
}


class Sheets:
    """A namespace on a server that serves the kind Sheet."""

    def __init__(self, server: Server, namespace: str, group: str) -> None:
        self._server, self._namespace, self.group = server, namespace, group

    def answer(self, name: str, kind: str, more: Mapping[str, Any], *, strictness: str, dry_run: bool) -> Any:
        """Apply a good object with something merged into it; return the status, and the object or its refusal."""
        base, body = self._good(kind)
        body["metadata"]["name"] = name
        query = f"fieldManager=gitops-bot&force=true&fieldValidation={strictness}{'&dryRun=All' if dry_run else ''}"
        path = f"{base}/namespaces/{self._namespace}/{kind.lower()}s/{name}?{query}"
        try:
            found = self._server.request("PATCH", path, body=_merged(body, more), kind="apply")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""
        return 200, {key: value for key, value in found.items() if key not in {"metadata", "status"}}

    def _good(self, kind: str) -> tuple[str, dict[str, Any]]:
        match kind:
            case "ConfigMap":
                return "/api/v1", {"apiVersion": "v1", "kind": kind, "metadata": {}}
            case "Deployment":
                labels = {"app": "api"}
                pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "nginx:1"}]}}
                spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": pod}
                return "/apis/apps/v1", {"apiVersion": "apps/v1", "kind": kind, "metadata": {}, "spec": spec}
            case _:
                return f"/apis/{self.group}/v1", {"apiVersion": f"{self.group}/v1", "kind": kind, "metadata": {}}


def _merged(body: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **body,
        **{
            key: _merged(body[key], value) if isinstance(value, dict) and isinstance(body.get(key), dict) else value
            for key, value in more.items()
        },
    }


@pytest.fixture
def sheets(server: Server, namespace: str, unique: str) -> Iterator[Sheets]:
    group = f"{unique}.example.com"
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": SPEC}}}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"sheets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Sheet", "plural": "sheets"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    server.request("POST", path, body=crd)
    made = Sheets(server, namespace, group)
    until(
        lambda: made.answer("probe", "Sheet", {}, strictness="Strict", dry_run=True)[0] == 200,
        "the kind is served",
    )
    yield made
    server.request("DELETE", f"{path}/sheets.{group}")


@pytest.mark.parametrize("exists", [False, True], ids=["create", "update"])
def test_strict_validation_of_an_apply_refuses_nothing_more(sheets: Sheets, exists: bool) -> None:
    refused = set()
    for name, (kind, more) in BODIES.items():
        if exists:
            assert sheets.answer(name, kind, {}, strictness="Strict", dry_run=False)[0] == 200
        strict, ignoring = (
            sheets.answer(name, kind, more, strictness=one, dry_run=True) for one in ("Strict", "Ignore")
        )
        assert ignoring == strict, name
        if strict[0] != 200:
            refused.add(name)
    assert refused >= {name for name in BODIES if "unknown" in name and "embedded" not in name}
    assert "custom-free" not in refused
