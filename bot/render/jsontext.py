"""JSON text to plain values by Python's own reader, which takes a tenth of the time that YAML's takes. Pure.

Whatever is not one plain object is left to the YAML reader: it reads more (comments, several documents), and it says
what is wrong, and where. Both read the same text to the same values.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from bot.render.reading import Document
from bot.render.scalars import meaning
from bot.render.yamltext import MAX_DEPTH

_SPACE: Final = " \t\r\n"


def read(text: str) -> Document | None:
    """Return the object of a text; None for what has to be read, or refused, as YAML."""
    if "\\ud" in text or "\\uD" in text:  # halves of characters, some of which have no other half
        return None
    try:
        value = _READER.decode(text)
    except (ValueError, RecursionError):
        return None
    if type(value) is not dict or isinstance(value.get("items"), list):  # the entries of a list have lines of their own
        return None
    if text.count("{") + text.count("[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        return None
    return Document(1 + text.count("\n", 0, len(text) - len(text.lstrip(_SPACE))), value)


def _depth(value: Any) -> int:
    """Return how many levels of objects and arrays there are."""
    level, depth = [value], 0
    while level:
        depth += 1
        below = (child for one in level for child in (one.values() if type(one) is dict else one))
        level = [child for child in below if type(child) is dict or type(child) is list]
    return depth


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not in JSON")


_READER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=meaning, parse_float=meaning, parse_constant=_refuse
)
