"""The fleet's repository: a month of history, and what mischief does to it."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.sandbox.demo import cast, story
from bot.sandbox.demo.repository import NewCommit, Repository

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def fleet(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "fleet.git")
    made.begin(story.history(NOW))
    return made


def commit(fleet: Repository, subject: str, **files: str | None) -> str:
    named = {name.replace("_", "."): text for name, text in files.items()}
    return fleet.commit(NewCommit(author=cast.author(cast.BOB), at=NOW, message=subject, files=named))


def test_history_is_a_month_of_several_authors(fleet: Repository) -> None:
    log = fleet.log(limit=80)
    assert len(log) == 14
    assert {one.author.name for one in log} == {user.real_name for user in cast.PEOPLE}
    assert (log[0].branch, log[1].branch) == ("main", "")
    assert [one.at for one in log] == sorted((one.at for one in log), reverse=True)
    assert (NOW.timestamp() - log[-1].at) / 86400 > 30


@pytest.mark.parametrize("env", story.ENVIRONMENTS)
@pytest.mark.parametrize("app", story.APPS)
def test_every_app_has_its_manifests_in_every_environment(fleet: Repository, app: str, env: str) -> None:
    name = "stateful-set.yaml" if app == "search" else "deployment.yaml"
    text = fleet.read(f"{env}/{app}/{name}")
    assert f"registry.shop.example/{app}:" in text
    assert "$" not in text


def test_commit_goes_on_top_and_its_patch_can_be_read(fleet: Repository) -> None:
    before = fleet.head()
    id = commit(fleet, "Add a note", note_txt="hello\n")
    (newest, *_) = fleet.log(limit=2)
    assert (newest.id, newest.parents, newest.files) == (id, (before,), ("note.txt",))
    assert "+hello" in fleet.patch(id[:7])
    assert fleet.read("note.txt") == "hello\n"
    commit(fleet, "Take it away", note_txt=None)
    with pytest.raises(LookupError):
        fleet.read("note.txt")


def test_force_push_drops_a_commit_that_is_still_shown(fleet: Repository) -> None:
    dropped = commit(fleet, "Soon gone", a_txt="1\n")
    made = fleet.replace_last(
        NewCommit(author=cast.author(cast.BOB), at=NOW, message="Instead", files={"b.txt": "2\n"})
    )
    log = {one.id: one for one in fleet.log(limit=80)}
    assert (log[made].dropped, log[dropped].dropped) == (False, True)
    assert log[made].branch == "main"
    assert dropped not in log[made].parents


@pytest.mark.parametrize("id", ["", "main", "0" * 40, "--help", "HEAD^", "a" * 41])
def test_what_is_no_commit_has_no_patch(fleet: Repository, id: str) -> None:
    with pytest.raises(LookupError):
        fleet.patch(id)


def test_stamp_moves_with_the_branches_only(fleet: Repository) -> None:
    before = fleet.stamp()
    assert fleet.stamp() == before
    commit(fleet, "Move", a_txt="1\n")
    assert fleet.stamp() != before


def _branch(fleet: Repository, name: str, text: str) -> None:
    """Push a branch from a clone, as the bot does."""
    clone = fleet.folder.parent / name.replace("/", "-")
    git = ["git", "-c", "user.name=gitops-bot", "-c", "user.email=bot@shop.example"]
    subprocess.run([*git, "clone", "-q", str(fleet.folder), str(clone)], check=True)
    (clone / "README.md").write_text(text, encoding="utf-8")
    subprocess.run([*git, "commit", "-q", "-a", "-m", "Keep it"], cwd=clone, check=True)
    subprocess.run([*git, "push", "-q", "origin", f"HEAD:refs/heads/{name}"], cwd=clone, check=True)


def test_branch_is_merged_and_gone(fleet: Repository) -> None:
    _branch(fleet, "keep/one", "one\n")
    tip = next(one.id for one in fleet.log(limit=5) if one.branch == "keep/one")
    assert fleet.merge("keep/one", cast.author(cast.ANA), at=NOW) == tip
    assert [one.branch for one in fleet.log(limit=5) if one.branch] == ["main"]


def test_branch_beside_a_newer_main_is_merged_unless_both_changed_the_same(fleet: Repository) -> None:
    _branch(fleet, "keep/one", "one\n")
    _branch(fleet, "keep/two", "two\n")
    commit(fleet, "Add a note", note_txt="hello\n")
    fleet.merge("keep/one", cast.author(cast.ANA), at=NOW)
    assert (fleet.read("README.md"), fleet.read("note.txt")) == ("one\n", "hello\n")
    with pytest.raises(LookupError, match="made anew"):
        fleet.merge("keep/two", cast.author(cast.ANA), at=NOW)
    for name in ("keep/none", "../main", "--help"):
        with pytest.raises(LookupError, match="no branch"):
            fleet.merge(name, cast.author(cast.ANA), at=NOW)
