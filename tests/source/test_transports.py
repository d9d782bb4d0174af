"""Git over real servers: `git http-backend` behind TLS and a password, OpenSSH's sshd, disks that are full."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from bot.errors import PathNotFound, RefNotFound, RepositoryEmpty, RepositoryRefused, RepositoryUnreachable, SourceError
from bot.model.source import MAIN, GitRef, RefKind, branch
from bot.sandbox.connections import ReservedPort
from bot.source.repository import GitRepository
from bot.source.spec import Credentials, RepoSpec
from tests.https import PASSWORD, USER, Certificate, HttpsServer, make_certificate
from tests.source.backend import Backend
from tests.source.upstream import START, Clock, Upstream
from tests.waiting import until

pytestmark = pytest.mark.tools

LATER = START + timedelta(days=1)
SSHD = "/usr/sbin/sshd"


def opened(url: str, folder: Path, login: Mapping[str, str], *, seconds: float = 30) -> GitRepository:
    timeout = timedelta(seconds=seconds)
    spec = RepoSpec(name="fleet", url=url, credentials=Credentials(**login))
    return GitRepository(spec, directory=folder, clock=Clock(), ask_timeout=timeout, fetch_timeout=timeout)


# --- HTTPS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def backend(upstream: Upstream) -> Backend:
    return Backend(upstream.path.parent)


@pytest.fixture
def server(backend: Backend, certificate: Certificate) -> Iterator[HttpsServer]:
    made = HttpsServer(backend.answer, certificate, private=True)
    yield made
    made.stop()


@pytest.fixture
def over_https(server: HttpsServer, certificate: Certificate, cache: Path) -> Iterator[GitRepository]:
    login = {"username": USER, "password": PASSWORD, "ca_file": str(certificate.certificate)}
    made = opened(f"{server.url}/fleet.git", cache, login)
    yield made
    made.close()


def test_private_repository_is_read_over_https_without_contents_nobody_asked_for(
    upstream: Upstream, over_https: GitRepository, server: HttpsServer, cache: Path
) -> None:
    commit = upstream.commit({"app/a.yaml": "a", "big/b.bin": b"b" * 100_000})
    assert over_https.head(MAIN, newer_than=START) == commit
    assert [file.data for file in over_https.tree(commit, "app").files] == [b"a"]
    asked = len(server.requests)
    assert over_https.tree(commit, "app").files
    assert over_https.hashes(commit, ["app"])
    assert len(server.requests) == asked
    stored = sum(file.stat().st_size for file in cache.rglob("*.pack"))
    assert stored < 50_000
    assert over_https.tree(commit, "big").files[0].data == b"b" * 100_000


def test_branch_is_pushed_over_https_from_a_copy_that_lacks_the_other_files(
    upstream: Upstream, over_https: GitRepository, server: HttpsServer
) -> None:
    base = upstream.commit({"app/a": "a\n", "big/b": "b" * 100_000})
    over_https.head(MAIN, newer_than=START)
    assert over_https.file(base, "app/a").data == b"a\n"
    before = len(server.requests)
    made = over_https.propose(base, {"app/a": b"c\n"}, branch="gitops-bot/keep/app-1", message="Keep")
    assert upstream.git("show", f"{made}:app/a") == "c"
    assert upstream.git("rev-parse", "gitops-bot/keep/app-1") == made
    assert upstream.git("ls-tree", "-r", "--name-only", made).split() == ["app/a", "big/b"]
    asked = [one.path.rpartition("/")[2] for one in server.requests[before:] if one.method == "POST"]
    assert asked == ["git-upload-pack", "git-receive-pack"], "a question and a push; no file was fetched"


def test_unchanged_branch_costs_one_question_and_reads_nothing(
    upstream: Upstream, over_https: GitRepository, server: HttpsServer
) -> None:
    upstream.commit({"app/a.yaml": "a"})
    over_https.head(MAIN, newer_than=START)
    before = len(server.requests)
    over_https.head(MAIN, newer_than=LATER)
    ask = [(one.method, one.path.rpartition("/")[2]) for one in server.requests[before:]]
    assert ask == [("GET", "refs"), ("GET", "refs"), ("POST", "git-upload-pack")]  # the first is asked who it is


def test_server_without_partial_clones_gives_everything(
    upstream: Upstream, over_https: GitRepository, cache: Path
) -> None:
    upstream.git("config", "uploadpack.allowFilter", "false")
    commit = upstream.commit({"app/a.yaml": "a", "other/b": "b"})
    assert over_https.head(MAIN, newer_than=START) == commit
    assert [file.data for file in over_https.tree(commit, "app").files] == [b"a"]


def test_wrong_password_unknown_authority_and_redirect_are_refused_without_a_secret(
    upstream: Upstream, backend: Backend, server: HttpsServer, certificate: Certificate, tmp_path: Path
) -> None:
    upstream.commit({"app/a.yaml": "a"})
    ca = str(certificate.certificate)
    url = f"{server.url}/fleet.git"
    said = {}
    for name, login in {
        "wrong password": {"username": USER, "password": "wr0ng-pass", "ca_file": ca},
        "no password": {"ca_file": ca},
        "unknown authority": {"username": USER, "password": PASSWORD},
    }.items():
        repository = opened(url, tmp_path / name, login)
        with pytest.raises(RepositoryRefused) as refused:
            repository.head(MAIN, newer_than=START)
        said[name] = str(refused.value)
        repository.close()
    where = f"repository fleet ({url}): "
    accepted = "the server does not accept our user and password; check username and password_env"
    assert said["wrong password"].startswith(f"{where}{accepted}")
    assert said["no password"].startswith(f"{where}{accepted}")
    assert "certificate" in said["unknown authority"]
    assert not any("wr0ng" in one or PASSWORD in one for one in said.values())
    backend.status = 301
    repository = opened(url, tmp_path / "moved", {"username": USER, "password": PASSWORD, "ca_file": ca})
    with pytest.raises(RepositoryRefused, match="the server redirects to another address"):
        repository.head(MAIN, newer_than=START)
    repository.close()


def test_repository_beside_gets_our_credentials_at_our_own_host_only(
    upstream: Upstream,
    backend: Backend,
    over_https: GitRepository,
    server: HttpsServer,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a kustomization refers to: a tag, a pinned commit, and the same repository for both."""
    upstream.commit({"app/a.yaml": "a"})
    bases = Upstream(upstream.path.with_name("bases.git"))
    released = bases.commit({"web/b.yaml": "b"})
    bases.annotate("v1", released)
    newest = bases.commit({"web/b.yaml": "c"})
    beside = over_https.beside(f"{server.url}/bases.git")
    assert over_https.beside(f"{server.url}/bases.git") is beside
    assert beside.head(GitRef(RefKind.TAG, "v1"), newer_than=START) == released
    assert beside.head(GitRef(RefKind.COMMIT, newest), newer_than=START) == newest
    assert beside.tree(newest, "web").files[0].data == b"c"
    other = HttpsServer(backend.answer, certificate, private=True)
    monkeypatch.setenv("GIT_SSL_CAINFO", str(certificate.certificate))  # the machine knows this authority
    try:
        with pytest.raises(RepositoryRefused):
            over_https.beside(f"{other.url}/bases.git").head(MAIN, newer_than=START)
        assert other.requests
        assert not any("Authorization" in one.headers for one in other.requests)
    finally:
        other.stop()


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_host_in_trouble_is_unreachable_and_what_was_fetched_stays(
    status: int, upstream: Upstream, backend: Backend, over_https: GitRepository
) -> None:
    commit = upstream.commit({"app/a.yaml": "a"})
    over_https.head(MAIN, newer_than=START)
    over_https.tree(commit, "app")
    backend.status = status
    with pytest.raises(RepositoryUnreachable, match="tried again by itself"):
        over_https.head(MAIN, newer_than=LATER)
    assert over_https.tree(commit, "app").files[0].data == b"a"
    backend.status = 200
    second = upstream.commit({"app/a.yaml": "b"})
    assert over_https.head(MAIN, newer_than=LATER) == second


def test_each_state_of_a_repository_has_its_own_error_and_heals(upstream: Upstream, over_https: GitRepository) -> None:
    with pytest.raises(RepositoryEmpty, match="has no commit yet; push one to main"):
        over_https.head(MAIN, newer_than=LATER)
    commit = upstream.commit({"app/a.yaml": "a"})
    with pytest.raises(RefNotFound, match=r"has no branch mian, did you mean main\?"):
        over_https.head(branch("mian"), newer_than=LATER)
    assert over_https.head(MAIN, newer_than=LATER) == commit
    with pytest.raises(PathNotFound, match="the path apps does not exist"):
        over_https.tree(commit, "apps")
    gone = upstream.path.rename(upstream.path.with_name("gone.git"))
    with pytest.raises(RepositoryRefused, match="there is no such repository, or we may not see it"):
        over_https.head(MAIN, newer_than=LATER)
    gone.rename(upstream.path)
    upstream.git("branch", "-m", "main", "trunk")
    with pytest.raises(RefNotFound, match="has no branch main"):
        over_https.head(MAIN, newer_than=LATER)
    assert over_https.tree(commit, "app").files[0].data == b"a"


def test_force_push_that_orphans_the_deployed_commit_leaves_it_readable(
    upstream: Upstream, over_https: GitRepository
) -> None:
    first = upstream.commit({"app/a.yaml": "1"})
    deployed = upstream.commit({"app/a.yaml": "2"})
    over_https.head(MAIN, newer_than=START)
    forced = upstream.commit({"app/a.yaml": "3"}, parents=(first,))
    assert over_https.head(MAIN, newer_than=LATER) == forced
    assert over_https.count_between(deployed, forced) is None
    assert over_https.tree(deployed, "app").files[0].data == b"2"


def test_hanging_host_is_given_up_in_time(cache: Path) -> None:
    """It takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        repository = opened(f"https://127.0.0.1:{silent.getsockname()[1]}/fleet.git", cache, {}, seconds=0.5)
        with pytest.raises(RepositoryUnreachable, match=r"no answer within 0\.5 s; tried again by itself"):
            repository.head(MAIN, newer_than=START)
        repository.close()


def test_closing_ends_a_hanging_question(cache: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        repository = opened(f"https://127.0.0.1:{silent.getsockname()[1]}/fleet.git", cache, {}, seconds=300)
        said: list[Exception] = []

        def ask() -> None:
            try:
                repository.head(MAIN, newer_than=START)
            except SourceError as error:
                said.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        connection, _ = silent.accept()
        repository.close()
        thread.join(timeout=60)
        connection.close()
    assert ["the bot is stopping" in str(one) for one in said] == [True]


# --- SSH --------------------------------------------------------------------------------------------------------------


class Sshd:
    """OpenSSH's server on loopback, for the key in `client`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("host", "client", "stranger", "other-host"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True, timeout=60)
        shutil.copy(folder / "client.pub", folder / "authorized_keys")
        self._reserved = ReservedPort()
        self.port = self._reserved.number
        lines = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {folder}/host",
            f"AuthorizedKeysFile {folder}/authorized_keys",
            f"PidFile {folder}/pid",
            "PasswordAuthentication no",
            "PermitRootLogin prohibit-password",
            "StrictModes no",
            "UsePAM no",
            "AcceptEnv GIT_PROTOCOL",
        ]
        (folder / "sshd_config").write_text("\n".join(lines) + "\n")
        Path("/run/sshd").mkdir(exist_ok=True)
        self._log = (folder / "log").open("wb")
        command = [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        until(self._answers, "the server takes connections")

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.folder / "log").read_text()
        return self._reserved.is_served()

    def url(self, path: Path) -> str:
        return f"ssh://{os.environ.get('USER') or 'root'}@127.0.0.1:{self.port}{path}"

    def known_hosts(self, key: str = "host") -> str:
        file = self.folder / f"known-{key}"
        kind, public, *_ = (self.folder / f"{key}.pub").read_text().split()
        file.write_text(f"[127.0.0.1]:{self.port} {kind} {public}\n")
        return str(file)

    def key(self, name: str = "client") -> str:
        return str(self.folder / name)

    def login(self) -> dict[str, str]:
        return {"ssh_key_file": self.key(), "known_hosts_file": self.known_hosts()}

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)
        self._log.close()
        self._reserved.close()


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    made = Sshd(tmp_path_factory.mktemp("sshd"))
    yield made
    made.stop()


def test_repository_is_read_over_ssh(upstream: Upstream, sshd: Sshd, cache: Path) -> None:
    commit = upstream.commit({"app/a.yaml": "a"})
    repository = opened(sshd.url(upstream.path), cache, sshd.login())
    assert repository.head(MAIN, newer_than=START) == commit
    assert repository.tree(commit, "app").files[0].data == b"a"
    repository.close()


def test_ssh_host_must_be_known_beforehand(upstream: Upstream, sshd: Sshd, cache: Path) -> None:
    upstream.commit({"app/a.yaml": "a"})
    with pytest.raises(RepositoryRefused, match=r"ssh needs credentials\.known_hosts_file"):
        opened(sshd.url(upstream.path), cache, {"ssh_key_file": sshd.key()})
    empty = sshd.folder / "empty"
    empty.write_text("")
    for known in (str(empty), sshd.known_hosts("other-host")):
        repository = opened(sshd.url(upstream.path), cache, {**sshd.login(), "known_hosts_file": known})
        with pytest.raises(RepositoryRefused, match="the host key of the server is not the one we know"):
            repository.head(MAIN, newer_than=START)
        repository.close()


def test_ssh_key_nobody_knows_is_refused(upstream: Upstream, sshd: Sshd, cache: Path) -> None:
    login = {**sshd.login(), "ssh_key_file": sshd.key("stranger")}
    repository = opened(sshd.url(upstream.path), cache, login)
    with pytest.raises(RepositoryRefused, match="does not accept our ssh key; add the public key of ssh_key_file"):
        repository.head(MAIN, newer_than=START)
    repository.close()


# --- disks ------------------------------------------------------------------------------------------------------------


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, timeout=60
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a file system is not allowed here")
    yield place
    subprocess.run(["umount", str(place)], check=True, timeout=60)


def test_full_disk_is_said_and_heals_when_there_is_space(upstream: Upstream, small_disk: Path) -> None:
    first = upstream.commit({"app/a.yaml": "a"})
    repository = upstream.repository(small_disk / "cache")
    assert repository.head(MAIN, newer_than=START) == first
    filler = small_disk / "filler"
    _fill(filler)
    second = upstream.commit({"app/a.yaml": os.urandom(200_000)})
    with pytest.raises(SourceError, match="the disk of the cache is full; free space"):
        repository.head(MAIN, newer_than=LATER)
    assert repository.tree(first, "app").files[0].data == b"a"
    filler.unlink()
    assert repository.head(MAIN, newer_than=LATER) == second
    repository.close()
