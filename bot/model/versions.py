"""Ranges of versions, as npm, Helm and Flux write them, and the highest tag inside one. Pure.

A range is read by `semantic-version` in npm's syntax, where a comma is a blank as in Helm: `1.2.x`, `^1.4`, `~1.4.2`,
`>=1.2 <2`, `>=1.2, <2`, `1.x || >=3`. A pre-release (`1.3.0-rc.1`) is in a range only if the range names one of the
same version, as in npm. Build metadata does not order: of two equal versions the tag that sorts last wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from semantic_version import NpmSpec, Version

_SPACED_COMMA = re.compile(r"\s*,\s*")
_OPERATOR_GAP = re.compile(r"(?<=[<>=~^])\s+")


def is_range(text: str) -> bool:
    """Say whether `text` can be read as a range of versions."""
    return _spec(text) is not None


def version(text: str) -> Version | None:
    """Return a version of three numbers (a leading `v` aside), None for anything else."""
    try:
        return Version(text.removeprefix("v"))
    except ValueError:
        return None


def holds(range: str, one: Version) -> bool:
    """Say whether a version is inside a range."""
    spec = _spec(range)
    return spec is not None and one in spec


def highest(tags: Iterable[str], range: str, *, prefix: str = "") -> str:
    """Return the tag with the highest version inside `range`, "" when there is none.

    Tags without `prefix`, or whose rest is no version of three numbers (a leading `v` aside), are left out.
    """
    spec = _spec(range)
    if spec is None:
        return ""
    found: list[tuple[Version, str]] = []
    for tag in tags:
        one = version(tag[len(prefix) :]) if tag.startswith(prefix) else None
        if one is not None and one in spec:
            found.append((one, tag))
    return max(found, key=lambda one: (one[0].precedence_key, one[1]))[1] if found else ""


def _spec(text: str) -> NpmSpec | None:
    plain = _OPERATOR_GAP.sub("", _SPACED_COMMA.sub(" ", text.strip()))
    if not plain:
        return None
    try:
        return NpmSpec(plain)
    except ValueError:
        return None
