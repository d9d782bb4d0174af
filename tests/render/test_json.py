"""JSON is read by Python's own reader where that reads what YAML's does; all else is left to YAML's."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.render import jsontext, yamltext
from bot.render.documents import read_bytes
from bot.render.encoding import from_json

NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,3})?", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(json.dumps)
WORDS = st.sampled_from(["true", "false", "null", '"<<"', '"yes"', '"0777"', '"\\/"', '"\\u00e9"', "{}", "[]"])
TREES = st.recursive(
    NUMBERS | TEXTS | WORDS,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(TEXTS, inner), max_size=4).map(
            lambda pairs: "{" + ",\n ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["", "\n\n", " \r\n"]), TREES, st.sampled_from(["", "\n"]))
@example("", '{"a": 1E400, "b": -0, "c": 1.0, "d": 18446744073709551616, "e": 0.1e1}', "")
@example("\n", '{"\\u0085": "\\u2028", "a": {"a": {"b": [[], {}]}}}', "\n")
def test_both_readers_read_the_same(before: str, tree: str, after: str) -> None:
    text = before + tree + after
    ours, theirs = jsontext.read(text), yamltext.read(from_json(text))
    if ours is not None and not theirs.problems:
        (document,) = theirs.documents
        assert (ours.line, repr(ours.value)) == (document.line, repr(document.value))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1,\n "b": {"c": 1, "c": 2}}', [(2, "the key 'c' is there twice")]),
        ('{"a": 1,\n "b": NaN}', []),
        (
            '{"a": .inf}',
            [(1, "infinity and NaN cannot be written in JSON, so the API has none: quote it if it is text")],
        ),
        ('{"a": ' + "[" * 300 + "]" * 300 + "}", [(1, "more than 200 levels of nesting")]),
        ('{"a": 1} # why', []),
        ('{"a": 1,}', []),
        ('{"a": 1}\n---\n{"a": 2}', []),
    ],
    ids=["twice", "nan", "infinity", "deep", "comment", "comma", "documents"],
)
def test_what_is_no_plain_json_is_judged_as_yaml(text: str, said: list[tuple[int, str]]) -> None:
    assert jsontext.read(text) is None
    reading = read_bytes(text.encode(), is_json=True)
    assert [(one.line, one.message) for one in reading.problems] == said
    assert reading == read_bytes(text.encode())


def test_depth_that_is_allowed_is_read() -> None:
    deepest = '{"a": ' + "[" * 199 + "]" * 199 + "}"
    assert jsontext.read(deepest) is not None
    assert yamltext.read(deepest).problems == ()
    assert jsontext.read('{"a": ' + "[" * 200 + "]" * 200 + "}") is None


def test_entries_of_a_list_keep_their_lines() -> None:
    reading = read_bytes(b'{"kind": "List",\n "items": [\n  {"a": 1},\n  {"a": 2}]}', is_json=True)
    assert reading.documents[0].item_lines == (3, 4)


def test_braces_in_text_are_no_depth() -> None:
    """A dashboard in a ConfigMap: a thousand braces, one level."""
    assert jsontext.read(json.dumps({"data": {"dashboard": "{[" * 1000}})) is not None


def test_tabs_indent_json_as_kubectl_reads_it() -> None:
    """YAML's reader refuses some of them."""
    reading = read_bytes(b'{\n\t"a": {\n\t\t"b": 1\n\t}\n}\n', is_json=True)
    assert [one.value for one in reading.documents] == [{"a": {"b": 1}}]


def test_half_of_a_character_is_a_problem_and_a_whole_one_is_text() -> None:
    assert read_bytes(b'{"a": "\\ud83d"}', is_json=True).problems
    assert read_bytes(b'{"a": "\\ud83d\\ude00"}', is_json=True).documents[0].value == {"a": "😀"}
