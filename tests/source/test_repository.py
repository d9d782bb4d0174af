"""Heads, files, history and the commits people mean, on a real repository."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import (
    PathNotFound,
    RefNotFound,
    RepositoryEmpty,
    RepositoryRefused,
    RepositoryUnreachable,
    RevisionRefused,
    SourceError,
)
from bot.model.source import branch
from bot.ports import Repository
from bot.source.repository import GitRepository
from bot.source.spec import RepoSpec
from tests.source.upstream import START, Clock, Upstream
from tests.waiting import until

LATER = START + timedelta(days=1)  # newer than any answer: always asks


def test_it_is_a_repository_of_the_engine(repository: GitRepository) -> None:
    port: Repository = repository
    assert port.name == "fleet"


def test_head_is_the_tip_of_the_branch(upstream: Upstream, repository: GitRepository) -> None:
    upstream.commit({"a.yaml": "a"})
    main = upstream.commit({"a.yaml": "b"})
    other = upstream.commit({"a.yaml": "c"}, branch="release/1.2")
    assert repository.head(branch("main"), newer_than=START) == main
    assert repository.head(branch("release/1.2"), newer_than=START) == other


def test_head_shares_an_answer_that_is_new_enough(upstream: Upstream, repository: GitRepository) -> None:
    first = upstream.commit({"a.yaml": "a"})
    assert repository.head(branch("main"), newer_than=START) == first
    second = upstream.commit({"a.yaml": "b"})
    assert repository.head(branch("main"), newer_than=START) == first
    assert repository.head(branch("main"), newer_than=LATER) == second


def test_head_shares_an_error_too(upstream: Upstream, repository: GitRepository) -> None:
    """Two hundred apps of a hanging repository would wait two hundred timeouts."""
    upstream.path.rename(upstream.path.with_name("moved"))
    with pytest.raises(RepositoryRefused) as first:
        repository.head(branch("main"), newer_than=START)
    upstream.path.with_name("moved").rename(upstream.path)
    upstream.commit({"a.yaml": "a"})
    with pytest.raises(RepositoryRefused) as second:
        repository.head(branch("main"), newer_than=START)
    assert str(first.value) == str(second.value)
    assert repository.head(branch("main"), newer_than=LATER)


def test_unknown_branch_is_named_with_the_nearest_one(upstream: Upstream, repository: GitRepository) -> None:
    upstream.commit({"a.yaml": "a"}, branch="production")
    with pytest.raises(RefNotFound, match=r"has no branch prodution, did you mean production\?"):
        repository.head(branch("prodution"), newer_than=START)


def test_one_missing_branch_does_not_hide_the_others(upstream: Upstream, repository: GitRepository) -> None:
    main = upstream.commit({"a.yaml": "a"})
    with pytest.raises(RefNotFound):
        repository.head(branch("gone"), newer_than=START)
    assert repository.head(branch("main"), newer_than=LATER) == main


def test_empty_repository_has_its_own_error(repository: GitRepository) -> None:
    with pytest.raises(RepositoryEmpty, match="has no commit yet"):
        repository.head(branch("main"), newer_than=START)


@pytest.mark.parametrize("name", ["--upload-pack=touch /tmp/x", "*", "a..b", "a b", "", "x.lock", "refs/heads/../x"])
def test_impossible_branch_never_reaches_git(name: str, cache: Path, repository: GitRepository) -> None:
    with pytest.raises(RefNotFound):
        repository.head(branch(name), newer_than=START)
    assert not cache.exists()


def test_missing_repository_is_refused_with_name_and_address(tmp_path: Path) -> None:
    spec = RepoSpec(name="fleet", url=str(tmp_path / "nowhere.git"))
    repository = GitRepository(spec, directory=tmp_path / "cache", clock=Clock())
    with pytest.raises(RepositoryRefused, match=r"repository fleet \(.*/nowhere.git\): there is no such repository"):
        repository.head(branch("main"), newer_than=START)


def test_tree_has_the_files_below_the_path_in_order(upstream: Upstream, repository: GitRepository) -> None:
    files: dict[str, str | bytes | None] = {
        "app/b.yaml": "b\n",
        "app/a/x.yaml": b"\x00\xff\n\n",
        "app/a.yaml": "",
        "application/c.yaml": "c",
    }
    commit = upstream.commit(files, links={"app/link": "../other"})
    tree = repository.tree(commit, "app")
    assert [(file.path, file.data, file.is_link) for file in tree.files] == [
        ("app/a.yaml", b"", False),
        ("app/a/x.yaml", b"\x00\xff\n\n", False),
        ("app/b.yaml", b"b\n", False),
        ("app/link", b"../other", True),
    ]
    assert (tree.commit, tree.path) == (commit, "app")
    assert tree.subtree == upstream.git("rev-parse", f"{commit}:app")
    assert tree.files[2].blob == upstream.git("rev-parse", f"{commit}:app/b.yaml")


@pytest.mark.parametrize("path", ["", ".", "./"])
def test_empty_path_is_the_whole_repository(path: str, upstream: Upstream, repository: GitRepository) -> None:
    commit = upstream.commit({"a/x.yaml": "x", "b.yaml": "b"})
    tree = repository.tree(commit, path)
    assert tree.path == ""
    assert [file.path for file in tree.files] == ["a/x.yaml", "b.yaml"]


def test_path_is_read_with_or_without_dots_and_slashes(upstream: Upstream, repository: GitRepository) -> None:
    commit = upstream.commit({"a/b/x.yaml": "x"})
    assert repository.tree(commit, "./a//b/") == repository.tree(commit, "a/b")


def test_names_with_blanks_and_letters_of_the_world_survive(upstream: Upstream, repository: GitRepository) -> None:
    commit = upstream.commit({"app/größe und länge.yaml": "x", 'app/"quoted"\t.yaml': "y"})
    assert [file.path for file in repository.tree(commit, "app").files] == [
        'app/"quoted"\t.yaml',
        "app/größe und länge.yaml",
    ]


def test_unrelated_commit_keeps_the_subtree(upstream: Upstream, repository: GitRepository) -> None:
    first = upstream.commit({"app/x.yaml": "x", "README": "1"})
    second = upstream.commit({"README": "2"})
    one, two = repository.tree(first, "app"), repository.tree(second, "app")
    assert (one.subtree, one.files) == (two.subtree, two.files)
    assert two.commit == second


def test_missing_path_names_path_and_commit(upstream: Upstream, repository: GitRepository) -> None:
    commit = upstream.commit({"app/x.yaml": "x"})
    with pytest.raises(PathNotFound, match=f"the path apps does not exist at commit {commit[:7]}"):
        repository.tree(commit, "apps")
    with pytest.raises(PathNotFound, match="is a file, or a link, not a folder"):
        repository.tree(commit, "app/x.yaml")


@pytest.mark.parametrize("path", ["../x", "a/../b", "/etc", "-x", "a\nb", "a\0b"])
def test_path_out_of_the_repository_is_refused(path: str, upstream: Upstream, repository: GitRepository) -> None:
    commit = upstream.commit({"a/x.yaml": "x"})
    with pytest.raises(PathNotFound, match="is no path inside a repository"):
        repository.tree(commit, path)


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


def test_commits_of_a_folder_are_told_from_others(upstream: Upstream, repository: GitRepository) -> None:
    first = upstream.commit({"apps/[a]/x": "1", "apps/b/x": "1"})
    mine = upstream.commit({"apps/[a]/x": "2"})
    other = upstream.commit({"apps/b/x": "2"})
    assert repository.count_between(first, other, path="apps/[a]") == 1
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


def test_commit_that_no_branch_has_is_fetched_by_its_hash(upstream: Upstream, tmp_path: Path) -> None:
    """A new cache after a force-push: the deployed commit is on no branch, but the host still has it."""
    first = upstream.commit({"app/a": "1"})
    old = upstream.commit({"app/a": "2"})
    upstream.commit({"app/a": "3"}, parents=(first,))
    upstream.git("config", "uploadpack.allowAnySHA1InWant", "true")
    fresh = upstream.repository(tmp_path / "fresh")
    assert fresh.tree(old, "app").files[0].data == b"2"
    fresh.close()


@pytest.mark.parametrize("name", ["packed-refs.lock", "refs/heads/main.lock", "config.lock", "objects/pack/tmp_pack_x"])
def test_leftovers_of_a_killed_git_heal(name: str, upstream: Upstream, cache: Path) -> None:
    upstream.commit({"a": "1"})
    before = upstream.repository(cache)
    before.head(branch("main"), newer_than=START)
    before.close()
    (mirror,) = cache.glob("*/mirror.git")
    leftover = mirror / name
    leftover.parent.mkdir(parents=True, exist_ok=True)
    leftover.write_text("")
    second = upstream.commit({"a": "2"})
    after = upstream.repository(cache)
    assert after.head(branch("main"), newer_than=START) == second
    assert not leftover.exists()
    after.close()


def test_lock_left_while_we_run_heals_too(upstream: Upstream, repository: GitRepository, cache: Path) -> None:
    upstream.commit({"a": "1"})
    repository.head(branch("main"), newer_than=START)
    (mirror,) = cache.glob("*/mirror.git")
    (mirror / "refs/heads").mkdir(parents=True, exist_ok=True)
    (mirror / "refs/heads/main.lock").write_text("")
    second = upstream.commit({"a": "2"})
    assert repository.head(branch("main"), newer_than=LATER) == second


def _no_head(mirror: Path) -> None:
    (mirror / "HEAD").unlink(missing_ok=True)  # what reads already does not miss it


def _empty_packs(mirror: Path) -> None:
    for pack in mirror.glob("objects/pack/*"):
        pack.chmod(0o600)
        pack.write_bytes(b"")


def _no_packs(mirror: Path) -> None:
    for pack in mirror.glob("objects/pack/*"):
        pack.unlink()


def _gone(mirror: Path) -> None:
    mirror.rename(mirror.with_name("elsewhere"))


@pytest.mark.parametrize("damage", [_no_head, _empty_packs, _no_packs, _gone])
def test_damaged_cache_is_made_anew(
    damage: Callable[[Path], None], upstream: Upstream, repository: GitRepository, cache: Path
) -> None:
    first = upstream.commit({"app/a": "1"})
    repository.head(branch("main"), newer_than=START)
    (mirror,) = cache.glob("*/mirror.git")
    damage(mirror)
    assert repository.tree(first, "app").files[0].data == b"1"
    damage_again, second = mirror, upstream.commit({"app/a": "2"})
    damage(damage_again) if damage is not _gone else None
    assert repository.head(branch("main"), newer_than=LATER) == second
    assert repository.tree(second, "app").files[0].data == b"2"


def test_many_threads_get_the_same_answers(upstream: Upstream, repository: GitRepository) -> None:
    commits = [upstream.commit({"app/a": str(number), "b": str(number)}) for number in range(8)]

    def work(number: int) -> tuple[str, bytes, int | None]:
        commit = commits[number % 8]
        head = repository.head(branch("main"), newer_than=START)
        return head, repository.tree(commit, "app").files[0].data, repository.count_between(commit, head)

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(work, range(48)))
    assert results == [(commits[-1], str(number % 8).encode(), 7 - number % 8) for number in range(48)]


def test_two_repositories_share_one_cache(upstream: Upstream, cache: Path) -> None:
    """The bot and a command in a terminal use the same folder at the same time."""
    commits = [upstream.commit({"app/a": str(number)}) for number in range(3)]
    both = [upstream.repository(cache), upstream.repository(cache)]
    with ThreadPoolExecutor(2) as pool:
        heads = list(pool.map(lambda one: one.head(branch("main"), newer_than=START), both))
    assert heads == [commits[-1]] * 2
    for one in both:
        one.close()


def test_close_leaves_no_process_and_no_descriptor(upstream: Upstream, cache: Path) -> None:
    commit = upstream.commit({"app/a": "1"})
    descriptors, children = set(os.listdir("/proc/self/fd")), _children()
    repository = upstream.repository(cache)
    repository.head(branch("main"), newer_than=START)
    repository.tree(commit, "app")
    repository.close()
    # Other tests of this process have servers, whose threads open and close descriptors meanwhile.
    until(lambda: set(os.listdir("/proc/self/fd")) <= descriptors, "no descriptor is left")
    assert _children() <= children
    with pytest.raises(RepositoryUnreachable, match="the bot is stopping"):
        repository.head(branch("main"), newer_than=LATER)


def _children() -> set[str]:
    found: set[str] = set()
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            found |= {*(task / "children").read_text().split()}
    return found


def test_check_reports_what_is_wrong_with_its_fix(upstream: Upstream, repository: GitRepository) -> None:
    (problem,) = repository.check()
    assert problem.subject == "fleet"
    assert "has no commit yet; push one to main" in problem.message
    upstream.commit({"a": "1"})
    assert repository.check() == ()


def test_cache_that_cannot_be_made_is_a_source_error(upstream: Upstream, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    repository = upstream.repository(tmp_path / "file")
    with pytest.raises(SourceError, match="cannot be written: Not a directory; make it writable"):
        repository.head(branch("main"), newer_than=START)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_local_repository_of_another_owner_is_read(upstream: Upstream, repository: GitRepository) -> None:
    commit = upstream.commit({"app/a": "1"})
    for folder, _, files in os.walk(upstream.path):
        for name in [folder, *(os.path.join(folder, file) for file in files)]:
            os.chown(name, 12345, 12345)
    assert repository.head(branch("main"), newer_than=START) == commit


def test_file_url_and_work_tree_are_read_like_a_path(upstream: Upstream, tmp_path: Path) -> None:
    commit = upstream.commit({"app/a": "1"})
    upstream.git("clone", "--quiet", str(upstream.path), str(tmp_path / "work"))
    for url in (upstream.path.as_uri(), str(tmp_path / "work")):
        repository = upstream.repository(tmp_path / "cache", url=url)
        assert repository.head(branch("main"), newer_than=START) == commit
        repository.close()


def test_writer_waits_for_another_process_and_gives_up_in_time(upstream: Upstream, cache: Path) -> None:
    upstream.commit({"a": "1"})
    holder = upstream.repository(cache)
    hasty = upstream.repository(cache, fetch_timeout=timedelta(milliseconds=200))
    patient = upstream.repository(cache)
    release, held = threading.Event(), threading.Event()

    def hold() -> None:
        with holder._mirror.writing():
            held.set()
            release.wait(timeout=60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(timeout=60)
    with pytest.raises(RepositoryUnreachable, match="another process has been fetching"):
        hasty.head(branch("main"), newer_than=START)
    release.set()
    thread.join()
    assert patient.head(branch("main"), newer_than=LATER)
    for one in (hasty, patient, holder):
        one.close()
