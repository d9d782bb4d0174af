"""The bare copy of one repository on our disk: its folder, its lock, the git processes that read and write it.

In go branch names and object ids that were checked before; out come ids, listings and bytes. A damaged copy raises
`CloneBroken`. Nothing here talks to the remote.

Surprising parts:
- The copy has every commit and tree but, when the server can filter, no file contents until they are asked for in
  bulk. Its configuration does not say so: git would else fetch missing contents one by one in the middle of a local
  read. What is lazy is said on the command line of each fetch.
- Whoever writes holds a lock (`lock.py`). While we hold it no other writer lives, so every `*.lock` that git left
  behind belongs to a dead process and can go.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

from bot.errors import RepositoryRefused, RepositoryUnreachable, SourceError
from bot.source.binary import Finished, GitBinary, GitClosed, GitMissing, GitNotStarted, GitTimedOut
from bot.source.complaints import Complaint, Trouble, read_complaint
from bot.source.lock import LockTaken, WriteLock
from bot.source.objects import Info, Objects, ObjectsBroken
from bot.source.spec import RepoSpec
from bot.source.surroundings import environment, write_surroundings

log = logging.getLogger(__name__)

T = TypeVar("T")

KEPT: Final = "refs/gitops-bot/kept/"  # tips that the remote took away, and tags
_LOCAL_TIMEOUT: Final = timedelta(seconds=60)  # a read of our own disk; longer means the disk hangs


class CloneBroken(Exception):
    """The copy on our disk is damaged; the message is git's reason."""


class Clone:
    """One repository's copy below `directory`, made at first use. Safe to use from several threads and processes."""

    def __init__(self, spec: RepoSpec, *, directory: Path, patience: timedelta) -> None:
        self.spec = spec
        address_hash = hashlib.sha256(spec.address.encode()).hexdigest()[:12]
        slug = re.sub(r"[^A-Za-z0-9._-]", "_", spec.name).lstrip(".-") or "repository"
        # The address is part of the name: a repository that moved gets a new copy, never a mixture of two.
        self.folder = (directory / f"{slug}-{address_hash}").absolute()
        self.git_dir = self.folder / "mirror.git"
        self.gnupg_home = self.folder / "gnupg"  # the keys that commits are checked against, never the user's own
        self._binary = GitBinary(directory=self.folder, environment=environment(spec, self.folder))
        self._objects = Objects(self._binary, git_dir=str(self.git_dir), timeout=_LOCAL_TIMEOUT)
        self._filters = spec.local_path is None
        self._lock = WriteLock(self.folder / "lock", patience=patience)
        self._patience = patience
        self._prepared = threading.Event()
        self._dirty = True  # locks of a killed git may lie about
        self.generation = 0
        # Two commits stand to each other as they do for ever, and every app of a repository asks about the same two.
        self.is_ancestor = lru_cache(maxsize=1024)(self._is_ancestor)

    @property
    def filters(self) -> bool:
        """Whether file contents may be missing here without anything being wrong."""
        return self._filters

    def local(self, arguments: Sequence[str], *, stdin: bytes = b"", accept: Sequence[int] = (0,)) -> Finished:
        """Run a command that reads our copy only. Raises `CloneBroken` for an exit status not in `accept`."""
        self.prepare()
        finished = self._run(arguments, timeout=_LOCAL_TIMEOUT, stdin=stdin)
        if finished.status not in accept:
            complaint = read_complaint(finished.complaint)
            if complaint.trouble in {Trouble.BROKEN_MIRROR, Trouble.OTHER}:
                raise CloneBroken(complaint.reason)
            raise self.failure(complaint)
        return finished

    def infos(self, names: Sequence[str]) -> list[Info | None]:
        """Return what objects are, by id or `commit:path`; None for what is not here. Costs no process of its own."""
        return self._read(lambda: self._objects.infos(names))

    def contents(self, ids: Collection[str]) -> dict[str, bytes]:
        """Return the bytes of objects; what is not here is left out. Costs no process of its own."""
        return self._read(lambda: self._objects.contents(ids))

    def _read(self, work: Callable[[], T]) -> T:
        self.prepare()
        try:
            with self._explained(_LOCAL_TIMEOUT):
                return work()
        except ObjectsBroken as error:
            raise CloneBroken(read_complaint(str(error)).reason) from error

    def has(self, commit: str) -> bool:
        """Say whether a full commit hash is here."""
        return self.infos([f"{commit}^{{commit}}"])[0] is not None

    def branches(self) -> dict[str, str]:
        """Return the tips of all branches as of the last fetch."""
        listing = self.local(["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/"])
        return {name.removeprefix("refs/heads/"): commit for commit, name in pairs(listing.text)}

    def tag(self, name: str) -> tuple[str, str]:
        """Return the object of a tag (`refs/tags/…`) as it was fetched and the commit behind it, "" where unknown."""
        names = (f"{KEPT}{name}", f"{KEPT}{name}^{{commit}}")
        found = [*self.local(["rev-parse", "--revs-only", *names], accept=(0, 128)).text.split(), "", ""]
        return found[0], found[1]

    def _is_ancestor(self, old: str, new: str) -> bool:
        """Say whether `old` is `new` or an ancestor of it; both must be here."""
        return self.local(["merge-base", "--is-ancestor", old, new], accept=(0, 1)).ok

    def prepare(self) -> None:
        """Make the folder, git's configuration and an empty repository where they are missing. Idempotent."""
        if self._prepared.is_set():
            return
        with self.writing():
            if self._prepared.is_set():
                return
            if not (self.git_dir / "HEAD").exists():
                finished = self._run(
                    ["init", "--quiet", "--bare", "--template=", "--initial-branch=gitops-bot", str(self.git_dir)],
                    timeout=_LOCAL_TIMEOUT,
                    bare=True,
                )
                if not finished.ok:
                    raise self.failure(read_complaint(finished.complaint))
            self._prepared.set()

    def close(self) -> None:
        """Kill the git processes that still run. Idempotent."""
        self._binary.close()
        self._objects.close()

    def failure(self, complaint: Complaint) -> SourceError:
        """Return the error for a person: which repository, where, why, what next."""
        message = f"repository {self.spec.name} ({self.spec.address}): {complaint.reason}"
        if complaint.next_step:
            message += f"; {complaint.next_step}"
        kinds = {Trouble.UNREACHABLE: RepositoryUnreachable, Trouble.REFUSED: RepositoryRefused}
        return kinds.get(complaint.trouble, SourceError)(message, repo=self.spec.name)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep every other writer of this copy away, threads and processes. Re-entrant.

        Raises `RepositoryUnreachable` when another process writes for longer than a fetch may take.
        """
        with ExitStack() as held:
            try:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                first = held.enter_context(self._lock.held())
                if first:
                    write_surroundings(self.spec, self.folder)
            except LockTaken as error:
                raise RepositoryUnreachable(
                    f"repository {self.spec.name}: another process has been fetching into {self.folder} for "
                    f"{self._patience.total_seconds():.0f} s; tried again by itself",
                    repo=self.spec.name,
                ) from error
            except OSError as error:
                raise SourceError(
                    f"repository {self.spec.name}: the cache folder {self.folder} cannot be written: "
                    f"{error.strerror or error}; make it writable for the bot",
                    repo=self.spec.name,
                ) from error
            if first and self._dirty:
                self._remove_leftovers()
                self._dirty = False
            yield

    def _remove_leftovers(self) -> None:
        """Remove what a killed git leaves: lock files and half-received packs. INVARIANT: the file lock is held."""
        for pattern in ("**/*.lock", "objects/**/tmp_*"):
            for leftover in self.git_dir.glob(pattern):
                log.warning("repository %s: removed the leftover %s", self.spec.name, leftover.name)
                leftover.unlink(missing_ok=True)

    def _run(self, arguments: Sequence[str], *, timeout: timedelta, stdin: bytes = b"", bare: bool = False) -> Finished:
        where = [] if bare else [f"--git-dir={self.git_dir}"]
        with self._explained(timeout):
            return self._binary.run([*where, *arguments], timeout=timeout, stdin=stdin, keep_open=self._lock.inherited)

    @contextmanager
    def _explained(self, timeout: timedelta) -> Iterator[None]:
        """Turn what can go wrong with any git process into what a person can act upon."""
        try:
            yield
        except GitTimedOut as error:
            self._dirty = True
            raise RepositoryUnreachable(
                f"repository {self.spec.name} ({self.spec.address}): no answer within {timeout.total_seconds():g} s; "
                "tried again by itself",
                repo=self.spec.name,
            ) from error
        except GitClosed as error:
            raise RepositoryUnreachable(
                f"repository {self.spec.name}: given up because the bot is stopping", repo=self.spec.name
            ) from error
        except GitMissing as error:
            raise SourceError(
                f"repository {self.spec.name}: there is no git program on the PATH; install git 2.36 or newer",
                repo=self.spec.name,
            ) from error
        except GitNotStarted as error:
            raise RepositoryUnreachable(
                f"repository {self.spec.name}: git cannot be started: {error}; tried again by itself",
                repo=self.spec.name,
            ) from error


def pairs(listing: str) -> Iterator[tuple[str, str]]:
    """Split the lines `id<blank>name` of ls-remote and for-each-ref."""
    for line in listing.splitlines():
        first, _, second = line.replace("\t", " ", 1).partition(" ")
        yield first, second
