"""What the configuration says of one Git repository, and what is wrong with it.

In goes the URL as people write it; out comes an address without secrets that may be shown and logged. Passwords stay
in `Credentials`, out of every repr. Nothing here talks to Git. The surprising part: a user name in an https URL is
moved to the credentials, a password in one is refused, because URLs end up in process lists and logs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bot.errors import Problem

_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
_SCP = re.compile(r"(?P<user>[^@/:]+@)?(?P<host>[^/:]{2,}):(?!:)(?P<path>.+)")  # two letters: `C:` is a drive
# What `git check-ref-format` refuses, and the glob characters that ls-remote would expand.
_BRANCH = re.compile(r"(?![-/.])(?!.*(?:\.\.|//|/\.|@\{|\.lock(?:/|$)))[^\x00-\x20~^:?*\[\\\x7f]{1,200}(?<![/.])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How to log in: `username` and `password` for https, key and known hosts for ssh.

    `ca_file` is a PEM bundle for an https host with a private certificate authority. Empty strings mean "none";
    without `known_hosts_file` an ssh host is trusted at first sight and held to that afterwards.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    ssh_key_file: str = ""
    known_hosts_file: str = ""
    ca_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoSpec:
    """One repository: its name in the configuration, where it is, its default branch and how to log in."""

    name: str
    url: str = field(repr=False)
    branch: str = "main"
    credentials: Credentials = Credentials()

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
        elif self.scheme != "file" and not self._host:
            found.append("the url names no host")
        elif self._host.startswith("-"):
            found.append("the host of the url begins with a dash")
        if self.scheme in {"http", "https"} and urlsplit(self.url).password is not None:
            found.append("the url contains a password: put it into credentials (username, password_env)")
        if self.scheme == "http" and (self.username or self.credentials.password):
            found.append("credentials would travel in clear over http://: use https://")
        if not is_branch_name(self.branch):
            found.append(f"the branch {self.branch!r} is no name Git allows")
        return tuple(Problem(message=f"repository {self.name}: {text}", subject=self.name) for text in found)

    @property
    def _host(self) -> str:
        if _SCHEME.match(self.url):
            return urlsplit(self.url).hostname or ""
        match = _SCP.fullmatch(self.url)
        return match["host"] if match else ""


def is_branch_name(text: str) -> bool:
    """Say whether git may see `text` as a branch name: well-formed, no option, no glob."""
    return _BRANCH.fullmatch(text) is not None
