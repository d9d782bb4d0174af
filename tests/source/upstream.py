"""A real repository for the tests: written with git's plumbing, so that commits are the same in every run."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.source.repository import GitRepository
from bot.source.spec import Credentials, RepoSpec, Signed

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = START + timedelta(days=1)  # newer than any answer: always asks


class Clock:
    """A clock that only moves when it is read, one second each time."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class Upstream:
    """A bare repository at `path`, with commits made on its branches."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.made = 0
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--bare", "--initial-branch=main", ".")
        self.git("config", "uploadpack.allowFilter", "true")

    def git(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            **(env or {}),
        }
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            input=stdin,
            env=environment,
            capture_output=True,
            check=True,
            timeout=60,
        )
        return done.stdout.decode().rstrip("\n")

    def commit(
        self,
        files: Mapping[str, str | bytes | None],
        *,
        branch: str = "main",
        message: str = "Change something",
        parents: tuple[str, ...] | None = None,
        links: Mapping[str, str] | None = None,
        submodules: Mapping[str, str] | None = None,
    ) -> str:
        """Commit `files` on top of `branch` (None deletes one), move it, and return the hash."""
        tip = self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
        above = ((tip,) if tip else ()) if parents is None else parents
        self.made += 1
        who = f"Ana Lima <ana@example.com> {int(START.timestamp()) + self.made} +0000"
        lines = [f"commit refs/heads/{branch}", "mark :1", f"author {who}", f"committer {who}"]
        stream = bytearray(
            _lines(*lines) + _data(f"{message}\n")
        )  # grows in place: the measurements commit 50,000 files
        stream += _lines(*(f"{word} {parent}" for word, parent in zip(("from", *["merge"] * 9), above, strict=False)))
        entries = [("100644", path, content) for path, content in files.items()]
        entries += [("120000", path, target) for path, target in (links or {}).items()]
        for mode, path, content in entries:
            if content is None:
                stream += _lines(f"D {_quoted(path)}")
            else:
                stream += _lines(f"M {mode} inline {_quoted(path)}") + _data(content)
        stream += _lines(*(f"M 160000 {commit} {_quoted(path)}" for path, commit in (submodules or {}).items()))
        return self.git("fast-import", "--quiet", "--force", stdin=bytes(stream) + _lines("", "get-mark :1"))

    def annotate(self, tag: str, commit: str) -> None:
        """Make an annotated tag, which is an object of its own."""
        who = {"GIT_COMMITTER_NAME": "Ana Lima", "GIT_COMMITTER_EMAIL": "ana@example.com"}
        self.git("tag", "--annotate", "--force", "--message", tag, tag, commit, env=who)

    def twins(self, parent: str) -> tuple[str, str]:
        """Make two commits whose hashes begin with the same seven digits, by trying messages (about 2^14 of them)."""
        tree = self.git("rev-parse", f"{parent}^{{tree}}")
        seen: dict[str, bytes] = {}
        for number in range(1_000_000):
            who = "Ana Lima <ana@example.com> 1772366400 +0000"
            body = f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nTry {number}\n".encode()
            prefix = hashlib.sha1(b"commit %d\0" % len(body) + body).hexdigest()[:7]
            if prefix in seen:
                first, second = (
                    self.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=data)
                    for data in (seen[prefix], body)
                )
                return first, second
            seen[prefix] = body
        raise AssertionError("no twins")

    def repository(
        self, directory: Path, *, url: str = "", keyring: str = "", signed: Signed = Signed.HEAD, **timeouts: Any
    ) -> GitRepository:
        """Return our side of it, with its cache below `directory`."""
        address = url or str(self.path)
        spec = RepoSpec(name="fleet", url=address, credentials=Credentials(), keyring_file=keyring, signed=signed)
        return GitRepository(spec, directory=directory, clock=Clock(), **timeouts)


def _lines(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _data(content: str | bytes) -> bytes:
    """Return a content as `git fast-import` reads it."""
    data = content.encode() if isinstance(content, str) else content
    return b"data %d\n%b\n" % (len(data), data)


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
