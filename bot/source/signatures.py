"""Whether a commit, or the tag that leads to it, is signed by somebody we trust, by git's own check.

In goes a commit that is here; out comes nothing, or `SignatureRefused` with the key that is not in the keyring. A tag
vouches for the commit behind it, under its own name alone: whoever can push could give a signed tag another name. The
keyring is one file: allowed signers of ssh-keygen(1) for SSH signatures, or public keys (armored or binary) for PGP.
It is read again when it changes, so that a key taken out of it stops counting at once. git needs `ssh-keygen`
or `gpg` for it; a missing one is named.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final

from bot.errors import SignatureRefused, SourceError
from bot.source.mirror import Mirror
from bot.source.spec import Signed, shown

_TAGS: Final = "refs/tags/"
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

    def __init__(self, mirror: Mirror, *, keyring: Path, signed: Signed) -> None:
        self._mirror = mirror
        self._keyring = keyring
        self._signed = signed
        self._lock = Lock()
        self._stamp: tuple[int, int] | None = None  # time and size of the keyring as read; guarded by _lock
        self._is_pgp = False
        self._good: set[str] = set()  # commits
        self._vouched: set[tuple[str, str]] = set()  # tags and the commits they vouch for

    def check(self, commit: str, *, tag: str = "") -> None:
        """Raise `SignatureRefused` unless somebody of the keyring signed what must be signed.

        Where that is a tag, it is `tag` (`refs/tags/…`), or any tag on the commit when it was found by none. What is
        good is remembered.
        """
        with self._lock:
            self._read_keyring()
            if self._signed is not Signed.TAG and commit not in self._good:
                self._verify_commit(commit)
                self._good.add(commit)
            if self._signed is not Signed.HEAD:
                self._check_tags(commit, tag)

    def _check_tags(self, commit: str, tag: str) -> None:
        if any(behind == commit and tag in {"", name} for name, behind in self._vouched):
            return
        refusal: SignatureRefused | None = None
        for name in (tag,) if tag else self._mirror.tags_on(commit):
            try:
                self._verify_tag(name, commit)
            except SignatureRefused as error:
                refusal = error
            else:
                self._vouched.add((name, commit))
                return
        raise refusal or self._refused(f"commit {commit[:7]}", "has no signed tag")

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
        self._vouched.clear()
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

    def _verify_commit(self, commit: str) -> None:
        header = self._mirror.local(["cat-file", "commit", commit]).output.partition(b"\n\n")[0]
        self._verify(commit, header if b"\ngpgsig" in header else b"", f"commit {commit[:7]}")

    def _verify_tag(self, name: str, commit: str) -> None:
        """Check a tag as it was fetched, and if need be as it is on the remote now: it may have been signed since."""
        id, behind = self._mirror.tag(name)
        if behind == commit:
            with suppress(SignatureRefused):
                self._verify_tag_object(name, id)
                return
        self._mirror.fetch_tags([name])
        id, behind = self._mirror.tag(name)
        if behind != commit:
            raise self._refused(f"tag {name.removeprefix(_TAGS)}", f"has moved away from {commit[:7]}")
        self._verify_tag_object(name, id)

    def _verify_tag_object(self, name: str, id: str) -> None:
        short = name.removeprefix(_TAGS)
        is_annotated = self._mirror.local(["cat-file", "-t", id]).text.strip() == "tag"
        body = self._mirror.local(["cat-file", "tag", id]).output if is_annotated else b""
        header, _, message = body.partition(b"\n\n")
        own = next((line[4:].decode(errors="replace") for line in header.split(b"\n") if line.startswith(b"tag ")), "")
        if is_annotated and own != short:
            raise self._refused(f"tag {short}", f"was signed under another name, {shown(own)}")
        self._verify(id, message if b"-----BEGIN " in message else b"", f"tag {short}", verb="verify-tag")

    def _verify(self, id: str, signature: bytes, what: str, *, verb: str = "verify-commit") -> None:
        """Let git check an object; `signature` is the part of it that holds one, empty when there is none."""
        if not signature:
            raise self._refused(what, "is not signed")
        by_ssh = b"-----BEGIN SSH SIGNATURE-----" in signature
        if by_ssh == self._is_pgp:
            kinds = ("SSH", "PGP") if by_ssh else ("PGP", "SSH")
            raise self._refused(what, f"is signed by {kinds[0]}, the keyring holds {kinds[1]} keys")
        self._program(*(("ssh-keygen", "openssh-client") if by_ssh else ("gpg", "gnupg")))
        options = ["-c", f"gpg.ssh.allowedSignersFile={self._keyring}", "-c", "gpg.ssh.program=ssh-keygen"]
        options += ["-c", "gpg.program=gpg", "-c", "gpg.minTrustLevel=undefined"]
        answer = self._mirror.local([*options, verb, "--raw", id], accept=(0, 1))
        if not answer.ok:
            raise self._refused(what, _why(answer.complaint, answer.text))

    def _program(self, name: str, package: str) -> str:
        found = shutil.which(name)
        if found is None:
            raise self._error(f"{name} is needed to check signatures and is not on the PATH; install {package}")
        return found

    def _refused(self, what: str, why: str) -> SignatureRefused:
        spec = self._mirror.spec
        return SignatureRefused(
            f"repository {spec.name}: {what} {why}; nothing is deployed from it. Sign it with a key of "
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
