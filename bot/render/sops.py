"""Files encrypted by SOPS, decrypted by the real sops with the keys of the bot's environment.

In goes a file, out comes the same file in clear, or a `Problem` that names the recipients none of our keys fits. The
plain text never touches a disk: it goes through pipes and stays in memory. age keys come from `SOPS_AGE_KEY` or
`SOPS_AGE_KEY_FILE`, PGP keys from `SOPS_PGP_KEY_FILE` (an exported private key, ours and not one of sops' own
variables) or from a `GNUPGHOME` that is there already; the variables of the cloud key services are handed on.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Final

from bot.errors import Problem
from bot.model.source import SourceFile
from bot.render.programs import ProgramFailed, Programs

_MARK: Final = b"ENC[AES256_GCM,"
_HANDED_ON: Final = (
    "SOPS_",
    "AWS_",
    "AZURE_",
    "GOOGLE_",
    "VAULT_",
    "GNUPGHOME",
    "SSL_CERT_",
    "HTTPS_PROXY",
    "NO_PROXY",
)
_KINDS: Final = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".env": "dotenv", ".ini": "ini"}
_RECIPIENT: Final = re.compile(rb"""recipient["']?\s*[:=]\s*["']?(age1[0-9a-z]+)""")
_FINGERPRINT: Final = re.compile(rb"""\bfp["']?\s*[:=]\s*["']?([0-9A-Fa-f]{16,40})""")
_CACHE_BYTES: Final = 8 * 1024**2  # of plain texts: some thousand Secrets
_GPG_TIMEOUT_SECONDS: Final = 30


def is_encrypted(data: bytes) -> bool:
    """Say whether a file looks encrypted by SOPS; the tool has the last word."""
    return _MARK in data and b"sops" in data


class Sops:
    """Decrypts. Safe to use from several threads; what was decrypted is kept by blob hash."""

    def __init__(self, programs: Programs, *, environment: Mapping[str, str]) -> None:
        self._programs = programs
        self._environment = {
            name: value for name, value in environment.items() if name.startswith(_HANDED_ON) or name == "PATH"
        }
        self._pgp_key = environment.get("SOPS_PGP_KEY_FILE", "")
        self._lock = Lock()
        self._plain: OrderedDict[str, bytes] = OrderedDict()  # guarded by _lock
        self._weight = 0

    def decrypted(self, file: SourceFile) -> SourceFile | Problem:
        """Return the file in clear; a file that only looks encrypted comes back as it is."""
        with self._lock:
            known = self._plain.get(file.blob)
        if known is None:
            found = self._decrypt(file)
            if isinstance(found, Problem):
                return found
            known = found
            with self._lock:
                if file.blob and file.blob not in self._plain:
                    self._plain[file.blob] = known
                    self._weight += len(known)
                while self._weight > _CACHE_BYTES and self._plain:
                    self._weight -= len(self._plain.popitem(last=False)[1])
        return file if known == file.data else replace(file, data=known, blob=f"sops:{file.blob}" if file.blob else "")

    def _decrypt(self, file: SourceFile) -> bytes | Problem:
        where = f"{file.path}:1"
        kind = _KINDS.get(Path(file.path).suffix.lower(), "binary")
        try:
            with _home(self._pgp_key) as (home, keys):
                done = self._programs.run(
                    "sops",
                    ["--disable-version-check", "decrypt", "--input-type", kind, "--output-type", kind],
                    cwd=home,
                    home=home,
                    environment={**self._environment, **keys},
                    stdin=file.data,
                )
        except ProgramFailed as error:
            return Problem(message=f"the file is encrypted by SOPS: {error}", where=where)
        if done.status == 0:
            return done.output
        if "metadata not found" in done.complaint:
            return file.data
        return Problem(message=_reason(file.data, done.complaint), where=where)


@contextmanager
def _home(pgp_key: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield a folder that lives for one decryption, with the PGP key imported when there is one."""
    with tempfile.TemporaryDirectory(prefix="gb-") as name:  # short: gpg's sockets allow some 100 characters
        home = Path(name)
        gpg = shutil.which("gpg") if pgp_key else None
        if not pgp_key:
            yield home, {}
            return
        if gpg is None:
            raise ProgramFailed("gpg is needed for SOPS_PGP_KEY_FILE and is not on the PATH: install gnupg")
        keys = {**os.environ, "GNUPGHOME": name}
        command = [gpg, "--batch", "--quiet", "--import", pgp_key]
        done = subprocess.run(command, env=keys, capture_output=True, timeout=_GPG_TIMEOUT_SECONDS)
        try:
            if done.returncode != 0:
                raise ProgramFailed("SOPS_PGP_KEY_FILE holds no private key that gpg can import")
            yield home, {"GNUPGHOME": name}
        finally:
            # The import starts an agent that would outlive us, with the key in its memory.
            agent = [str(Path(gpg).with_name("gpgconf")), "--kill", "all"]
            subprocess.run(agent, env=keys, capture_output=True, timeout=_GPG_TIMEOUT_SECONDS)


def _reason(data: bytes, complaint: str) -> str:
    """Say why sops failed, without a word of the content."""
    if "MAC mismatch" in complaint or "Failed to verify data integrity" in complaint:
        return "the file was changed after SOPS encrypted it, its checksum does not match: edit it with sops"
    ages = [match.decode() for match in dict.fromkeys(_RECIPIENT.findall(data))]
    prints = [f"PGP {match.decode()}" for match in dict.fromkeys(_FINGERPRINT.findall(data))]
    if "data key" in complaint:
        recipients = ", ".join([*ages, *prints]) or "a cloud key service"
        return (
            f"the file is encrypted by SOPS for {recipients}, and none of our keys fits: set SOPS_AGE_KEY_FILE or "
            "SOPS_PGP_KEY_FILE, or add our key with sops updatekeys"
        )
    last = next((line for line in reversed(complaint.splitlines()) if line.strip()), "no reason given")
    return f"sops cannot decrypt the file: {last.strip()[:200]}"
