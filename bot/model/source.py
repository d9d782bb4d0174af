"""Git as values: a commit, and the files of one path in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One commit: 40 hex digits, its author, the first line of its message, and when it was committed (UTC)."""

    commit: str
    author: str = ""
    email: str = ""
    subject: str = ""
    committed_at: datetime | None = None

    @property
    def short(self) -> str:
        return self.commit[:7]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file: path from the repository's root with `/`, its Git blob hash and its bytes.

    A symbolic link has `is_link` set and its target, not the target's content, as `data`.
    """

    path: str
    blob: str
    data: bytes
    is_link: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTree:
    """The files below `path` ("" is the whole repository) at one commit, ordered by path."""

    commit: str
    path: str
    subtree: str  # Git's hash of the tree at `path`: equal hashes, equal files
    files: tuple[SourceFile, ...]
