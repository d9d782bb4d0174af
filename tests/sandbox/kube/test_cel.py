"""Expressions that make objects of types, read as maps."""

from __future__ import annotations

from typing import Any

import pytest

from bot.sandbox.kube.dynamic import cel


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("Object{}", {}),
        ("Object{spec: Object.spec{replicas: 1 + 1}}", {"spec": {"replicas": 2}}),
        ("Object{spec: Object.spec{items: [Object.spec.items{name: 'a'}]}}", {"spec": {"items": [{"name": "a"}]}}),
        ("Object{data: {'Object{a: 1}': 'x: y'}}", {"data": {"Object{a: 1}": "x: y"}}),
        ("Object{a: true ? 'x' : 'y', b: [1, 2].exists(i, i > 1) ? object.n : 0}", {"a": "x", "b": 3}),
        ("Object{?a: object.?no, ?n: object.?n}", {"n": 3}),
        ("true ? Object{a: 1} : Object{b: 2}", {"a": 1}),
    ],
)
def test_literal_of_a_type_is_a_map(expression: str, value: Any) -> None:
    assert cel.evaluate(expression, {"object": {"n": 3}}) == value


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("object.no", "no such key: no"),
        ("object.items[2]", "index out of bounds: 2"),
        ("1 / object.zero", "division by zero"),
    ],
)
def test_expression_without_a_value_says_why(expression: str, why: str) -> None:
    with pytest.raises(cel.Failed, match=f"^{why}$"):
        cel.evaluate(expression, {"object": {"items": [1], "zero": 0}})
