"""The git binary as a process: what it says on both outputs, and a machine without it."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import RepositoryUnreachable, SourceError
from bot.source.binary import GitBinary, GitTimedOut
from bot.source.repository import GitRepository
from bot.source.spec import Credentials, RepoSpec
from tests.source.upstream import START, Clock, Upstream

MINUTE = timedelta(minutes=1)


@pytest.fixture
def binary(tmp_path: Path) -> Iterator[GitBinary]:
    made = GitBinary(directory=tmp_path, environment={})
    yield made
    made.close()


def shell(script: str) -> list[str]:
    """Return what makes git run a script, as one of its helpers."""
    return ["-c", f"alias.script=!f() {{ {script}; }}; f", "script"]


@pytest.mark.parametrize("stdin", [b"", b"something"])
def test_outputs_longer_than_pipes_arrive_whole(binary: GitBinary, stdin: bytes) -> None:
    finished = binary.run(
        shell("yes ja | head -c 300000 >&2; yes si | head -c 300000; exit 3"), timeout=MINUTE, stdin=stdin
    )
    assert finished.status == 3
    assert finished.output == b"si\n" * 100_000
    assert finished.complaint == ("ja\n" * 100_000).strip()


@pytest.mark.parametrize("stdin", [b"", b"something"])
def test_process_that_says_something_and_hangs_is_given_up(binary: GitBinary, stdin: bytes) -> None:
    with pytest.raises(GitTimedOut):
        binary.run(shell("echo begins; exec sleep 600"), timeout=timedelta(seconds=0.5), stdin=stdin)


def test_machine_without_git_is_told_what_to_install(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    spec = RepoSpec(name="fleet", url=str(upstream.path), credentials=Credentials())
    repository = GitRepository(spec, directory=tmp_path / "cache", clock=Clock())
    with pytest.raises(SourceError, match="repository fleet: there is no git program on the PATH; install git"):
        repository.head(spec.ref, newer_than=START)
    repository.close()


def test_process_without_room_for_another_says_so_and_loses_no_descriptor(upstream: Upstream, tmp_path: Path) -> None:
    upstream.commit({"a": "1"})
    spec = RepoSpec(name="fleet", url=str(upstream.path), credentials=Credentials())
    repository = GitRepository(spec, directory=tmp_path / "cache", clock=(clock := Clock()))
    repository.head(spec.ref, newer_than=START)
    clock.now += MINUTE
    before = os.listdir("/proc/self/fd")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)  # the lowest number that is free
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 3, limits[1]))
    try:
        with pytest.raises(
            RepositoryUnreachable, match="fleet: git cannot be started: Too many open files; tried again"
        ):
            repository.head(spec.ref, newer_than=clock.now)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert os.listdir("/proc/self/fd") == before
    clock.now += MINUTE
    repository.head(spec.ref, newer_than=clock.now)
    repository.close()


def test_git_gets_the_signals_that_python_ignores(binary: GitBinary) -> None:
    ignored = binary.run(shell("grep SigIgn /proc/$$/status"), timeout=MINUTE).text.split()[1]
    assert int(ignored, 16) & (1 << (signal.SIGPIPE - 1) | 1 << (signal.SIGXFSZ - 1)) == 0
