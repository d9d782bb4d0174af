"""The files of one repository's commits: listings, contents and hashes, in as few git processes as possible.

In go full commit hashes and paths as people write them; out come `SourceFile`s and Git's own hashes. Contents arrive
in bulk, are read once, and are taken from the tree read before where its files did not change. Submodules are
followed where they are at the same host: their files appear at the submodule's path.
"""

from __future__ import annotations

import posixpath
import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from threading import Lock
from typing import Final, Protocol

from bot.errors import PathNotFound, SourceError
from bot.model.source import SourceFile, SourceTree
from bot.source.mirror import Mirror, MirrorBroken
from bot.source.spec import shown

_PATH_REFUSED: Final = re.compile(r"[\x00-\x1f\x7f]")
_TREE_LIMIT_BYTES: Final = 128 * 1024 * 1024  # manifests are kilobytes; more is binaries, and would sit in memory
_CACHE_LIMIT_BYTES: Final = 16 * 1024 * 1024  # all remembered trees of one repository: 8,000 manifests of 2 kB
_IDS_LIMIT: Final = 4096  # of some 200 bytes: what a thousand apps ask of a few commits
_LINK: Final = "120000"
_SUBMODULE: Final = "160000"


class Opened(Protocol):
    """The repository of a submodule, as far as it is needed here."""

    def tree(self, commit: str, path: str) -> SourceTree:
        """Return the files below a folder."""


# Opens the repository of a submodule by its path, the short name of our commit, and the content of `.gitmodules`.
Submodule = Callable[[str, str, bytes], Opened]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One line of a tree listing."""

    mode: str
    kind: str
    id: str
    path: str


class Trees:
    """Reads from one mirror. Safe to use from several threads.

    `bring` makes a commit present that is not here, or raises `SourceError`.
    """

    def __init__(self, mirror: Mirror, *, bring: Callable[[str], None], submodule: Submodule) -> None:
        self._mirror = mirror
        self._bring = bring
        self._submodule = submodule
        self._lock = Lock()
        self._trees: OrderedDict[str, SourceTree] = OrderedDict()  # the latest of each path; guarded by _lock
        self._weight = 0
        self._ids: OrderedDict[tuple[int, str, str], tuple[str, str]] = OrderedDict()  # guarded by _lock

    def hashes(self, commit: str, paths: Sequence[str]) -> tuple[str, ...]:
        """Return the hash of the folder or file at each path, "" where nothing is. One process, no contents."""
        clean = [self._clean(path, commit) for path in paths]
        return tuple(id for id, _ in self._objects(commit, clean))

    def folders(self, commit: str) -> tuple[str, ...]:
        """Return every folder below the root."""
        self._bring(commit)
        listing = self._mirror.local(["ls-tree", "-r", "-d", "-z", "--name-only", commit]).output
        return tuple(name.decode("utf-8", errors="backslashreplace") for name in listing.split(b"\0")[:-1])

    def tree(self, commit: str, path: str) -> SourceTree:
        """Return the files below a folder. Raises `PathNotFound`."""
        path = self._clean(path, commit)
        ((subtree, kind),) = self._objects(commit, [path])
        if kind != "tree":
            return self._tree_elsewhere(commit, path, kind)
        with self._lock:
            known = self._trees.get(path)
            if known is not None:
                self._trees.move_to_end(path)
        if known is not None and known.subtree == subtree:
            return replace(known, commit=commit)
        files = self._files(commit, path, subtree, known)
        tree = SourceTree(commit=commit, path=path, subtree=subtree, files=files)
        self._remember(tree)
        return tree

    def file(self, commit: str, path: str) -> SourceFile:
        """Return one file. Raises `PathNotFound`, for a folder too."""
        path = self._clean(path, commit)
        self._bring(commit)
        # The tree names a file that was never fetched; cat-file, asked for it, calls it missing.
        entry = next(iter(self._list(["ls-tree", "-z", commit, "--", path], "")), None) if path else None
        if entry is None or entry.kind != "blob":
            is_folder = not path or (entry is not None and entry.kind == "tree")
            raise self._no_path(commit, path, "is a folder, not a file" if is_folder else "does not exist")
        id = entry.id
        return SourceFile(path=path, blob=id, data=self._blobs({id}, place=path)[id], is_link=entry.mode == _LINK)

    # --- what is at a path ------------------------------------------------------------------------------------

    def _objects(self, commit: str, paths: Sequence[str]) -> list[tuple[str, str]]:
        """Return id and kind of what is at each path, two empty strings for nothing.

        What a commit has at a path never changes: a copy made anew is another generation and is asked again.
        """
        keys = [(self._mirror.generation, commit, path) for path in paths]
        with self._lock:
            known = [self._ids.get(key) for key in keys]
        if all(known):
            return [pair for pair in known if pair is not None]
        names = [f"{commit}:{path}" if path else f"{commit}^{{tree}}" for path in paths]
        question = "".join(f"{name}\n" for name in (f"{commit}^{{commit}}", *names)).encode()
        for again in (False, True):
            answer = self._mirror.local(["cat-file", "--batch-check=%(objectname) %(objecttype)"], stdin=question)
            first, *found = answer.text.splitlines()
            if first.endswith(" commit"):
                break
            if again:
                raise MirrorBroken(f"commit {commit[:12]} cannot be read")
            self._bring(commit)
        # "NAME missing", where a name may contain blanks: only an id of 40 digits and a kind is an object.
        pairs = [line.split(" ") for line in found]
        ids = [(pair[0], pair[1]) if len(pair) == 2 and pair[1] in {"tree", "blob"} else ("", "") for pair in pairs]
        with self._lock:
            self._ids |= zip(keys, ids, strict=True)
            while len(self._ids) > _IDS_LIMIT:
                self._ids.popitem(last=False)
        return ids

    def _tree_elsewhere(self, commit: str, path: str, kind: str) -> SourceTree:
        """Return the tree at a path that is or lies in a submodule; raises `PathNotFound` for what is no folder."""
        if kind == "blob":
            raise self._no_path(commit, path, "is a file, or a link, not a folder")
        parts = path.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        for entry in self._list(["ls-tree", "-z", commit, "--", *above], ""):
            if entry.kind == "commit":
                inside = path[len(entry.path) :].lstrip("/")
                return self._moved(self._opened(commit, entry).tree(entry.id, inside), commit, entry.path)
        raise self._no_path(commit, path, "does not exist")

    def _moved(self, tree: SourceTree, commit: str, place: str) -> SourceTree:
        """Return a submodule's tree as seen from here."""
        files = tuple(replace(file, path=posixpath.join(place, file.path)) for file in tree.files)
        return SourceTree(
            commit=commit, path=posixpath.join(place, tree.path).rstrip("/"), subtree=tree.subtree, files=files
        )

    def _opened(self, commit: str, entry: _Entry) -> Opened:
        try:
            modules = self.file(commit, ".gitmodules").data
        except PathNotFound:
            modules = b""
        return self._submodule(entry.path, commit[:7], modules)

    def _clean(self, path: str, commit: str) -> str:
        if _PATH_REFUSED.search(path) or path.startswith(("/", "-")) or ".." in path.split("/"):
            raise PathNotFound(
                f"repository {self._mirror.spec.name}: {shown(path)} is no path inside a repository (asked for at "
                f"{commit[:7]}); write it relative to the root, without ..",
                repo=self._mirror.spec.name,
            )
        clean = posixpath.normpath(path) if path else ""
        return "" if clean == "." else clean

    def _no_path(self, commit: str, path: str, what: str) -> PathNotFound:
        name = self._mirror.spec.name
        return PathNotFound(
            f"repository {name}: the path {path} {what} at commit {commit[:7]}; push it, or correct the app's path",
            repo=name,
        )

    # --- files ------------------------------------------------------------------------------------------------

    def _files(self, commit: str, path: str, subtree: str, before: SourceTree | None) -> tuple[SourceFile, ...]:
        """Return the files of a subtree, taking over from the tree before what did not change."""
        known = self._unchanged(path, subtree, before) if before is not None else None
        entries, files = known or (self._list(["ls-tree", "-r", "-z", subtree], path), {})
        wanted = {entry.id for entry in entries if entry.kind == "blob"}
        blobs = self._blobs(wanted, place=f"{path or 'the repository'} at {commit[:7]}") if wanted else {}
        for entry in entries:
            if entry.kind == "commit":
                inside = self._moved(self._opened(commit, entry).tree(entry.id, ""), commit, entry.path)
                files |= {file.path: file for file in inside.files}
            else:
                link = entry.mode == _LINK
                files[entry.path] = SourceFile(path=entry.path, blob=entry.id, data=blobs[entry.id], is_link=link)
        return tuple(sorted(files.values(), key=attrgetter("path")))

    def _unchanged(
        self, path: str, subtree: str, before: SourceTree
    ) -> tuple[tuple[_Entry, ...], dict[str, SourceFile]] | None:
        """Return what is new in a subtree and the files that are as before; None when a submodule is or was there."""
        listing = self._mirror.local(["diff-tree", "-r", "-z", "--no-renames", before.subtree, subtree]).output
        parts = listing.split(b"\0")[:-1]
        files = {file.path: file for file in before.files}
        entries: list[_Entry] = []
        for facts, name in zip(parts[::2], parts[1::2], strict=True):
            old, mode, _, id, _ = facts.decode("ascii").lstrip(":").split(" ")
            place = posixpath.join(path, name.decode("utf-8", errors="backslashreplace"))
            if _SUBMODULE in {old, mode}:
                return None
            files.pop(place, None)
            if id.strip("0"):
                entries.append(_Entry(mode=mode, kind="blob", id=id, path=place))
        return tuple(entries), files

    def _list(self, command: Sequence[str], path: str) -> tuple[_Entry, ...]:
        entries: list[_Entry] = []
        for line in self._mirror.local(command).output.split(b"\0")[:-1]:
            facts, _, name = line.partition(b"\t")
            mode, kind, id = facts.decode("ascii").split(" ")
            place = posixpath.join(path, name.decode("utf-8", errors="backslashreplace"))
            entries.append(_Entry(mode=mode, kind=kind, id=id, path=place))
        return tuple(entries)

    def _blobs(self, ids: Collection[str], *, place: str) -> dict[str, bytes]:
        """Return file contents by id, after fetching in one request what is not here."""
        wanted = "".join(f"{id}\n" for id in sorted(ids)).encode()
        sizes, missing = self._sizes(wanted)
        if missing:
            if not self._mirror.filters:
                raise MirrorBroken(f"{len(missing)} files are missing")
            self._mirror.fetch_blobs(missing)
            sizes, missing = self._sizes(wanted)
            if missing:
                raise MirrorBroken(f"{len(missing)} files are missing after they were fetched")
        if sum(sizes) > _TREE_LIMIT_BYTES:
            raise SourceError(
                f"repository {self._mirror.spec.name}: {place} has {sum(sizes) // 1024**2} MiB of files, more than "
                f"the {_TREE_LIMIT_BYTES // 1024**2} MiB an app may have; keep binaries out of its path",
                repo=self._mirror.spec.name,
            )
        return _read_batch(self._mirror.local(["cat-file", "--batch"], stdin=wanted).output)

    def _sizes(self, wanted: bytes) -> tuple[list[int], list[str]]:
        sizes: list[int] = []
        missing: list[str] = []
        answer = self._mirror.local(["cat-file", "--batch-check=%(objectname) %(objectsize)"], stdin=wanted)
        for line in answer.text.splitlines():
            id, _, size = line.partition(" ")
            if size == "missing":
                missing.append(id)
            else:
                sizes.append(int(size))
        return sizes, missing

    def _remember(self, tree: SourceTree) -> None:
        with self._lock:
            before = self._trees.pop(tree.path, None)
            self._trees[tree.path] = tree
            self._weight += _weight(tree) - (_weight(before) if before is not None else 0)
            while self._weight > _CACHE_LIMIT_BYTES and self._trees:
                _, oldest = self._trees.popitem(last=False)
                self._weight -= _weight(oldest)


def _read_batch(output: bytes) -> dict[str, bytes]:
    """Split the output of `cat-file --batch`: a line `id kind size`, the bytes, a line break."""
    found: dict[str, bytes] = {}
    position = 0
    while position < len(output):
        end = output.index(b"\n", position)
        header = output[position:end].decode("ascii").split(" ")
        if len(header) != 3:
            raise MirrorBroken(f"object {header[0][:12]} cannot be read")
        start = end + 1
        stop = start + int(header[2])
        found[header[0]] = output[start:stop]
        position = stop + 1
    return found


def _weight(tree: SourceTree) -> int:
    return sum(len(file.data) + len(file.path) + 200 for file in tree.files)  # 200: about what the objects cost
