"""What the configuration says of one Git repository, and what is wrong with it.

In goes the URL as people write it; out comes an address without secrets that may be shown and logged. Passwords stay
in `Credentials`, out of every repr. Nothing here talks to Git. The surprising part: a user name in an https URL is
moved to the credentials, a password in one is refused, because URLs end up in process lists and logs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bot.errors import Problem
from bot.model.source import MAIN, GitRef, RefKind
from bot.model.versions import is_range

_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
_SCP = re.compile(r"(?P<user>[^@/:]+@)?(?P<host>[^/:]{2,}):(?!:)(?P<path>.+)")  # two letters: `C:` is a drive
# What `git check-ref-format` refuses, and the glob characters that ls-remote would expand.
_FULL = re.compile(r"[0-9a-f]{40}")
_PREFIX = re.compile(r"(?!-)[^\x00-\x20~^:?*\[\\\x7f]{0,100}")  # what precedes a version in a tag: no option, no glob
_REF = re.compile(r"(?![-/.])(?!.*(?:\.\.|//|/\.|@\{|\.lock(?:/|$)))[^\x00-\x20~^:?*\[\\\x7f]{1,200}(?<![/.])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How to log in: `username` and `password` for https, key and known hosts for ssh.

    `ca_file` is a PEM bundle for an https host with a private certificate authority. Empty strings mean "none";
    ssh needs `known_hosts_file`, because a host that is trusted at first sight may be anybody.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    ssh_key_file: str = ""
    known_hosts_file: str = ""
    ca_file: str = ""


class Signed(Enum):
    """What must be signed before a commit is used; the words of Flux's `verify.mode`."""

    HEAD = "head"  # the commit
    TAG = "tag"  # the annotated tag that leads to it
    TAG_AND_HEAD = "tag-and-head"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoSpec:
    """One repository: its name in the configuration, where it is, what is followed, how to log in, whom to trust."""

    name: str
    url: str = field(repr=False)
    ref: GitRef = MAIN
    credentials: Credentials = Credentials()
    keyring_file: str = ""  # allowed signers (ssh) or public keys (PGP); "" checks no signature
    signed: Signed = Signed.HEAD

    @property
    def scheme(self) -> str:
        """`https`, `http`, `ssh`, `file`, or whatever else the URL begins with, which `problems` then refuses."""
        if match := _SCHEME.match(self.url):
            return match["scheme"].lower()
        if self.local_path is None:
            return "ssh" if _SCP.fullmatch(self.url) else "unknown"
        return "file"

    @property
    def local_path(self) -> Path | None:
        """The folder of a repository on this machine; None for a remote one."""
        if self.url.lower().startswith("file://"):
            return Path(unquote(urlsplit(self.url).path))
        if _SCHEME.match(self.url) or "::" in self.url or _SCP.fullmatch(self.url):
            return None
        return Path(self.url)

    @property
    def address(self) -> str:
        """The URL without user and password for http(s): what git gets, what people see."""
        if self.scheme in {"http", "https"}:
            parts = urlsplit(self.url)
            return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return self.url

    @property
    def username(self) -> str:
        """The user for https: the credentials' one, or the one in the URL."""
        if self.credentials.username or self.scheme not in {"http", "https"}:
            return self.credentials.username
        return unquote(urlsplit(self.url).username or "")

    def problems(self) -> tuple[Problem, ...]:
        """Return what makes this repository unusable, each with its fix; the URL is quoted only when it is clean."""
        found: list[str] = []
        if _CONTROL.search(self.url) and self.local_path is None:
            found.append("the url contains blanks or control characters: write it without")
        if not self.url or self.url.startswith("-"):
            found.append("the url must be https://…, ssh://…, user@host:path or a path")
        elif self.scheme not in {"https", "http", "ssh", "file"}:
            found.append("the url must be https://…, ssh://…, user@host:path or a path; nothing else is fetched from")
        elif self.scheme != "file" and not self.host:
            found.append("the url names no host")
        elif self.host.startswith("-"):
            found.append("the host of the url begins with a dash")
        if self.scheme in {"http", "https"} and urlsplit(self.url).password is not None:
            found.append("the url contains a password: put it into credentials (username, password_env)")
        if self.scheme == "http" and (self.username or self.credentials.password):
            found.append("credentials would travel in clear over http://: use https://")
        if self.scheme == "ssh" and not self.credentials.known_hosts_file:
            found.append(
                "ssh needs credentials.known_hosts_file: write what ssh-keyscan says of the host into it and compare "
                "that with the fingerprint the host publishes"
            )
        if fault := ref_fault(self.ref):
            found.append(fault)
        return tuple(Problem(message=f"repository {self.name}: {text}", subject=self.name) for text in found)

    @property
    def authority(self) -> str:
        """The host with its port, if one is given: what credentials are for."""
        if _SCHEME.match(self.url):
            return urlsplit(self.url).netloc.rpartition("@")[2]
        return self.host

    @property
    def host(self) -> str:
        """The host of the url, "" for a path."""
        if _SCHEME.match(self.url):
            return urlsplit(self.url).hostname or ""
        match = _SCP.fullmatch(self.url)
        return match["host"] if match else ""


def ref_fault(ref: GitRef) -> str:
    """Say why git must not see a ref, "" when it may."""
    match ref.kind:
        case RefKind.BRANCH | RefKind.TAG:
            return "" if is_ref_name(ref.name) else f"{shown(ref.name)} is no name of a {ref.kind.value}"
        case RefKind.SEMVER:
            if not _PREFIX.fullmatch(ref.prefix):
                return f"{shown(ref.prefix)} cannot begin a tag"
            return "" if is_range(ref.name) else f"{shown(ref.name)} is no range of versions"
        case RefKind.COMMIT:
            return "" if _FULL.fullmatch(ref.name) else f"{shown(ref.name)} is no full commit hash"


def is_ref_name(text: str) -> bool:
    """Say whether git may see `text` as the name of a branch or tag: well-formed, no option, no glob."""
    return _REF.fullmatch(text) is not None


def shown(text: str) -> str:
    """Quote what a person typed, made harmless and short: it may reach terminals and chats."""
    clean = "".join(char for char in text if char.isprintable())
    return f'"{clean if len(clean) <= 40 else clean[:39] + "…"}"'
