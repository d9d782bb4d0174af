"""Who changed a field: read from managedFields, for the fields of a diff and no others."""

from __future__ import annotations

from typing import Any

import pytest

from bot.model.plan import FieldChange
from bot.plan.hands import hands, manager_of

IMAGE: dict[str, Any] = {"f:spec": {"f:containers": {'k:{"name":"api"}': {".": {}, "f:image": {}}}}}


def live(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "x", "managedFields": list(entries)}}


def entry(manager: str, fields: dict[str, Any], time: str = "2026-03-01T12:00:00Z", **more: str) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields, **more}


def changed(path: str) -> list[FieldChange]:
    return [FieldChange(path=path, before="a", after="b")]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"f:data": {"f:level": {}}}, "data.level"),
        ({"f:data": {"f:app.yaml": {}}}, "data.app.yaml"),
        ({"f:metadata": {"f:labels": {"f:a.b/c": {}}}}, "metadata.labels[a.b/c]"),
        (IMAGE, "spec.containers[name=api].image"),
        (IMAGE, "spec.containers"),
        ({"f:spec": {"f:selector": {}}}, "spec.selector.app"),
        ({"f:ports": {'k:{"port":80,"protocol":"TCP"}': {"f:name": {}}}}, "ports[port=80,protocol=TCP].name"),
    ],
)
def test_owner_of_a_changed_field_is_named_with_its_time(fields: dict[str, Any], path: str) -> None:
    assert hands(live(entry("kubectl-edit", fields)), changed(path)) == ("kubectl-edit at 2026-03-01 12:00 UTC",)


def test_who_scaled_is_named() -> None:
    """`kubectl scale` writes by a subresource, and the server keeps no time of it."""
    scaled = entry("kubectl", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    del scaled["time"]
    edited = entry("kubectl-edit", {"f:spec": {"f:replicas": {}}})
    assert hands(live(scaled, edited), changed("spec.replicas")) == ("kubectl-edit at 2026-03-01 12:00 UTC", "kubectl")


@pytest.mark.parametrize(
    "other",
    [
        entry("kubectl-edit", {"f:data": {"f:other": {}}}),
        entry("gitops-bot", {"f:data": {"f:level": {}}}),
        entry("kubelet", {"f:data": {"f:level": {}}}, subresource="status"),
        entry("kubectl-edit", IMAGE),
    ],
)
def test_others_are_not_named(other: dict[str, Any]) -> None:
    assert hands(live(other), changed("data.level")) == ()
    assert hands(None, changed("data.level")) == ()


def test_newest_comes_first() -> None:
    fields: dict[str, Any] = {"f:data": {"f:level": {}}}
    found = hands(live(entry("a", fields), entry("b", fields, "2026-03-01T13:00:00Z")), changed("data.level"))
    assert [one.partition(" ")[0] for one in found] == ["b", "a"]


def test_manager_is_named_with_or_without_a_time() -> None:
    assert [manager_of(hand) for hand in ("kubectl", "kubectl-edit at 2026-03-01 12:00 UTC")] == [
        "kubectl",
        "kubectl-edit",
    ]
