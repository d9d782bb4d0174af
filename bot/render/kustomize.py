"""Kustomizations to manifests, by the real kustomize on a copy of exactly the files they refer to.

In goes a checkout with the app's folder, out come manifests, each with the file and line it was made from, or every
problem. The files are read first: a reference that is missing, leaves the repository, or would be fetched from
another host is a problem at its line, and kustomize is not started. It runs with its default load restrictions and
without network: no git on its PATH, a proxy that nobody listens on.

Origins come from kustomize's own origin annotations, asked for by a wrapper around the app's kustomization and
taken off again.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bot.errors import Problem, RefNotFound
from bot.model.resource import Manifest
from bot.model.source import GitRef, RefKind
from bot.render.checkout import Checkout, CommitFiles, resolved
from bot.render.documents import LFS_POINTER, MAX_RENDERED_BYTES, read_bytes
from bot.render.kustomization import NAMES, Reference, Sort, is_remote, read_kustomization
from bot.render.locating import Written, line_of_generator, line_of_object, written_in
from bot.render.objects import Entry, entries, manifest_of
from bot.render.programs import ProgramFailed, Programs
from bot.render.reading import Document
from bot.render.remote import parse
from bot.render.workspace import workspace

_ORIGIN: Final = "config.kubernetes.io/origin"
_NO_NETWORK: Final = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:9"),
    "GIT_ALLOW_PROTOCOL": "none",
}
_WRAPPER: Final = "resources: [{target}]\nbuildMetadata: [originAnnotations]\n"
_FILES: Final = "files"  # the folder of the workspace that holds the checkout
_WRAPS: Final = "wrapper"
_COPY: Final = "copy the files into the repository"
_ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)  # a tag that was seen once is not asked for again
MAX_REMOTES: Final = 20  # other repositories of one app
MAX_BYTES: Final = 64 * 1024**2  # of all files an app's kustomizations bring in from other repositories and its own
MAX_FOLDERS: Final = 1000  # kustomizations of one app; a fleet's largest have some dozens


@dataclass(frozen=True, slots=True)
class Built:
    """What a tool rendered. With problems, trust no manifest."""

    manifests: tuple[Manifest, ...] = ()
    problems: tuple[Problem, ...] = ()


class Kustomize:
    """Builds kustomizations. Safe to use from several threads."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def gather(self, checkout: Checkout, folder: str, *, hosts: Collection[str] = ()) -> tuple[Problem, ...]:
        """Bring in all that the kustomization in `folder` refers to; return what is wrong with its references.

        Bases in repositories of `hosts` are fetched, and appear in the checkout as folders. Raises `SourceError`.
        """
        return _Gathering(checkout, hosts).run(folder)

    def build(self, checkout: Checkout, folder: str, *, values: Mapping[str, str] | None) -> Built:
        """Return what the kustomization in `folder` renders."""
        where = f"{kustomization_in(checkout, folder)}:1"
        with workspace(checkout.size_bytes()) as place:
            checkout.write(place / _FILES)
            wrapper = place / _WRAPS
            wrapper.mkdir()
            target = posixpath.normpath(posixpath.join("..", _FILES, folder))
            (wrapper / NAMES[0]).write_text(_WRAPPER.format(target=_quoted(target)))
            try:
                done = self._programs.run(
                    "kustomize", ["build", str(wrapper)], cwd=wrapper, home=place / "home", environment=_NO_NETWORK
                )
            except ProgramFailed as error:
                return Built(problems=(Problem(message=str(error), where=where),))
            if done.status != 0:
                return Built(problems=(_problem(done.complaint, place, where),))
        reading = read_bytes(done.output, values=values, limit_bytes=MAX_RENDERED_BYTES)
        if reading.problems:
            found = (f"in what kustomize renders: {one.message}" for one in reading.problems)
            return Built(problems=tuple(Problem(message=message, where=where) for message in found))
        return _located(reading.documents, checkout, folder)


def kustomization_in(checkout: Checkout, folder: str) -> str:
    """Return the path of a folder's kustomization file, "" when it has none."""
    paths = (posixpath.join(folder, name) for name in NAMES)
    return next((path for path in paths if path in checkout.files), "")


class _Gathering:
    """Follows references from folder to folder."""

    def __init__(self, checkout: Checkout, hosts: Collection[str]) -> None:
        self._checkout = checkout
        self._hosts = hosts
        self._problems: list[Problem] = []
        self._seen: set[str] = set()
        self._pending: list[str] = []

    def run(self, folder: str) -> tuple[Problem, ...]:
        self._pending.append(folder)
        while self._pending:
            one = self._pending.pop()
            if one not in self._seen:
                self._seen.add(one)
                self._read(one)
            if len(self._seen) > MAX_FOLDERS:
                self._note(f"refers to more than {MAX_FOLDERS:,} folders", one, 1)
                break
        return tuple(self._problems)

    def _read(self, folder: str) -> None:
        path = kustomization_in(self._checkout, folder)
        read = read_kustomization(self._checkout.files[path].data, path)
        self._checkout.used.add(path)
        self._problems.extend(read.problems)
        for reference in read.references:
            if (fault := self._follow(folder, reference)) is not None:
                self._problems.append(Problem(message=fault, where=f"{path}:{reference.line}"))

    def _follow(self, folder: str, reference: Reference) -> str | None:
        """Bring in what a reference means; return what is wrong with it."""
        shown = _shown(reference.path)
        if reference.path.startswith("/"):
            return f"{shown} is an absolute path, which is outside the commit"
        path = resolved(folder, reference.path)
        if path is not None and self._checkout.mount_of(folder) != self._checkout.mount_of(path):
            return f"{shown} leaves the repository"
        if path is not None and path in self._checkout.files:
            if self._checkout.files[path].data.startswith(LFS_POINTER):
                return f"{shown} is a Git LFS pointer, its content is not in Git: commit it plainly"
            self._checkout.used.add(path)
            return None if _below(folder, path) else _outside(shown)
        if path is not None and reference.sort is Sort.EITHER and self._checkout.add_folder(path):
            if not kustomization_in(self._checkout, path):
                return f"{shown} is a folder without a kustomization"
            self._pending.append(path)
            return None
        if is_remote(reference.path):
            return self._fetch(folder, reference)
        if path is None:
            return f"{shown} leaves the repository"
        why = self._checkout.why_missing(path)
        if why:
            return f"{shown}: {why}"
        if not _below(folder, path) and self._checkout.add_file(path) is not None:
            return _outside(shown)
        return f"{shown} does not exist in this commit"

    def _fetch(self, folder: str, reference: Reference) -> str | None:
        """Bring in a folder of another repository, and let the kustomization in `folder` refer to it by its path."""
        shown = _shown(reference.path)
        remote = parse(reference.path)
        if isinstance(remote, str):
            return f"{shown} {remote}: {_COPY}"
        if reference.sort is Sort.FILE:
            return f"{shown} is a file on another host: {_COPY}"
        if remote.host not in self._hosts:
            return f"{shown} is on another host: {_COPY}, or name {remote.host} in the app's kustomize.remote_hosts"
        if self._checkout.mount_of(remote.place) != remote.place:
            if len(self._checkout.mounts) >= MAX_REMOTES:
                return f"{shown} is one more than {MAX_REMOTES} other repositories"
            repo = self._checkout.repo.beside(remote.url)
            kind = RefKind.COMMIT if remote.is_commit else RefKind.TAG
            try:
                commit = repo.head(GitRef(kind, remote.ref), newer_than=_ANY_TIME)
            except RefNotFound as error:
                return f"{shown}: ref must be a tag or a commit: {error}"
            self._checkout.mount(remote.place, CommitFiles(repo, commit))
        if not self._checkout.add_folder(remote.folder):
            return f"{shown}: there is no folder {remote.path or '/'} at {remote.ref}"
        if not kustomization_in(self._checkout, remote.folder):
            return f"{shown} is a folder without a kustomization"
        if self._checkout.size_bytes() > MAX_BYTES:
            return f"{shown}: the files of all bases are more than {MAX_BYTES // 1024**2} MiB"
        self._rewrite(folder, reference.path, posixpath.relpath(remote.folder, folder or "."))
        self._pending.append(remote.folder)
        return None

    def _rewrite(self, folder: str, old: str, new: str) -> None:
        """Put a path in the place of a reference; lines stay where they are."""
        file = self._checkout.files[kustomization_in(self._checkout, folder)]
        whole = rb"(?<![^\s\"'\[,])" + re.escape(old.encode()) + rb"(?![^\s\"'\],])"
        self._checkout.replace(replace(file, data=re.sub(whole, lambda _: new.encode(), file.data)))

    def _note(self, message: str, folder: str, line: int) -> None:
        self._problems.append(Problem(message=message, where=f"{kustomization_in(self._checkout, folder)}:{line}"))


def _located(documents: Iterable[Document], checkout: Checkout, folder: str) -> Built:
    """Return the manifests of kustomize's output with their origins, annotations of ours taken off."""
    files: dict[str, tuple[Written, ...]] = {}
    manifests: list[Manifest] = []
    problems: list[Problem] = []
    keeps = _keeps_origins(checkout, folder)
    for document in documents:
        for entry in entries(document):
            path, line = _origin(entry.value, checkout, folder, files)
            value = entry.value if keeps else _without_origin(entry.value)
            made = manifest_of(Entry(line, value), path)
            if isinstance(made, Manifest):
                manifests.append(made)
            else:
                problems.extend(made)
    return Built(tuple(manifests), tuple(problems))


def _origin(body: Any, checkout: Checkout, folder: str, files: dict[str, tuple[Written, ...]]) -> tuple[str, int]:
    """Return path and line of the file an object was made from; of the app's kustomization when nobody knows."""
    annotation = (((body or {}).get("metadata") or {}).get("annotations") or {}).get(_ORIGIN) or ""
    facts = dict(re.findall(r"(?m)^(path|configuredIn): *(.+?) *$", annotation))
    said = facts.get("path") or facts.get("configuredIn") or ""
    path = posixpath.normpath(said).removeprefix(f"../{_FILES}/")
    file = checkout.files.get(path)
    if file is None:
        return kustomization_in(checkout, folder), 1
    if "path" not in facts:
        return path, line_of_generator(file.data, str(body["metadata"].get("name") or ""))
    if path not in files:
        files[path] = written_in(file.data)
    return path, line_of_object(files[path], body)


def _without_origin(body: Any) -> Any:
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    if not isinstance(metadata, Mapping) or _ORIGIN not in (metadata.get("annotations") or {}):
        return body
    annotations = {key: value for key, value in metadata["annotations"].items() if key != _ORIGIN}
    rest = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**body, "metadata": {**rest, **({"annotations": annotations} if annotations else {})}}


def _keeps_origins(checkout: Checkout, folder: str) -> bool:
    path = kustomization_in(checkout, folder)
    return read_kustomization(checkout.files[path].data, path).keeps_origins


def _problem(complaint: str, place: Path, where: str) -> Problem:
    """Return kustomize's last words as one problem, without the folders of the copy."""
    if "out of memory" in complaint or "cannot allocate memory" in complaint:
        return Problem(message="kustomize needs more memory than it may have", where=where)
    clean = complaint.replace(f"{place}/{_FILES}/", "").replace(f"{place}/", "").strip()
    clean = re.sub(
        r"accumulating resources( from '[^']*')?: |accumulation err='|recursed accumulation of path '[^']*': ",
        "",
        clean,
    )
    lines = [line for line in clean.removeprefix("Error: ").splitlines() if line.strip()]
    return Problem(message=f"kustomize: {' '.join(lines)[:500] or 'failed without a word'}", where=where)


def _below(folder: str, path: str) -> bool:
    return not folder or path.startswith(f"{folder}/")


def _outside(shown: str) -> str:
    return f"{shown} is outside the folder of its kustomization: refer to a folder with a kustomization of its own"


def _shown(text: str) -> str:
    clean = "".join(char for char in text if char.isprintable())
    return clean if len(clean) <= 120 else f"{clean[:119]}…"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
