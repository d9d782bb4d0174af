"""Where an app's own files name an image, and what they say with another tag.

In go the files of a commit, out come places: `image:` in objects, `newTag:` in a kustomization, `tag:` beside
`repository:` in values and objects. Only files of the app's folder and the values files that it names are looked at:
a base or a chart that it shares with others is theirs. Where one place overrides another, only the one that counts is
returned: an entry of `images:` in a kustomization, the last of several values files.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bot.errors import BotError
from bot.model.fields import Parts
from bot.model.image import DOCKER_HUB, ImageName, Reference, reference
from bot.model.source import SourceFile
from bot.render import editing
from bot.render.documents import read_bytes
from bot.render.kustomization import NAMES
from bot.render.objects import entries
from bot.render.sops import is_encrypted

_REPOSITORY: Final = ("repository", "image")


class PlaceRefused(BotError):
    """A file is written in a way that is not edited by machine; the message says where and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One tag of an image in a file; `digest` is "" where only the tag says what runs.

    `line` is where the object with the field `parts` begins. Before the tag in that field stands `before`, nothing
    where the tag is alone. `digest_parts` leads to a digest that has a field of its own.
    """

    path: str
    line: int
    parts: Parts
    tag: str
    before: str = ""
    digest: str = ""
    digest_parts: Parts = ()

    def edits(self, tag: str, digest: str) -> Iterator[editing.Edit]:
        """Yield what to change to have another tag; `digest` counts where the place has one."""
        inline = f"@{digest}" if self.digest and not self.digest_parts else ""
        yield editing.Edit(line=self.line, parts=self.parts, value=f"{self.before}{tag}{inline}")
        if self.digest_parts:
            yield editing.Edit(line=self.line, parts=self.digest_parts, value=digest)


def with_tag(data: bytes, places: Sequence[Place], tag: str, digest: str) -> bytes:
    """Return a file with another tag at some of its places, and all else as it was. Raises `PlaceRefused`."""
    edits = [edit for place in places for edit in place.edits(tag, digest)]
    try:
        return editing.edited_bytes(data, edits)
    except editing.EditRefused as error:
        raise PlaceRefused(f"{places[0].path} is not edited by machine: {error}; change it by hand") from error


def in_objects(files: Sequence[SourceFile], image: ImageName) -> tuple[Place, ...]:
    """Return the places in files of objects, kustomizations among them."""
    overriding: list[Place] = []
    found: list[Place] = []
    for file in files:
        if is_encrypted(file.data):
            continue
        reading = read_bytes(file.data)
        if reading.problems:
            continue  # the pass says so
        is_kustomization = posixpath.basename(file.path) in NAMES
        for document in reading.documents:
            for entry in [*entries(document)] if not is_kustomization else ():
                found += _fields(file.path, entry.line, entry.value, image)
            if is_kustomization and isinstance(document.value, Mapping):
                overriding += _overrides(file.path, document.line, document.value, image)
    return tuple(overriding or found)


def in_values(layers: Sequence[SourceFile], image: ImageName) -> tuple[Place, ...]:
    """Return the places in values files, the last of which counts."""
    root = _Node()
    for file in layers:
        reading = read_bytes(file.data)
        if is_encrypted(file.data) or reading.problems or len(reading.documents) != 1:
            continue
        root.lay(reading.documents[0].value, file.path, reading.documents[0].line, ())
    return tuple(root.places(image))


# --- objects ----------------------------------------------------------------------------------------------------------


def _fields(path: str, line: int, value: Any, image: ImageName) -> Iterator[Place]:
    pending: list[tuple[Any, Parts]] = [(value, ())]
    while pending:
        one, parts = pending.pop()
        if isinstance(one, list):
            pending += [(inner, (*parts, index)) for index, inner in enumerate(one)]
        elif isinstance(one, Mapping):
            pending += [(inner, (*parts, key)) for key, inner in one.items()]
            leaves = {key: _Leaf(inner, path, line, (*parts, key)) for key, inner in one.items()}
            yield from _named(leaves, image)


def _overrides(path: str, line: int, value: Mapping[str, Any], image: ImageName) -> Iterator[Place]:
    """Yield the entries of `images:` in a kustomization that give the image its tag."""
    images = value.get("images")
    for index, one in enumerate(images if isinstance(images, list) else ()):
        if not isinstance(one, Mapping):
            continue
        named = reference(str(one.get("newName") or one.get("name") or ""))
        tag, digest = one.get("newTag"), one.get("digest")
        if named is None or named.name != image or (tag is None and digest is None):
            continue
        yield Place(
            path=path,
            line=line,
            parts=("images", index, "newTag"),
            tag=_text(tag),
            digest=_text(digest),
            digest_parts=("images", index, "digest") if digest else (),
        )


# --- values -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A value that is no mapping, and where it stands."""

    value: Any
    path: str
    line: int
    parts: Parts


class _Node:
    """A mapping of several files laid over each other, as Helm does it: mappings merge, all else is replaced."""

    def __init__(self) -> None:
        self._inner: dict[str, _Node | _Leaf] = {}

    def lay(self, value: Any, path: str, line: int, parts: Parts) -> None:
        for key, one in value.items() if isinstance(value, Mapping) else ():
            if isinstance(one, Mapping):
                below = self._inner.get(key)
                if not isinstance(below, _Node):
                    below = self._inner[key] = _Node()
                below.lay(one, path, line, (*parts, key))
            else:
                self._inner[key] = _Leaf(one, path, line, (*parts, key))

    def places(self, image: ImageName) -> Iterator[Place]:
        yield from _named({key: one for key, one in self._inner.items() if isinstance(one, _Leaf)}, image)
        for one in self._inner.values():
            if isinstance(one, _Node):
                yield from one.places(image)
            elif isinstance(one.value, list):  # a list of containers: what is in it has one place
                for place in _fields(one.path, one.line, one.value, image):
                    yield _moved(place, one.parts)


def _moved(place: Place, parts: Parts) -> Place:
    digest_parts = (*parts, *place.digest_parts) if place.digest_parts else ()
    return replace(place, parts=(*parts, *place.parts), digest_parts=digest_parts)


# --- one mapping ------------------------------------------------------------------------------------------------------


def _named(leaves: Mapping[str, _Leaf], image: ImageName) -> Iterator[Place]:
    """Yield the place at which a mapping gives the image its tag: `image: name:tag`, or `tag:` beside the name."""
    for key in _REPOSITORY:
        leaf = leaves.get(key)
        named = _reference(leaf, leaves.get("registry")) if leaf is not None else None
        if leaf is None or named is None or named.name != image:
            continue
        tag, digest = leaves.get("tag"), leaves.get("digest")
        if named.tag or named.digest:
            yield Place(
                path=leaf.path,
                line=leaf.line,
                parts=leaf.parts,
                tag=named.tag,
                before=f"{named.written}:",
                digest=named.digest,
            )
        elif tag is not None and not isinstance(tag.value, list):
            apart = digest is not None and bool(digest.value)
            if apart and digest is not None and (digest.path, digest.line) != (tag.path, tag.line):
                continue  # two files would have to change together
            yield Place(
                path=tag.path,
                line=tag.line,
                parts=tag.parts,
                tag=_text(tag.value),
                digest=_text(digest.value) if apart and digest is not None else "",
                digest_parts=digest.parts if apart and digest is not None else (),
            )
        elif key == "image":
            yield Place(path=leaf.path, line=leaf.line, parts=leaf.parts, tag="", before=f"{named.written}:")
        return


def _reference(leaf: _Leaf, registry: _Leaf | None) -> Reference | None:
    """Return what a field names, with the registry that stands beside it."""
    if not isinstance(leaf.value, str):
        return None
    host = registry.value if registry is not None and isinstance(registry.value, str) else ""
    found = reference(leaf.value)
    if host and found is not None and found.name.host == DOCKER_HUB:
        return reference(f"{host}/{leaf.value}")
    return found


def _text(value: Any) -> str:
    return "" if value is None else str(value)
