"""Heads, files and what becomes of a copy, on a real repository."""

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
    SourceError,
)
from bot.model.source import branch
from bot.ports.source import Repository
from bot.source.repository import GitRepository
from bot.source.spec import RepoSpec
from tests.source.upstream import LATER, START, Clock, Upstream
from tests.waiting import until


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
