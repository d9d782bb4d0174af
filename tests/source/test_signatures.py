"""Only commits signed by somebody of the keyring get through, checked by the real git, ssh-keygen and gpg."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import SignatureRefused, SourceError
from bot.model.source import GitRef, RefKind, branch
from bot.source.repository import GitRepository
from bot.source.spec import Signed
from tests.source.upstream import START, Upstream

V1 = GitRef(RefKind.TAG, "v1.0.0")
LATER = START + timedelta(days=1)
MAIN = branch("main")

pytestmark = pytest.mark.tools


@pytest.fixture
def ssh_key(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        path = tmp_path / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
        subprocess.run(command, check=True, timeout=60)
        return path

    return make


@pytest.fixture
def gpg_home(tmp_path: Path) -> Iterator[Path]:
    """A home with two people's keys; its agent ends with the test."""
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    for name in ("ana", "bob"):
        command = [
            "--batch",
            "--passphrase",
            "",
            "--quick-generate-key",
            f"{name}@example.com",
            "ed25519",
            "sign",
            "never",
        ]
        gpg(home, *command)
    yield home
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True, timeout=60)


def gpg(home: Path, *arguments: str) -> bytes:
    command = ["gpg", "--homedir", str(home), "--quiet", *arguments]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


def signed(upstream: Upstream, text: str, *options: str, env: dict[str, str] | None = None) -> str:
    """Add a signed commit to main, by `git commit-tree -S`."""
    plain = upstream.commit({"app/x.yaml": text})
    tree, parents = upstream.git("rev-parse", f"{plain}^{{tree}}"), upstream.git("rev-list", "--parents", "-1", plain)
    above = [part for parent in parents.split()[1:] for part in ("-p", parent)]
    who = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", "Ana"), ("EMAIL", "ana@example.com"))
    }
    commit = upstream.git(*options, "commit-tree", "-S", tree, *above, "-m", text, env={**who, **(env or {})})
    upstream.git("update-ref", "refs/heads/main", commit)
    return commit


def by_ssh(upstream: Upstream, text: str, key: Path) -> str:
    return signed(upstream, text, "-c", "gpg.format=ssh", "-c", f"user.signingkey={key}")


def by_gpg(upstream: Upstream, text: str, home: Path, who: str) -> str:
    return signed(upstream, text, "-c", f"user.signingkey={who}@example.com", env={"GNUPGHOME": str(home)})


def allowed(path: Path, *keys: Path) -> Path:
    lines = [f'ana@example.com namespaces="git" {key.with_suffix(".pub").read_text()}' for key in keys]
    path.write_text("".join(lines))
    return path


def tagged(upstream: Upstream, name: str, commit: str, key: Path | None) -> None:
    """Put a tag on a commit, signed or not, by `git tag`."""
    who = {"GIT_COMMITTER_NAME": "Ana", "GIT_COMMITTER_EMAIL": "ana@example.com"}
    signing = [] if key is None else ["-c", "gpg.format=ssh", "-c", f"user.signingkey={key}"]
    upstream.git(*signing, "tag", "-s" if key else "-a", "-f", "-m", name, name, commit, env=who)


@pytest.fixture
def tags(upstream: Upstream, cache: Path, tmp_path: Path) -> Iterator[GitRepository]:
    """Let only signed tags through."""
    made = upstream.repository(cache, keyring=str(tmp_path / "keyring"), signed=Signed.TAG)
    yield made
    made.close()


@pytest.fixture
def checked(upstream: Upstream, cache: Path, tmp_path: Path) -> Iterator[GitRepository]:
    made = upstream.repository(cache, keyring=str(tmp_path / "keyring"))
    yield made
    made.close()


def test_commit_signed_by_an_allowed_ssh_key_gets_through(
    upstream: Upstream, checked: GitRepository, ssh_key: Callable[[str], Path], tmp_path: Path
) -> None:
    ana = ssh_key("ana")
    allowed(tmp_path / "keyring", ana)
    commit = by_ssh(upstream, "1", ana)
    assert checked.head(MAIN, newer_than=START) == commit
    assert checked.tree(commit, "app").files[0].data == b"1"


def test_ssh_key_that_is_not_allowed_is_named(
    upstream: Upstream, checked: GitRepository, ssh_key: Callable[[str], Path], tmp_path: Path
) -> None:
    ana, eve = ssh_key("ana"), ssh_key("eve")
    allowed(tmp_path / "keyring", ana)
    commit = by_ssh(upstream, "1", eve)
    listing = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(eve)], check=True, capture_output=True, text=True, timeout=60
    )
    fingerprint = listing.stdout.split()[1]
    with pytest.raises(SignatureRefused) as refused:
        checked.head(MAIN, newer_than=START)
    assert f"commit {commit[:7]} is signed by the unknown key {fingerprint}" in str(refused.value)
    for read in (lambda: checked.tree(commit, "app"), lambda: checked.file(commit, "app/x.yaml")):
        with pytest.raises(SignatureRefused):
            read()
    with pytest.raises(SignatureRefused):
        checked.resolve(commit[:7], ref=MAIN, deployed=frozenset())


def test_unsigned_commit_and_one_with_a_broken_signature_are_refused(
    upstream: Upstream, checked: GitRepository, ssh_key: Callable[[str], Path], tmp_path: Path
) -> None:
    ana = ssh_key("ana")
    allowed(tmp_path / "keyring", ana)
    upstream.commit({"app/x.yaml": "1"})
    with pytest.raises(SignatureRefused, match="is not signed; nothing is deployed from it"):
        checked.head(MAIN, newer_than=START)
    body = upstream.git("cat-file", "commit", by_ssh(upstream, "2", ana)).replace("\n2", "\n3") + "\n"
    forged = upstream.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=body.encode())
    upstream.git("update-ref", "refs/heads/main", forged)
    with pytest.raises(SignatureRefused, match=r"does not match its signature|is not accepted"):
        checked.head(MAIN, newer_than=LATER)


def test_key_taken_out_of_the_keyring_stops_counting_at_once(
    upstream: Upstream, checked: GitRepository, ssh_key: Callable[[str], Path], tmp_path: Path
) -> None:
    ana, bob = ssh_key("ana"), ssh_key("bob")
    allowed(tmp_path / "keyring", ana, bob)
    by_ssh(upstream, "1", ana)
    assert checked.head(MAIN, newer_than=START)
    allowed(tmp_path / "keyring", bob)
    with pytest.raises(SignatureRefused):
        checked.head(MAIN, newer_than=START)


@pytest.mark.parametrize("armored", [True, False])
def test_pgp_key_of_the_keyring_gets_through_and_another_is_named(
    armored: bool, upstream: Upstream, checked: GitRepository, gpg_home: Path, tmp_path: Path
) -> None:
    options = ["--armor"] if armored else []
    (tmp_path / "keyring").write_bytes(gpg(gpg_home, *options, "--export", "ana@example.com"))
    commit = by_gpg(upstream, "1", gpg_home, "ana")
    assert checked.head(MAIN, newer_than=START) == commit
    by_gpg(upstream, "2", gpg_home, "bob")
    listing = gpg(gpg_home, "--list-keys", "--with-colons", "bob@example.com").decode()
    bob = next(line.split(":")[4] for line in listing.splitlines() if line.startswith("pub:"))
    with pytest.raises(SignatureRefused, match=f"is signed by the unknown key {bob}"):
        checked.head(MAIN, newer_than=LATER)
    assert checked.tree(commit, "app").files[0].data == b"1"


def test_signature_of_the_other_kind_is_said(
    upstream: Upstream, checked: GitRepository, gpg_home: Path, ssh_key: Callable[[str], Path], tmp_path: Path
) -> None:
    allowed(tmp_path / "keyring", ssh_key("ana"))
    by_gpg(upstream, "1", gpg_home, "ana")
    with pytest.raises(SignatureRefused, match="is signed by PGP, the keyring holds SSH keys"):
        checked.head(MAIN, newer_than=START)


def test_missing_keyring_and_missing_program_are_named(
    upstream: Upstream,
    checked: GitRepository,
    ssh_key: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ana = ssh_key("ana")
    by_ssh(upstream, "1", ana)
    with pytest.raises(SourceError, match=r"verify\.keyring .*/keyring cannot be read: No such file"):
        checked.head(MAIN, newer_than=START)
    allowed(tmp_path / "keyring", ana)
    only_git = tmp_path / "bin"
    only_git.mkdir()
    (only_git / "git").symlink_to(shutil.which("git") or "git")
    monkeypatch.setenv("PATH", str(only_git))
    with pytest.raises(SourceError, match=r"ssh-keygen is needed to check signatures .* install openssh-client"):
        checked.head(MAIN, newer_than=LATER)


def test_signed_tag_lets_an_unsigned_commit_through(
    upstream: Upstream, tags: GitRepository, cache: Path, ssh_key: Callable[[str], Path], tmp_path: Path
) -> None:
    ana = ssh_key("ana")
    keyring = allowed(tmp_path / "keyring", ana)
    commit = upstream.commit({"app/x.yaml": "1"})
    tagged(upstream, "v1.0.0", commit, ana)
    assert tags.head(V1, newer_than=START) == commit
    assert tags.head(GitRef(RefKind.SEMVER, "1.x"), newer_than=LATER) == commit
    upstream.git("update-ref", "-d", "refs/tags/v1.0.0")
    upstream.commit({"app/x.yaml": "2"})
    assert tags.tree(commit, "app").files[0].data == b"1"
    again = upstream.repository(cache, keyring=str(keyring), signed=Signed.TAG)
    assert again.tree(commit, "app").files[0].data == b"1"  # what was deployed stays readable, for a rollback
    again.close()


def test_tag_that_is_not_signed_or_by_a_stranger_or_under_another_name_is_refused(
    upstream: Upstream, tags: GitRepository, ssh_key: Callable[[str], Path], tmp_path: Path
) -> None:
    ana, eve = ssh_key("ana"), ssh_key("eve")
    allowed(tmp_path / "keyring", ana)
    commit = by_ssh(upstream, "1", ana)
    days = iter(range(1, 10))

    def refusal() -> str:
        with pytest.raises(SignatureRefused) as refused:
            tags.head(V1, newer_than=START + timedelta(days=next(days)))
        with pytest.raises(SignatureRefused):
            tags.tree(commit, "app")
        return str(refused.value)

    upstream.git("tag", "v1.0.0", commit)
    assert "tag v1.0.0 is not signed; nothing is deployed from it" in refusal()
    tagged(upstream, "v1.0.0", commit, None)
    assert "tag v1.0.0 is not signed" in refusal()
    tagged(upstream, "v1.0.0", commit, eve)
    assert "tag v1.0.0 is signed by the unknown key SHA256:" in refusal()
    tagged(upstream, "v0.1.0", commit, ana)
    upstream.git("update-ref", "refs/tags/v1.0.0", "refs/tags/v0.1.0")
    with pytest.raises(SignatureRefused, match=r'tag v1\.0\.0 was signed under another name, "v0\.1\.0"'):
        tags.head(V1, newer_than=START + timedelta(days=next(days)))
    tagged(upstream, "v1.0.0", commit, ana)
    assert tags.head(V1, newer_than=START + timedelta(days=next(days))) == commit


def test_tag_and_commit_can_both_be_asked_for(upstream: Upstream, cache: Path, gpg_home: Path, tmp_path: Path) -> None:
    (tmp_path / "keyring").write_bytes(gpg(gpg_home, "--export", "ana@example.com"))
    both = upstream.repository(cache, keyring=str(tmp_path / "keyring"), signed=Signed.TAG_AND_HEAD)
    who = {"GIT_COMMITTER_NAME": "Ana", "GIT_COMMITTER_EMAIL": "ana@example.com", "GNUPGHOME": str(gpg_home)}
    try:
        for commit in (upstream.commit({"app/x.yaml": "1"}), by_gpg(upstream, "2", gpg_home, "bob")):
            upstream.git("tag", "-u", "ana@example.com", "-f", "-m", "v1", "v1.0.0", commit, env=who)
            with pytest.raises(SignatureRefused, match=rf"commit {commit[:7]} is (not )?signed"):
                both.head(V1, newer_than=LATER)
        good = by_gpg(upstream, "3", gpg_home, "ana")
        upstream.git("tag", "-u", "ana@example.com", "-f", "-m", "v1", "v1.0.0", good, env=who)
        assert both.head(V1, newer_than=LATER + timedelta(days=1)) == good
    finally:
        both.close()
