"""One Git repository as the engine sees it: heads, files, history, and the commits people mean.

In go branches, paths and words from people, checked before git sees them; out come the values of `bot.model.source`.
Errors are `SourceError`s that name the repository, its address without credentials, the reason and the next step.
The surprising part: an answer of the remote, good or bad, is shared by everybody whose pass began before the question
was asked, so that hundreds of apps of a hanging repository wait for one timeout, not for hundreds in a row.
"""

from __future__ import annotations

import logging
import posixpath
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path

from bot.errors import (
    BranchNotFound,
    PathNotFound,
    Problem,
    RepositoryEmpty,
    RepositoryRefused,
    RepositoryUnreachable,
    RevisionRefused,
    SourceError,
)
from bot.model.source import Revision, SourceFile, SourceTree
from bot.source.mirror import Mirror, MirrorBroken
from bot.source.spec import RepoSpec, is_branch_name

log = logging.getLogger(__name__)

_FULL = re.compile(r"[0-9a-f]{40}")
_PREFIX = re.compile(r"[0-9a-fA-F]{7,40}")
_SHORT = re.compile(r"[0-9a-fA-F]{1,6}")
_PATH_REFUSED = re.compile(r"[\x00-\x1f\x7f]")
_TREE_LIMIT_BYTES = 128 * 1024 * 1024  # manifests are kilobytes; more than this is binaries, and would sit in memory
_CACHE_LIMIT_BYTES = 64 * 1024 * 1024  # all remembered trees of one repository
_LOG_FORMAT = "%H%n%an%n%ae%n%ct%n%B"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What the remote said at `asked_at` of `branches`: a commit per branch, or the error that everybody gets."""

    asked_at: datetime
    tips: Mapping[str, str | SourceError]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One line of a tree listing."""

    mode: str
    kind: str
    id: str
    path: str


class GitRepository:
    """A `bot.ports.Repository` on a bare copy below `directory`. Safe to use from several threads.

    `ask_timeout` bounds one question to the remote, `fetch_timeout` one transfer. Raises `RepositoryRefused` for a
    spec that cannot be used, as `RepoSpec.problems` says; nothing else happens before the first call.
    """

    def __init__(
        self,
        spec: RepoSpec,
        *,
        directory: Path,
        clock: Callable[[], datetime],
        ask_timeout: timedelta = timedelta(seconds=20),
        fetch_timeout: timedelta = timedelta(minutes=10),
    ) -> None:
        if problems := spec.problems():
            raise RepositoryRefused("; ".join(str(problem) for problem in problems), repo=spec.name)
        self.name = spec.name
        self._spec = spec
        self._clock = clock
        self._mirror = Mirror(spec, directory=directory, ask_timeout=ask_timeout, fetch_timeout=fetch_timeout)
        self._asking = threading.Lock()
        self._branches: set[str] = set()  # guarded by _asking
        self._answer: _Answer | None = None  # guarded by _asking
        self._memory = threading.Lock()
        self._trees: OrderedDict[tuple[str, str], SourceTree] = OrderedDict()  # guarded by _memory
        self._trees_bytes = 0
        self._revisions: dict[str, Revision] = {}  # guarded by _memory

    # --- heads ------------------------------------------------------------------------------------------------

    def head(self, branch: str, *, newer_than: datetime) -> str:
        """Return the commit at the tip of `branch` on the remote; it is here when this returns.

        An answer to a question asked at `newer_than` or later is shared, an error as well.
        """
        if not is_branch_name(branch):
            raise BranchNotFound(f"repository {self.name}: {_shown(branch)} is no name of a branch", repo=self.name)
        with self._asking:
            answer = self._answer
            if answer is None or answer.asked_at < newer_than or branch not in answer.tips:
                self._branches.add(branch)
                answer = self._answer = self._ask()
        found = answer.tips[branch]
        if isinstance(found, SourceError):
            # A fresh one for each caller: raising one object in several threads mixes their tracebacks.
            raise type(found)(str(found), repo=self.name) from found
        return found

    def _ask(self) -> _Answer:
        asked_at = self._clock()
        wanted = sorted(self._branches)
        try:
            tips = self._mirror.healed(lambda: self._tips(wanted))
        except SourceError as error:
            return _Answer(asked_at=asked_at, tips=dict.fromkeys(wanted, error))
        return _Answer(asked_at=asked_at, tips=tips)

    def _tips(self, wanted: Sequence[str]) -> dict[str, str | SourceError]:
        """Ask for the tips, fetch once if one of them is not here, and say what is wrong with each missing branch."""
        tips = self._mirror.ask(wanted)
        if not all(self._mirror.has(commit) for commit in tips.values()):
            self._mirror.fetch()
            missing = [branch for branch, commit in tips.items() if not self._mirror.has(commit)]
            if missing:  # pushed again, with force, since we asked
                tips |= self._mirror.ask(missing)
        result: dict[str, str | SourceError] = {}
        absent = [branch for branch in wanted if branch not in tips]
        excuses = self._excuses(absent) if absent else {}
        for branch in wanted:
            if branch in excuses:
                result[branch] = excuses[branch]
            elif self._mirror.has(tips[branch]):
                result[branch] = tips[branch]
            else:
                result[branch] = RepositoryUnreachable(
                    f"repository {self.name} ({self._spec.address}): says that {branch} is at {tips[branch][:7]} but "
                    "does not deliver that commit yet; tried again by itself",
                    repo=self.name,
                )
        return result

    def _excuses(self, absent: Sequence[str]) -> dict[str, SourceError]:
        where = f"repository {self.name} ({self._spec.address})"
        there = sorted(self._mirror.ask(()))
        if not there and self._mirror.is_empty():
            empty = RepositoryEmpty(f"{where}: has no commit yet; push one to {absent[0]}", repo=self.name)
            return dict.fromkeys(absent, empty)
        excuses: dict[str, SourceError] = {}
        for branch in absent:
            near = get_close_matches(branch, there, n=1)
            hint = f", did you mean {near[0]}?" if near else "; push it, or name another branch in the configuration"
            excuses[branch] = BranchNotFound(f"{where}: has no branch {branch}{hint}", repo=self.name)
        return excuses

    # --- files ------------------------------------------------------------------------------------------------

    def tree(self, commit: str, path: str) -> SourceTree:
        """Return the files below `path` at `commit`, in bulk.

        Raises `PathNotFound`; a submodule below the path is an error, because its files would look deleted.
        """
        commit = self._full(commit)
        path = self._clean_path(path, commit)
        return self._mirror.healed(lambda: self._tree(commit, path))

    def _tree(self, commit: str, path: str) -> SourceTree:
        self._bring(commit)
        subtree = self._subtree(commit, path)
        if (known := self._remembered(subtree, path)) is not None:
            return replace(known, commit=commit)
        entries = self._entries(subtree, path)
        for entry in entries:
            if entry.kind == "commit":
                raise SourceError(
                    f"repository {self.name}: {entry.path} at {commit[:7]} is a submodule, which is not followed; "
                    "copy the files into the repository or move it out of the app's path",
                    repo=self.name,
                )
        blobs = self._blobs({entry.id for entry in entries}, place=f"{path or 'the repository'} at {commit[:7]}")
        files = tuple(
            SourceFile(path=entry.path, blob=entry.id, data=blobs[entry.id], is_link=entry.mode == "120000")
            for entry in sorted(entries, key=lambda entry: entry.path)
        )
        tree = SourceTree(commit=commit, path=path, subtree=subtree, files=files)
        self._remember(tree)
        return tree

    def _clean_path(self, path: str, commit: str) -> str:
        if _PATH_REFUSED.search(path) or path.startswith(("/", "-")) or ".." in path.split("/"):
            raise PathNotFound(
                f"repository {self.name}: {_shown(path)} is no path inside a repository (asked for at {commit[:7]}); "
                "write it relative to the root, without ..",
                repo=self.name,
            )
        clean = posixpath.normpath(path) if path else ""
        return "" if clean == "." else clean

    def _subtree(self, commit: str, path: str) -> str:
        name = f"{commit}:{path}" if path else f"{commit}^{{tree}}"
        answer = self._mirror.local(["cat-file", "--batch-check"], stdin=f"{name}\n".encode())
        id, _, rest = answer.text.partition(" ")
        if rest.startswith("tree"):
            return id
        what = "is a file, or a link, not a folder" if rest.startswith("blob") else "does not exist"
        raise PathNotFound(
            f"repository {self.name}: the path {path} {what} at commit {commit[:7]}; "
            "push it, or correct the app's path",
            repo=self.name,
        )

    def _entries(self, subtree: str, path: str) -> tuple[_Entry, ...]:
        listing = self._mirror.local(["ls-tree", "-r", "-z", subtree]).output
        entries: list[_Entry] = []
        for line in listing.split(b"\0")[:-1]:
            facts, _, name = line.partition(b"\t")
            mode, kind, id = facts.decode("ascii").split(" ")
            entries.append(
                _Entry(
                    mode=mode,
                    kind=kind,
                    id=id,
                    path=posixpath.join(path, name.decode("utf-8", errors="backslashreplace")),
                )
            )
        return tuple(entries)

    def _blobs(self, ids: Collection[str], *, place: str) -> dict[str, bytes]:
        """Return file contents by id, after fetching in one request what is not here."""
        wanted = "".join(f"{id}\n" for id in sorted(ids)).encode()
        sizes, missing = self._sizes(wanted)
        if missing:
            if not self._mirror.filters:
                raise MirrorBroken(f"{len(missing)} files are missing")
            self._mirror.fetch_blobs(missing)
            sizes, missing = self._sizes(wanted)
            if missing:
                raise MirrorBroken(f"{len(missing)} files are missing after they were fetched")
        if sum(sizes) > _TREE_LIMIT_BYTES:
            raise SourceError(
                f"repository {self.name}: {place} has {sum(sizes) // 1024**2} MiB of files, more than the "
                f"{_TREE_LIMIT_BYTES // 1024**2} MiB an app may have; keep binaries out of its path",
                repo=self.name,
            )
        return _read_batch(self._mirror.local(["cat-file", "--batch"], stdin=wanted).output)

    def _sizes(self, wanted: bytes) -> tuple[list[int], list[str]]:
        sizes: list[int] = []
        missing: list[str] = []
        answer = self._mirror.local(["cat-file", "--batch-check=%(objectname) %(objectsize)"], stdin=wanted)
        for line in answer.text.splitlines():
            id, _, size = line.partition(" ")
            if size == "missing":
                missing.append(id)
            else:
                sizes.append(int(size))
        return sizes, missing

    def _remembered(self, subtree: str, path: str) -> SourceTree | None:
        with self._memory:
            tree = self._trees.get((subtree, path))
            if tree is not None:
                self._trees.move_to_end((subtree, path))
            return tree

    def _remember(self, tree: SourceTree) -> None:
        key = (tree.subtree, tree.path)
        with self._memory:
            if key not in self._trees:
                self._trees_bytes += _weight(tree)
            self._trees[key] = tree
            while self._trees_bytes > _CACHE_LIMIT_BYTES and len(self._trees) > 1:
                _, oldest = self._trees.popitem(last=False)
                self._trees_bytes -= _weight(oldest)

    # --- history ----------------------------------------------------------------------------------------------

    def revision(self, commit: str) -> Revision:
        """Return author, subject and time of a full commit hash, from memory if it was asked for before."""
        commit = self._full(commit)
        with self._memory:
            known = self._revisions.get(commit)
        if known is not None:
            return known
        (found,) = self.log(commit, limit=1)
        with self._memory:
            self._revisions[commit] = found
        return found

    def log(self, commit: str, *, limit: int) -> tuple[Revision, ...]:
        """Return `commit` and its first-parent ancestors, newest first, at most `limit`."""
        commit = self._full(commit)
        return self._mirror.healed(lambda: self._log(commit, limit))

    def _log(self, commit: str, limit: int) -> tuple[Revision, ...]:
        self._bring(commit)
        command = ["log", "-z", "--first-parent", f"--max-count={limit}", f"--format=format:{_LOG_FORMAT}", commit]
        listing = self._mirror.local([*command, "--"]).text
        return tuple(_revision(record) for record in listing.split("\0") if record)

    def count_between(self, old: str, new: str) -> int | None:
        """Return how many commits `new` is ahead of `old`; None when `old` is no ancestor, or is not here."""
        old, new = self._full(old), self._full(new)
        return self._mirror.healed(lambda: self._count_between(old, new))

    def _count_between(self, old: str, new: str) -> int | None:
        self._bring(new)
        if not self._mirror.has(old) or not self._mirror.is_ancestor(old, new):
            return None
        return int(self._mirror.local(["rev-list", "--count", f"{old}..{new}", "--"]).text)

    # --- what people mean -------------------------------------------------------------------------------------

    def resolve(self, text: str, *, branch: str, deployed: Collection[str]) -> Revision:
        """Return the commit a person means. Costs no network when the commit is here and allowed."""
        commit = self._mirror.healed(lambda: self._resolve(text.strip(), branch, frozenset(deployed)))
        return self.revision(commit)

    def _resolve(self, text: str, branch: str, deployed: frozenset[str]) -> str:
        if not _PREFIX.fullmatch(text):
            raise self._refused(self._why_no_commit(text))
        prefix = text.lower()
        fetched = False
        candidates = self._candidates(prefix, deployed)
        if not candidates:
            self._mirror.fetch()
            fetched = True
            candidates = self._candidates(prefix, deployed)
        if not candidates:
            if text in self._mirror.branches():
                raise self._refused(self._is_branch(text))
            raise self._refused(f"{_shown(text)} is no commit of this repository: check it with /gitops history")
        if len(candidates) > 1:
            listed = ", ".join(commit[:12] for commit in sorted(candidates)[:5])
            raise self._refused(
                f"{_shown(text)} is ambiguous: {len(candidates)} commits begin so ({listed}); type more"
            )
        (commit,) = candidates
        if commit in deployed:
            if not self._mirror.has(commit) and not self._mirror.fetch_commit(commit):
                raise self._refused(f"{commit[:7]} was deployed here once, but the remote does not have it any more")
            return commit
        if self._is_on(commit, branch):
            return commit
        if not fetched:
            # The branch may have moved to a commit that was here already, so that nobody had to fetch.
            self._mirror.fetch()
            if self._is_on(commit, branch):
                return commit
        raise self._refused(
            f"{commit[:7]} is neither on {branch} nor was it ever deployed here: merge it into {branch} first"
        )

    def _candidates(self, prefix: str, deployed: frozenset[str]) -> set[str]:
        """Return the commits, here or deployed once, that begin with a checked prefix."""
        found = self._mirror.local(["rev-parse", f"--disambiguate={prefix}"]).output
        kinds = self._mirror.local(["cat-file", "--batch-check=%(objectname) %(objecttype)"], stdin=found).text
        commits = {line.partition(" ")[0] for line in kinds.splitlines() if line.endswith(" commit")}
        return commits | {commit for commit in deployed if commit.startswith(prefix)}

    def _is_on(self, commit: str, branch: str) -> bool:
        tip = self._mirror.branches().get(branch)
        return tip is not None and self._mirror.is_ancestor(commit, tip)

    def _why_no_commit(self, text: str) -> str:
        if text in self._mirror.branches():
            return self._is_branch(text)
        if _SHORT.fullmatch(text):
            return f"{_shown(text)} is too short: type at least 7 digits of the commit"
        return f"{_shown(text)} is no commit: type 7 to 40 hexadecimal digits"

    def _is_branch(self, text: str) -> str:
        tip = self._mirror.branches()[text]
        return f"{_shown(text)} is a branch: name a commit (its tip is {tip[:7]})"

    def _refused(self, message: str) -> RevisionRefused:
        return RevisionRefused(message, repo=self.name)

    # --- the rest ---------------------------------------------------------------------------------------------

    def check(self) -> tuple[Problem, ...]:
        """Ask for the default branch and read its tip; return what is wrong."""
        try:
            self.revision(self.head(self._spec.branch, newer_than=self._clock()))
        except SourceError as error:
            return (Problem(message=str(error), subject=self.name),)
        return ()

    def close(self) -> None:
        """Kill the git processes that still run; later calls raise `RepositoryUnreachable`. Idempotent."""
        self._mirror.close()

    def _full(self, commit: str) -> str:
        if not _FULL.fullmatch(commit):
            raise self._refused(f"{_shown(commit)} is no full commit hash")
        return commit

    def _bring(self, commit: str) -> None:
        """Make sure that a commit we once saw is here: a new copy lacks what no branch has any more."""
        if self._mirror.has(commit):
            return
        self._mirror.fetch()
        if not self._mirror.has(commit) and not self._mirror.fetch_commit(commit):
            raise self._refused(f"commit {commit[:7]} is not in repository {self.name} ({self._spec.address})")


def _read_batch(output: bytes) -> dict[str, bytes]:
    """Split the output of `cat-file --batch`: a line `id kind size`, the bytes, a line break."""
    found: dict[str, bytes] = {}
    position = 0
    while position < len(output):
        end = output.index(b"\n", position)
        header = output[position:end].decode("ascii").split(" ")
        if len(header) != 3:
            raise MirrorBroken(f"object {header[0][:12]} cannot be read")
        start = end + 1
        stop = start + int(header[2])
        found[header[0]] = output[start:stop]
        position = stop + 1
    return found


def _revision(record: str) -> Revision:
    commit, author, email, seconds, message = record.split("\n", 4)
    subject = next((line for line in message.splitlines() if line.strip()), "")
    return Revision(
        commit=commit,
        author=_printable(author),
        email=_printable(email),
        subject=_printable(subject.strip()),
        committed_at=datetime.fromtimestamp(int(seconds), tz=UTC),
    )


def _printable(text: str) -> str:
    """Drop control and direction marks: what an author writes is shown in terminals and chats."""
    return "".join(char for char in text if char.isprintable())


def _shown(text: str) -> str:
    """Quote what a person typed, made harmless and short."""
    clean = _printable(text)
    return f'"{clean if len(clean) <= 40 else clean[:39] + "…"}"'


def _weight(tree: SourceTree) -> int:
    return sum(len(file.data) + len(file.path) + 200 for file in tree.files)  # 200: about what the objects cost
