"""A copy of one repository that follows its remote, and the only place that talks to the remote.

Remote commands raise `SourceError`; `healed` answers a damaged copy with a new one. Nothing is ever pruned: a tip that
a force-push took away stays reachable below `refs/gitops-bot/kept/`.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

from bot.errors import RepositoryUnreachable, SourceError
from bot.source.binary import Finished
from bot.source.clone import KEPT, Clone, CloneBroken, pairs
from bot.source.complaints import Complaint, Trouble, read_complaint
from bot.source.spec import RepoSpec

log = logging.getLogger(__name__)

T = TypeVar("T")

_PACKS_BEFORE_REPACK: Final = 100  # each fetch adds one; lookups slow down with their number


class Mirror(Clone):
    """A copy below `directory` that follows the remote. Safe to use from several threads and processes."""

    def __init__(self, spec: RepoSpec, *, directory: Path, ask_timeout: timedelta, fetch_timeout: timedelta) -> None:
        super().__init__(spec, directory=directory, patience=fetch_timeout)
        self._ask_timeout = ask_timeout
        self._fetch_timeout = fetch_timeout

    def ask(self, patterns: Sequence[str]) -> dict[str, str]:
        """Ask the remote for refs by full name or pattern: the commit by name, through annotated tags.

        What the remote lacks is left out, and so are tags of what is no commit.
        """
        self.prepare()
        listed = {name: id for id, name in pairs(self._ask(["ls-remote", "origin", *_both(patterns)]).text)}
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
                self._fetch(["--force", "origin", f"{tag}:{KEPT}{tag}"])
                commit = self.local(["rev-parse", "--verify", f"{KEPT}{tag}^{{commit}}"], accept=(0, 128)).text.strip()
                if commit:
                    self.local(["update-ref", f"{KEPT}{commit}", commit])

    def fetch_commit(self, commit: str) -> bool:
        """Try to get one commit that no branch has any more; False when the server does not hand it out."""
        with self.writing():
            return self._fetch(["origin", f"{commit}:{KEPT}{commit}"])

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

        No commit deletes the branch.

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

    def tags_on(self, commit: str) -> tuple[str, ...]:
        """Return the tags (`refs/tags/…`) on a commit: those that were fetched, or else those of the remote."""
        command = ["for-each-ref", f"--points-at={commit}", "--format=%(refname)", f"{KEPT}refs/tags/"]
        fetched = tuple(name.removeprefix(KEPT) for name in self.local(command).text.split())
        if fetched:
            return fetched
        return tuple(name for name, behind in self.ask(["refs/tags/*"]).items() if behind == commit)

    def healed(self, work: Callable[[], T]) -> T:
        """Do `work`; when it finds the copy damaged, make a new copy and do it once more."""
        generation = self.generation
        try:
            return work()
        except CloneBroken as broken:
            log.warning("repository %s: the cache is damaged (%s) and is made anew", self.spec.name, broken)
            self._recreate(generation)
        try:
            return work()
        except CloneBroken as broken:
            raise SourceError(
                f"repository {self.spec.name}: the cache in {self.folder} is damaged ({broken}), and a new copy too: "
                "check the disk, then delete the folder",
                repo=self.spec.name,
            ) from broken

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
            self.local(["update-ref", f"{KEPT}{old}", old])

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

    def _remote(self, arguments: Sequence[str], *, timeout: timedelta, stdin: bytes = b"") -> Finished:
        finished = self._run(arguments, timeout=timeout, stdin=stdin)
        if finished.ok:
            return finished
        complaint = read_complaint(finished.complaint, secrets=(self.spec.credentials.password,))
        if complaint.trouble is Trouble.BROKEN_MIRROR:
            raise CloneBroken(complaint.reason)
        raise _RemoteFailed(complaint)


class _RemoteFailed(Exception):
    """A remote command failed; `complaint` says why."""

    def __init__(self, complaint: Complaint) -> None:
        self.complaint = complaint
        super().__init__(complaint.reason)


def _both(patterns: Sequence[str]) -> list[str]:
    """Return the patterns with what asks for the commits behind annotated tags."""
    peeled = [f"{one}^{{}}" for one in patterns if one.startswith("refs/tags/") and not one.endswith("*")]
    return [*patterns, *peeled]
