"""Values as Go prints them, for errors that show them that way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

# Go's JSON escapes what HTML would read.
_HTML: Final = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def go_json(value: object) -> str:
    """Print a value as encoding/json does: compact, keys sorted."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).translate(_HTML)


def go_value(value: Any) -> str:
    """Print a value as %v does."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{' '.join(map(go_value, value))}]"
        case Mapping():
            return f"map[{' '.join(f'{name}:{go_value(item)}' for name, item in sorted(value.items()))}]"
        case int() | float():
            return go_number(value)
        case _:
            return str(value)


def go_syntax(value: Any) -> str:
    """Print a value as %#v does."""
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return f"[]interface {{}}{{{', '.join(map(go_syntax, value))}}}"
        case Mapping():
            inside = ", ".join(f"{json.dumps(name)}:{go_syntax(item)}" for name, item in sorted(value.items()))
            return f"map[string]interface {{}}{{{inside}}}"
        case _:
            return go_value(value)


def go_number(value: float) -> str:
    """Print a number as Go's %v does: floats without `.0`, and as `1e+06` from a million on."""
    if isinstance(value, int):
        return str(value)
    exact = Decimal(repr(value)).normalize()
    exponent = exact.adjusted()
    if not value or -4 <= exponent < 6:
        return f"{exact:f}"
    mantissa = f"{exact.scaleb(-exponent):f}"
    return f"{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
