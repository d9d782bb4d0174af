"""A slip in the options that name a person's own repository or cluster: one sentence, before anything starts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.errors import UsageError
from bot.sandbox.demo import own
from bot.sandbox.demo.cluster import KubeconfigDoor
from bot.sandbox.demo.repository import Author, NewCommit, Repository


@pytest.fixture
def url(tmp_path: Path) -> str:
    repository = Repository(tmp_path / "fleet.git")
    author = Author(name="Ana", email="ana@example.com")
    at = datetime(2026, 11, 1, tzinfo=UTC)
    repository.begin([NewCommit(author=author, at=at, message="Begin", files={"shop/web.yaml": "", "README.md": ""})])
    return str(repository.folder)


@pytest.mark.parametrize("path", ["shop", "."])
def test_folder_that_is_there_is_taken(url: str, tmp_path: Path, path: str) -> None:
    own.look_at_repository(url, branch="main", path=path, cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("branch", "path", "said"),
    [
        ("main", "missing", r"--path: there is no folder missing in .*fleet\.git, branch main \([0-9a-f]{7}\)"),
        ("main", "README.md", r"--path: there is no folder README\.md in "),
        ("none", "shop", r"--branch: there is no branch none in .*fleet\.git"),
    ],
)
def test_what_the_repository_lacks_is_named(url: str, tmp_path: Path, branch: str, path: str, said: str) -> None:
    """The demo started and served a page for an app that could never be deployed."""
    with pytest.raises(UsageError, match=f"^{said}"):
        own.look_at_repository(url, branch=branch, path=path, cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/none/fleet.git", r"--repo: .*there is no such repository"),
        ("http://127.0.0.1:1/fleet.git", r"--repo: .*Couldn't connect to server$"),
    ],
)
def test_repository_that_does_not_answer_is_named(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        own.look_at_repository(url, branch="main", path="shop", cache=tmp_path / "cache")


def test_hosts_a_person_knows_are_for_ssh_alone() -> None:
    assert own.known_hosts("git@github.com:you/fleet.git") == str(Path.home() / ".ssh/known_hosts")
    assert own.known_hosts("https://github.com/you/fleet.git") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "its kubeconfig cannot be used"),
        ("", "its kubeconfig cannot be used"),
        (
            "{clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}], users: [{name: u, user: {token: t}}],"
            " contexts: [{name: c, context: {cluster: c, user: u}}], current-context: c}",
            "the API server cannot be reached: .*Connection refused",
        ),
    ],
    ids=["broken", "empty", "refused"],
)
def test_cluster_that_does_not_answer_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=f"^--kubeconfig: cluster {file}: {said}"):
        own.look_at_cluster(KubeconfigDoor(str(file)))
