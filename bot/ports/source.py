"""Git, and the host where a pushed branch becomes a question to people."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.errors import Problem
from bot.model.app import AppSpec
from bot.model.source import GitRef, Revision, SourceFile, SourceTree


class Repository(Protocol):
    """One Git repository. All methods raise `SourceError`."""

    name: str

    def head(self, ref: GitRef, *, newer_than: datetime) -> str:
        """Return the commit `ref` points to on the remote: a branch's tip, a tag, the highest tag of a range.

        Asks by ls-remote, fetches only when the commit is not here yet. An answer obtained after `newer_than` is
        shared, so that many apps of one repository cost one question. Raises `RefNotFound`, `RepositoryEmpty`,
        `SignatureRefused`.
        """

    def revision(self, commit: str) -> Revision:
        """Return author, subject and time of a full commit hash that is here."""

    def resolve(self, text: str, *, ref: GitRef, deployed: Collection[str]) -> Revision:
        """Return the commit a person means by 7 to 40 hex digits.

        Raises `RevisionRefused` with one message per reason: too short, not hex (a branch name), unknown, ambiguous,
        neither an ancestor of `ref` nor in `deployed`.
        """

    def tree(self, commit: str, path: str) -> SourceTree:
        """Return the files below `path` at `commit`. Raises `PathNotFound`."""

    def file(self, commit: str, path: str) -> SourceFile:
        """Return one file at `commit`. Raises `PathNotFound`."""

    def hashes(self, commit: str, paths: Sequence[str]) -> tuple[str, ...]:
        """Return Git's hash of the folder or file at each path, "" where nothing is.

        Costs one short process and reads no content: equal hashes, equal files.
        """

    def folders(self, commit: str) -> tuple[str, ...]:
        """Return every folder at `commit`, below its root. Reads no content."""

    def log(self, commit: str, *, limit: int, paths: Sequence[str] = (), without: str = "") -> tuple[Revision, ...]:
        """Return `commit` and its first-parent ancestors, newest first; with `paths` those that changed one of them.

        A merge counts for what it brought in. `without` leaves out a commit and all that it has.
        """

    def count_between(self, old: str, new: str, *, paths: Sequence[str] = ("",)) -> int | None:
        """Return how many commits below some paths `new` is ahead of `old`; None when `old` is no ancestor of it."""

    def descends(self, new: str, old: str) -> bool:
        """Tell whether `old` is `new` or an ancestor of it."""

    def descends_here(self, new: str, old: str) -> bool:
        """Tell the same by what is here, without a question to the remote; False when one of them is not here."""

    def last_touching(self, paths: Sequence[str], *, after: str, upto: str) -> Revision | None:
        """Return the newest commit of a range that touched one of the paths.

        None when there is none, or `after` is no ancestor.
        """

    def messages(self, old: str, new: str, *, paths: Sequence[str]) -> tuple[str, ...]:
        """Return the messages of the commits that `new` has and `old` has not and that touched one of the paths."""

    def propose(self, commit: str, files: Mapping[str, bytes], *, branch: str, message: str) -> str:
        """Commit files on top of `commit` on a new branch and push it; returns its tip.

        A branch that is there already is left as it is. Raises `PushRefused`.
        """

    def withdraw(self, branch: str, *, expects: str) -> bool:
        """Delete a branch that was proposed and whose tip is still `expects`; False when it stays."""

    def write(self, commit: str, files: Mapping[str, bytes], *, message: str) -> str:
        """Commit files on top of `commit`; nobody but this copy has it then. Raises `PushRefused`."""

    def put_back(self, commit: str, path: str, *, of: str, message: str) -> str:
        """Commit the folder at `path` as it was at `of` on top of `commit`; nobody but this copy has it then.

        Raises `PushRefused`.
        """

    def advance(self, branch: str, commit: str, *, expects: str) -> None:
        """Push a commit of ours to a branch whose tip is `expects`, which it is built on, "" for a new branch.

        Raises `PushRefused`.
        """

    def beside(self, url: str) -> Repository:
        """Return the repository at another address; our credentials go there only if it is at our own host."""

    def check(self) -> tuple[Problem, ...]:
        """Try the connection and the branch as `gitops-bot check` does; return what is wrong, each with its fix."""

    def close(self) -> None:
        """Leave no process and no descriptor behind."""


class Proposals(Protocol):
    """Where a branch that is pushed becomes a question to people."""

    def open(self, *, branch: str, into: str, title: str, body: str) -> str:
        """Return the address of the open pull request of a branch; opens one where none is. Raises `DeliveryFailed`."""


class ProposalLink(Protocol):
    """Where a person opens a pull request; "" where the host is not known."""

    def __call__(self, app: AppSpec, branch: str, proposed: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalHosts:
    """How a proposal gets to people: the Git host's API by repository, where a token is configured, else a link."""

    apis: Mapping[str, Proposals]
    link: ProposalLink
