"""What the bot writes to Git: one commit on a branch, made without a checkout, never over what others pushed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.errors import PushRefused
from bot.model.source import MAIN, branch
from bot.source.repository import GitRepository
from tests.source.upstream import START, Upstream

BRANCH = "gitops-bot/keep/shop-1a2b3c4"


def read(upstream: Upstream, ref: str, path: str) -> str:
    return upstream.git("show", f"{ref}:{path}")


def test_proposal_is_one_commit_on_a_branch_of_its_own(upstream: Upstream, repository: GitRepository) -> None:
    base = upstream.commit({"apps/shop/a.yaml": "a: 1\n", "apps/shop/b.yaml": "b: 1\n", "README": "x"})
    repository.head(MAIN, newer_than=START)
    made = repository.propose(
        base, {"apps/shop/a.yaml": b"a: 2\n", "apps/new/c.yaml": b"c: 1\n"}, branch=BRANCH, message="Keep a\n\nWhy."
    )
    assert upstream.git("rev-parse", BRANCH) == made
    assert upstream.git("rev-parse", f"{BRANCH}^", "main").split() == [base, base]
    assert upstream.git("diff", "--name-status", base, made).split() == [
        "A",
        "apps/new/c.yaml",
        "M",
        "apps/shop/a.yaml",
    ]
    assert read(upstream, BRANCH, "apps/shop/a.yaml") == "a: 2"
    assert upstream.git("log", "-1", "--format=%an|%s|%b", BRANCH).strip() == "gitops-bot|Keep a|Why."


def test_same_proposal_twice_is_one_branch_that_stays_as_it_is(upstream: Upstream, repository: GitRepository) -> None:
    base = upstream.commit({"a.yaml": "a: 1\n"})
    repository.head(MAIN, newer_than=START)
    first = repository.propose(base, {"a.yaml": b"a: 2\n"}, branch=BRANCH, message="Keep")
    assert repository.propose(base, {"a.yaml": b"a: 2\n"}, branch=BRANCH, message="Keep") == first
    theirs = upstream.commit({"a.yaml": "a: 3\n"}, branch=BRANCH)
    assert repository.propose(base, {"a.yaml": b"a: 2\n"}, branch=BRANCH, message="Keep") == theirs


def test_mode_of_a_file_stays(upstream: Upstream, repository: GitRepository) -> None:
    base = upstream.commit({"run.sh": "a"})
    index = {"GIT_INDEX_FILE": str(upstream.path / "test.index")}
    upstream.git("read-tree", base, env=index)
    blob = upstream.git("rev-parse", f"{base}:run.sh")
    upstream.git("update-index", "--cacheinfo", f"100755,{blob},run.sh", env=index)
    tree = upstream.git("write-tree", env=index)
    base = upstream.git("-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", tree, "-p", base, "-m", "x")
    upstream.git("update-ref", "refs/heads/main", base)
    repository.head(MAIN, newer_than=START)
    repository.propose(base, {"run.sh": b"b"}, branch=BRANCH, message="Keep")
    assert upstream.git("ls-tree", BRANCH).startswith("100755 blob")


def test_remote_that_protects_a_branch_says_so(upstream: Upstream, repository: GitRepository) -> None:
    base = upstream.commit({"a.yaml": "a: 1\n"})
    repository.head(MAIN, newer_than=START)
    hook = upstream.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'protected branch'\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(PushRefused, match="pre-receive hook declined"):
        repository.propose(base, {"a.yaml": b"a: 2\n"}, branch=BRANCH, message="Keep")


def test_files_of_a_submodule_and_odd_branches_are_refused(upstream: Upstream, repository: GitRepository) -> None:
    base = upstream.commit({"a.yaml": "a: 1\n"}, submodules={"lib": "a" * 40})
    repository.head(MAIN, newer_than=START)
    with pytest.raises(PushRefused, match="lies in a submodule"):
        repository.propose(base, {"lib/x.yaml": b"x"}, branch=BRANCH, message="Keep")
    with pytest.raises(PushRefused, match="is no name of a branch"):
        repository.propose(base, {"a.yaml": b"x"}, branch="--mirror", message="Keep")


def test_proposal_is_seen_by_the_next_look(upstream: Upstream, repository: GitRepository, cache: Path) -> None:
    base = upstream.commit({"a.yaml": "a: 1\n"})
    repository.head(MAIN, newer_than=START)
    made = repository.propose(base, {"a.yaml": b"a: 2\n"}, branch=BRANCH, message="Keep")
    assert repository.head(branch(BRANCH), newer_than=START) == made
    assert repository.file(made, "a.yaml").data == b"a: 2\n"
    assert not list(cache.rglob("*.lock"))


def test_folder_is_put_back_on_the_branch_and_nothing_else_is(upstream: Upstream, repository: GitRepository) -> None:
    good = upstream.commit({"apps/shop/a.yaml": "a: 1\n", "apps/shop/sub/b.yaml": "b: 1\n", "README": "x"})
    upstream.commit({"apps/shop/a.yaml": "a: 2\n", "apps/shop/c.yaml": "c: 1\n", "README": "y"})
    head = upstream.commit({"apps/shop/sub/b.yaml": None, "apps/docs/d.yaml": "d: 1\n"})
    repository.head(MAIN, newer_than=START)
    made = repository.put_back(head, "apps/shop", of=good, message="Roll back")
    assert upstream.git("rev-parse", "main") == head
    repository.advance("main", made, expects=head)
    assert upstream.git("rev-parse", "main", "main^").split() == [made, head]
    assert repository.head(MAIN, newer_than=START) == made  # what was heard before we pushed is not said again
    assert upstream.git("rev-parse", f"{made}:apps/shop") == upstream.git("rev-parse", f"{good}:apps/shop")
    assert (read(upstream, "main", "README"), read(upstream, "main", "apps/docs/d.yaml")) == ("y", "d: 1")


def test_branch_that_somebody_pushed_to_meanwhile_is_not_moved(upstream: Upstream, repository: GitRepository) -> None:
    good = upstream.commit({"a.yaml": "a: 1\n"})
    head = upstream.commit({"a.yaml": "a: 2\n"})
    repository.head(MAIN, newer_than=START)
    made = repository.put_back(head, "", of=good, message="Roll back")
    theirs = upstream.commit({"b.yaml": "b: 1\n"})
    with pytest.raises(PushRefused, match="stale info"):
        repository.advance("main", made, expects=head)
    assert upstream.git("rev-parse", "main") == theirs
    with pytest.raises(PushRefused, match="was no folder"):
        repository.put_back(theirs, "apps", of=good, message="Roll back")


def test_branch_is_withdrawn_unless_others_pushed_to_it(upstream: Upstream, repository: GitRepository) -> None:
    base = upstream.commit({"a.yaml": "a: 1\n"})
    repository.head(MAIN, newer_than=START)
    made = repository.propose(base, {"a.yaml": b"a: 2\n"}, branch=BRANCH, message="Keep")
    assert repository.withdraw(BRANCH, expects=made)
    assert upstream.git("for-each-ref", f"refs/heads/{BRANCH}") == ""
    assert not repository.withdraw(BRANCH, expects=made)
    again = repository.propose(base, {"a.yaml": b"a: 2\n"}, branch=BRANCH, message="Keep")
    theirs = upstream.commit({"a.yaml": "a: 3\n"}, branch=BRANCH)
    assert not repository.withdraw(BRANCH, expects=again)
    assert upstream.git("rev-parse", BRANCH) == theirs
