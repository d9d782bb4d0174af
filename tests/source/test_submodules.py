"""Submodules: followed where our credentials belong, refused with the way out elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import SourceError
from bot.source.repository import GitRepository
from bot.source.spec import Credentials, RepoSpec
from bot.source.submodules import SubmoduleRefused, spec_of
from tests.source.upstream import Upstream


def modules(path: str, url: str) -> str:
    return f'[submodule "lib"]\n\tpath = {path}\n\turl = {url}\n'


def test_files_of_a_submodule_appear_at_its_path(upstream: Upstream, repository: GitRepository) -> None:
    lib = Upstream(upstream.path.with_name("lib.git"))
    pinned = lib.commit({"base/x.yaml": "x"})
    lib.commit({"base/x.yaml": "newer"})
    files: dict[str, str | bytes | None] = {"app/a.yaml": "a", ".gitmodules": modules("app/vendor", "../lib.git")}
    commit = upstream.commit(files, submodules={"app/vendor": pinned})
    tree = repository.tree(commit, "app")
    assert [(file.path, file.data) for file in tree.files] == [
        ("app/a.yaml", b"a"),
        ("app/vendor/base/x.yaml", b"x"),
    ]
    inside = repository.tree(commit, "app/vendor/base")
    assert [(file.path, file.data) for file in inside.files] == [("app/vendor/base/x.yaml", b"x")]
    assert inside.path == "app/vendor/base"


def test_new_commit_of_a_submodule_changes_the_tree(upstream: Upstream, repository: GitRepository) -> None:
    lib = Upstream(upstream.path.with_name("lib.git"))
    files: dict[str, str | bytes | None] = {".gitmodules": modules("app/vendor", "../lib.git")}
    first = upstream.commit(files, submodules={"app/vendor": lib.commit({"x.yaml": "1"})})
    second = upstream.commit({}, submodules={"app/vendor": lib.commit({"x.yaml": "2"})})
    assert repository.hashes(first, ["app"]) != repository.hashes(second, ["app"])
    assert [file.data for file in repository.tree(second, "app").files] == [b"2"]
    assert [file.data for file in repository.tree(first, "app").files] == [b"1"]


def test_submodule_elsewhere_is_an_error_because_its_files_would_look_deleted(
    upstream: Upstream, repository: GitRepository, tmp_path: Path
) -> None:
    commit = upstream.commit({"app/x.yaml": "x"}, submodules={"app/vendor": "1" * 40})
    with pytest.raises(SourceError, match=r"app/vendor at .* not followed: \.gitmodules names no url"):
        repository.tree(commit, "app")
    for url in ("https://example.com/lib.git", str(tmp_path / "secret.git"), "../../secret.git", "ext::sh -c id"):
        commit = upstream.commit({".gitmodules": modules("app/vendor", url)})
        with pytest.raises(SourceError, match=r"app/vendor at .* is a submodule that is not followed"):
            repository.tree(commit, "app")


def test_pinned_commit_that_is_not_there_is_named(upstream: Upstream, repository: GitRepository) -> None:
    Upstream(upstream.path.with_name("lib.git")).commit({"x": "1"})
    files: dict[str, str | bytes | None] = {".gitmodules": modules("app/vendor", "../lib.git")}
    commit = upstream.commit(files, submodules={"app/vendor": "1" * 40})
    with pytest.raises(SourceError, match="commit 1111111 is not in repository fleet/app/vendor"):
        repository.tree(commit, "app")


@pytest.mark.parametrize(
    ("parent", "url", "expected"),
    [
        ("https://git.example.com/acme/fleet.git", "../lib.git", "https://git.example.com/acme/lib.git"),
        ("https://git.example.com/acme/fleet.git", "https://git.example.com/x/lib", "https://git.example.com/x/lib"),
        ("ssh://git@git.example.com:7999/acme/fleet.git", "../lib.git", "ssh://git@git.example.com:7999/acme/lib.git"),
        ("git@git.example.com:acme/fleet.git", "../lib.git", "git@git.example.com:acme/lib.git"),
    ],
)
def test_url_is_resolved_as_git_does(parent: str, url: str, expected: str) -> None:
    login = Credentials(known_hosts_file="/etc/known_hosts")
    spec = spec_of(RepoSpec(name="fleet", url=parent, credentials=login), url, place="lib", depth=1)
    assert (spec.address, spec.credentials) == (expected, login)


@pytest.mark.parametrize(
    ("parent", "url", "reason"),
    [
        ("https://git.example.com/acme/fleet.git", "https://evil.example.com/lib.git", "our credentials are for"),
        ("https://git.example.com/acme/fleet.git", "http://git.example.com/acme/lib.git", "our credentials are for"),
        ("https://git.example.com/acme/fleet.git", "git@git.example.com:acme/lib.git", "write its url relative"),
        ("https://git.example.com/acme/fleet.git", "/etc", "by file"),
        ("https://git.example.com/acme/fleet.git", "https://git.example.com:8443/lib.git", "our credentials are for"),
        ("git@git.example.com:acme/fleet.git", "../../../lib.git", "leaves the host"),
        ("https://git.example.com/acme/fleet.git", "https://u:p@git.example.com/lib.git", "contains a password"),
    ],
)
def test_url_elsewhere_is_refused(parent: str, url: str, reason: str) -> None:
    with pytest.raises(SubmoduleRefused, match=reason):
        spec_of(RepoSpec(name="fleet", url=parent), url, place="lib", depth=1)


def test_submodules_in_submodules_end_somewhere() -> None:
    with pytest.raises(SubmoduleRefused, match="more than 4 other submodules"):
        spec_of(RepoSpec(name="fleet", url="https://git.example.com/a/b"), "../c", place="c", depth=5)
