"""Two versions of an object to the fields that differ, in kubectl's words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.marks import LAST_APPLIED
from bot.model.resource import id_of
from bot.plan.diff import KUBECTL_COPY, VALUE_LIMIT, diff, wanted_diff
from tests.plan.world import config, live, thing

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def changes(before: Any, after: Any) -> list[tuple[str, object, object]]:
    """Return the changes of one field `spec`."""
    one, other = thing("Widget", "w", spec=before), thing("Widget", "w", spec=after)
    return [(field.path, field.before, field.after) for field in diff(one, other, id=id_of(one))]


@given(values)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert changes(value, value) == []


@given(values, values)
def test_change_is_seen_from_both_sides(one: Any, other: Any) -> None:
    assert bool(changes(one, other)) == bool(changes(other, one))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1}, {"a": 2}, [("spec.a", 1, 2)]),
        ({"a": None}, {}, []),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": True}, {"a": 1}, [("spec.a", True, 1)]),
        ({"a": "1"}, {"a": 1}, [("spec.a", "1", 1)]),
        ({}, {"a": {"b": [1]}}, [("spec.a", None, {"b": [1]})]),
        ({"a.b/c": 1}, {"a.b/c": 2}, [("spec[a.b/c]", 1, 2)]),
        (
            {"containers": [{"name": "api", "image": "api:1"}, {"name": "log", "image": "log:1"}]},
            {"containers": [{"name": "api", "image": "api:2"}, {"name": "log", "image": "log:1"}]},
            [("spec.containers[name=api].image", "api:1", "api:2")],
        ),
        (
            {"containers": [{"name": "api"}, {"name": "log"}]},
            {"containers": [{"name": "log"}, {"name": "api"}]},
            [("spec.containers (order)", "api, log", "log, api")],
        ),
        (
            {"ports": [{"port": 80}]},
            {"ports": [{"port": 80, "protocol": "TCP"}]},
            [("spec.ports[port=80,protocol=TCP].protocol", None, "TCP")],
        ),
        ({"args": ["a", "b"]}, {"args": ["a", "c", "d"]}, [("spec.args[1]", "b", "c"), ("spec.args[2]", None, "d")]),
    ],
)
def test_paths_read_as_people_write_them(before: Any, after: Any, expected: list[tuple[str, object, object]]) -> None:
    assert changes(before, after) == expected


def test_what_the_server_alone_writes_is_no_difference() -> None:
    body = config(level="info")
    stored = live(body, status={"phase": "x"})
    stored["metadata"] |= {"generation": 3, "managedFields": [{}], "creationTimestamp": "now", "labels": {}}
    assert diff(stored, body, id=id_of(body)) == ()


def test_wanted_difference_is_blind_to_what_git_does_not_mention() -> None:
    body = thing("Widget", "w", spec={"size": 2})
    stored = live(thing("Widget", "w", spec={"size": 1, "defaulted": True}))
    assert [field.path for field in wanted_diff(stored, body, id=id_of(body))] == ["spec.size"]


def test_long_values_are_cut_around_the_place_where_they_part() -> None:
    text = "x" * 900
    ((_, before, after),) = changes(f"{text}one{text}", f"{text}two{text}")
    assert isinstance(before, str)
    assert isinstance(after, str)
    assert "one" in before
    assert "two" in after
    assert max(len(before), len(after)) <= VALUE_LIMIT + 2


def test_last_applied_annotation_is_never_quoted() -> None:
    """kubectl's copy of a Secret, or of anything that was one, must not come out of a diff."""
    body = config(level="info")
    stored = live(body)
    stored["metadata"]["annotations"] = {LAST_APPLIED: '{"data":{"password":"canary"}}'}
    (field,) = diff(stored, body, id=id_of(body))
    assert (field.before, field.after) == (KUBECTL_COPY, None)


def test_secret_shows_which_key_changed_and_never_how() -> None:
    one = thing("Secret", "creds", data={"a": "Y2FuYXJ5", "b": "c2FtZQ=="})
    other = thing("Secret", "creds", stringData={"a": "canary-2", "b": "same", "c": "canary-3"})
    shown = [(field.path, field.before, field.after) for field in diff(one, other, id=id_of(one))]
    assert shown == [("data.a", "(hidden)", "(hidden, changed)"), ("data.c", None, "(hidden)")]


def test_secret_with_a_number_for_a_value_stays_hidden() -> None:
    one, other = thing("Secret", "creds", data={"pin": 123456}), thing("Secret", "creds", stringData={"pin": 654321})
    assert "123456" not in repr(diff(one, other, id=id_of(one)))
    assert "654321" not in repr(diff(one, other, id=id_of(one)))
