"""What a plain scalar means, read the way kubectl reads it. Pure.

What we follow: sigs.k8s.io/yaml 1.4 (goyaml.v2 behind it), because that is what `kubectl apply -f` does to the same
file. In its words, and in the tests: `yes no on off y n` (and their capitals) are booleans; `0777` and `0o777` are
octal, `0x1F` and `0b101` numbers, `_` in numbers is skipped; `1:30` and dates stay strings; integers fit 64 bits,
larger decimal ones become floats; a float without a fraction is an integer in JSON (`1.0` is `1`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

_CONSTANTS: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_NOT_FINITE: Final = frozenset(
    sign + word
    for sign, word in (
        *((sign, word) for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")),
        *(("", word) for word in (".nan", ".NaN", ".NAN")),
    )
)
_NUMBER_START: Final = frozenset("+-.0123456789")
_INTEGER: Final = re.compile(r"[-+]?(?:(0[xX][0-9a-fA-F]+)|(0[bB][01]+)|0[oO]?([0-7]+)|0|[1-9][0-9]*)|0b([-+][01]+)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
LONGEST_INTEGER: Final = 70  # characters: a sign, `0b` and 64 digits, and some leading zeros
_LOOSE: Final = re.compile("(?<![0-9])_|_(?![0-9])")  # after a leading dot kubectl minds where an underscore stands


class Mark:
    """A value that no text can have."""


MERGE: Final = Mark()
NOT_JSON: Final = Mark()
UNFIT: Final = Mark()


def meaning(text: str) -> Any:
    """Return what a plain scalar means; a mark for `<<`, and for what JSON cannot say."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] in _NUMBER_START:
        return NOT_JSON if text in _NOT_FINITE else _number(text)
    return MERGE if text == "<<" else text


short_meaning = lru_cache(maxsize=4096)(meaning)  # for what is no longer than LONGEST_INTEGER: texts are kept


def tagged(kind: str, text: str) -> Any:
    """Return what `!!int 5` and its like mean, for int, float, bool and null; a mark where the text is none of it."""
    value = meaning(text)
    if value is NOT_JSON:
        return value
    fits = {
        "int": isinstance(value, int) and not isinstance(value, bool) and "." not in text,
        "float": isinstance(value, int | float) and not isinstance(value, bool),
        "bool": isinstance(value, bool),
        "null": value is None,
    }
    return value if fits[kind] else UNFIT


def _number(text: str) -> int | float | str:
    """Return what a scalar that begins like a number means: `0x1F` is 31, `1.2.3` stays a string."""
    digits = text.replace("_", "")
    whole = _INTEGER.fullmatch(digits) if len(digits) <= LONGEST_INTEGER and text[0] != "." else None
    if whole is not None:
        hexadecimal, binary, octal, signed = whole.groups()
        base = 16 if hexadecimal else 2 if binary or signed else 8 if octal else 10
        value = int(signed or digits, base)
        if -(2**63) <= value < 2**64:
            return value
    if _FLOAT.fullmatch(digits) is None or (text[0] == "." and _LOOSE.search(text)):
        return text
    number = float(digits)
    if number in {float("inf"), float("-inf")}:
        return text
    # Go's JSON writes 1.0 as 1, and the server takes only that for an integer field.
    return int(number) if number.is_integer() and -(2.0**63) <= number < 2.0**64 else number
