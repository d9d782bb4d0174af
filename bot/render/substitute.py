"""Values of the configuration in place of `${NAME}` in the text of a manifest. Pure.

Opt-in and strict: a name nobody gave is a fault, `$${NAME}` is the literal text `${NAME}`, and every other dollar sign
is left alone. It happens before YAML is read, so that a number stays a number; lines stay where they are.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_REFERENCE: Final = re.compile(r"\$(?P<literal>\$\{[^}\n]*\})|\$\{(?P<name>[^}\n]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Substituted:
    """`faults` are pairs of a line, counted from 1, and a sentence; the text is of no use when there are any."""

    text: str
    faults: tuple[tuple[int, str], ...] = ()


def substitute(text: str, values: Mapping[str, str]) -> Substituted:
    """Return `text` with every reference replaced. A value with a line break is a fault: it would move all lines."""
    faults: list[tuple[int, str]] = []

    def replaced(found: re.Match[str]) -> str:
        if (literal := found["literal"]) is not None:
            return literal
        name = found["name"]
        if name in values and "\n" not in values[name]:
            return values[name]
        line = text.count("\n", 0, found.start()) + 1
        if name in values:
            faults.append((line, f"the value of ${{{name}}} in the app's setting substitute has a line break"))
        else:
            close = difflib.get_close_matches(name, values, n=1)
            hint = f"did you mean {close[0]}?" if close else f"write $${{{name}}} for the text itself"
            faults.append((line, f"the app's setting substitute has no value for ${{{name}}}: {hint}"))
        return ""

    return Substituted(text=_REFERENCE.sub(replaced, text), faults=tuple(faults))
