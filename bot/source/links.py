"""Web addresses of commits and comparisons at the known Git hosts. Pure; "" where the host is not known."""

from __future__ import annotations

import re
from typing import Final

_HOSTS: Final = (
    ("github.com", "{base}/commit/{new}", "{base}/compare/{old}...{new}"),
    ("gitlab", "{base}/-/commit/{new}", "{base}/-/compare/{old}...{new}"),
    ("bitbucket.org", "{base}/commits/{new}", "{base}/branches/compare/{new}..{old}"),
    ("gitea", "{base}/commit/{new}", "{base}/compare/{old}...{new}"),
    ("codeberg.org", "{base}/commit/{new}", "{base}/compare/{old}...{new}"),
)
_SCP: Final = re.compile(r"(?:[^@/]+@)?(?P<host>[^/:]+):(?P<path>[^/].*)")
_URL: Final = re.compile(r"(?:https?|ssh)://(?:[^@/]+@)?(?P<host>[^/:]+)(?::\d+)?/(?P<path>.+)")


def web_base(address: str, web_url: str) -> str:
    """Return where people read the repository: `web_url` when given, else derived for the known hosts."""
    if web_url:
        return web_url.rstrip("/")
    found = _URL.fullmatch(address) or _SCP.fullmatch(address)
    if found is None or not any(host in found["host"] for host, _, _ in _HOSTS):
        return ""
    path = found["path"].strip("/").removesuffix(".git")
    return f"https://{found['host']}/{path}"


def commit_url(address: str, web_url: str, commit: str) -> str:
    return _filled(address, web_url, "", commit, 1)


def compare_url(address: str, web_url: str, old: str, new: str) -> str:
    return _filled(address, web_url, old, new, 2)


def _filled(address: str, web_url: str, old: str, new: str, column: int) -> str:
    base = web_base(address, web_url)
    if not base:
        return ""
    row = next((row for row in _HOSTS if row[0] in base), _HOSTS[0])
    return row[column].format(base=base, old=old, new=new)
