"""Label selectors as text and as objects, and field selectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.kube.errors import StatusError
from bot.sandbox.kube.label_query import parse_labels
from bot.sandbox.kube.selectors import parse_fields, selector_of

KEYS = st.sampled_from(["a", "b", "example.com/c"])
VALUES = st.sampled_from(["x", "y", "1", "20", ""])
LABELS = st.dictionaries(KEYS, VALUES)


@given(KEYS, st.lists(VALUES, min_size=1, max_size=3), LABELS)
def test_text_and_object_select_alike(key: str, values: list[str], labels: dict[str, str]) -> None:
    for word, operator in (("in", "In"), ("notin", "NotIn")):
        text = parse_labels(f"{key} {word} ({', '.join(values)})")
        body = selector_of({"matchExpressions": [{"key": key, "operator": operator, "values": values}]})
        assert text.matches(labels) is body.matches(labels)
    for prefix, operator in (("", "Exists"), ("!", "DoesNotExist")):
        body = selector_of({"matchExpressions": [{"key": key, "operator": operator}]})
        assert parse_labels(f"{prefix}{key}").matches(labels) is body.matches(labels)


@given(LABELS, LABELS)
def test_labels_select_what_has_all_of_them(wanted: dict[str, str], labels: dict[str, str]) -> None:
    text = ",".join(f"{key}={value}" for key, value in wanted.items())
    assert parse_labels(text).matches(labels) is (wanted.items() <= labels.items())
    assert parse_labels(text).matches(labels) is selector_of({"matchLabels": wanted}).matches(labels)


def test_numbers_are_compared() -> None:
    assert parse_labels("a>5").matches({"a": "20"})
    assert not parse_labels("a<5").matches({"a": "20"})
    assert not parse_labels("a>5").matches({"a": "x"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in", "unable to parse requirement: found '' expected: '('"),
        ("a in (x", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("()", "found '(', expected: !, identifier, or 'end of string'"),
    ],
)
def test_nonsense_is_named(text: str, message: str) -> None:
    with pytest.raises(StatusError) as refused:
        parse_labels(text)
    assert (refused.value.code, refused.value.message) == (400, message)


def test_fields_are_those_of_the_kind() -> None:
    body = {"metadata": {"name": "a", "namespace": "x"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}
    assert parse_fields("status.phase=Running,spec.nodeName!=m", "pods").matches(body)
    assert not parse_fields("metadata.name==b", "pods").matches(body)
    assert parse_fields("spec.size=2", "gears.example.com", ["spec.size"]).matches({**body, "spec": {"size": 2}})
    for resource, message in (
        ("pods", "field label not supported: spec.x"),
        ("configmaps", '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"'),
    ):
        with pytest.raises(StatusError, match=message.replace(".", r"\.")):
            parse_fields("spec.x=1", resource)
