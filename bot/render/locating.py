"""Where in the repository a rendered object comes from. Pure.

In go the source file and the object as rendered; out comes the line of the document it was made from. Tools rename
objects and write templates, so that the line is found by what survives: the kind, and as much of the name as fits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.render.documents import read_bytes
from bot.render.objects import entries

_NAMED = re.compile(rb"""\bname:[ \t]*["']?([^\s"',}]+)""")


@dataclass(frozen=True, slots=True)
class Written:
    """An object as a source file has it."""

    kind: str
    name: str
    line: int


def written_in(data: bytes) -> tuple[Written, ...]:
    """Return the objects of a source file, in order."""
    found = [entry for document in read_bytes(data).documents for entry in entries(document)]
    return tuple(
        Written(str(entry.value.get("kind")), _name(entry.value), entry.line)
        for entry in found
        if isinstance(entry.value, Mapping)
    )


def line_of_object(written: Sequence[Written], body: Mapping[str, Any]) -> int:
    """Return the line of the object that became `body`, 1 when none is like it."""
    name = _name(body)
    alike = [one for one in written if one.kind == body.get("kind")]
    fits = [one for one in alike if one.name and one.name in name]  # a prefix and a suffix may have been added
    best = next((one for one in alike if one.name == name), None) or max(
        fits, key=lambda one: len(one.name), default=None
    )
    return (best or alike[0]).line if best or alike else 1


def line_of_generator(data: bytes, name: str) -> int:
    """Return the line of the `name:` in a kustomization that a generated object's name was made of, 1 when none fits.

    The name may have got a prefix, a suffix and a hash; of several that fit, the longest is meant.
    """
    written = [(match[1].decode(errors="replace"), match.start()) for match in _NAMED.finditer(data)]
    _, position = max(
        ((one, at) for one, at in written if one in name), key=lambda pair: len(pair[0]), default=("", -1)
    )
    return data.count(b"\n", 0, position) + 1 if position >= 0 else 1


def line_in_template(data: bytes, kind: str, number: int) -> int:
    """Return the line of the `number`th (from 0) `kind: KIND` of a template; the last one when it has fewer."""
    pattern = rb"""(?m)^kind:[ \t]*["']?""" + re.escape(kind).encode() + rb"""["']?[ \t]*(?:#.*)?\r?$"""
    lines = [data.count(b"\n", 0, match.start()) + 1 for match in re.finditer(pattern, data)]
    return lines[min(number, len(lines) - 1)] if lines else 1


def _name(body: Mapping[str, Any]) -> str:
    metadata = body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return name if isinstance(name, str) else ""
