"""One Git repository as the engine sees it: heads, files, history, and the commits people mean.

In go refs, paths and words from people, checked before git sees them; out come the values of `bot.model.source`.
Errors are `SourceError`s that name the repository, its address without credentials, the reason and the next step.
Where signatures are checked, no file of a commit that fails the check is ever handed out.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from bot.errors import Problem, RepositoryRefused, RevisionRefused, SourceError
from bot.model.source import GitRef, RefKind, Revision, SourceFile, SourceTree
from bot.source.clone import CloneBroken
from bot.source.heads import Heads
from bot.source.mirror import Mirror
from bot.source.signatures import Signatures
from bot.source.spec import RepoSpec, shown
from bot.source.submodules import SubmoduleRefused, spec_of
from bot.source.trees import Trees
from bot.source.writing import Writing

_FULL = re.compile(r"[0-9a-f]{40}")
_PREFIX = re.compile(r"[0-9a-fA-F]{7,40}")
_SHORT = re.compile(r"[0-9a-fA-F]{1,6}")
_REVISIONS_KEPT = 1000  # the heads and pins of a fleet's apps; a bot that runs for months sees many more
_MESSAGES_READ = 1000  # of one change; more are an import
_LOGS_KEPT = 100  # what people search in menus, a question for each letter they type
_LOG_FORMAT = "%H%n%an%n%ae%n%ct%n%B"


class GitRepository:
    """A `bot.ports.source.Repository` on a bare copy below `directory`. Safe to use from several threads.

    `ask_timeout` bounds one question to the remote, `fetch_timeout` one transfer. Raises `RepositoryRefused` for a
    spec that cannot be used, as `RepoSpec.problems` says; nothing else happens before the first call. `depth` counts
    the repositories this one is a submodule in.
    """

    def __init__(
        self,
        spec: RepoSpec,
        *,
        directory: Path,
        clock: Callable[[], datetime],
        ask_timeout: timedelta = timedelta(seconds=20),
        fetch_timeout: timedelta = timedelta(minutes=10),
        depth: int = 0,
    ) -> None:
        if problems := spec.problems():
            raise RepositoryRefused("; ".join(str(problem) for problem in problems), repo=spec.name)
        self.name = spec.name
        self._spec = spec
        self._clock = clock
        self._open_child: Callable[[RepoSpec], GitRepository] = partial(
            GitRepository,
            directory=directory,
            clock=clock,
            ask_timeout=ask_timeout,
            fetch_timeout=fetch_timeout,
            depth=depth + 1,
        )
        self._depth = depth
        self._mirror = Mirror(spec, directory=directory, ask_timeout=ask_timeout, fetch_timeout=fetch_timeout)
        self._heads = Heads(self._mirror, clock=clock)
        self._writing = Writing(self._mirror)
        self._signatures = (
            Signatures(self._mirror, keyring=Path(spec.keyring_file), signed=spec.signed) if spec.keyring_file else None
        )
        self._trees = Trees(self._mirror, bring=self._bring, submodule=self._submodule)
        self._lock = threading.Lock()
        self._revisions: dict[str, Revision] = {}  # guarded by _lock
        self._logs: dict[tuple[str, int, tuple[str, ...], str], tuple[Revision, ...]] = {}  # guarded by _lock
        self._children: dict[str, GitRepository] = {}  # guarded by _lock

    # --- heads ------------------------------------------------------------------------------------------------

    def head(self, ref: GitRef, *, newer_than: datetime) -> str:
        """Return the commit `ref` points to on the remote; it is here when this returns, and its signature is good.

        An answer to a question asked at `newer_than` or later is shared, an error as well.
        """
        commit = self._heads.tip(ref, newer_than=newer_than)
        if ref.kind is RefKind.COMMIT:
            self._mirror.healed(lambda: self._bring(commit))
        self._verify(commit, tag=self._heads.tag(ref))
        return commit

    # --- files ------------------------------------------------------------------------------------------------

    def hashes(self, commit: str, paths: Sequence[str]) -> tuple[str, ...]:
        """Return Git's hash of the folder or file at each path, "" where nothing is. Reads no content."""
        commit = self._full(commit)
        return self._mirror.healed(lambda: self._trees.hashes(commit, paths))

    def folders(self, commit: str) -> tuple[str, ...]:
        """Return every folder at `commit`, below its root. Reads no content."""
        commit = self._full(commit)
        return self._mirror.healed(lambda: self._trees.folders(commit))

    def tree(self, commit: str, path: str) -> SourceTree:
        """Return the files below `path` at `commit`, in bulk, those of submodules at the same host too.

        Raises `PathNotFound`; a submodule that is not followed is an error, because its files would look deleted.
        """
        commit = self._full(commit)
        self._verify(commit)
        return self._mirror.healed(lambda: self._trees.tree(commit, path))

    def file(self, commit: str, path: str) -> SourceFile:
        """Return one file. Raises `PathNotFound`."""
        commit = self._full(commit)
        self._verify(commit)
        return self._mirror.healed(lambda: self._trees.file(commit, path))

    def _submodule(self, place: str, short: str, modules: bytes) -> GitRepository:
        """Return the repository of the submodule at `place`. Raises `SourceError` for one that is not followed."""
        command = ["config", "-z", "-f", "-", "--get-regexp", r"^submodule\..*\.(path|url)$"]
        listing = self._mirror.local(command, stdin=modules, accept=(0, 1)).text
        settings = dict(line.split("\n", 1) for line in listing.split("\0") if "\n" in line)
        names = [key.removesuffix(".path") for key, path in settings.items() if key.endswith(".path") and path == place]
        url = settings.get(f"{names[-1]}.url", "") if names else ""
        try:
            spec = spec_of(self._spec, url, place=place, depth=self._depth + 1)
        except SubmoduleRefused as error:
            message = f"repository {self.name}: {place} at {short} is a submodule that is not followed: {error}"
            raise SourceError(message, repo=self.name) from error
        return self._child(spec)

    def beside(self, url: str) -> GitRepository:
        """Return the repository at another address, kept as long as this one.

        At our own host and by our own protocol it gets our credentials, elsewhere none. What must be signed here must
        be signed there. Raises `RepositoryRefused`.
        """
        spec = RepoSpec(name=f"{self.name}/{url.partition('://')[2]}", url=url)
        if (spec.scheme, spec.authority) == (self._spec.scheme, self._spec.authority):
            spec = replace(spec, credentials=self._spec.credentials)
        return self._child(replace(spec, keyring_file=self._spec.keyring_file, signed=self._spec.signed))

    def _child(self, spec: RepoSpec) -> GitRepository:
        with self._lock:
            if spec.address not in self._children:
                self._children[spec.address] = self._open_child(spec)
            return self._children[spec.address]

    def _verify(self, commit: str, *, tag: str = "") -> None:
        signatures = self._signatures
        if signatures is not None:
            self._mirror.healed(lambda: self._checked(signatures, commit, tag))

    def _checked(self, signatures: Signatures, commit: str, tag: str) -> None:
        self._bring(commit)
        signatures.check(commit, tag=tag)

    # --- history ----------------------------------------------------------------------------------------------

    def revision(self, commit: str) -> Revision:
        """Return author, subject and time of a full commit hash, from memory if it was asked for before."""
        commit = self._full(commit)
        with self._lock:
            known = self._revisions.get(commit)
        if known is not None:
            return known
        (found,) = self.log(commit, limit=1)
        with self._lock:
            if len(self._revisions) >= _REVISIONS_KEPT:
                self._revisions.clear()
            self._revisions[commit] = found
        return found

    def log(self, commit: str, *, limit: int, paths: Sequence[str] = (), without: str = "") -> tuple[Revision, ...]:
        """Return `commit` and its first-parent ancestors, newest first, at most `limit`.

        With `paths`, those that changed one of them, a merge for what it brought in: in a long history that takes a
        while, and the last answers are kept. `without` leaves out a commit and all that it has.
        """
        commit, places = self._full(commit), _pathspecs(paths)
        ends = self._full(without) if without else ""
        if not places:
            return self._mirror.healed(lambda: self._log(commit, limit, (), ends))
        with self._lock:
            known = self._logs.get((commit, limit, places, ends))
        if known is not None:
            return known
        found = self._mirror.healed(lambda: self._log(commit, limit, places, ends))
        with self._lock:
            if len(self._logs) >= _LOGS_KEPT:
                self._logs.clear()
            self._logs[commit, limit, places, ends] = found
        return found

    def _log(self, commit: str, limit: int, places: tuple[str, ...], ends: str) -> tuple[Revision, ...]:
        self._bring(commit)
        if ends:
            self._bring(ends)
        command = ["log", "-z", "--first-parent", f"--max-count={limit}", f"--format=format:{_LOG_FORMAT}", commit]
        listing = self._mirror.local([*command, *([f"^{ends}"] if ends else []), "--", *places]).text
        return tuple(_revision(record) for record in listing.split("\0") if record)

    def count_between(self, old: str, new: str, *, paths: Sequence[str] = ("",)) -> int | None:
        """Return how many commits below some paths `new` is ahead; None when `old` is no ancestor, or not here."""
        old, new = self._full(old), self._full(new)
        return self._mirror.healed(lambda: self._count_between(old, new, paths))

    def _count_between(self, old: str, new: str, paths: Sequence[str]) -> int | None:
        if not self._descends(new, old):
            return None
        return int(self._mirror.local(["rev-list", "--count", f"{old}..{new}", "--", *_pathspecs(paths)]).text)

    def last_touching(self, paths: Sequence[str], *, after: str, upto: str) -> Revision | None:
        """Return the newest commit of a range that touched one of the paths. Merges count for what they merged."""
        after, upto = self._full(after), self._full(upto)
        return self._mirror.healed(lambda: self._last_touching(paths, after, upto))

    def _last_touching(self, paths: Sequence[str], after: str, upto: str) -> Revision | None:
        if not self._descends(upto, after):
            return None
        command = ["log", "-z", "--max-count=1", f"--format=format:{_LOG_FORMAT}", f"{after}..{upto}", "--"]
        record = self._mirror.local([*command, *_pathspecs(paths)]).text.rstrip("\0")
        return _revision(record) if record else None

    def messages(self, old: str, new: str, *, paths: Sequence[str]) -> tuple[str, ...]:
        """Return whole messages, newest first, of merges too, at most 1,000."""
        old, new = self._full(old), self._full(new)
        return self._mirror.healed(lambda: self._messages(old, new, paths))

    def _messages(self, old: str, new: str, paths: Sequence[str]) -> tuple[str, ...]:
        for commit in (old, new):
            self._bring(commit)
        command = ["log", "-z", f"--max-count={_MESSAGES_READ}", "--full-history", "--format=format:%B"]
        listing = self._mirror.local([*command, f"{old}..{new}", "--", *_pathspecs(paths)]).text
        return tuple(message.strip() for message in listing.split("\0") if message)

    def descends(self, new: str, old: str) -> bool:
        """Tell whether `old` is `new` or an ancestor of it; False when it is not here."""
        new, old = self._full(new), self._full(old)
        return self._mirror.healed(lambda: self._descends(new, old))

    def descends_here(self, new: str, old: str) -> bool:
        """Tell whether `old` is `new` or an ancestor of it by what is here; False when one of them is not."""
        new, old = self._full(new), self._full(old)
        mirror = self._mirror
        try:
            return mirror.has(new) and mirror.has(old) and mirror.is_ancestor(old, new)
        except CloneBroken:
            return False  # whoever may ask the remote makes it anew

    def _descends(self, new: str, old: str) -> bool:
        self._bring(new)
        return self._mirror.has(old) and self._mirror.is_ancestor(old, new)

    # --- writing ----------------------------------------------------------------------------------------------

    def propose(self, commit: str, files: Mapping[str, bytes], *, branch: str, message: str) -> str:
        """Commit files on top of `commit` on a branch of their own; returns its tip. One that is there is left as is.

        Raises `PushRefused`.
        """
        commit = self._full(commit)
        return self._mirror.healed(lambda: self._writing.push(commit, files, branch=branch, message=message))

    def write(self, commit: str, files: Mapping[str, bytes], *, message: str) -> str:
        """Commit files on top of `commit`, here alone. Raises `PushRefused`."""
        commit = self._full(commit)
        return self._mirror.healed(lambda: self._writing.commit(commit, files, message=message))

    def withdraw(self, branch: str, *, expects: str) -> bool:
        """Delete a branch of ours whose tip is still `expects`; False when it stays."""
        return self._mirror.healed(lambda: self._writing.withdraw(branch, expects=expects))

    def put_back(self, commit: str, path: str, *, of: str, message: str) -> str:
        """Commit a folder as it was at `of` on top of `commit`, here alone. Raises `PushRefused`."""
        commit, of = self._full(commit), self._full(of)

        def made() -> str:
            self._bring(of)
            return self._writing.put_back(commit, path, of=of, message=message)

        return self._mirror.healed(made)

    def advance(self, branch: str, commit: str, *, expects: str) -> None:
        """Push a commit of ours: to the branch whose tip is `expects`, or as a new one with "".

        Whoever asks for a head after that gets one that has it. Raises `PushRefused`.
        """
        self._mirror.healed(lambda: self._writing.advance(branch, commit, expects=expects))
        self._heads.forget()

    # --- what people mean -------------------------------------------------------------------------------------

    def resolve(self, text: str, *, ref: GitRef, deployed: Collection[str]) -> Revision:
        """Return the commit a person means. Costs no network when the commit is here and allowed."""
        commit = self._mirror.healed(lambda: self._resolve(text.strip(), ref, frozenset(deployed)))
        self._verify(commit)
        return self.revision(commit)

    def _resolve(self, text: str, ref: GitRef, deployed: frozenset[str]) -> str:
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
            raise self._refused(f"{shown(text)} is no commit of this repository: `history` lists those deployed")
        if len(candidates) > 1:
            listed = ", ".join(commit[:12] for commit in sorted(candidates)[:5])
            raise self._refused(f"{shown(text)} is ambiguous: {len(candidates)} commits begin so ({listed}); type more")
        (commit,) = candidates
        if commit in deployed:
            if not self._mirror.has(commit) and not self._mirror.fetch_commit(commit):
                raise self._refused(f"{commit[:7]} was deployed here once, but the remote does not have it any more")
            return commit
        if self._is_on(commit, ref):
            return commit
        if not fetched:
            # The branch may have moved to a commit that was here already, so that nobody had to fetch.
            self._mirror.fetch()
            if self._is_on(commit, ref):
                return commit
        raise self._refused(
            f"{commit[:7]} is neither on {ref} nor was it ever deployed here: merge it into {ref} first"
        )

    def _candidates(self, prefix: str, deployed: frozenset[str]) -> set[str]:
        """Return the commits, here or deployed once, that begin with a checked prefix."""
        found = self._mirror.local(["rev-parse", f"--disambiguate={prefix}"]).output
        kinds = self._mirror.local(["cat-file", "--batch-check=%(objectname) %(objecttype)"], stdin=found).text
        commits = {line.partition(" ")[0] for line in kinds.splitlines() if line.endswith(" commit")}
        return commits | {commit for commit in deployed if commit.startswith(prefix)}

    def _is_on(self, commit: str, ref: GitRef) -> bool:
        tip = self._heads.known(ref)
        return bool(tip) and self._mirror.has(tip) and self._mirror.is_ancestor(commit, tip)

    def _why_no_commit(self, text: str) -> str:
        if text in self._mirror.branches():
            return self._is_branch(text)
        if _SHORT.fullmatch(text):
            return f"{shown(text)} is too short: type at least 7 digits of the commit"
        return f"{shown(text)} is no commit: type 7 to 40 hexadecimal digits"

    def _is_branch(self, text: str) -> str:
        tip = self._mirror.branches()[text]
        return f"{shown(text)} is a branch: name a commit (its tip is {tip[:7]})"

    def _refused(self, message: str) -> RevisionRefused:
        return RevisionRefused(message, repo=self.name)

    # --- the rest ---------------------------------------------------------------------------------------------

    def check(self) -> tuple[Problem, ...]:
        """Ask for the default branch and read its tip; return what is wrong."""
        try:
            self.revision(self.head(self._spec.ref, newer_than=self._clock()))
        except SourceError as error:
            return (Problem(message=str(error), subject=self.name),)
        return ()

    def close(self) -> None:
        """Kill the git processes that still run; later calls raise `RepositoryUnreachable`. Idempotent."""
        self._mirror.close()
        with self._lock:
            children = tuple(self._children.values())
        for child in children:
            child.close()

    def _full(self, commit: str) -> str:
        if not _FULL.fullmatch(commit):
            raise self._refused(f"{shown(commit)} is no full commit hash")
        return commit

    def _bring(self, commit: str) -> None:
        """Make sure that a commit we once saw is here: a new copy lacks what no branch has any more."""
        if self._mirror.has(commit):
            return
        self._mirror.fetch()
        if not self._mirror.has(commit) and not self._mirror.fetch_commit(commit):
            raise self._refused(f"commit {commit[:7]} is not in repository {self.name} ({self._spec.address})")


def _pathspecs(paths: Sequence[str]) -> tuple[str, ...]:
    """Return paths as git takes them literally, whatever signs are in them; () for all files, when one is the root."""
    return tuple(f":(literal){path}" for path in paths) if all(paths) else ()


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
