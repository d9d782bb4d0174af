"""The fleet's Git repository: a bare one in a folder, changed and read by the `git` program alone.

Commits are written with `git fast-import`, one process each, so that a history of weeks takes a moment. What a
force-push leaves behind is kept under `refs/dropped/`, which nobody fetches, so that the page can still show it.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

_TIMEOUT_SECONDS: Final = 30
_ENVIRONMENT: Final = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
_RECORD, _FIELD = "\x1e", "\x1f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who commits."""

    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCommit:
    """A commit to make; a file of None is deleted."""

    author: Author
    at: datetime
    message: str
    files: Mapping[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit as people read it; `files` are the paths it changed, `branch` whose tip it is, if any."""

    id: str
    parents: tuple[str, ...]
    author: Author
    at: int  # seconds since 1970
    subject: str
    files: tuple[str, ...]
    branch: str = ""
    dropped: bool = False


class Repository:
    """`begin` makes it; everything else needs it to exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, commits: Iterable[NewCommit]) -> None:
        """Create the repository with this history on `main`."""
        self.folder.mkdir(parents=True)
        self._git("init", "--quiet", "--bare", "--initial-branch=main", ".")
        # The bot fetches blobless clones where the server allows them, as the big hosts do.
        self._git("config", "uploadpack.allowFilter", "true")
        self._git("config", "receive.denyNonFastForwards", "false")
        self._import(commits, parent="")

    def commit(self, commit: NewCommit) -> str:
        """Put one commit on top of `main` and return its hash."""
        self._import([commit], parent="refs/heads/main^0")
        return self.head()

    def replace_last(self, commit: NewCommit, *, drop: int = 1) -> str:
        """Force-push: drop the last commits of `main` and put another one in their place."""
        left = self.head()
        self._git("update-ref", f"refs/dropped/{left}", left)
        self._import([commit], parent=f"refs/heads/main~{drop}")
        return self.head()

    def merge(self, branch: str, author: Author, *, at: datetime) -> str:
        """Put what a branch changed on top of `main`, delete the branch, and return the new head.

        Raises `LookupError` when there is no such branch, or when `main` has changed the same files meanwhile.
        """
        ref = f"refs/heads/{branch}"
        if self._run("check-ref-format", ref).returncode or self._run("show-ref", "--verify", ref).returncode:
            raise LookupError(f"There is no branch {branch}.")
        base = self._git("merge-base", "refs/heads/main", ref).strip()
        changed = self._git("diff", "--name-only", base, ref).split()
        if self._run("diff", "--quiet", base, "refs/heads/main", "--", *changed).returncode:
            raise LookupError(f"main has changed what {branch} changes: it has to be made anew.")
        if base == self.head():
            self._git("update-ref", "refs/heads/main", ref)
        else:
            gone = set(self._git("diff", "--name-only", "--diff-filter=D", base, ref).split())
            files = {path: None if path in gone else self.read(path, ref=ref) for path in changed}
            self.commit(NewCommit(author=author, at=at, message=f"Merge {branch}", files=files))
        self._git("update-ref", "-d", ref)
        return self.head()

    def head(self) -> str:
        return self._git("rev-parse", "refs/heads/main").strip()

    def read(self, path: str, *, ref: str = "refs/heads/main") -> str:
        """Return a file. Raises `LookupError` when there is none."""
        done = self._run("show", f"{ref}:{path}")
        if done.returncode:
            raise LookupError(path)
        return done.stdout.decode()

    def log(self, *, limit: int) -> tuple[Commit, ...]:
        """Return commits of all branches, newest first, then what force-pushes dropped among them."""
        shown = _FIELD.join(("%H", "%P", "%an", "%ae", "%at", "%D", "%s"))
        order = ("--date-order", f"--max-count={limit}", f"--format={_RECORD}{shown}", "--name-only")
        kept = set(self._git("rev-list", "--branches", f"--max-count={4 * limit}").split())
        text = self._git("log", "--branches", "--glob=refs/dropped/*", *order)
        return tuple(_commit(record, kept) for record in text.split(_RECORD)[1:])

    def patch(self, commit: str) -> str:
        """Return what a commit changed. Raises `LookupError` for what is no commit."""
        if not re.fullmatch(r"[0-9a-f]{4,40}", commit):
            raise LookupError(commit)
        done = self._run("show", "--format=%B", "--patch", "--stat", "--no-color", "--end-of-options", commit)
        if done.returncode:
            raise LookupError(commit)
        return done.stdout.decode(errors="replace")

    def stamp(self) -> str:
        """Return a text that is another one whenever a branch has moved."""
        return self._git("for-each-ref", "--format=%(refname)=%(objectname)", "refs/heads", "refs/dropped")

    def _import(self, commits: Iterable[NewCommit], *, parent: str) -> None:
        stream = bytearray()
        for commit in commits:
            stream += b"commit refs/heads/main\n"
            who = f"{commit.author.name} <{commit.author.email}> {int(commit.at.timestamp())} +0000\n"
            stream += f"author {who}committer {who}".encode() + _data(commit.message)
            if parent:
                stream += f"from {parent}\n".encode()
                parent = ""
            for path, text in sorted(commit.files.items()):
                stream += f"D {path}\n".encode() if text is None else f"M 100644 inline {path}\n".encode() + _data(text)
            stream += b"\n"
        self._git("fast-import", "--quiet", "--force", "--date-format=raw", stdin=bytes(stream))

    def _git(self, *arguments: str, stdin: bytes = b"") -> str:
        done = self._run(*arguments, stdin=stdin)
        if done.returncode:
            raise RuntimeError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode()

    def _run(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            input=stdin,
            env={**environment, **_ENVIRONMENT},
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_SECONDS,
            start_new_session=True,  # Ctrl-C in the terminal ends the demo, not a commit in the middle
        )


def _data(text: str) -> bytes:
    body = text.encode()
    return f"data {len(body)}\n".encode() + body + b"\n"


def _commit(record: str, kept: set[str]) -> Commit:
    line, _, files = record.partition("\n")
    id, parents, name, email, at, refs, subject = line.split(_FIELD)
    branches = [ref.removeprefix("HEAD -> ") for ref in refs.split(", ") if ref and "refs/dropped" not in ref]
    return Commit(
        id=id,
        parents=tuple(parents.split()),
        author=Author(name=name, email=email),
        at=int(at),
        subject=subject,
        files=tuple(files.split()),
        branch=branches[0] if branches else "",
        dropped=id not in kept,
    )
