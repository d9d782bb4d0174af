"""Values of Go structs while their defaults are set: plain dictionaries in which absent means not given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Value = dict[str, Any]
Rule = Callable[[Value], None]
Rules = Mapping[str, Rule]


def fill(value: Value, **fields: Any) -> None:
    """Fill fields that are absent or empty text."""
    for name, item in fields.items():
        if value.get(name) in (None, ""):
            value[name] = item


def struct(value: Value, name: str) -> Value:
    """Return a struct below, which exists from now on."""
    if value.get(name) is None:
        value[name] = {}
    below: Value = value[name]
    return below


def items(value: Value, name: str) -> list[Value]:
    return [item for item in value.get(name) or () if isinstance(item, dict)]


def filled(**fields: Any) -> Rule:
    """Return a rule that fills these fields and nothing else."""

    def rule(value: Value) -> None:
        fill(value, **{name: dict(item) if isinstance(item, dict) else item for name, item in fields.items()})

    return rule


def positive(**fields: int) -> Rule:
    """Return a rule that fills these numbers where they are absent or zero."""

    def rule(value: Value) -> None:
        for name, number in fields.items():
            if not value.get(name):
                value[name] = number

    return rule
