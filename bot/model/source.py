"""Git as values: a commit, and the files of one path in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Final


class RefKind(Enum):
    BRANCH = "branch"
    TAG = "tag"
    SEMVER = "semver"  # the highest tag in a range
    COMMIT = "commit"


@dataclass(frozen=True, slots=True)
class GitRef:
    """What an app follows. `name` is a branch, a tag, a range of versions, or 40 hex digits.

    `prefix` is what precedes the version in the tags of a range: `shop-v` finds `shop-v1.2.3`.
    """

    kind: RefKind
    name: str
    prefix: str = ""

    def __str__(self) -> str:
        match self.kind:
            case RefKind.COMMIT:
                return self.name[:7]
            case RefKind.SEMVER:
                return f"{self.prefix}{self.name}"
            case _:
                return self.name

    def follows(self, name: str) -> bool:
        """Say whether a ref of that full name (`refs/heads/main`) may be the one meant."""
        match self.kind:
            case RefKind.BRANCH:
                return name == f"refs/heads/{self.name}"
            case RefKind.TAG:
                return name == f"refs/tags/{self.name}"
            case RefKind.SEMVER:
                return name.startswith(f"refs/tags/{self.prefix}")
            case RefKind.COMMIT:
                return False


def branch(name: str) -> GitRef:
    """Return the ref of a branch."""
    return GitRef(RefKind.BRANCH, name)


MAIN: Final = branch("main")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One commit: 40 hex digits, its author, the first line of its message, and when it was committed (UTC).

    `cause` is the newest commit since the deployed one that touched the files in question, where that is another one:
    whom to ask about what changes.
    """

    commit: str
    author: str = ""
    email: str = ""
    subject: str = ""
    committed_at: datetime | None = None
    cause: Revision | None = field(default=None, compare=False)  # the same commit is the same revision

    @property
    def short(self) -> str:
        return self.commit[:7]

    @property
    def blamed(self) -> Revision:
        """The commit to speak of when something changes or fails."""
        return self.cause or self

    def caused_by(self, newest: Revision | None) -> Revision:
        """Return it with the newest commit that touched the files in question; itself where it is that one."""
        return self if newest is None or newest.commit == self.commit else replace(self, cause=newest)


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
