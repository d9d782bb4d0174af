"""Quantities as numbers: `250m`, `1Gi`, `1e3`. Source: k8s.io/apimachinery/pkg/api/resource."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

_UNITS: Final = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    **{f"{letter}i": Decimal(1024 ** (power + 1)) for power, letter in enumerate("KMGTPE")},
}


def amount(text: str) -> Decimal:
    """Return a quantity as a number; raises `decimal.InvalidOperation` for what is none."""
    for length in (2, 1):
        unit = text[-length:]
        if unit in _UNITS and len(text) > length:
            return Decimal(text[:-length]) * _UNITS[unit]
    return Decimal(text)


def cpu_millis(text: str) -> int:
    return math.ceil(amount(text) * 1000)


def memory_bytes(text: str) -> int:
    return math.ceil(amount(text))
