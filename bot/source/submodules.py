"""Where a submodule is, and whether we go there. Pure.

Followed are submodules at the repository's own host and by its own protocol, so that the credentials that fit one fit
the other and go nowhere else; a relative URL always is. Every other one is refused with the way out.
"""

from __future__ import annotations

import posixpath
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from bot.source.spec import RepoSpec, shown

MAX_DEPTH = 4  # submodules inside submodules


class SubmoduleRefused(Exception):
    """We do not follow it; the message says why and what to do."""


def spec_of(parent: RepoSpec, url: str, *, place: str, depth: int) -> RepoSpec:
    """Return the repository of the submodule at `place`. Raises `SubmoduleRefused`."""
    if not url:
        raise SubmoduleRefused(".gitmodules names no url for it; commit it, or remove the submodule")
    absolute = _resolved(parent, url) if url.startswith(("./", "../")) else url
    spec = RepoSpec(name=f"{parent.name}/{place}", url=absolute, ref=parent.ref, credentials=parent.credentials)
    if depth > MAX_DEPTH:
        raise SubmoduleRefused(f"it lies in more than {MAX_DEPTH} other submodules; copy the files instead")
    if (spec.scheme, spec.authority) != (parent.scheme, parent.authority):
        where = spec.host or f"{spec.scheme}://"
        raise SubmoduleRefused(
            f"it is at {shown(where)} by {spec.scheme}, our credentials are for {parent.host or 'this machine'} by "
            f"{parent.scheme}; write its url relative (../name.git), or copy the files"
        )
    if spec.local_path is not None and not _is_beside(absolute, parent.address):
        raise SubmoduleRefused(f"its url {shown(url)} is outside the folder that holds the repository")
    if problems := spec.problems():
        raise SubmoduleRefused("; ".join(problem.message for problem in problems))
    return spec


def _is_beside(path: str, other: str) -> bool:
    """Say whether a local repository lies in the folder of the other: a commit must not name any folder we can read."""
    places = [PurePosixPath(posixpath.normpath(one.removeprefix("file://"))) for one in (path, other)]
    return places[0].is_relative_to(places[1].parent)


def _resolved(parent: RepoSpec, url: str) -> str:
    """Return a relative URL as git resolves it: from the parent's URL, as if that were a folder."""
    base = parent.address.rstrip("/")
    if parent.scheme == "ssh" and "://" not in base:
        host, _, path = base.partition(":")
        return f"{host}:{_joined(path, url)}"
    if "://" in base:
        parts = urlsplit(base)
        return parts._replace(path=_joined(parts.path, url)).geturl()
    return _joined(base, url)


def _joined(base: str, url: str) -> str:
    joined = posixpath.normpath(posixpath.join(base, url))
    if joined.startswith("..") or joined in {"/", "."}:
        raise SubmoduleRefused(f"its url {shown(url)} leaves the host; correct .gitmodules")
    return joined
