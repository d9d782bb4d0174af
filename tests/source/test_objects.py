"""The long-lived git process: what it answers, and that nothing is left of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.source.binary import GitBinary, GitClosed
from bot.source.objects import Objects, ObjectsBroken
from tests.source.upstream import Upstream
from tests.waiting import PATIENCE_SECONDS, until


@pytest.fixture
def binary(tmp_path: Path) -> GitBinary:
    return GitBinary(directory=tmp_path, environment={})


@pytest.fixture
def objects(binary: GitBinary, upstream: Upstream) -> Iterator[Objects]:
    made = Objects(binary, git_dir=str(upstream.path), timeout=timedelta(seconds=PATIENCE_SECONDS))
    yield made
    made.close()


def children() -> set[str]:
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


def test_answers_are_in_the_order_of_the_questions(objects: Objects, upstream: Upstream) -> None:
    commit = upstream.commit({"a b": "one", "dir/c": "three"})
    names = [f"{commit}:a b", f"{commit}:no such file 40 blob 3", f"{commit}:dir", commit]
    found = [(one.kind, one.size) if one else None for one in objects.infos(names)]
    assert found[:3] == [("blob", 3), None, ("tree", 29)]
    assert found[3] is not None
    assert found[3][0] == "commit"


def test_more_questions_than_a_pipe_holds(objects: Objects, upstream: Upstream) -> None:
    commit = upstream.commit({f"{number:04}": f"{number}\n" * 200 for number in range(1500)})
    infos = objects.infos([f"{commit}:{number:04}" for number in range(1500)] + [f"{commit}:{'x' * 5000}"])
    assert infos.pop() is None
    ids = [one.id for one in infos if one is not None]
    assert len(ids) == 1500
    contents = objects.contents([*ids, "0" * 40])
    assert [contents[id] for id in ids] == [f"{number}\n".encode() * 200 for number in range(1500)]
    assert len(contents) == 1500


def test_what_comes_later_is_seen(objects: Objects, upstream: Upstream) -> None:
    first = upstream.commit({"a": "1"})
    assert objects.infos([first])[0] is not None
    second = upstream.commit({"a": "2"})
    assert objects.infos([second])[0] is not None


def test_nothing_is_left_after_close_and_it_begins_again(objects: Objects, upstream: Upstream) -> None:
    before = children()
    commit = upstream.commit({"a": "1"})
    descriptors = set(os.listdir("/proc/self/fd"))
    for _ in range(3):
        assert objects.infos([commit])[0] is not None
        assert len(children() - before) == 1
        objects.close()
        assert children() == before
        # Other tests of this process have servers, whose threads open and close descriptors meanwhile.
        until(lambda: set(os.listdir("/proc/self/fd")) <= descriptors, "no descriptor is left")


def test_end_of_git_is_an_error_and_the_next_question_is_answered(binary: GitBinary, tmp_path: Path) -> None:
    objects = Objects(binary, git_dir=str(tmp_path / "none"), timeout=timedelta(seconds=PATIENCE_SECONDS))
    with pytest.raises(ObjectsBroken, match="not a git repository"):
        objects.infos(["HEAD"])
    Upstream(tmp_path / "none").commit({"a": "1"})
    assert objects.infos(["HEAD"])[0] is not None
    binary.close()
    with pytest.raises(GitClosed):
        objects.infos(["HEAD"])
    objects.close()
