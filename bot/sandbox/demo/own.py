"""A person's own repository and cluster, looked at as the bot will: a slip in an option is one line in the terminal.

Imports the bot's own rooms, late: the demo of the shop needs none of them and stays small.
"""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from bot.errors import PathNotFound, RefNotFound, SourceError, UsageError
from bot.sandbox.demo.cluster import ClusterDoor, Unreachable


def known_hosts(url: str) -> str:
    """Return the file of the hosts this person knows, for a repository that is reached by ssh; "" for any other."""
    from bot.source.spec import RepoSpec

    return str(Path("~/.ssh/known_hosts").expanduser()) if RepoSpec(name="fleet", url=url).scheme == "ssh" else ""


def look_at_repository(url: str, *, branch: str, path: str, cache: Path) -> None:
    """Read the folder from Git into the bot's cache. Raises `UsageError` for what is not there."""
    from bot.model.source import GitRef, RefKind
    from bot.source.repository import GitRepository
    from bot.source.spec import Credentials, RepoSpec

    now = datetime.now(UTC)
    spec = RepoSpec(name="fleet", url=url, credentials=Credentials(known_hosts_file=known_hosts(url)))
    try:
        repository = GitRepository(spec, directory=cache, clock=lambda: now)
        commit = repository.head(GitRef(kind=RefKind.BRANCH, name=branch), newer_than=now)
        repository.tree(commit, path)
    except PathNotFound as error:
        raise UsageError(f"--path: there is no folder {path} in {url}, branch {branch} ({commit[:7]})") from error
    except RefNotFound as error:
        raise UsageError(f"--branch: there is no branch {branch} in {url}") from error
    except SourceError as error:
        reason = str(error).removesuffix("; tried again by itself")  # as the bot does: a person starts anew
        raise UsageError(f"--repo: {reason}") from error


def look_at_cluster(door: ClusterDoor) -> None:
    """Ask the API server for its version. Raises `UsageError` when there is none, or none for these credentials."""
    try:
        reply = door.request("GET", "/version")
    except Unreachable as error:
        raise UsageError(f"--kubeconfig: {error}") from error
    if reply.status != HTTPStatus.OK:
        raise UsageError(f"--kubeconfig: what answers there is no API server: its /version is HTTP {reply.status}")
