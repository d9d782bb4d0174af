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
from bot.source.clone import CloneBroken
from bot.source.mirror import Mirror
from bot.source.spec import shown

_PATH_REFUSED: Final = re.compile(r"[\x00-\x1f\x7f]")
_TREE_LIMIT_BYTES: Final = 128 * 1024 * 1024  # manifests are kilobytes; more is binaries, and would sit in memory
_CACHE_LIMIT_BYTES: Final = 64 * 1024 * 1024  # all remembered trees of one repository: 30,000 manifests of 2 kB
_IDS_LIMIT: Final = 4096  # of some 200 bytes: what a thousand apps ask of a few commits
_LINK: Final = "120000"
_KINDS: Final = {b"40000": "tree", b"160000": "commit"}
_SUBMODULE: Final = b"160000 "
_ID_BYTES: Final = 20


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
        folder = posixpath.dirname(path)
        ((above, kind),) = self._objects(commit, [folder])
        # The folder names a file that was never fetched; cat-file, asked for it, calls it missing.
        inside = self._entries([(above, folder)]) if path and kind == "tree" else []
        if inside is None:
            raise CloneBroken("a folder is missing")
        entry = next((one for one in inside if one.path == path), None)
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
        for again in (False, True):
            first, *found = self._mirror.infos([f"{commit}^{{commit}}", *names])
            if first is not None:
                break
            if again:
                raise CloneBroken(f"commit {commit[:12]} cannot be read")
            self._bring(commit)
        ids = [(one.id, one.kind) if one is not None and one.kind in {"tree", "blob"} else ("", "") for one in found]
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
        for entry in self._list(["ls-tree", "-z", commit, "--", *above]):
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
        entries, files = known or (self._walk(subtree, path), {})
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
        files = {file.path: file for file in before.files}
        entries: list[_Entry] = []
        pairs = [(before.subtree, subtree, path)]  # folders at the same place that differ
        while pairs:
            contents = self._mirror.contents({id for old, new, _ in pairs for id in (old, new) if id})
            then: dict[str, _Entry] = {}
            now: dict[str, _Entry] = {}
            for old, new, place in pairs:
                if any(id and id not in contents for id in (old, new)):
                    return None
                ours, theirs = (_lines(contents.get(id, b"")) for id in (old, new))
                if any(line.startswith(_SUBMODULE) for line in (*ours, *theirs)):
                    return None
                same = set(ours).intersection(theirs)  # nearly all: their bytes are compared, and not read
                for found, lines in ((then, ours), (now, theirs)):
                    found |= {one.path: one for one in (_entry(line, place) for line in lines if line not in same)}
            pairs = []
            for place in then.keys() | now.keys():
                was, one = then.get(place), now.get(place)
                if was is not None and was.kind == "blob":
                    files.pop(place, None)
                if one is not None and one.kind == "blob":
                    entries.append(one)
                folders = [end.id if end is not None and end.kind == "tree" else "" for end in (was, one)]
                if any(folders):
                    pairs.append((folders[0], folders[1], place))
        return tuple(entries), files

    def _walk(self, subtree: str, path: str) -> tuple[_Entry, ...]:
        """Return all but the folders of a subtree, level by level."""
        found: list[_Entry] = []
        level = [(subtree, path)]
        while level:
            entries = self._entries(level)
            if entries is None:
                raise CloneBroken("a folder is missing")
            found += [one for one in entries if one.kind != "tree"]
            level = [(one.id, one.path) for one in entries if one.kind == "tree"]
        return tuple(found)

    def _entries(self, folders: Sequence[tuple[str, str]]) -> list[_Entry] | None:
        """Return what is directly in some folders, given by id and place; None when one of them is not here."""
        contents = self._mirror.contents({id for id, _ in folders})
        if any(id not in contents for id, _ in folders):
            return None
        return [_entry(line, place) for id, place in folders for line in _lines(contents[id])]

    def _list(self, command: Sequence[str]) -> tuple[_Entry, ...]:
        entries: list[_Entry] = []
        for line in self._mirror.local(command).output.split(b"\0")[:-1]:
            facts, _, name = line.partition(b"\t")
            mode, kind, id = facts.decode("ascii").split(" ")
            path = name.decode("utf-8", errors="backslashreplace")
            entries.append(_Entry(mode=mode, kind=kind, id=id, path=path))
        return tuple(entries)

    def _blobs(self, ids: Collection[str], *, place: str) -> dict[str, bytes]:
        """Return file contents by id, after fetching in one request what is not here."""
        wanted = sorted(ids)
        sizes, missing = self._sizes(wanted)
        if missing:
            if not self._mirror.filters:
                raise CloneBroken(f"{len(missing)} files are missing")
            self._mirror.fetch_blobs(missing)
            sizes, missing = self._sizes(wanted)
            if missing:
                raise CloneBroken(f"{len(missing)} files are missing after they were fetched")
        if sum(sizes) > _TREE_LIMIT_BYTES:
            raise SourceError(
                f"repository {self._mirror.spec.name}: {place} has {sum(sizes) // 1024**2} MiB of files, more than "
                f"the {_TREE_LIMIT_BYTES // 1024**2} MiB an app may have; keep binaries out of its path",
                repo=self._mirror.spec.name,
            )
        found = self._mirror.contents(wanted)
        if len(found) < len(wanted):
            raise CloneBroken(f"{len(wanted) - len(found)} files cannot be read")
        return found

    def _sizes(self, wanted: Sequence[str]) -> tuple[list[int], list[str]]:
        """Return the sizes of those that are here, and the ids of those that are not."""
        infos = self._mirror.infos(wanted)
        missing = [id for id, info in zip(wanted, infos, strict=True) if info is None]
        return [info.size for info in infos if info is not None], missing

    def _remember(self, tree: SourceTree) -> None:
        with self._lock:
            before = self._trees.pop(tree.path, None)
            self._trees[tree.path] = tree
            self._weight += _weight(tree) - (_weight(before) if before is not None else 0)
            while self._weight > _CACHE_LIMIT_BYTES and self._trees:
                _, oldest = self._trees.popitem(last=False)
                self._weight -= _weight(oldest)


def _lines(data: bytes) -> list[bytes]:
    """Return the entries of a tree object as they stand in it: `mode name`, a zero byte, twenty bytes of id."""
    found, position = [], 0
    while position < len(data):
        end = data.index(b"\0", position) + 1 + _ID_BYTES
        found.append(data[position:end])
        position = end
    return found


def _entry(line: bytes, place: str) -> _Entry:
    mode, _, name = line[: -_ID_BYTES - 1].partition(b" ")
    path = name.decode("utf-8", errors="backslashreplace")
    return _Entry(
        mode=mode.decode("ascii"),
        kind=_KINDS.get(mode, "blob"),
        id=line[-_ID_BYTES:].hex(),
        path=f"{place}/{path}" if place else path,
    )


def _weight(tree: SourceTree) -> int:
    return sum(len(file.data) + len(file.path) + 200 for file in tree.files)  # 200: about what the objects cost
