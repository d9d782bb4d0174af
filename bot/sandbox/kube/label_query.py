"""The text of a `labelSelector` in, a selector out. Pure. Grammar: k8s.io/apimachinery/pkg/labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from bot.sandbox.kube.checks.names import wrong_label_value, wrong_qualified
from bot.sandbox.kube.errors import StatusError, bad_request
from bot.sandbox.kube.selectors import LabelSelector, Requirement

_TOKEN: Final = re.compile(r"\s*([(),]|==|!=|[=!<>]|[^\s(),=!<>]+|$)")
_SYMBOLS: Final = frozenset("(),=!<>") | {"==", "!=", ""}
_OPERATORS: Final = {"in": "In", "notin": "NotIn", "=": "In", "==": "In", "!=": "NotIn", ">": "Gt", "<": "Lt"}


def parse_labels(text: str) -> LabelSelector:
    """Read a `labelSelector` query. Raises `StatusError` 400."""
    return LabelSelector(requirements=tuple(_Parser(text).requirements()))


class _Parser:
    """Reads the grammar of k8s.io/apimachinery/pkg/labels token by token; the end of the text is the token ""."""

    def __init__(self, text: str) -> None:
        self._tokens = [found[1] for found in _TOKEN.finditer(text)]

    def requirements(self) -> Iterator[Requirement]:
        if not self._next():
            return
        while True:
            if self._next() in _SYMBOLS - {"!"}:
                raise bad_request(f"found '{self._next()}', expected: !, identifier, or 'end of string'")
            yield self._requirement()
            end = self._take()
            if not end:
                return
            if end != ",":
                raise bad_request(f"found '{end}', expected: ',' or 'end of string'")
            if self._next() in _SYMBOLS - {"!"}:
                raise bad_request(f"found '{self._next()}', expected: identifier after ','")

    def _requirement(self) -> Requirement:
        absent = self._next() == "!"
        if absent:
            self._take()
        key = self._identifier()
        _valid(key, wrong_qualified(key), "<nil>")
        if absent or self._next() in {"", ","}:
            return Requirement(key=key, operator="DoesNotExist" if absent else "Exists")
        word = self._take()
        if word not in _OPERATORS:
            raise _unparsable(f"found '{word}', expected: in, notin, =, ==, !=, gt, lt")
        values = self._values() if word in {"in", "notin"} else (self._value(),)
        for index, value in enumerate(values):
            _valid(value, wrong_label_value(value), f"values[{index}][{key}]")
        if word in {">", "<"} and not values[0].lstrip("-").isdigit():
            why = f"Invalid value: \"{values[0]}\": for 'Gt', 'Lt' operators, the value must be an integer"
            raise _unparsable(f"values[0]: {why}")
        return Requirement(key=key, operator=_OPERATORS[word], values=values)

    def _values(self) -> tuple[str, ...]:
        if (opening := self._take()) != "(":
            raise _unparsable(f"found '{opening}' expected: '('")
        values = set[str]()
        while (token := self._take()) != ")":
            if token in _SYMBOLS - {","}:
                wanted = "',' or ')'" if values else "',', ')' or identifier"
                raise _unparsable(f"found '{token}', expected: {wanted}")
            if token == ",":
                values |= set() if values and self._next() not in {",", ")"} else {""}
            else:
                values.add(token)
        return tuple(sorted(values)) or ("",)

    def _value(self) -> str:
        return "" if self._next() in {"", ","} else self._identifier()

    def _identifier(self) -> str:
        if (token := self._take()) in _SYMBOLS:
            raise _unparsable(f"found '{token}', expected: identifier")
        return token

    def _next(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def _take(self) -> str:
        return self._tokens.pop(0) if self._tokens else ""


def _valid(value: str, wrong: Iterable[str], at: str) -> None:
    if told := "; ".join(wrong):
        raise _unparsable(f'{at}: Invalid value: "{value}": {told}')


def _unparsable(why: str) -> StatusError:
    return bad_request(f"unable to parse requirement: {why}")
