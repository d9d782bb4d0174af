"""What is wrong with a section, in the words of the file's author: YAML's types, where pydantic names Python's."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydantic_core import ErrorDetails

from bot.settings.model import Settings
from bot.settings.values import Section
from bot.settings.writebacks import Writeback
from bot.settings.yamlfile import Location

_EXPECTED: Final[Mapping[str, str]] = {
    "tuple_type": "a list",
    "string_type": "text (put a number, and true, in quotes)",
    "bool_type": "true or false, without quotes",
    "int_type": "a whole number, without quotes",
    "float_type": "a number, without quotes",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "string_pattern_mismatch": "text like {pattern}",
    "string_too_short": "some text",
    "too_short": "at least {min_length} entry",
    "literal_error": "{expected}",
    "union_tag_invalid": "{discriminator} to be one of {expected_tags}",
    "union_tag_not_found": "{discriminator} to be there",
}  # the rest is said as pydantic says it
# pydantic names the types of write-backs in the path of what they discriminate
_TAGS: Final = frozenset(get_args(one.model_fields["type"].annotation)[0] for one in get_args(get_args(Writeback)[0]))


def location(detail: ErrorDetails) -> Location:
    """Return the place that a problem is at."""
    return tuple(part for part in detail["loc"] if part not in _TAGS)


def sentence(detail: ErrorDetails, location: Location) -> str:
    """Return what is wrong at a place of the file."""
    name, kind = _name(location), detail["type"]
    if kind == "extra_forbidden":
        return _unknown(name, location)
    if kind == "missing":
        return f"{name} is missing"
    if kind == "value_error":
        return f"{name}: {detail['ctx']['error']}"
    if kind in _EXPECTED:
        facts = {key: str(value).strip("'") if key == "discriminator" else value for key, value in _facts(detail)}
        return f"{name}: expected {_EXPECTED[kind].format_map(facts)}"
    return f"{name}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _facts(detail: ErrorDetails) -> Iterator[tuple[str, Any]]:
    yield from (detail.get("ctx") or {}).items()


def _name(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".") or "the file"


def _unknown(name: str, location: Location) -> str:
    key = str(location[-1])
    close = difflib.get_close_matches(key, _known_keys(location), n=1)
    return f"{name} is no known key" + (f": did you mean {close[0]}?" if close else "")


def _known_keys(location: Location) -> list[str]:
    model: Any = Settings
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        found = model.model_fields.get(part) if isinstance(model, type) and issubclass(model, Section) else None
        model = _section_in(found.annotation) if found else None
    return list(model.model_fields) if model is not None else []


def _section_in(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((one for arg in getattr(annotation, "__args__", ()) if (one := _section_in(arg))), None)
