"""Reads what git says on standard error and decides which of our errors it is.

In goes git's text in the C locale, out comes a value: the kind of trouble, one reason fit for a person and free of
secrets, and what to do next. Pure. The surprising part is the order of the rules: ssh and https end most failures
with the same "could not read from remote repository", so that the specific lines are looked for first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

_REASON_LIMIT = 200  # characters of git's own words: enough for one line in a chat message
_USERINFO = re.compile(r"(?<=://)[^/\s@']+@")
_NOISE = re.compile(r"^(warning|hint|remote: $|Cloning into|From |\s*\*|\s*[0-9a-f]+\.\.)", re.IGNORECASE)


class Trouble(Enum):
    """What the caller can do: wait, have a person change something, heal the cache, or give up."""

    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    BROKEN_MIRROR = "broken mirror"
    STALE_LOCK = "stale lock"
    NO_SPACE = "no space"
    NOT_OURS = "not ours"  # the server does not hand out that object
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    trouble: Trouble
    reason: str
    next_step: str


_RULES: tuple[tuple[Trouble, str, str, str], ...] = (
    # (trouble, pattern, reason or "" for git's own line, next step)
    (Trouble.NO_SPACE, r"No space left on device|Disk quota exceeded", "the disk of the cache is full", "free space"),
    (
        Trouble.NOT_OURS,
        r"not our ref|unadvertised object|couldn't find remote ref|upload-pack: not our ref",
        "",
        "name a commit that is on a branch",
    ),
    (
        Trouble.REFUSED,
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|No \S+ host key is known",
        "the host key of the server is not the one we know",
        "compare it with the fingerprint the host publishes and put it into known_hosts_file",
    ),
    (
        Trouble.REFUSED,
        r"UNPROTECTED PRIVATE KEY|Load key .*|Identity file .* not accessible",
        "",
        "make ssh_key_file a private key without passphrase that only the bot may read (chmod 600)",
    ),
    (
        Trouble.REFUSED,
        r"Permission denied \([a-z,-]+\)|Too many authentication failures",
        "the server does not accept our ssh key",
        "add the public key of ssh_key_file as a read-only deploy key",
    ),
    (
        Trouble.REFUSED,
        r"certificate verification failed|SSL certificate problem|certificate has expired|"
        r"SSL: no alternative certificate|server certificate|CAfile",
        "",
        "renew the certificate of the host, or name its authority in ca_file",
    ),
    (
        Trouble.REFUSED,
        r"Authentication failed|could not read (Username|Password)|HTTP Basic: Access denied|returned error: 40[13]|"
        r"Invalid (username|credentials)|access denied|not authorized|The project you were looking for",
        "the server does not accept our user and password",
        "check username and password_env: the token may have expired or lack the right to read this repository",
    ),
    (
        Trouble.REFUSED,
        r"unable to update url base from redirection|returned error: 30[1278]|redirect",
        "the server redirects to another address",
        "write the address the host shows today as url",
    ),
    (
        Trouble.REFUSED,
        r"[Rr]epository '?.*'? ?not found|returned error: 404|does not appear to be a git repository|"
        r"project .* (not found|doesn't exist)",
        "there is no such repository, or we may not see it",
        "check url and the rights of the credentials",
    ),
    (
        Trouble.REFUSED,
        r"dubious ownership|transport '.*' not allowed|mismatched algorithms|not valid: is this a git repository",
        "",
        "check that the url points to a repository Git can fetch from",
    ),
    (Trouble.REFUSED, r"cannot run ssh|ssh: (command )?not found", "there is no ssh client", "install openssh-client"),
    (Trouble.STALE_LOCK, r"\.lock'?: File exists|Unable to create '.*\.lock'|cannot lock ref|shallow\.lock", "", ""),
    (
        Trouble.BROKEN_MIRROR,
        r"is corrupt|object file .* is empty|bad object|inflate: |does not match index|unable to read tree|"
        r"missing (blob|tree|commit)|bad signature|cannot be accessed|not a git repository|bad config line|"
        r"unable to (unpack|find) [0-9a-f]{7,}|broken ref|is far too short to be a packfile|index file .* is too small|"
        r"bad tree object|invalid object|Could not read [0-9a-f]{40}|revision walk setup failed|"
        r"remote did not send all necessary objects|Failed to traverse parents",
        "the cache is damaged",
        "delete the cache folder",
    ),
    (
        Trouble.UNREACHABLE,
        r"Could not resolve host|Temporary failure in name resolution|Name or service not known",
        "its host name cannot be resolved",
        "check DNS and the host in url; tried again by itself",
    ),
    (
        Trouble.UNREACHABLE,
        r"Connection refused|Failed to connect|Couldn't connect|No route to host|Network is unreachable|timed out|"
        r"too slow|Connection (was )?reset|reset by peer|Connection closed|Empty reply|returned error: (5\d\d|429)|"
        r"RPC failed|early EOF|unexpected disconnect|hung up unexpectedly|SSL_ERROR|gnutls|SSL_connect|TLS|"
        r"Broken pipe|kex_exchange|unexpected eof|HTTP/2 stream|bad packet|protocol error|invalid index-pack",
        "",
        "tried again by itself",
    ),
)
_COMPILED = tuple((trouble, re.compile(pattern), reason, step) for trouble, pattern, reason, step in _RULES)


def read_complaint(text: str, *, secrets: Sequence[str] = ()) -> Complaint:
    """Return what `text`, git's standard error, means; `secrets` are blanked in what is quoted of it."""
    clean = _blank(text, secrets)
    for trouble, pattern, reason, next_step in _COMPILED:
        if match := pattern.search(clean):
            return Complaint(trouble=trouble, reason=reason or _line_around(clean, match.start()), next_step=next_step)
    return Complaint(trouble=Trouble.OTHER, reason=_last_line(clean), next_step="see the log of the Git host")


def _blank(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return _USERINFO.sub("", text)


def _line_around(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    return _short(text[start : end if end >= 0 else len(text)])


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and not _NOISE.match(line)]
    return _short(lines[-1]) if lines else "git failed without a word"


def _short(line: str) -> str:
    line = re.sub(r"^((fatal|error|remote|ssh|ERROR):\s*)+", "", line.strip())
    line = "".join(char for char in line if char.isprintable()).rstrip(" .")
    return line if len(line) <= _REASON_LIMIT else line[: _REASON_LIMIT - 1] + "…"
