"""Tags, ranges of versions and pinned commits, on a real repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import RefNotFound, RevisionRefused
from bot.model.source import GitRef, RefKind, branch
from bot.model.versions import highest
from bot.source.repository import GitRepository
from tests.source.upstream import LATER, START, Upstream


def tag(name: str) -> GitRef:
    return GitRef(RefKind.TAG, name)


def semver(range: str, prefix: str = "") -> GitRef:
    return GitRef(RefKind.SEMVER, range, prefix)


def test_tag_light_or_annotated_is_the_commit_behind_it(upstream: Upstream, repository: GitRepository) -> None:
    first = upstream.commit({"app/a": "1"})
    second = upstream.commit({"app/a": "2"})
    upstream.git("tag", "v1", first)
    upstream.annotate("v2", second)
    assert repository.head(tag("v1"), newer_than=START) == first
    assert repository.head(tag("v2"), newer_than=START) == second
    assert repository.tree(first, "app").files[0].data == b"1"


def test_tag_on_no_branch_is_fetched_by_its_name(upstream: Upstream, repository: GitRepository) -> None:
    first = upstream.commit({"app/a": "1"})
    released = upstream.commit({"app/a": "2"}, branch="release")
    upstream.annotate("v1", released)
    upstream.git("update-ref", "-d", "refs/heads/release")
    assert repository.head(tag("v1"), newer_than=START) == released
    assert repository.head(branch("main"), newer_than=START) == first
    assert repository.tree(released, "app").files[0].data == b"2"


def test_moved_tag_is_followed_and_its_old_commit_stays(upstream: Upstream, repository: GitRepository) -> None:
    first = upstream.commit({"app/a": "1"}, branch="other")
    second = upstream.commit({"app/a": "2"})
    upstream.git("tag", "stable", first)
    upstream.git("update-ref", "-d", "refs/heads/other")
    assert repository.head(tag("stable"), newer_than=START) == first
    upstream.git("tag", "--force", "stable", second)
    assert repository.head(tag("stable"), newer_than=LATER) == second
    assert repository.tree(first, "app").files[0].data == b"1"


def test_range_takes_the_highest_version_and_moves_on(upstream: Upstream, repository: GitRepository) -> None:
    commits = {}
    for name in ("v1.2.0", "v1.10.0", "v1.9.9", "v2.0.0", "v1.11.0-rc.1", "nightly", "v1"):
        commits[name] = upstream.commit({"a": name})
        upstream.annotate(name, commits[name])
    assert repository.head(semver(">=1.2, <2"), newer_than=START) == commits["v1.10.0"]
    assert repository.head(semver("1.2.x"), newer_than=START) == commits["v1.2.0"]
    newest = upstream.commit({"a": "new"})
    upstream.git("tag", "v1.12.0", newest)
    assert repository.head(semver(">=1.2, <2"), newer_than=LATER) == newest


def test_range_looks_only_at_tags_with_its_prefix(upstream: Upstream, repository: GitRepository) -> None:
    shop = upstream.commit({"a": "1"})
    upstream.git("tag", "shop-v1.0.0", shop)
    upstream.git("tag", "cart-v1.9.0", upstream.commit({"a": "2"}))
    assert repository.head(semver("1.x", "shop-v"), newer_than=START) == shop


def test_missing_tag_and_range_say_what_there_is(upstream: Upstream, repository: GitRepository) -> None:
    upstream.git("tag", "v1.2.3", upstream.commit({"a": "1"}))
    with pytest.raises(RefNotFound, match=r"has no tag v1\.2\.4, did you mean v1\.2\.3\?"):
        repository.head(tag("v1.2.4"), newer_than=START)
    with pytest.raises(RefNotFound, match=r"has no tag in the range 2\.x; the newest of 1 is v1\.2\.3"):
        repository.head(semver("2.x"), newer_than=START)
    with pytest.raises(RefNotFound, match="it has no tag that is a version"):
        repository.head(semver("1.x", "cart-"), newer_than=START)


@pytest.mark.parametrize(
    "ref",
    [tag("--upload-pack=x"), tag("*"), semver("one"), semver("1.x", "-x"), semver("1.x", "*"), semver("")]
    + [GitRef(RefKind.COMMIT, text) for text in ("main", "abc1234", "")],
)
def test_impossible_ref_never_reaches_git(ref: GitRef, cache: Path, repository: GitRepository) -> None:
    with pytest.raises(RefNotFound):
        repository.head(ref, newer_than=START)
    assert not cache.exists()


def test_pinned_commit_asks_nobody_once_it_is_here(upstream: Upstream, repository: GitRepository) -> None:
    first = upstream.commit({"app/a": "1"})
    upstream.commit({"app/a": "2"})
    pinned = GitRef(RefKind.COMMIT, first)
    assert repository.head(pinned, newer_than=START) == first
    upstream.path.rename(upstream.path.with_name("moved"))
    assert repository.head(pinned, newer_than=LATER) == first
    assert repository.tree(first, "app").files[0].data == b"1"


def test_pinned_commit_nobody_has_is_refused(upstream: Upstream, repository: GitRepository) -> None:
    upstream.commit({"app/a": "1"})
    with pytest.raises(RevisionRefused, match="commit 1111111 is not in repository fleet"):
        repository.head(GitRef(RefKind.COMMIT, "1" * 40), newer_than=START)


def test_rollback_of_an_app_that_follows_a_tag_reaches_the_ancestors_of_the_tag(
    upstream: Upstream, repository: GitRepository
) -> None:
    first = upstream.commit({"a": "1"})
    upstream.git("tag", "v1.0.0", upstream.commit({"a": "2"}))
    beyond = upstream.commit({"a": "3"})
    followed = semver("1.x")
    assert repository.resolve(first[:7], ref=followed, deployed=frozenset()).commit == first
    with pytest.raises(RevisionRefused, match=r"is neither on 1\.x"):
        repository.resolve(beyond[:7], ref=followed, deployed=frozenset())


@pytest.mark.parametrize(
    ("range", "tags", "found"),
    [
        ("*", ["v1.0.0", "v2.0.0-rc.1"], "v1.0.0"),
        ("^1.4", ["1.3.9", "1.4.0", "1.20.1", "2.0.0"], "1.20.1"),
        ("~1.4.2", ["v1.4.1", "v1.4.9", "v1.5.0"], "v1.4.9"),
        (">= 1.2 , < 2", ["v1.2.0", "v2.0.0"], "v1.2.0"),
        ("1.x || >=3", ["v1.9.0", "v2.0.0", "v3.1.0"], "v3.1.0"),
        (">=1.3.0-rc.1", ["v1.3.0-rc.2", "v1.2.9"], "v1.3.0-rc.2"),
        ("1.x", ["v1.0", "1", "version", ""], ""),
        ("1.2.3", ["v1.2.3", "1.2.3"], "v1.2.3"),
    ],
)
def test_highest_version_in_a_range(range: str, tags: list[str], found: str) -> None:
    assert highest(tags, range) == found
