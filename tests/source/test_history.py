"""History, and the commits people mean, on a real repository."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import RefNotFound, RepositoryRefused, RevisionRefused
from bot.model.source import branch
from bot.source.repository import GitRepository
from tests.source.upstream import LATER, START, Upstream


def test_revision_has_author_subject_and_time(upstream: Upstream, repository: GitRepository) -> None:
    commit = upstream.commit({"a": "1"}, message="Raise the limit\n\nBecause \u001b[31mred.")
    revision = repository.revision(commit)
    assert (revision.commit, revision.author, revision.email) == (commit, "Ana Lima", "ana@example.com")
    assert revision.subject == "Raise the limit"
    assert revision.committed_at == START + timedelta(seconds=1)


def test_subject_loses_control_characters_and_keeps_letters(upstream: Upstream, repository: GitRepository) -> None:
    commit = upstream.commit({"a": "1"}, message="Größer \u001b[31m\u202e🚀")
    assert repository.revision(commit).subject == "Größer [31m🚀"


def test_log_follows_first_parents(upstream: Upstream, repository: GitRepository) -> None:
    first = upstream.commit({"a": "1"})
    side = upstream.commit({"b": "1"}, branch="side", parents=(first,))
    second = upstream.commit({"a": "2"})
    merge = upstream.commit({"b": "1"}, parents=(second, side), message="Merge side")
    assert [revision.commit for revision in repository.log(merge, limit=10)] == [merge, second, first]
    assert [revision.commit for revision in repository.log(merge, limit=2)] == [merge, second]


def test_log_of_paths_has_the_commits_that_changed_one_of_them(upstream: Upstream, repository: GitRepository) -> None:
    first = upstream.commit({"apps/[a]/x": "1", "base/x": "1"})
    side = upstream.commit({"apps/[a]/x": "2"}, branch="side", parents=(first,))
    upstream.commit({"apps/b/x": "1"})
    base = upstream.commit({"base/x": "2"})
    merge = upstream.commit({"apps/[a]/x": "2"}, parents=(base, side), message="Merge side")
    last = upstream.commit({"apps/a/x": "no pattern"})

    def changed(*paths: str, limit: int = 10) -> list[str]:
        return [one.commit for one in repository.log(last, limit=limit, paths=paths)]

    assert changed("apps/[a]", "base") == changed("apps/[a]", "base") == [merge, base, first]
    assert changed("apps/[a]", "base", limit=1) == [merge]
    assert changed("nowhere") == []
    assert changed("") == [one.commit for one in repository.log(last, limit=10)]
    after = repository.log(last, limit=10, paths=("apps/[a]", "base"), without=side)
    assert [one.commit for one in after] == [merge, base]


def test_count_between_counts_only_along_ancestry(upstream: Upstream, repository: GitRepository) -> None:
    first = upstream.commit({"a": "1"})
    side = upstream.commit({"b": "1"}, branch="side", parents=(first,))
    upstream.commit({"a": "2"})
    third = upstream.commit({"a": "3"})
    assert repository.count_between(first, third) == 2
    assert repository.count_between(third, third) == 0
    assert repository.count_between(third, first) is None
    assert repository.count_between(side, third) is None
    assert repository.count_between("0" * 40, third) is None


def test_what_is_here_is_told_while_the_host_is_away(upstream: Upstream, repository: GitRepository) -> None:
    first = upstream.commit({"a": "1"})
    last = upstream.commit({"a": "2"})
    repository.revision(last)
    later = upstream.commit({"a": "3"})  # the cache of somebody else has it
    upstream.path.rename(upstream.path.with_name("away"))
    assert repository.descends_here(last, first)
    assert repository.descends_here(last, last)
    assert not repository.descends_here(first, last)
    assert not repository.descends_here(later, first)
    assert not repository.descends_here(last, later)
    with pytest.raises(RepositoryRefused):
        repository.descends(later, first)


def test_nothing_is_fetched_to_tell_what_is_here(upstream: Upstream, repository: GitRepository) -> None:
    first, last = upstream.commit({"a": "1"}), upstream.commit({"a": "2"})
    assert not repository.descends_here(last, first)  # the cache is new
    repository.revision(last)
    assert repository.descends_here(last, first)


def test_commits_of_a_folder_are_told_from_others(upstream: Upstream, repository: GitRepository) -> None:
    first = upstream.commit({"apps/[a]/x": "1", "apps/b/x": "1"})
    mine = upstream.commit({"apps/[a]/x": "2"})
    other = upstream.commit({"apps/b/x": "2"})
    assert repository.count_between(first, other, paths=["apps/[a]"]) == 1
    found = repository.last_touching(["apps/[a]"], after=first, upto=other)
    assert found == repository.revision(mine)
    assert repository.last_touching(["apps/[a]"], after=mine, upto=other) is None
    assert repository.last_touching(["apps/[a]"], after=other, upto=first) is None
    assert repository.last_touching(["base", "apps/[a]"], after=first, upto=other) == repository.revision(mine)
    assert repository.last_touching(["apps/[a]", ""], after=first, upto=other) == repository.revision(other)


def test_messages_are_those_of_the_commits_that_touched_a_folder(upstream: Upstream, repository: GitRepository) -> None:
    """A merge too: often its branch alone has the name that somebody looks for."""
    first = upstream.commit({"apps/a/x": "1", "base/x": "1"})
    side = upstream.commit({"apps/a/x": "2"}, branch="side", parents=(first,), message="Side\n\nSHOP-1")
    upstream.commit({"apps/b/x": "1"}, message="Other")
    merge = upstream.commit({"apps/a/x": "2"}, parents=(upstream.git("rev-parse", "main"), side), message="Merge side")
    last = upstream.commit({"base/x": "2"}, message="Base")
    assert repository.messages(first, last, paths=["apps/a"]) == ("Merge side", "Side\n\nSHOP-1")
    assert repository.messages(first, last, paths=["apps/a", "base"])[0] == "Base"
    assert len(repository.messages(first, last, paths=[""])) == 4
    assert repository.messages(last, first, paths=["apps/a"]) == ()
    assert repository.messages(merge, last, paths=["apps/a"]) == ()


def resolve(repository: GitRepository, text: str, *deployed: str) -> str:
    return repository.resolve(text, ref=branch("main"), deployed=deployed).commit


def test_prefix_of_an_ancestor_resolves(upstream: Upstream, repository: GitRepository) -> None:
    first = upstream.commit({"a": "1"})
    upstream.commit({"a": "2"})
    for text in (first[:7], first[:12].upper(), first, f" {first[:8]} "):
        assert resolve(repository, text) == first


def test_commit_pushed_a_moment_ago_resolves_after_one_fetch(upstream: Upstream, repository: GitRepository) -> None:
    upstream.commit({"a": "1"})
    repository.head(branch("main"), newer_than=START)
    second = upstream.commit({"a": "2"})
    assert resolve(repository, second[:7]) == second


def test_commit_resolves_when_its_branch_was_merged_without_a_fetch(
    upstream: Upstream, repository: GitRepository
) -> None:
    """head() does not fetch a fast-forward to a commit that came with another branch: our ref of main lags."""
    upstream.commit({"a": "1"})
    feature = upstream.commit({"a": "2"}, branch="feature", parents=(upstream.git("rev-parse", "refs/heads/main"),))
    repository.head(branch("feature"), newer_than=START)
    upstream.git("update-ref", "refs/heads/main", feature)
    assert repository.head(branch("main"), newer_than=LATER) == feature
    assert resolve(repository, feature[:7]) == feature


def test_each_way_to_be_wrong_has_its_own_message(upstream: Upstream, repository: GitRepository) -> None:
    first = upstream.commit({"a": "1"})
    foreign = upstream.commit({"b": "1"}, branch="side", parents=(first,))
    main = upstream.commit({"a": "2"})
    upstream.git("update-ref", "refs/heads/feed", first)
    repository.head(branch("main"), newer_than=START)
    messages: dict[str, str] = {}
    for text in (main[:4], "main", "feed", "0" * 7, foreign[:7], "mian", "f" * 41):
        with pytest.raises(RevisionRefused) as refused:
            resolve(repository, text)
        messages[text] = str(refused.value)
    assert messages == {
        main[:4]: f'"{main[:4]}" is too short: type at least 7 digits of the commit',
        "main": f'"main" is a branch: name a commit (its tip is {main[:7]})',
        "feed": f'"feed" is a branch: name a commit (its tip is {first[:7]})',
        "0" * 7: '"0000000" is no commit of this repository: `history` lists those deployed',
        foreign[:7]: f"{foreign[:7]} is neither on main nor was it ever deployed here: merge it into main first",
        "mian": '"mian" is no commit: type 7 to 40 hexadecimal digits',
        "f" * 41: f'"{"f" * 39}…" is no commit: type 7 to 40 hexadecimal digits',
    }


def test_foreign_commit_resolves_when_it_was_deployed_here(upstream: Upstream, repository: GitRepository) -> None:
    first = upstream.commit({"a": "1"})
    foreign = upstream.commit({"b": "1"}, branch="side", parents=(first,))
    assert resolve(repository, foreign[:7], foreign) == foreign


def test_hash_of_a_file_is_no_commit(upstream: Upstream, repository: GitRepository) -> None:
    upstream.commit({"a": "1"})
    blob = upstream.git("rev-parse", "main:a")
    with pytest.raises(RevisionRefused, match="is no commit of this repository"):
        resolve(repository, blob[:10])


@pytest.mark.parametrize(
    "text", ["--upload-pack=x", "$(rm -rf /)", "; ls", "HEAD", "main~1", "abc\0def1", "\u202e1234567", "x" * 10_000, ""]
)
def test_hostile_text_is_refused_short_and_printable(text: str, upstream: Upstream, repository: GitRepository) -> None:
    upstream.commit({"a": "1"})
    with pytest.raises(RevisionRefused) as refused:
        resolve(repository, text)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 120


def test_ambiguous_prefix_lists_the_commits(upstream: Upstream, repository: GitRepository) -> None:
    base = upstream.commit({"a": "1"})
    one, two = upstream.twins(base)
    upstream.commit({}, parents=(base, one, two))
    with pytest.raises(RevisionRefused, match="is ambiguous: 2 commits begin so") as refused:
        resolve(repository, one[:7])
    assert one[:12] in str(refused.value)
    assert two[:12] in str(refused.value)
    assert resolve(repository, one[:20]) == one


def test_deployed_commit_survives_a_force_push_and_a_repack(
    upstream: Upstream, repository: GitRepository, cache: Path
) -> None:
    first = upstream.commit({"app/a": "1"})
    old = upstream.commit({"app/a": "2"})
    repository.head(branch("main"), newer_than=START)
    new = upstream.commit({"app/a": "3"}, parents=(first,))
    assert repository.head(branch("main"), newer_than=LATER) == new
    (mirror,) = cache.glob("*/mirror.git")
    upstream.git(f"--git-dir={mirror}", "gc", "--quiet", "--prune=now")
    assert repository.tree(old, "app").files[0].data == b"2"
    assert resolve(repository, old[:7], old) == old
    with pytest.raises(RevisionRefused, match=r"is neither on main"):
        resolve(repository, old[:7])


def test_tip_of_a_deleted_branch_is_kept(upstream: Upstream, repository: GitRepository) -> None:
    upstream.commit({"a": "1"})
    side = upstream.commit({"app/a": "2"}, branch="side")
    repository.head(branch("side"), newer_than=START)
    upstream.git("update-ref", "-d", "refs/heads/side")
    upstream.git("update-ref", "refs/heads/side/deeper", side)
    repository.head(branch("side/deeper"), newer_than=LATER)
    with pytest.raises(RefNotFound):
        repository.head(branch("side"), newer_than=LATER)
    assert repository.tree(side, "app").files[0].data == b"2"


def test_deployed_commit_that_is_gone_everywhere_says_so(upstream: Upstream, repository: GitRepository) -> None:
    upstream.commit({"a": "1"})
    with pytest.raises(RevisionRefused, match="was deployed here once, but the remote does not have it any more"):
        resolve(repository, "1234567", "1234567" + "0" * 33)
