"""The JSON Schema of the file, with what the strings below the fields say.

They are read from the source when the schema is asked for: pydantic's `use_attribute_docstrings` reads them at every
start, which costs half of what importing the models costs.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from bot.settings.model import Settings
from bot.settings.values import Section, written


class _Generator(GenerateJsonSchema):
    """Leaves out titles, which only repeat the names, and writes durations as the file has them."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def encode_default(self, dft: Any) -> Any:
        return written(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12), for editors and for `docs/settings.md`."""
    found = Settings.model_json_schema(schema_generator=_Generator)
    for section in _below(Section):
        shape = found if section is Settings else found["$defs"].get(section.__name__)
        if shape is None:
            continue  # a base of others
        shape.pop("title", None)
        for part in reversed(section.__mro__):
            if issubclass(part, Section):
                for name, text in _described(part):
                    shape["properties"][name]["description"] = text
    return found


def _below(base: type[Section]) -> Iterator[type[Section]]:
    for one in base.__subclasses__():
        yield one
        yield from _below(one)


def _described(section: type[Section]) -> Iterator[tuple[str, str]]:
    """Yield each field that has a string below it, and the string."""
    tree = ast.parse(inspect.getsource(section)).body[0]
    assert isinstance(tree, ast.ClassDef)
    for field, text in pairwise(tree.body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                yield name, words
