"""The one way in which the bot writes to Git: a commit on top of another one, pushed to a branch.

In go the commit to build on, files to put in place of what is there, and a message; out comes the commit that the
remote has. It is made of Git's own plumbing in our bare copy: there is no checkout, and no file is fetched
that does not change. A branch is never forced: what others pushed meanwhile is kept, and told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from bot.errors import PushRefused
from bot.source.mirror import Mirror
from bot.source.spec import is_ref_name, shown

_TIMEOUT = timedelta(seconds=60)  # a commit of a few files; longer means that the remote hangs
_NAME, _EMAIL = "gitops-bot", "gitops-bot@localhost"
_FILE, _FOLDER = "100644", "040000"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    mode: str
    kind: str
    id: str


class Writing:
    """Makes and pushes commits of one repository. Safe to use from several threads: the mirror's lock is held."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def push(self, base: str, files: Mapping[str, bytes], *, branch: str, message: str) -> str:
        """Commit `files` on top of `base` and push them as a new branch; returns its tip.

        A branch that is there already is left as it is, so that asking twice makes one. Raises `PushRefused` and
        `SourceError`.
        """
        with self._mirror.writing():
            if there := self._tip(branch):
                return there
            return self._push(base, self._tree_with(base, files), branch=branch, message=message)

    def commit(self, base: str, files: Mapping[str, bytes], *, message: str) -> str:
        """Commit `files` on top of `base`; returns the commit, which is only here. Raises `PushRefused`."""
        with self._mirror.writing():
            return self._commit(base, self._tree_with(base, files), message=message)

    def put_back(self, base: str, path: str, *, of: str, message: str) -> str:
        """Commit the folder at `path` as it was at `of` on top of `base`; returns the commit, which is only here.

        "" is the whole tree. Raises `PushRefused` for a folder that lies in a submodule or was not there.
        """
        with self._mirror.writing():
            parts = [part for part in path.split("/") if part not in {"", "."}]
            tree = self._tree_of(of)
            for part in parts:
                found = self._entries(tree).get(part)
                if found is None or found.kind != "tree":
                    raise PushRefused(f"{path} was no folder at {of[:7]}", repo=self._mirror.spec.name)
                tree = found.id
            if parts:
                old = _Entry(mode=_FOLDER, kind="tree", id=tree)
                tree = self._replaced(self._tree_of(base), parts, old, path)
            return self._commit(base, tree, message=message)

    def advance(self, branch: str, commit: str, *, expects: str) -> None:
        """Push a commit of ours to a branch whose tip it is built on. Raises `PushRefused` with the remote's reason."""
        with self._mirror.writing():
            if refused := self._mirror.push(commit, branch, expects=expects, timeout=_TIMEOUT):
                name = self._mirror.spec.name
                raise PushRefused(f"repository {name}: {branch} cannot be pushed: {refused}", repo=name)

    def withdraw(self, branch: str, *, expects: str) -> bool:
        """Delete a branch whose tip is `expects`; False when it has another one, or the remote does not let us."""
        with self._mirror.writing():
            return not self._mirror.push("", branch, expects=expects, timeout=_TIMEOUT)

    def _tip(self, branch: str) -> str:
        name = f"refs/heads/{branch}"
        tip = self._mirror.ask([name]).get(name, "")
        if tip and not self._mirror.has(tip):
            self._mirror.fetch()
        return tip

    def _tree_with(self, base: str, files: Mapping[str, bytes]) -> str:
        tree = self._tree_of(base)
        for path, data in files.items():
            blob = self._mirror.local(["hash-object", "-w", "--stdin"], stdin=data).text.strip()
            tree = self._replaced(tree, path.split("/"), _Entry(mode=_FILE, kind="blob", id=blob), path)
        return tree

    def _tree_of(self, commit: str) -> str:
        return self._mirror.local(["rev-parse", "--verify", f"{commit}^{{tree}}"]).text.strip()

    def _replaced(self, tree: str, parts: list[str], new: _Entry, path: str) -> str:
        """Return the tree with the entry at `parts` replaced or added."""
        entries = self._entries(tree)
        name, below = parts[0], parts[1:]
        if below:
            found = entries.get(name)
            if found is not None and found.kind == "commit":
                raise PushRefused(f"{path} lies in a submodule: change it there", repo=self._mirror.spec.name)
            new = _Entry(
                mode=_FOLDER, kind="tree", id=self._replaced(found.id if found else self._empty(), below, new, path)
            )
        elif name in entries and new.kind == "blob":
            new = _Entry(mode=entries[name].mode, kind="blob", id=new.id)  # a script stays executable
        entries[name] = new
        listing = "".join(f"{one.mode} {one.kind} {one.id}\t{key}\0" for key, one in entries.items())
        # The names of files that were never fetched are all that a tree needs.
        return self._mirror.local(["mktree", "-z", "--missing"], stdin=listing.encode()).text.strip()

    def _entries(self, tree: str) -> dict[str, _Entry]:
        found: dict[str, _Entry] = {}
        for line in self._mirror.local(["ls-tree", "-z", tree]).text.split("\0"):
            if line:
                facts, _, name = line.partition("\t")
                mode, kind, id = facts.split(" ")
                found[name] = _Entry(mode=mode, kind=kind, id=id)
        return found

    def _empty(self) -> str:
        return self._mirror.local(["mktree"], stdin=b"").text.strip()

    def _commit(self, base: str, tree: str, *, message: str) -> str:
        identity = ["-c", f"user.name={_NAME}", "-c", f"user.email={_EMAIL}"]
        command = [*identity, "commit-tree", tree, "-p", base]
        return self._mirror.local(command, stdin=f"{message.strip()}\n".encode()).text.strip()

    def _push(self, base: str, tree: str, *, branch: str, message: str) -> str:
        name = self._mirror.spec.name
        if not is_ref_name(branch):
            raise PushRefused(f"repository {name}: {shown(branch)} is no name of a branch", repo=name)
        commit = self._commit(base, tree, message=message)
        refused = self._mirror.push(commit, branch, timeout=_TIMEOUT)
        if not refused:
            return commit
        if there := self._tip(branch):
            return there  # somebody pressed at the same moment
        way_out = "give the repository's credentials the right to push this branch, or make the change by hand"
        raise PushRefused(f"repository {name}: {branch} cannot be pushed: {refused}; {way_out}", repo=name)
