"""One file's bytes to manifests, once per content: what did not change is not parsed, checked or hashed again.

In goes a `SourceFile`, out comes what it holds: manifests with their origins, problems with their lines, and a digest
of each object. Results are kept by blob hash and path, and shared: nobody changes them. Some are kept whoever else
holds them, and all for as long as somebody does: an app of any size finds its own again.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final
from weakref import WeakValueDictionary

import orjson

from bot.errors import Problem
from bot.model.digests import keyed
from bot.model.resource import DesiredState, Manifest
from bot.model.source import SourceFile
from bot.render import jsontext
from bot.render.encoding import decode, from_json
from bot.render.files import MAX_FILE_BYTES
from bot.render.objects import entries, manifest_of
from bot.render.reading import Reading, TextProblem
from bot.render.substitute import substitute
from bot.render.yamltext import read

CACHED_MANIFESTS: Final = (
    10_000  # some 3 KB each as Python objects: 30 MB; a larger fleet is read again when it changes
)
MAX_RENDERED_BYTES: Final = 64 * 1024**2  # what a tool may write for one app
LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/v1\n"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Holding:
    """What one file holds. `digests` are those of the manifests, in their order. With problems, trust no manifest."""

    manifests: tuple[Manifest, ...] = ()
    digests: tuple[bytes, ...] = ()
    problems: tuple[Problem, ...] = ()

    def at_lines_of(self, written: Reading) -> Holding:
        """Return the same with the lines of the documents as they were written, when these are as many."""
        lines = sorted({manifest.origin.line for manifest in self.manifests})
        if len(lines) != len(written.documents):
            return self
        moved = dict(zip(lines, (document.line for document in written.documents), strict=True))
        manifests = tuple(
            replace(one, origin=replace(one.origin, line=moved[one.origin.line])) for one in self.manifests
        )
        return replace(self, manifests=manifests)


class Documents:
    """Reads files. Safe to use from several threads."""

    def __init__(self, *, cached_manifests: int = CACHED_MANIFESTS) -> None:
        self._limit = cached_manifests
        self._held: WeakValueDictionary[tuple[str, str, str], Holding] = WeakValueDictionary()  # guarded by _lock
        self._kept: OrderedDict[tuple[str, str, str], Holding] = OrderedDict()  # of those; guarded by _lock
        self._count = 0  # of the manifests kept, and their files
        self._lock = Lock()

    def read(self, file: SourceFile, *, values: Mapping[str, str] | None = None) -> Holding:
        """Return what the file holds, with `values` in place of its `${NAME}` when given."""
        key = (file.blob, file.path, _fingerprint(values))
        if file.blob:
            with self._lock:
                known = self._held.get(key)
                if known is not None:
                    if key in self._kept:
                        self._kept.move_to_end(key)
                    return known
        holding = _hold(file, values)
        if file.blob and not holding.problems:
            with self._lock:
                self._count += len(holding.manifests) + 1 if key not in self._kept else 0
                self._held[key] = self._kept[key] = holding
                while self._count > self._limit and self._kept:
                    _, oldest = self._kept.popitem(last=False)
                    self._count -= len(oldest.manifests) + 1
        return holding


def read_bytes(
    data: bytes,
    *,
    is_json: bool = False,
    values: Mapping[str, str] | None = None,
    limit_bytes: int = MAX_FILE_BYTES,
) -> Reading:
    """Return the documents of a file's bytes. `limit_bytes` is more for what tools write: it holds many objects."""
    if len(data) > limit_bytes:
        size = f"{len(data) / 1_000_000:.1f} MB"
        return Reading((), (TextProblem(1, f"the file has {size}, more than {limit_bytes // 1_000_000} MB"),))
    if data.startswith(LFS_POINTER):
        return Reading(
            (), (TextProblem(1, "the file is a Git LFS pointer, its content is not in Git: commit it plainly"),)
        )
    text = decode(data)
    if isinstance(text, TextProblem):
        return Reading((), (text,))
    if values is not None:
        substituted = substitute(text, values)
        if substituted.faults:
            return Reading((), tuple(TextProblem(line, message) for line, message in substituted.faults))
        text = substituted.text
    if not is_json:
        return read(text)
    whole = jsontext.read(text)
    return Reading((whole,), ()) if whole is not None else read(from_json(text))


def digest_of(manifest: Manifest) -> bytes:
    """Return the hash of one object, whatever file it is in. Values of Secrets are in it only so."""
    return hashlib.sha256(orjson.dumps(manifest.body, option=orjson.OPT_SORT_KEYS)).digest()


def desired_state(
    manifests: Sequence[Manifest], digests: Iterable[bytes], key: bytes, *, sources: Sequence[Holding] = ()
) -> DesiredState:
    """Return the state with a keyed digest over all objects, whatever their order."""
    hashed = hashlib.sha256(b"".join(sorted(digests)))
    digest = keyed(f"sha256:{hashed.hexdigest()}", key)
    return DesiredState(manifests=tuple(manifests), digest=digest, sources=tuple(sources))


def _hold(file: SourceFile, values: Mapping[str, str] | None) -> Holding:
    reading = read_bytes(file.data, is_json=file.path.lower().endswith(".json"), values=values)
    problems = [Problem(message=one.message, where=f"{file.path}:{one.line}") for one in reading.problems]
    manifests: list[Manifest] = []
    for document in reading.trusted():
        for entry in entries(document):
            made = manifest_of(entry, file.path)
            if isinstance(made, Manifest):
                manifests.append(made)
            else:
                problems.extend(made)
    return Holding(tuple(manifests), tuple(digest_of(one) for one in manifests), tuple(problems))


def _fingerprint(values: Mapping[str, str] | None) -> str:
    return "" if values is None else hashlib.sha256(orjson.dumps(dict(values), option=orjson.OPT_SORT_KEYS)).hexdigest()
