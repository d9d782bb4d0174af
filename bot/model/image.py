"""Container images as values: what a reference names, and which of its tags an app follows. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from bot.model.versions import highest, holds, version

DOCKER_HUB: Final = "docker.io"
_HUB_NAMES: Final = frozenset({"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com"})
# The grammar of github.com/distribution/reference; a tag may be anything, so that a placeholder is seen for one.
_REFERENCE: Final = re.compile(
    r"(?P<name>(?:(?P<host>localhost(?::\d+)?|[\w-]+(?:\.[\w-]+)+(?::\d+)?|[\w-]+:\d+)/)?"
    r"(?P<path>[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*))"
    r"(?::(?P<tag>[^\s@/]{1,128}))?(?:@(?P<digest>[a-z0-9]+:[0-9a-f]{32,128}))?"
)


_LETTER: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)  # of a pattern: an escape, or a set
_AGAIN: Final = re.compile(r"\)(?:[*+]|\{(\d*)(,?)(\d*)\})")
MOST_REPEATED: Final = 3


@dataclass(frozen=True, slots=True, order=True)
class ImageName:
    """Where an image is: `quay.io` and `acme/shop`. `docker.io/library/nginx` is `nginx` too."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"


def known_as(host: str, repo: str) -> str:
    """Name what is remembered of a registry, as far as the images are concerned that a repository's apps follow."""
    return f"{host} in {repo}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An image as a file names it: `written` is all before tag and digest, both "" where it has none."""

    written: str
    name: ImageName
    tag: str = ""
    digest: str = ""


class Write(Enum):
    """What becomes of a newer tag: a commit on the branch that the app follows, or one that people merge."""

    COMMIT = "commit"
    PULL_REQUEST = "pull-request"


def reference(text: str) -> Reference | None:
    """Return what a text names; None where it is no image."""
    found = _REFERENCE.fullmatch(text.strip())
    if found is None:
        return None
    host = (found["host"] or DOCKER_HUB).lower()
    host = DOCKER_HUB if host in _HUB_NAMES else host
    path = f"library/{found['path']}" if host == DOCKER_HUB and "/" not in found["path"] else found["path"]
    return Reference(
        written=found["name"], name=ImageName(host, path), tag=found["tag"] or "", digest=found["digest"] or ""
    )


def repeats_group(pattern: str) -> bool:
    """Tell whether a regular expression repeats a group often or without end, as `(?:[a-z]+-?)+` does.

    Python tries all ways to divide a text that does not match: those of a tag of forty letters outlast us, and while it
    tries no other thread runs. What repeats characters alone is quick at a tag, which has 128 at most.
    """
    found = _AGAIN.finditer(_LETTER.sub("x", pattern))
    most = (again[3] if again[2] else again[1] for again in found)
    return any(not one or int(one) > MOST_REPEATED for one in most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """An image whose newest tag is written into the app's files.

    `range` is one of versions. `tags` is a regular expression of whole tags, whose group is what counts: a version
    with `range`, a number without.
    """

    image: ImageName
    range: str = ""
    tags: str = ""
    write: Write = Write.COMMIT

    @property
    def what(self) -> str:
        """How people read what is followed: `quay.io/acme/shop 1.x`."""
        return f"{self.image} {' of '.join(one for one in (self.range, self.tags) if one)}"

    def newest(self, tags: Iterable[str]) -> str:
        """Return the tag to have, "" when none is what is followed."""
        meant = {text: tag for tag in sorted(tags) if (text := self._text(tag))}
        if self.range:
            found = highest(meant, self.range)
            return meant[found] if found else ""
        return max(((self.rank(tag), tag) for tag in meant.values()), default=(0, ""))[1]

    def rank(self, tag: str) -> Any | None:
        """Return what orders a tag among those followed; None for one that cannot be compared with them.

        A pre-release that the range does not name cannot: `1.4-alpine` is no earlier `1.4`, whatever semver says.
        """
        text = self._text(tag)
        if not self.range:
            return int(text) if text else None
        found = version(text) if text else None
        if found is None or (found.prerelease and not holds(self.range, found)):
            return None
        return found.precedence_key

    def _text(self, tag: str) -> str:
        """Return what counts of a tag, "" for one that is not meant."""
        if not self.tags:
            return tag
        found = re.fullmatch(self.tags, tag)
        text = (found[1] or "") if found is not None else ""
        return text if self.range or re.fullmatch("[0-9]{1,30}", text) else ""
