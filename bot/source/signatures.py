"""Whether a commit is signed by somebody we trust, by git's own check.

In goes a commit that is here; out comes nothing, or `SignatureRefused` with the key that is not in the keyring. The
keyring is one file: allowed signers of ssh-keygen(1) for SSH signatures, or public keys (armored or binary) for PGP.
It is read again when it changes, so that a key taken out of it stops counting at once. git needs `ssh-keygen`
or `gpg` for it; a missing one is named.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from threading import Lock
from typing import Final

from bot.errors import SignatureRefused, SourceError
from bot.source.mirror import Mirror

_GPG_TIMEOUT_SECONDS: Final = 30
_GPG_CONF: Final = "trust-model always\nno-autostart\nno-auto-key-retrieve\nno-auto-check-trustdb\n"
_SSH_KEY: Final = re.compile(r"with (?P<kind>\S+) key (?P<key>SHA256:\S+)")
_PGP_KEY: Final = re.compile(
    r"\[GNUPG:\] (?P<word>ERRSIG|NO_PUBKEY|EXPKEYSIG|REVKEYSIG|BADSIG|EXPSIG) (?P<key>[0-9A-F]+)"
)
_PGP_REASONS: Final = {
    "EXPKEYSIG": "is signed by the expired key",
    "EXPSIG": "has an expired signature by the key",
    "REVKEYSIG": "is signed by the revoked key",
    "BADSIG": "does not match its signature by the key",
}


class Signatures:
    """Checks commits of one mirror against one keyring. Safe to use from several threads."""

    def __init__(self, mirror: Mirror, *, keyring: Path) -> None:
        self._mirror = mirror
        self._keyring = keyring
        self._lock = Lock()
        self._stamp: tuple[int, int] | None = None  # time and size of the keyring as read; guarded by _lock
        self._is_pgp = False
        self._good: set[str] = set()

    def check(self, commit: str) -> None:
        """Raise `SignatureRefused` unless somebody of the keyring signed the commit. Good commits are remembered."""
        with self._lock:
            self._read_keyring()
            if commit in self._good:
                return
            self._verify(commit)
            self._good.add(commit)

    def _read_keyring(self) -> None:
        try:
            facts = self._keyring.stat()
            stamp = (facts.st_mtime_ns, facts.st_size)
            if stamp == self._stamp:
                return
            data = self._keyring.read_bytes()
        except OSError as error:
            raise self._error(f"verify.keyring {self._keyring} cannot be read: {error.strerror or error}") from error
        self._good.clear()
        self._is_pgp = b"-----BEGIN PGP PUBLIC KEY" in data or (bool(data) and data[0] >= 0x80)
        if self._is_pgp:
            self._import(data)
        self._stamp = stamp

    def _import(self, keys: bytes) -> None:
        gpg = self._program("gpg", "gnupg")
        home = self._mirror.gnupg_home
        shutil.rmtree(home, ignore_errors=True)  # a key that left the keyring must not stay
        home.mkdir(mode=0o700, parents=True)
        (home / "gpg.conf").write_text(_GPG_CONF)
        done = subprocess.run(
            [gpg, "--homedir", str(home), "--batch", "--quiet", "--status-fd", "1", "--import"],
            input=keys,
            capture_output=True,
            timeout=_GPG_TIMEOUT_SECONDS,
        )
        # Not the exit status: below a long path gpg cannot name its agent's socket, and fails after importing.
        if b"[GNUPG:] IMPORT_OK" not in done.stdout:
            raise self._error(f"verify.keyring {self._keyring} holds no usable PGP keys")

    def _verify(self, commit: str) -> None:
        body = self._mirror.local(["cat-file", "commit", commit]).output
        header = body.partition(b"\n\n")[0]
        if b"\ngpgsig" not in header:
            raise self._refused(commit, "is not signed")
        by_ssh = b"-----BEGIN SSH SIGNATURE-----" in header
        if by_ssh == self._is_pgp:
            kinds = ("SSH", "PGP") if by_ssh else ("PGP", "SSH")
            raise self._refused(commit, f"is signed by {kinds[0]}, the keyring holds {kinds[1]} keys")
        self._program(*(("ssh-keygen", "openssh-client") if by_ssh else ("gpg", "gnupg")))
        options = ["-c", f"gpg.ssh.allowedSignersFile={self._keyring}", "-c", "gpg.ssh.program=ssh-keygen"]
        options += ["-c", "gpg.program=gpg", "-c", "gpg.minTrustLevel=undefined"]
        answer = self._mirror.local([*options, "verify-commit", "--raw", commit], accept=(0, 1))
        if not answer.ok:
            raise self._refused(commit, _why(answer.complaint, answer.text))

    def _program(self, name: str, package: str) -> str:
        found = shutil.which(name)
        if found is None:
            raise self._error(f"{name} is needed to check signatures and is not on the PATH; install {package}")
        return found

    def _refused(self, commit: str, why: str) -> SignatureRefused:
        spec = self._mirror.spec
        return SignatureRefused(
            f"repository {spec.name}: commit {commit[:7]} {why}; nothing is deployed from it. Sign it with a key of "
            f"{self._keyring}, or add the key there",
            repo=spec.name,
        )

    def _error(self, message: str) -> SourceError:
        return SourceError(f"repository {self._mirror.spec.name}: {message}", repo=self._mirror.spec.name)


def _why(complaint: str, output: str) -> str:
    said = f"{complaint}\n{output}"
    if (pgp := _PGP_KEY.search(said)) is not None:
        reason = _PGP_REASONS.get(pgp["word"], "is signed by the unknown key")
        return f"{reason} {pgp['key']}"
    if (ssh := _SSH_KEY.search(said)) is not None:
        word = "is signed by" if "No principal matched" in said else "is not accepted from"
        return f"{word} the unknown key {ssh['key']} ({ssh['kind']})"
    return "does not match its signature"
