"""Label selectors in objects. Pure. Source: k8s.io/apimachinery/pkg/apis/meta/v1/validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from bot.sandbox.kube.checks.fields import forbidden, invalid, required
from bot.sandbox.kube.checks.names import wrong_label_value, wrong_qualified
from bot.sandbox.kube.errors import Cause

_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")


def check_selector(selector: Mapping[str, Any], at: str) -> Iterator[Cause]:
    for key, value in (selector.get("matchLabels") or {}).items():
        yield from (invalid(f"{at}.matchLabels", key, text) for text in wrong_qualified(key))
        yield from (invalid(f"{at}.matchLabels", value, text) for text in wrong_label_value(value))
    for index, one in enumerate(selector.get("matchExpressions") or ()):
        here, operator, values = f"{at}.matchExpressions[{index}]", one.get("operator", ""), one.get("values")
        if operator not in _OPERATORS:
            yield invalid(f"{here}.operator", operator, "not a valid selector operator")
        elif operator in {"In", "NotIn"} and not values:
            yield required(f"{here}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in {"Exists", "DoesNotExist"} and values:
            yield forbidden(f"{here}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
        yield from (invalid(f"{here}.key", one.get("key", ""), text) for text in wrong_qualified(one.get("key", "")))
        for number, value in enumerate(values or ()):
            yield from (invalid(f"{here}.values[{number}]", value, text) for text in wrong_label_value(value))


def usable(selector: Mapping[str, Any]) -> bool:
    """Whether the selector's expressions mean anything, so that they can be matched."""
    return all(one.get("operator") in _OPERATORS for one in selector.get("matchExpressions") or ())
