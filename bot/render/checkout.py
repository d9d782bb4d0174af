"""The part of a commit that a rendering tool may see, in memory, and its way to disk.

In go paths that the tool's own files name; out come their files, links followed. Every folder and file that was asked
for is remembered, so that Git's hashes of them say whether a later commit renders the same. Nothing outside
the commit is ever read, and nothing is written outside the folder given.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bot.errors import PathNotFound
from bot.model.source import SourceFile
from bot.ports.source import Repository
from bot.render.files import plain


@dataclass(frozen=True, slots=True)
class CommitFiles:
    """A commit of a repository, to be read."""

    repo: Repository
    commit: str


class Checkout:
    """Begins empty; `add_folder` and `add_file` bring in what is needed. For one thread."""

    def __init__(self, source: CommitFiles) -> None:
        self._source = source
        self._files: dict[str, SourceFile] = {}
        self._links: dict[str, str] = {}
        self._roots: dict[str, None] = {}  # in the order asked for
        self._mounts: dict[str, CommitFiles] = {}  # commits of other repositories by the folder they appear in
        self.used: set[str] = set()  # files that the tool will read for sure

    @property
    def files(self) -> Mapping[str, SourceFile]:
        """Every file there is by now, by path."""
        return self._files

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders and files of the commit that were asked for: what a rendering depends on."""
        return tuple(root for root in self._roots if not self.mount_of(root))

    @property
    def repo(self) -> Repository:
        return self._source.repo

    def mount(self, folder: str, source: CommitFiles) -> None:
        """Let a commit of another repository appear in a folder."""
        self._mounts[folder] = source

    @property
    def mounts(self) -> Collection[str]:
        return self._mounts.keys()

    def mount_of(self, path: str) -> str:
        """Return the folder of the other repository that a path is in, "" for a path of the commit itself."""
        return next((folder for folder in self._mounts if path == folder or path.startswith(f"{folder}/")), "")

    def add_folder(self, path: str) -> bool:
        """Bring in a folder with all below it; False when it is no folder. Raises `SourceError` for other trouble."""
        if self.has_folder(path):
            return True
        mount = self.mount_of(path)
        source = self._mounts.get(mount, self._source)
        try:
            tree = source.repo.tree(source.commit, path.removeprefix(mount).lstrip("/") if mount else path)
        except PathNotFound:
            return False
        self._roots[path] = None
        files, links = plain(tree)
        if mount:
            files = {f"{mount}/{name}": replace(file, path=f"{mount}/{name}") for name, file in files.items()}
            links = {f"{mount}/{name}": why for name, why in links.items()}
        self._files |= files
        self._links |= links
        return True

    def add_file(self, path: str) -> SourceFile | None:
        """Bring in one file; None when there is no such file, or a link that cannot be followed."""
        if path not in self._files and not self._inside(path):
            if self.mount_of(path):
                return None
            try:
                file = self._source.repo.file(self._source.commit, path)
            except PathNotFound:
                return None
            if file.is_link:
                self._links[path] = "a link to outside the folders that are read"
                return None
            self._roots[path] = None
            self._files[path] = file
        if path in self._files:
            self.used.add(path)
        return self._files.get(path)

    def use_folder(self, path: str) -> None:
        """Note that the tool will read all files of a folder."""
        start = f"{path}/" if path else ""
        self.used |= {name for name in self._files if name.startswith(start)}

    def has_folder(self, path: str) -> bool:
        """Say whether a folder is here already."""
        if path in self._roots and path not in self._files:
            return True
        start = f"{path}/" if path else ""
        return self._inside(path) and any(name.startswith(start) for name in self._files)

    def why_missing(self, path: str) -> str:
        """Return why a file that Git has is not here, "" when Git does not have it."""
        return self._links.get(path, "")

    def replace(self, file: SourceFile) -> None:
        """Put other content in the place of a file: what was decrypted."""
        self._files[file.path] = file

    def _inside(self, path: str) -> bool:
        return any(not root or path == root or path.startswith(f"{root}/") for root in self._roots)

    def size_bytes(self) -> int:
        return sum(len(file.data) for file in self._files.values())

    def write(self, directory: Path) -> None:
        """Write every file below `directory`, readable by us alone. Names that would leave it are left out."""
        for path, file in self._files.items():
            parts = path.split("/")
            if any(part in {"", ".", ".."} for part in parts):
                continue
            target = directory.joinpath(*parts)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            target.write_bytes(file.data)
            target.chmod(0o600)


def resolved(folder: str, reference: str) -> str | None:
    """Return a reference of a file in `folder` as a path from the repository's root; None when it leads out of it.

    A leading slash means the repository's root.
    """
    if "\0" in reference:
        return None
    joined = reference.lstrip("/") if reference.startswith("/") else posixpath.join(folder, reference)
    path = posixpath.normpath(joined)
    return None if path.startswith("../") or path == ".." else ("" if path == "." else path)
