"""The bare copy of one repository on our disk, and the only place that talks to the remote.

In go branch names and object ids that were checked before; out come ids, listings and bytes. Remote commands raise
`SourceError`; a damaged copy raises `MirrorBroken`, and `healed` answers it with a new copy.

Surprising parts:
- The copy has every commit and tree but, when the server can filter, no file contents until they are asked for in
  bulk. Its configuration does not say so: git would else fetch missing contents one by one in the middle of a local
  read. What is lazy is said on the command line of each fetch.
- Whoever writes holds a file lock that the git processes inherit. While we hold it no other writer lives, so every
  `*.lock` that git left behind belongs to a dead process and can go.
- Nothing is ever pruned: a tip that a force-push took away stays reachable below `refs/gitops-bot/kept/`.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from bot.errors import RepositoryRefused, RepositoryUnreachable, SourceError
from bot.source.binary import Finished, GitBinary, GitClosed, GitMissing, GitTimedOut
from bot.source.complaints import Complaint, Trouble, read_complaint
from bot.source.objects import Info, Objects, ObjectsBroken
from bot.source.spec import RepoSpec
from bot.source.surroundings import environment, write_surroundings

log = logging.getLogger(__name__)

T = TypeVar("T")

_LOCAL_TIMEOUT = timedelta(seconds=60)  # a read of our own disk; longer means the disk hangs
_LOCK_POLL_SECONDS = 0.05  # flock has no timeout of its own
_PACKS_BEFORE_REPACK = 100  # each fetch adds one; lookups slow down with their number
_KEPT = "refs/gitops-bot/kept/"


class MirrorBroken(Exception):
    """The copy on our disk is damaged; the message is git's reason."""


class Mirror:
    """One repository's copy below `directory`, made at first use. Safe to use from several threads and processes."""

    def __init__(self, spec: RepoSpec, *, directory: Path, ask_timeout: timedelta, fetch_timeout: timedelta) -> None:
        self.spec = spec
        self._ask_timeout = ask_timeout
        self._fetch_timeout = fetch_timeout
        address_hash = hashlib.sha256(spec.address.encode()).hexdigest()[:12]
        slug = re.sub(r"[^A-Za-z0-9._-]", "_", spec.name).lstrip(".-") or "repository"
        # The address is part of the name: a repository that moved gets a new copy, never a mixture of two.
        self.folder = (directory / f"{slug}-{address_hash}").absolute()
        self.git_dir = self.folder / "mirror.git"
        self.gnupg_home = self.folder / "gnupg"  # the keys that commits are checked against, never the user's own
        self._binary = GitBinary(directory=self.folder, environment=environment(spec, self.folder))
        self._objects = Objects(self._binary, git_dir=str(self.git_dir), timeout=_LOCAL_TIMEOUT)
        self._filters = spec.local_path is None
        self._writing = threading.RLock()
        self._lock_file = -1  # the descriptor that holds the file lock; guarded by _writing
        self._lock_owner = 0  # the thread that holds it
        self._prepared = threading.Event()
        self._dirty = True  # locks of a killed git may lie about
        self.generation = 0
        # Two commits stand to each other as they do for ever, and every app of a repository asks about the same two.
        self.is_ancestor = lru_cache(maxsize=1024)(self._is_ancestor)

    # --- the remote -------------------------------------------------------------------------------------------

    def ask(self, patterns: Sequence[str]) -> dict[str, str]:
        """Ask the remote for refs by full name or pattern: the commit by name, through annotated tags.

        What the remote lacks is left out, and so are tags of what is no commit.
        """
        self.prepare()
        listed = {name: id for id, name in _pairs(self._ask(["ls-remote", "origin", *_both(patterns)]).text)}
        return {name: listed.get(f"{name}^{{}}", id) for name, id in listed.items() if not name.endswith("^{}")}

    def is_empty(self) -> bool:
        """Ask the remote whether it has no ref at all."""
        return not self._ask(["ls-remote", "origin"]).output.strip()

    def fetch(self, *, tags: Sequence[str] = ()) -> None:
        """Bring all branches up to date, and some tags (`refs/tags/…`).

        Keeps the tips that a force-push, a deletion or a moved tag takes away.
        """
        with self.writing():
            before = self.branches()
            self._fetch(["--prune", "--force", "origin"])
            self._keep(before, self.branches())
            self.fetch_tags(tags)
            self._repack()

    def fetch_tags(self, tags: Sequence[str]) -> None:
        """Bring some tags (`refs/tags/…`) up to date, and keep the commits behind them."""
        with self.writing():
            for tag in tags:
                # By its name, which every server hands out, into a place named after it that nothing prunes.
                self._fetch(["--force", "origin", f"{tag}:{_KEPT}{tag}"])
                commit = self.local(["rev-parse", "--verify", f"{_KEPT}{tag}^{{commit}}"], accept=(0, 128)).text.strip()
                if commit:
                    self.local(["update-ref", f"{_KEPT}{commit}", commit])

    def fetch_commit(self, commit: str) -> bool:
        """Try to get one commit that no branch has any more; False when the server does not hand it out."""
        with self.writing():
            return self._fetch(["origin", f"{commit}:{_KEPT}{commit}"])

    def fetch_blobs(self, ids: Sequence[str]) -> None:
        """Get file contents in one request; a server that filters but does not hand out blobs is asked for all."""
        with self.writing():
            if self._fetch(["--stdin", "origin"], stdin="".join(f"{id}\n" for id in ids).encode(), blobs=True):
                return
            log.info("repository %s: the server does not hand out single files, all are fetched", self.spec.name)
            self._filters = False
            self._fetch(["--refetch", "--force", "origin"])

    def push(self, commit: str, branch: str, *, expects: str = "", timeout: timedelta) -> str:
        """Push a commit as a branch whose tip is `expects`, "" for one that is not there; return why not, "" when done.

        A remote that cannot be reached raises. Nothing is overwritten: the remote compares.
        """
        ref = f"refs/heads/{branch}"
        # What a partial copy lacks is at the remote, which need not be told again.
        lazily = ["-c", "remote.origin.promisor=true"] if self._filters else []
        lease = f"--force-with-lease={ref}:{expects}"  # what somebody pushed meanwhile is kept
        command = [*lazily, "push", "--porcelain", "--no-thin", "--no-verify", lease, "origin", f"{commit}:{ref}"]
        with self.writing():
            finished = self._run(command, timeout=timeout)
        if finished.ok:
            return ""
        complaint = read_complaint(finished.complaint, secrets=(self.spec.credentials.password,))
        said = [line.split("\t")[2] for line in finished.text.splitlines() if line.startswith("!\t")]
        if not said and complaint.trouble is Trouble.UNREACHABLE:
            raise self.failure(complaint)
        return said[0] if said else complaint.reason

    # --- our copy ---------------------------------------------------------------------------------------------

    @property
    def filters(self) -> bool:
        """Whether file contents may be missing here without anything being wrong."""
        return self._filters

    def local(self, arguments: Sequence[str], *, stdin: bytes = b"", accept: Sequence[int] = (0,)) -> Finished:
        """Run a command that reads our copy only. Raises `MirrorBroken` for an exit status not in `accept`."""
        self.prepare()
        finished = self._run(arguments, timeout=_LOCAL_TIMEOUT, stdin=stdin)
        if finished.status not in accept:
            complaint = read_complaint(finished.complaint)
            if complaint.trouble in {Trouble.BROKEN_MIRROR, Trouble.OTHER}:
                raise MirrorBroken(complaint.reason)
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
            raise MirrorBroken(read_complaint(str(error)).reason) from error

    def has(self, commit: str) -> bool:
        """Say whether a full commit hash is here."""
        return self.infos([f"{commit}^{{commit}}"])[0] is not None

    def branches(self) -> dict[str, str]:
        """Return the tips of all branches as of the last fetch."""
        listing = self.local(["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/"])
        return {name.removeprefix("refs/heads/"): commit for commit, name in _pairs(listing.text)}

    def tag(self, name: str) -> tuple[str, str]:
        """Return the object of a tag (`refs/tags/…`) as it was fetched and the commit behind it, "" where unknown."""
        names = (f"{_KEPT}{name}", f"{_KEPT}{name}^{{commit}}")
        found = [*self.local(["rev-parse", "--revs-only", *names], accept=(0, 128)).text.split(), "", ""]
        return found[0], found[1]

    def tags_on(self, commit: str) -> tuple[str, ...]:
        """Return the tags (`refs/tags/…`) on a commit: those that were fetched, or else those of the remote."""
        command = ["for-each-ref", f"--points-at={commit}", "--format=%(refname)", f"{_KEPT}refs/tags/"]
        fetched = tuple(name.removeprefix(_KEPT) for name in self.local(command).text.split())
        if fetched:
            return fetched
        return tuple(name for name, behind in self.ask(["refs/tags/*"]).items() if behind == commit)

    def _is_ancestor(self, old: str, new: str) -> bool:
        """Say whether `old` is `new` or an ancestor of it; both must be here."""
        return self.local(["merge-base", "--is-ancestor", old, new], accept=(0, 1)).ok

    def healed(self, work: Callable[[], T]) -> T:
        """Do `work`; when it finds the copy damaged, make a new copy and do it once more."""
        generation = self.generation
        try:
            return work()
        except MirrorBroken as broken:
            log.warning("repository %s: the cache is damaged (%s) and is made anew", self.spec.name, broken)
            self._recreate(generation)
        try:
            return work()
        except MirrorBroken as broken:
            raise SourceError(
                f"repository {self.spec.name}: the cache in {self.folder} is damaged ({broken}), and a new copy too: "
                "check the disk, then delete the folder",
                repo=self.spec.name,
            ) from broken

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

    # --- writing ----------------------------------------------------------------------------------------------

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep every other writer of this copy away, threads and processes. Re-entrant.

        Raises `RepositoryUnreachable` when another process writes for longer than a fetch may take.
        """
        with self._writing:
            if self._lock_file >= 0:
                yield
                return
            self._lock_file = self._take_file_lock()
            self._lock_owner = threading.get_ident()
            try:
                if self._dirty:
                    self._remove_leftovers()
                    self._dirty = False
                yield
            finally:
                # Closed, not unlocked: a git process that still lives keeps the lock until it ends.
                self._lock_owner = 0
                os.close(self._lock_file)
                self._lock_file = -1

    def _take_file_lock(self) -> int:
        self._write_helpers()
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + self._fetch_timeout.total_seconds()
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() < deadline:
                    time.sleep(_LOCK_POLL_SECONDS)
                    continue
                os.close(descriptor)
                raise RepositoryUnreachable(
                    f"repository {self.spec.name}: another process has been fetching into {self.folder} for "
                    f"{self._fetch_timeout.total_seconds():.0f} s; tried again by itself",
                    repo=self.spec.name,
                ) from error
            return descriptor

    def _write_helpers(self) -> None:
        try:
            write_surroundings(self.spec, self.folder)
        except OSError as error:
            raise SourceError(
                f"repository {self.spec.name}: the cache folder {self.folder} cannot be written: "
                f"{error.strerror or error}; make it writable for the bot",
                repo=self.spec.name,
            ) from error

    def _remove_leftovers(self) -> None:
        """Remove what a killed git leaves: lock files and half-received packs. INVARIANT: the file lock is held."""
        for pattern in ("**/*.lock", "objects/**/tmp_*"):
            for leftover in self.git_dir.glob(pattern):
                log.warning("repository %s: removed the leftover %s", self.spec.name, leftover.name)
                leftover.unlink(missing_ok=True)

    def _recreate(self, generation: int) -> None:
        with self.writing():
            if generation != self.generation:
                return  # another thread did it while we waited
            self.generation += 1
            self._prepared.clear()
            self._objects.close()
            shutil.rmtree(self.git_dir, ignore_errors=True)
            self.prepare()
            self.fetch()
            self.generation += 1  # whoever started to read in between tries again too

    def _fetch(self, arguments: Sequence[str], *, stdin: bytes = b"", blobs: bool = False) -> bool:
        """Run a fetch; False when the server does not hand out what was asked for by id.

        A stale lock is removed and a server that chokes on the filter is asked without, each once.
        """
        options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--recurse-submodules=no"]
        lazily = ["-c", "remote.origin.promisor=true", "-c", "remote.origin.partialclonefilter=blob:none"]
        # There is nothing to negotiate about single files, and naming what we have would make the server omit them.
        negotiation = ["-c", "fetch.negotiationAlgorithm=noop"] if blobs else []
        unlocked = False
        while True:
            filtered = self._filters
            command = ["fetch", *options, *arguments]
            if filtered:
                command = [*lazily, *negotiation, "fetch", "--filter=blob:none", *options, *arguments]
            try:
                self._remote(command, timeout=self._fetch_timeout, stdin=stdin)
            except _RemoteFailed as failed:
                trouble = failed.complaint.trouble
                if trouble is Trouble.NOT_OURS:
                    return False
                if trouble is Trouble.STALE_LOCK and not unlocked:
                    self._remove_leftovers()
                    unlocked = True
                elif trouble is Trouble.OTHER and filtered and not blobs:
                    log.info("repository %s: fetched without a filter: %s", self.spec.name, failed)
                    self._filters = False
                else:
                    raise self.failure(failed.complaint) from failed
            else:
                return True

    def _keep(self, before: dict[str, str], after: dict[str, str]) -> None:
        for branch, old in before.items():
            new = after.get(branch)
            if new == old or (new is not None and self.is_ancestor(old, new)):
                continue
            self.local(["update-ref", f"{_KEPT}{old}", old])

    def _repack(self) -> None:
        if sum(1 for _ in (self.git_dir / "objects" / "pack").glob("*.pack")) < _PACKS_BEFORE_REPACK:
            return
        lazily = ["-c", "remote.origin.promisor=true"] if self._filters else []
        try:
            finished = self._run([*lazily, "gc", "--quiet", "--no-prune"], timeout=self._fetch_timeout)
        except RepositoryUnreachable as error:  # killed for its slowness: a copy of many packs still works
            log.warning("repository %s: repacking the cache was given up: %s", self.spec.name, error)
            return
        self._objects.close()  # it would keep the packs that are gone
        if not finished.ok:
            log.warning(
                "repository %s: repacking the cache failed: %s",
                self.spec.name,
                read_complaint(finished.complaint).reason,
            )

    def _ask(self, arguments: Sequence[str]) -> Finished:
        try:
            return self._remote(arguments, timeout=self._ask_timeout)
        except _RemoteFailed as failed:
            raise self.failure(failed.complaint) from failed

    # --- processes --------------------------------------------------------------------------------------------

    def _remote(self, arguments: Sequence[str], *, timeout: timedelta, stdin: bytes = b"") -> Finished:
        finished = self._run(arguments, timeout=timeout, stdin=stdin)
        if finished.ok:
            return finished
        complaint = read_complaint(finished.complaint, secrets=(self.spec.credentials.password,))
        if complaint.trouble is Trouble.BROKEN_MIRROR:
            raise MirrorBroken(complaint.reason)
        raise _RemoteFailed(complaint)

    def _run(self, arguments: Sequence[str], *, timeout: timedelta, stdin: bytes = b"", bare: bool = False) -> Finished:
        # Only the thread that writes hands the lock on: its descriptor may be closed at any moment for the others.
        keep_open = (self._lock_file,) if self._lock_owner == threading.get_ident() else ()
        where = [] if bare else [f"--git-dir={self.git_dir}"]
        with self._explained(timeout):
            return self._binary.run([*where, *arguments], timeout=timeout, stdin=stdin, keep_open=keep_open)

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


class _RemoteFailed(Exception):
    """A remote command failed; `complaint` says why."""

    def __init__(self, complaint: Complaint) -> None:
        self.complaint = complaint
        super().__init__(complaint.reason)


def _pairs(listing: str) -> Iterator[tuple[str, str]]:
    """Split the lines `id<blank>name` of ls-remote and for-each-ref."""
    for line in listing.splitlines():
        first, _, second = line.replace("\t", " ", 1).partition(" ")
        yield first, second


def _both(patterns: Sequence[str]) -> list[str]:
    """Return the patterns with what asks for the commits behind annotated tags."""
    peeled = [f"{one}^{{}}" for one in patterns if one.startswith("refs/tags/") and not one.endswith("*")]
    return [*patterns, *peeled]
