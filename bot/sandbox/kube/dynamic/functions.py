"""Functions that Kubernetes adds to CEL: lists, regular expressions and quantities. Pure.

A quantity is its canonical text here, so that equal amounts are equal texts. Those for URLs, addresses, versions,
formats and the authorizer do not exist, so that an expression with one does not compile.
Source: k8s.io/apiserver/pkg/cel/library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from bot.sandbox.kube import quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One overload: the kinds of its arguments and of its value, and whether it is called as a method."""

    takes: tuple[str, ...]
    returns: str
    run: Callable[..., Any]
    method: bool = True


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [one.group() for one in re.finditer(pattern, text)]
    return found if limit < 0 else found[:limit]


def _find(text: str, pattern: str) -> str:
    return next(iter(_find_all(text, pattern, 1)), "")


def _is_sorted(items: Sequence[Any]) -> bool:
    return all(first <= second for first, second in pairwise(items))


def _is_quantity(text: str) -> bool:
    try:
        quantity.parse(text)
    except ValueError:
        return False
    return True


def _compare(left: str, right: str) -> int:
    a, b = quantity.parse(left), quantity.parse(right)
    return (a > b) - (a < b)


def _is_integer(text: str) -> bool:
    return quantity.parse(text).denominator == 1


_TWO: Final = ("STRING", "STRING")
FUNCTIONS: Final[Mapping[str, Sequence[Function]]] = {
    "sum": [Function(takes=("LIST",), returns="DYN", run=sum)],
    "min": [Function(takes=("LIST",), returns="DYN", run=min)],
    "max": [Function(takes=("LIST",), returns="DYN", run=max)],
    "isSorted": [Function(takes=("LIST",), returns="BOOL", run=_is_sorted)],
    "find": [Function(takes=_TWO, returns="STRING", run=_find)],
    "findAll": [
        Function(takes=_TWO, returns="LIST", run=_find_all),
        Function(takes=(*_TWO, "INT"), returns="LIST", run=_find_all),
    ],
    "quantity": [Function(takes=("STRING",), returns="STRING", run=quantity.canonical, method=False)],
    "isQuantity": [Function(takes=("STRING",), returns="BOOL", run=_is_quantity, method=False)],
    "isInteger": [Function(takes=("STRING",), returns="BOOL", run=_is_integer)],
    "asInteger": [Function(takes=("STRING",), returns="INT", run=lambda text: int(quantity.parse(text)))],
    "asApproximateFloat": [Function(takes=("STRING",), returns="DOUBLE", run=lambda text: float(quantity.parse(text)))],
    "sign": [Function(takes=("STRING",), returns="INT", run=lambda text: _compare(text, "0"))],
    "compareTo": [Function(takes=_TWO, returns="INT", run=_compare)],
    "isGreaterThan": [Function(takes=_TWO, returns="BOOL", run=lambda left, right: _compare(left, right) > 0)],
    "isLessThan": [Function(takes=_TWO, returns="BOOL", run=lambda left, right: _compare(left, right) < 0)],
}
