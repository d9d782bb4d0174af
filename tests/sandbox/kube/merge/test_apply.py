"""Server-side apply and updates on hand-made schemas: what merges, who owns it, what conflicts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.sandbox.kube.merge import Conflicts, Schema, apply, schema_from_crd, settled, update

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)

WIDGET = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "replicas": {"type": "integer"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "selector": {
                    "type": "object",
                    "x-kubernetes-map-type": "atomic",
                    "additionalProperties": {"type": "string"},
                },
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "args": {"type": "array", "items": {"type": "string"}},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["port", "protocol"],
                    "items": {
                        "type": "object",
                        "required": ["port"],
                        "properties": {
                            "port": {"type": "integer"},
                            "protocol": {"type": "string", "default": "TCP"},
                            "name": {"type": "string"},
                        },
                    },
                },
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "when": {"x-kubernetes-int-or-string": True},
            },
        },
        "status": {"type": "object", "properties": {"ready": {"type": "boolean"}}},
    },
}


@pytest.fixture(scope="module")
def schema() -> Schema:
    return schema_from_crd(WIDGET, status=True)


def widget(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "d"}, "spec": spec}


def applied(
    schema: Schema, live: Mapping[str, Any] | None, *, by: str = "a", force: bool = False, **spec: Any
) -> Mapping[str, Any]:
    return apply(
        schema,
        live,
        widget(**spec),
        manager=by,
        api_version="example.com/v1",
        force=force,
        now=NOW if live is None else LATER,
    )


def fields(body: Mapping[str, Any], manager: str) -> Any:
    [entry] = [one for one in body["metadata"]["managedFields"] if one["manager"] == manager]
    return entry["fieldsV1"]["f:spec"]


def managers(body: Mapping[str, Any]) -> list[str]:
    return [entry["manager"] for entry in body["metadata"]["managedFields"]]


def test_first_apply_owns_what_it_mentions(schema: Schema) -> None:
    body = applied(schema, None, replicas=2, labels={"a": "b"})
    assert body["spec"] == {"replicas": 2, "labels": {"a": "b"}}
    assert body["metadata"]["managedFields"] == [
        {
            "manager": "a",
            "operation": "Apply",
            "apiVersion": "example.com/v1",
            "time": "2026-01-02T03:04:05Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:labels": {"f:a": {}}, "f:replicas": {}}},
        }
    ]


def test_unchanged_apply_changes_nothing(schema: Schema) -> None:
    first = applied(schema, None, replicas=2, tags=["x"])
    assert applied(schema, first, replicas=2, tags=["x"]) == first


def test_field_no_longer_applied_goes_away(schema: Schema) -> None:
    first = applied(schema, None, replicas=2, labels={"a": "1", "b": "2"})
    assert applied(schema, first, labels={"b": "2"})["spec"] == {"labels": {"b": "2"}}


def test_field_of_two_managers_stays_until_both_drop_it(schema: Schema) -> None:
    first = applied(schema, None, replicas=2, labels={"a": "1"})
    both = applied(schema, first, by="b", replicas=2)
    one = applied(schema, both, labels={"a": "1"})
    assert one["spec"]["replicas"] == 2
    assert set(managers(one)) == {"a", "b"}
    assert "replicas" not in applied(schema, one, by="b")["spec"]


def test_conflict_names_manager_version_and_field(schema: Schema) -> None:
    created = update(schema, None, widget(replicas=1), manager="kubectl-edit", api_version="example.com/v1", now=NOW)
    with pytest.raises(Conflicts) as refused:
        applied(schema, created, replicas=2)
    assert str(refused.value) == (
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using example.com/v1: .spec.replicas'
    )


def test_conflicts_with_appliers_are_listed_by_manager(schema: Schema) -> None:
    first = applied(schema, None, replicas=1, ports=[{"port": 80, "name": "web"}])
    with pytest.raises(Conflicts) as refused:
        applied(schema, first, by="b", replicas=2, ports=[{"port": 80, "name": "http"}])
    assert str(refused.value) == (
        'Apply failed with 2 conflicts: conflicts with "a":\n'
        '- .spec.replicas\n- .spec.ports[port=80,protocol="TCP"].name'
    )


def test_force_takes_the_field(schema: Schema) -> None:
    first = applied(schema, None, replicas=1, labels={"a": "1"})
    taken = applied(schema, first, by="b", force=True, replicas=2)
    assert taken["spec"]["replicas"] == 2
    assert fields(taken, "a") == {"f:labels": {"f:a": {}}}
    assert fields(taken, "b") == {"f:replicas": {}}


def test_list_map_entries_merge_by_defaulted_key(schema: Schema) -> None:
    first = applied(schema, None, ports=[{"port": 80}, {"port": 53, "protocol": "UDP"}])
    both = applied(schema, first, by="b", ports=[{"port": 80, "protocol": "TCP", "name": "web"}])
    assert both["spec"]["ports"] == [
        {"port": 80, "protocol": "TCP", "name": "web"},
        {"port": 53, "protocol": "UDP"},
    ]
    assert fields(both, "b") == {
        "f:ports": {
            'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}},
        }
    }


def test_set_members_are_owned_one_by_one(schema: Schema) -> None:
    first = applied(schema, None, tags=["x", "y"])
    both = applied(schema, first, by="b", tags=["z", "x"])
    assert both["spec"]["tags"] == ["z", "x", "y"]
    assert fields(both, "b") == {"f:tags": {'v:"x"': {}, 'v:"z"': {}}}
    assert applied(schema, both, tags=["y"])["spec"]["tags"] == ["z", "x", "y"]
    assert applied(schema, first, tags=["y"])["spec"]["tags"] == ["y"]


def test_atomic_map_and_list_are_one_value(schema: Schema) -> None:
    first = applied(schema, None, selector={"app": "x"}, args=["a", "b"])
    assert fields(first, "a") == {"f:args": {}, "f:selector": {}}
    second = applied(schema, first, selector={"tier": "y"}, args=["c"])
    assert second["spec"] == {"selector": {"tier": "y"}, "args": ["c"]}


def test_free_fields_merge_by_key(schema: Schema) -> None:
    first = applied(schema, None, free={"a": {"b": 1}, "list": [1, {"x": 2}]})
    both = applied(schema, first, by="b", free={"a": {"c": 2}})
    assert both["spec"]["free"] == {"a": {"b": 1, "c": 2}, "list": [1, {"x": 2}]}
    assert fields(first, "a") == {"f:free": {"f:a": {".": {}, "f:b": {}}, "f:list": {}}}


def test_update_takes_only_what_changed(schema: Schema) -> None:
    first = applied(schema, None, replicas=1, labels={"a": "1", "b": "2"})
    edited = {**first, "spec": {"replicas": 3, "labels": {"a": "1", "c": "3"}}}
    after = update(schema, first, edited, manager="kubectl", api_version="example.com/v1", now=LATER)
    assert fields(after, "a") == {"f:labels": {"f:a": {}}}
    assert fields(after, "kubectl") == {"f:labels": {"f:c": {}}, "f:replicas": {}}


def test_status_is_not_owned_through_the_main_door(schema: Schema) -> None:
    body = {**widget(replicas=1), "status": {"ready": True}}
    created = update(schema, None, body, manager="m", api_version="example.com/v1", now=NOW)
    [entry] = created["metadata"]["managedFields"]
    assert entry["fieldsV1"] == {"f:spec": {".": {}, "f:replicas": {}}}


def test_status_entry_says_its_subresource(schema: Schema) -> None:
    created = applied(schema, None, replicas=1)
    ready = {**created, "status": {"ready": True}}
    after = update(schema, created, ready, manager="m", api_version="example.com/v1", now=LATER, subresource="status")
    entry = after["metadata"]["managedFields"][1]
    assert (entry["operation"], entry["subresource"]) == ("Update", "status")
    assert entry["fieldsV1"] == {"f:status": {".": {}, "f:ready": {}}}


def test_object_without_owners_is_adopted_by_before_first_apply(schema: Schema) -> None:
    live = {**widget(replicas=1), "metadata": {"name": "w", "namespace": "d", "uid": "u"}}
    after = applied(schema, live, replicas=1, labels={"a": "1"})
    assert managers(after) == ["a", "before-first-apply"]
    assert fields(after, "before-first-apply") == {".": {}, "f:replicas": {}}


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def test_server_side_kubectl_takes_over_what_client_side_kubectl_had(schema: Schema) -> None:
    first = widget(replicas=1)
    annotated = {**first, "metadata": {**first["metadata"], "annotations": {LAST_APPLIED: json.dumps(first)}}}
    live = update(schema, None, annotated, manager="kubectl-client-side-apply", api_version="example.com/v1", now=NOW)
    with pytest.raises(Conflicts):
        applied(schema, live, by="other", replicas=2)
    taken = applied(schema, live, by="kubectl", replicas=2)
    assert taken["spec"]["replicas"] == 2
    assert json.loads(taken["metadata"]["annotations"][LAST_APPLIED])["spec"] == {"replicas": 2}


def test_many_updaters_are_lumped_together(schema: Schema) -> None:
    body: Mapping[str, Any] = applied(schema, None, labels={"mine": "x"})
    for number in range(13):
        labels = {**body["spec"]["labels"], f"l{number}": "y"}
        edited = {**body, "spec": {"labels": labels}}
        now = LATER + timedelta(minutes=number)
        body = update(schema, body, edited, manager=f"m{number}", api_version="example.com/v1", now=now)
    names = managers(body)
    assert len(names) == 11
    assert names[:3] == ["a", "ancient-changes", "m4"]
    assert set(fields(body, "ancient-changes")["f:labels"]) == {"f:l0", "f:l1", "f:l2", "f:l3"}


def test_owned_parts_of_what_became_one_value_are_the_whole(schema: Schema) -> None:
    granular = applied(schema, None, labels={"a": "1", "b": "2"})
    spec = {**WIDGET["properties"]["spec"]["properties"]}  # type: ignore[index]  # JSON
    spec["labels"] = {**spec["labels"], "x-kubernetes-map-type": "atomic"}
    atomic = schema_from_crd({"type": "object", "properties": {"spec": {"type": "object", "properties": spec}}})
    after = apply(
        atomic, granular, widget(labels={"c": "3"}), manager="b", api_version="example.com/v1", force=True, now=LATER
    )
    assert managers(after) == ["b"]
    assert after["spec"]["labels"] == {"c": "3"}


def test_write_that_changes_only_times_is_no_write(schema: Schema) -> None:
    first = applied(schema, None, replicas=1)
    entry = {**first["metadata"]["managedFields"][0], "time": "2027-01-01T00:00:00Z"}
    later = {**first, "metadata": {**first["metadata"], "managedFields": [entry]}}
    assert settled(first, later) is first
    changed = {**later, "spec": {"replicas": 2}}
    assert settled(first, changed) is changed
