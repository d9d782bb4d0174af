"""Go's plain types as the decoder reads them: texts, numbers, bytes, quantities and times in their canonical form.

A value of the wrong type is the decoder's error, worded as Go words it. Pure.
"""

from __future__ import annotations

import base64
import binascii
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from bot.sandbox.kube import quantity

_INTEGERS: Final = {"int": 64, "int32": 32, "int64": 64}


class WrongType(Exception):
    """A value that the field of the struct cannot hold; the message is the Go decoder's."""


@dataclass(slots=True, kw_only=True)
class Reading:
    """What is noticed while a body is read: paths of fields that the struct does not have."""

    unknown: list[str] = field(default_factory=list)


class Shape(ABC):
    """One Go type. `zero` is what a field of it holds when nothing was said."""

    zero: Any = None
    always: bool = False  # a struct that is no pointer is written even when it is empty

    @abstractmethod
    def read(self, value: Any, at: str, reading: Reading, owner: str) -> Any:
        """Return the value as the type gives it back. Raises `WrongType`."""


class Text(Shape):
    zero = ""

    def read(self, value: Any, at: str, reading: Reading, owner: str) -> Any:
        if not isinstance(value, str):
            raise WrongType(mismatch(value, owner, at, "string"))
        return value


class Boolean(Shape):
    zero = False

    def read(self, value: Any, at: str, reading: Reading, owner: str) -> Any:
        if not isinstance(value, bool):
            raise WrongType(mismatch(value, owner, at, "bool"))
        return value


class Integer(Shape):
    zero = 0

    def __init__(self, name: str) -> None:
        self.name = name
        self._limit = 1 << (_INTEGERS[name] - 1)

    def read(self, value: Any, at: str, reading: Reading, owner: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int) or not -self._limit <= value < self._limit:
            raise WrongType(mismatch(value, owner, at, self.name))
        return value


class Anything(Shape):
    def read(self, value: Any, at: str, reading: Reading, owner: str) -> Any:
        return value


class Number(Shape):
    zero = 0

    def read(self, value: Any, at: str, reading: Reading, owner: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise WrongType(mismatch(value, owner, at, "float64"))
        return value


class Bytes(Shape):
    """Base64 text; what does not decode is the decoder's error."""

    zero = ""

    def read(self, value: Any, at: str, reading: Reading, owner: str) -> Any:
        if not isinstance(value, str):
            raise WrongType(mismatch(value, owner, at, "[]uint8"))
        text = value.replace("\n", "").replace("\r", "")
        try:
            base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            bad = next(
                (i for i, one in enumerate(text) if not re.match(r"[A-Za-z0-9+/]", one)), len(text) - len(text) % 4
            )
            raise WrongType(f"illegal base64 data at input byte {bad}") from None
        return text


class Quantity(Shape):
    zero = "0"
    always = True

    def read(self, value: Any, at: str, reading: Reading, owner: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise WrongType(_QUANTITY)
        try:
            return quantity.canonical(value)
        except ValueError:
            raise WrongType(_QUANTITY) from None


_QUANTITY: Final = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


class IntOrString(Shape):
    zero = 0
    always = True

    def read(self, value: Any, at: str, reading: Reading, owner: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise WrongType(mismatch(value, owner, at, "int32"))
        return value


# What follows the seconds of a time, and its zone; a MicroTime has six digits there, no less.
_FRACTION: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d((?:\.\d+)?)(.*)")


class Time(Shape):
    """RFC 3339; whole seconds in UTC, or microseconds."""

    always = True

    def __init__(self, *, micro: bool) -> None:
        self._micro = micro

    def read(self, value: Any, at: str, reading: Reading, owner: str) -> Any:
        if not isinstance(value, str):
            raise WrongType(mismatch(value, owner, at, "string"))
        if self._micro and (late := _FRACTION.match(value)) is not None and len(late[1]) != 7:
            layout, rest = "2006-01-02T15:04:05.000000Z07:00", late[1] + late[2]
            raise WrongType(f'parsing time "{value}" as "{layout}": cannot parse "{rest}" as ".000000"')
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            layout = "2006-01-02T15:04:05Z07:00"
            raise WrongType(f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"') from None
        return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ" if self._micro else "%Y-%m-%dT%H:%M:%SZ")


BASIC: Final[Mapping[str, Shape]] = {
    "string": Text(),
    "duration": Text(),
    "bool": Boolean(),
    "any": Anything(),
    "bytes": Bytes(),
    "float32": Number(),
    "float64": Number(),
    "quantity": Quantity(),
    "intorstring": IntOrString(),
    "time": Time(micro=False),
    "microtime": Time(micro=True),
    **{name: Integer(name) for name in _INTEGERS},
}


def mismatch(value: Any, owner: str, at: str, wanted: str) -> str:
    match value:
        case bool():
            given = "bool"
        case int() | float():
            given = "number" if not isinstance(value, float) and wanted[:3] != "int" else f"number {value}"
        case str():
            given = "string"
        case Mapping():
            given = "object"
        case _:
            given = "array"
    where = re.sub(r"\[\d+\]", "", owner)
    return f"json: cannot unmarshal {given} into Go struct field {where} of type {wanted}"
