"""Which files of a tree are manifests: the ignore file, symbolic links, names and sizes.

In goes a `SourceTree`, out come the files to read, ordered by path, and problems. Contents are not looked at. Links
are followed by looking them up in the tree, never in a file system, so that nothing outside the commit can be read.

Read are `*.yaml`, `*.yml` and `*.json`. Left out: names that begin with a dot below the app's path (`.github/`,
`.gitlab-ci.yml`), and what `.gitopsignore` at the app's path lists in gitignore syntax.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from bot.errors import Problem
from bot.model.source import SourceFile, SourceTree

if TYPE_CHECKING:  # most apps ignore nothing, and do not pay for it
    from pathspec import GitIgnoreSpec

IGNORE_FILE: Final = ".gitopsignore"
SUFFIXES: Final = (".yaml", ".yml", ".json")
MAX_FILE_BYTES: Final = 5_000_000  # the API server takes 3 MB in one request; a larger file is no manifest
MAX_LINKED_FILES: Final = 10_000  # files reached through links to folders; links to links multiply
MAX_LINK_HOPS: Final = 40  # as Linux has it


@dataclass(frozen=True, slots=True)
class Selection:
    """The files to look at, links replaced by what they point to under the link's own path."""

    files: tuple[SourceFile, ...]
    problems: tuple[Problem, ...]


class _LinkRefused(Exception):
    """The link cannot be followed; the message says why."""


def select(tree: SourceTree) -> Selection:
    """Return all files that are not ignored, each with its content; files of other kinds too."""
    problems: list[Problem] = []
    ignored = _ignore_rules(tree, problems)
    listing = _Listing(tree)
    files: dict[str, SourceFile] = {}
    linked = 0
    for file in tree.files:
        inside = _inside(tree.path, file.path)
        if _hidden(inside) or (ignored is not None and ignored.match_file(inside)):
            continue
        if not file.is_link:
            files[file.path] = file
            continue
        try:
            for found in listing.follow(file):
                inside = _inside(tree.path, found.path)
                if not _hidden(inside) and not (ignored is not None and ignored.match_file(inside)):
                    linked += 1
                    files.setdefault(found.path, found)
                if linked > MAX_LINKED_FILES:
                    raise _LinkRefused(f"more than {MAX_LINKED_FILES:,} files are reached through links")
        except _LinkRefused as error:
            problems.append(Problem(message=str(error), where=f"{file.path}:1"))
            if linked > MAX_LINKED_FILES:
                break
    return Selection(tuple(files[path] for path in sorted(files)), tuple(problems))


def plain(tree: SourceTree) -> tuple[dict[str, SourceFile], dict[str, str]]:
    """Return all files by path, links followed, and the reason for each link that cannot be.

    For tools that name the files they read: a link nobody names may lead anywhere.
    """
    listing = _Listing(tree)
    files = {file.path: file for file in tree.files if not file.is_link}
    refused: dict[str, str] = {}
    linked = 0
    for link in (file for file in tree.files if file.is_link):
        try:
            for found in listing.follow(link):
                linked += 1
                if linked > MAX_LINKED_FILES:
                    raise _LinkRefused(f"more than {MAX_LINKED_FILES:,} files are reached through links")
                files.setdefault(found.path, found)
        except _LinkRefused as error:
            refused[link.path] = str(error)
    return files, refused


def is_manifest(path: str) -> bool:
    """Tell by its name whether a file is read for objects."""
    return path.lower().endswith(SUFFIXES)


def _inside(root: str, path: str) -> str:
    """Return a path as seen from the app's path."""
    return path[len(root) :].lstrip("/") if root and path.startswith(root) else path


def _hidden(inside: str) -> bool:
    return inside.startswith(".") or "/." in inside


def _ignore_rules(tree: SourceTree, problems: list[Problem]) -> GitIgnoreSpec | None:
    path = posixpath.join(tree.path, IGNORE_FILE)
    file = next((file for file in tree.files if file.path == path and not file.is_link), None)
    if file is None:
        return None
    from pathspec import GitIgnoreSpec  # imported late: see above

    try:
        lines = file.data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        line = file.data.count(b"\n", 0, error.start) + 1
        problems.append(Problem(message="the ignore file is not valid UTF-8 here", where=f"{path}:{line}"))
        return None
    sound: list[str] = []
    for number, text in enumerate(lines, start=1):
        try:
            GitIgnoreSpec.from_lines([text])
        except ValueError:
            problems.append(Problem(message="this line is no gitignore pattern", where=f"{path}:{number}"))
        else:
            sound.append(text)
    return GitIgnoreSpec.from_lines(sound)


class _Listing:
    """The tree by path, to look up what links point to. Most trees have no link, and cost nothing here."""

    def __init__(self, tree: SourceTree) -> None:
        self._root = tree.path
        self._tree = tree

    @cached_property
    def _files(self) -> Mapping[str, SourceFile]:
        return {file.path: file for file in self._tree.files}

    @cached_property
    def _folders(self) -> frozenset[str]:
        files = self._tree.files
        return frozenset(folder for file in files for folder in _parents(file.path) if _within(self._root, folder))

    def follow(self, link: SourceFile) -> Iterator[SourceFile]:
        """Yield the files behind a link, named as if they were where the link is. Raises `_LinkRefused`."""
        yield from self._follow(link.path, link, (link.path,))

    def _follow(self, shown: str, link: SourceFile, via: tuple[str, ...]) -> Iterator[SourceFile]:
        target = self._target(link)
        file = self._files.get(target)
        if file is not None:
            yield SourceFile(path=shown, blob=file.blob, data=file.data)
            return
        if any(_within(target, one) for one in via):
            raise _LinkRefused("the link points to a folder that contains it")
        prefix = f"{target}/" if target else ""
        for path, entry in self._files.items():
            if not path.startswith(prefix):
                continue
            below = posixpath.join(shown, path[len(prefix) :])
            if entry.is_link:
                yield from self._follow(below, entry, (*via, entry.path))
            else:
                yield SourceFile(path=below, blob=entry.blob, data=entry.data)

    def _target(self, link: SourceFile) -> str:
        """Return the path of the file or folder at the end of a link, through links on the way."""
        try:
            text = link.data.decode()
        except UnicodeDecodeError as error:
            raise _LinkRefused("the link's target is not valid UTF-8") from error
        if text.startswith("/"):
            raise _LinkRefused("the link points to an absolute path, which is outside the commit")
        done = posixpath.dirname(link.path).split("/") if "/" in link.path else []
        rest = text.split("/")[::-1]
        hops = 0
        while rest:
            part = rest.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                if not done:
                    raise _LinkRefused("the link leaves the repository")
                done.pop()
                continue
            done.append(part)
            here = self._files.get("/".join(done))
            if here is not None and here.is_link:
                hops += 1
                if hops > MAX_LINK_HOPS:
                    raise _LinkRefused(f"the link leads through more than {MAX_LINK_HOPS} other links: a loop")
                done.pop()
                onward = here.data.decode(errors="replace")
                if onward.startswith("/"):
                    raise _LinkRefused("the link leads to an absolute path, which is outside the commit")
                rest.extend(onward.split("/")[::-1])
        target = "/".join(done)
        if not _within(self._root, target):
            raise _LinkRefused(f"the link leaves the app's path {self._root}: put the file there, or ignore the link")
        if target not in self._files and target not in self._folders:
            raise _LinkRefused("the link points to nothing")
        return target


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
    yield ""


def _within(folder: str, path: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")
