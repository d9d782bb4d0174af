"""What a kustomization refers to. Pure.

In goes the text of a kustomization file, out come its references, each with the line it is written on, and what is
wrong with it. Only what has to do with files is looked at; the rest is kustomize's business. Refused, because they
would run programs or leave the commit: Helm charts inflated by kustomize and references to other hosts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from bot.errors import Problem
from bot.render.documents import read_bytes

NAMES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")

_EITHER: Final = ("resources", "bases", "components", "generators", "transformers", "validators")
_FILES: Final = ("crds", "configurations", "patchesStrategicMerge")
_WITH_PATH: Final = ("patches", "patchesJson6902", "replacements")
_GENERATORS: Final = ("configMapGenerator", "secretGenerator")
_REMOTE: Final = re.compile(
    r"^[A-Za-z][A-Za-z0-9+.-]*://|^git::|^gh:|^[^/@\s]+@[^/:\s]+:|^github\.com[/:]|[?&]ref=|.//"
)


class Sort(Enum):
    FILE = "file"
    EITHER = "file or folder"


@dataclass(frozen=True, slots=True)
class Reference:
    """A path as written, the line it is on, and whether it may be a folder."""

    path: str
    line: int
    sort: Sort


@dataclass(frozen=True, slots=True)
class Kustomization:
    references: tuple[Reference, ...]
    problems: tuple[Problem, ...]
    keeps_origins: bool = False  # it asks for the origin annotations itself


def read_kustomization(data: bytes, path: str) -> Kustomization:
    """Return what the file at `path` refers to, remote references too: only the tree tells them from folders."""
    reading = read_bytes(data)
    problems = [Problem(message=one.message, where=f"{path}:{one.line}") for one in reading.problems]
    if problems:
        return Kustomization((), tuple(problems))
    if len(reading.documents) != 1 or not isinstance(reading.documents[0].value, Mapping):
        return Kustomization((), (Problem(message="a kustomization is one mapping", where=f"{path}:1"),))
    value = reading.documents[0].value
    lines = data.decode("utf-8-sig").splitlines()
    for key in ("helmCharts", "helmChartInflationGenerator", "helmGlobals"):
        if value.get(key):
            message = f"{key} is not supported: use render: helm, or commit what the chart renders"
            problems.append(Problem(message=message, where=f"{path}:{_line(lines, key)}"))
    references = tuple(Reference(text, _line(lines, text), sort) for text, sort in _references(value))
    keeps = "originAnnotations" in (value.get("buildMetadata") or ())
    return Kustomization(references, tuple(problems), keeps)


def is_remote(reference: str) -> bool:
    """Say whether kustomize would fetch a reference that is no file of ours."""
    return _REMOTE.search(reference) is not None


def _references(value: Mapping[str, Any]) -> Iterator[tuple[str, Sort]]:
    inline = "\n"  # a patch, generator or transformer may stand in the file itself
    for key in (*_EITHER, *_FILES):
        sort = Sort.EITHER if key in _EITHER else Sort.FILE
        yield from ((text, sort) for text in _strings(value.get(key)) if inline not in text)
    openapi = value.get("openapi")
    paths = [openapi.get("path")] if isinstance(openapi, Mapping) else []
    for key in _WITH_PATH:
        paths += [entry.get("path") for entry in _mappings(value.get(key))]
    for key in _GENERATORS:
        for entry in _mappings(value.get(key)):
            paths += [*_strings(entry.get("envs")), entry.get("env")]
            paths += [text.partition("=")[2] or text for text in _strings(entry.get("files"))]
    yield from ((path, Sort.FILE) for path in _strings(paths))


def _strings(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str) and one] if isinstance(value, list) else []


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _line(lines: list[str], text: str) -> int:
    """Return the line, counted from 1, that `text` first stands on."""
    return next((number for number, line in enumerate(lines, start=1) if text in line), 1)
