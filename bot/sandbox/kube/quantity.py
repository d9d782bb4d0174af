"""Resource quantities in the form the server gives back: 1000m is 1, 1024Mi is 1Gi, 0.5 is 500m. Pure.

Source: k8s.io/apimachinery/pkg/api/resource, "canonical form": no precision lost, no fraction, the largest suffix.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

_FORM: Final = re.compile(r"^(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?P<suffix>[EPTGMK]i|[numkMGTPE]|[eE][+-]?\d+)?$")
_BINARY: Final = {"": 0, "Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL: Final = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_EXACT: Final = re.compile(r"^(0|[1-9]\d{0,2})(m|Mi|Gi)?$")  # the usual ones, canonical already


def parse(text: str) -> Fraction:
    """Return the amount. Raises `ValueError`."""
    found = _FORM.match(text)
    if found is None:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    suffix = found["suffix"] or ""
    number = Fraction(found["number"])
    if suffix in _BINARY:
        return number * Fraction(1024 ** _BINARY[suffix])
    if suffix in _DECIMAL:
        return number * _power(1000, _DECIMAL[suffix])
    return number * _power(10, int(suffix[1:]))


def _power(base: int, exponent: int) -> Fraction:
    return Fraction(base**exponent) if exponent >= 0 else Fraction(1, base**-exponent)


def canonical(value: str | int | float) -> str:
    """Return the canonical text. Raises `ValueError`."""
    text = value if isinstance(value, str) else str(value)
    if _EXACT.match(text):
        return "0" if text.startswith("0") else text
    amount = parse(text)
    found = _FORM.match(text)
    suffix = (found["suffix"] or "") if found else ""
    if suffix.endswith("i") and amount.denominator == 1 and abs(amount) >= 1024:
        return _largest(int(amount), 1024, ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))
    if suffix[:1] in {"e", "E"} and len(suffix) > 1:
        return _exponent(Fraction(_nanos(amount), 10**9))
    return _decimal(amount)


def _nanos(amount: Fraction) -> int:
    nanos = amount * 10**9
    return -(-nanos.numerator // nanos.denominator)  # rounded up: finer than nano cannot be kept


def _decimal(amount: Fraction) -> str:
    nanos = _nanos(amount)
    return _largest(nanos, 1000, ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")) if nanos else "0"


def total(first: str, second: str) -> str:
    """Return the sum of two canonical quantities, in the form of the first unless that is 0."""
    return _like(second if first == "0" else first, parse(first) + parse(second))


def difference(first: str, second: str) -> str:
    """Return what two canonical quantities differ by, 0 when the second is larger."""
    return _like(first, max(parse(first) - parse(second), Fraction(0)))


def _like(form: str, amount: Fraction) -> str:
    if form.endswith("i") and amount.denominator == 1:
        return _largest(int(amount), 1024, ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))
    return _decimal(amount)


def _largest(number: int, step: int, suffixes: tuple[str, ...]) -> str:
    index = 0
    while number and number % step == 0 and index < len(suffixes) - 1:
        number //= step
        index += 1
    return f"{number}{suffixes[index]}"


def _exponent(amount: Fraction) -> str:
    exponent, number = 0, amount
    while number.denominator != 1:
        number, exponent = number * 1000, exponent - 3
    while number and number % 1000 == 0:
        number, exponent = number / 1000, exponent + 3
    return f"{number}e{exponent}" if exponent else str(number)
