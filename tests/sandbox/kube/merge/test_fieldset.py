"""Sets of field paths obey the laws of sets and survive their wire form."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.kube.merge.fieldset import FieldSet, Path, key, member, show

ELEMENTS = st.sampled_from(["f:spec", "f:a", 'k:{"name":"x"}', 'k:{"name":"y"}', 'v:"z"', "v:3"])
PATHS = st.lists(st.lists(ELEMENTS, min_size=1, max_size=3).map(tuple), max_size=8)
SETS = PATHS.map(lambda paths: FieldSet.of(*paths))


def paths(fields: FieldSet) -> set[Path]:
    return set(fields)


@given(PATHS)
def test_wire_form_reads_back(some: list[Path]) -> None:
    fields = FieldSet.of(*some)
    assert paths(fields) == set(some)
    assert FieldSet.parse(fields.wire()) == fields
    assert all(path in fields for path in some)


@given(SETS, SETS)
def test_union_intersection_and_difference_are_those_of_paths(left: FieldSet, right: FieldSet) -> None:
    assert paths(left | right) == paths(left) | paths(right)
    assert paths(left & right) == paths(left) & paths(right)
    assert paths(left - right) == paths(left) - paths(right)


@given(SETS, SETS)
def test_without_takes_what_lies_below_too(left: FieldSet, right: FieldSet) -> None:
    taken = paths(right)
    kept = {path for path in paths(left) if not any(path[: len(other)] == other for other in taken)}
    assert paths(left.without(right)) == kept


def test_wire_form_marks_members_that_have_children() -> None:
    fields = FieldSet.of(("f:a",), ("f:a", "f:b"), ("f:c", "f:d"))
    assert fields.wire() == {"f:a": {".": {}, "f:b": {}}, "f:c": {"f:d": {}}}


def test_path_is_shown_as_conflicts_show_it() -> None:
    path = ("f:spec", "f:ports", key({"protocol": "TCP", "port": 80}), "f:tags", member("x"))
    assert show(path) == '.spec.ports[port=80,protocol="TCP"].tags[="x"]'


def test_numbers_are_ordered_by_size() -> None:
    fields = FieldSet.of(*[(key({"port": port}),) for port in (8080, 9, 80)])
    assert list(fields.wire()) == ['k:{"port":9}', 'k:{"port":80}', 'k:{"port":8080}']
