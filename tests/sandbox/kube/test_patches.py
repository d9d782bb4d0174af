"""JSON patch (RFC 6902), JSON merge patch (RFC 7386) and strategic merge patch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.kube import recorded
from bot.sandbox.kube.errors import StatusError
from bot.sandbox.kube.json_patch import json_patch, merge_patch
from bot.sandbox.kube.kinds import builtin_table
from bot.sandbox.kube.strategic_patch import strategic_patch

# RFC 6902, appendix A, without the cases in which the real server's library differs from it.
RFC_6902: list[tuple[str, Any, list[dict[str, Any]], Any]] = [
    ("A.1", {"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
    ("A.2", {"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
    ("A.3", {"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
    ("A.4", {"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
    ("A.5", {"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
    (
        "A.6",
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    (
        "A.7",
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    (
        "A.8",
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}],
        {"baz": "qux", "foo": ["a", 2, "c"]},
    ),
    ("A.10", {"foo": "bar"}, [{"op": "add", "path": "/child", "value": {"a": {}}}], {"foo": "bar", "child": {"a": {}}}),
    ("A.11", {"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}], {"foo": "bar", "baz": "qux"}),
    ("A.14", {"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
    ("A.16", {"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc"]}], {"foo": ["bar", ["abc"]]}),
    ("copy", {"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
]
REFUSED: list[tuple[str, Any, list[dict[str, Any]]]] = [
    ("A.9", {"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "bar"}]),
    ("A.12", {"foo": "bar"}, [{"op": "add", "path": "/baz/bat", "value": "qux"}]),
    ("A.15", {"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": "10"}]),
    ("gone", {"foo": "bar"}, [{"op": "remove", "path": "/baz"}]),
    ("far", {"foo": ["bar"]}, [{"op": "add", "path": "/foo/8", "value": "x"}]),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("document", "patch", "expected"), [one[1:] for one in RFC_6902], ids=[one[0] for one in RFC_6902]
)
def test_json_patch_does_as_the_rfc_says(document: Any, patch: Any, expected: Any) -> None:
    assert json_patch(document, patch) == expected


@pytest.mark.parametrize(("document", "patch"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED])
def test_json_patch_that_does_not_apply_is_refused(document: Any, patch: Any) -> None:
    with pytest.raises(StatusError) as refused:
        json_patch(document, patch)
    assert refused.value.code == 422


@given(JSON, JSON)
def test_merge_patch_is_idempotent_and_leaves_its_target(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


def _strategic(live: dict[str, Any], patch: dict[str, Any]) -> Any:
    documents = recorded.discovery()
    resource = builtin_table(documents["api"], documents["apis"]).find("", "v1", "pods")
    assert resource is not None
    return strategic_patch(resource, {"spec": live}, {"spec": patch})["spec"]


def _named(*names: str) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


@pytest.mark.parametrize(
    ("live", "patch", "expected"),
    [
        # What the patch names comes in its order; another stays before what it stood before, if that is next.
        (_named("a", "b"), {"containers": _named("b", "c")}, _named("a", "b", "c")),
        (_named("a", "b"), {"containers": _named("c", "b")}, _named("c", "a", "b")),
        (_named("a"), {"containers": _named("new")}, _named("new", "a")),
        (
            _named("a", "b", "c"),
            {"$setElementOrder/containers": _named("c", "a"), "containers": _named("c")},
            _named("b", "c", "a"),
        ),
        (_named("a", "b"), {"containers": [{"name": "a", "$patch": "delete"}]}, _named("b")),
        (_named("a", "b"), {"containers": [{"$patch": "replace"}, {"name": "c"}]}, _named("c")),
    ],
)
def test_lists_are_merged_by_key(live: Any, patch: Any, expected: Any) -> None:
    assert _strategic({"containers": live}, patch)["containers"] == expected


def test_directives_are_obeyed() -> None:
    live = {"nodeSelector": {"a": "1", "b": "2"}, "imagePullSecrets": _named("x"), "dnsPolicy": "Default"}
    assert _strategic(live, {"nodeSelector": {"$patch": "replace", "c": "3"}})["nodeSelector"] == {"c": "3"}
    assert _strategic(live, {"nodeSelector": {"$retainKeys": ["b"]}})["nodeSelector"] == {"b": "2"}
    assert "dnsPolicy" not in _strategic(live, {"dnsPolicy": None})
    with pytest.raises(StatusError, match="does not contain declared merge key: name"):
        _strategic(live, {"containers": [{"image": "x"}]})
