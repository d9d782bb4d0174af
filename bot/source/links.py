"""Web addresses of commits and comparisons at the known Git hosts. Pure; "" where the host is not known.

The address people read is derived from the URL git fetches from, or given as `web_url`. Bitbucket Data Center is known
by its `/scm/` URLs, its ssh port 7999 and its `/projects/…/repos/…` pages, Azure DevOps by `/_git/`, GitHub, GitLab,
Gitea and Forgejo by the name of the host.
"""

from __future__ import annotations

import re
from typing import Final

_HOSTS: Final = (
    (
        r"/projects/[^/]+/repos/",
        "{base}/commits/{new}",
        "{base}/compare/commits?sourceBranch={new}&targetBranch={old}",
        "{base}/pull-requests?create&sourceBranch={new}&targetBranch={old}",
    ),
    (
        r"/_git/",
        "{base}/commit/{new}",
        "{base}/branchCompare?baseVersion=GC{old}&targetVersion=GC{new}",
        "{base}/pullrequestcreate?sourceRef={new}&targetRef={old}",
    ),
    (
        r"//[^/]*\bgithub\b",
        "{base}/commit/{new}",
        "{base}/compare/{old}...{new}",
        "{base}/compare/{old}...{new}?expand=1",
    ),
    (
        r"//[^/]*\bgitlab\b",
        "{base}/-/commit/{new}",
        "{base}/-/compare/{old}...{new}",
        "{base}/-/merge_requests/new?merge_request[source_branch]={new}&merge_request[target_branch]={old}",
    ),
    (
        r"//bitbucket\.org/",
        "{base}/commits/{new}",
        "{base}/branches/compare/{new}..{old}",
        "{base}/pull-requests/new?source={new}&dest={old}",
    ),
    (
        r"//[^/]*\b(gitea|forgejo|codeberg)\b",
        "{base}/commit/{new}",
        "{base}/compare/{old}...{new}",
        "{base}/compare/{old}...{new}",
    ),
)
_OTHER: Final = _HOSTS[2]  # for a web_url at a host we do not know: the most common form
_SCP: Final = re.compile(r"(?:[^@/]+@)?(?P<host>[^/:]+):(?P<path>[^/].*)")
_URL: Final = re.compile(r"(?:https?|ssh)://(?:[^@/]+@)?(?P<host>[^/:]+)(?P<port>:\d+)?/(?P<path>.+)")
_DATA_CENTER: Final = re.compile(r"(?:(?P<above>.*/)?scm/)?(?P<project>~?[^/]+)/(?P<repo>[^/]+)")


def web_base(address: str, web_url: str) -> str:
    """Return where people read the repository: `web_url` when given, else derived for the known hosts."""
    if web_url:
        return web_url.rstrip("/")
    url = _URL.fullmatch(address)
    found = url or _SCP.fullmatch(address)
    if found is None:
        return ""
    port = url["port"] or "" if url is not None else ""
    path = found["path"].strip("/").removesuffix(".git")
    if (address.startswith("ssh://") and port == ":7999") or "/scm/" in f"/{path}":
        return _data_center(found["host"], "" if address.startswith("ssh://") else port, path)
    base = f"https://{found['host']}{port if address.startswith('http') else ''}/{path}"
    return base if any(re.search(row[0], base) for row in _HOSTS) else ""


def _data_center(host: str, port: str, path: str) -> str:
    """Return the page of a repository, of a project or, with a tilde, of a person."""
    found = _DATA_CENTER.fullmatch(path)
    if found is None:
        return ""
    return f"https://{host}{port}/{found['above'] or ''}projects/{found['project']}/repos/{found['repo']}"


def commit_url(address: str, web_url: str, commit: str) -> str:
    return _filled(address, web_url, "", commit, 1)


def compare_url(address: str, web_url: str, old: str, new: str) -> str:
    return _filled(address, web_url, old, new, 2)


def proposal_url(address: str, web_url: str, branch: str, proposed: str) -> str:
    """Return where a person opens a pull request of the branch `proposed` into `branch`."""
    return _filled(address, web_url, branch, proposed, 3)


def _filled(address: str, web_url: str, old: str, new: str, column: int) -> str:
    base = web_base(address, web_url)
    if not base:
        return ""
    row = next((row for row in _HOSTS if re.search(row[0], base)), _OTHER)
    return row[column].format(base=base, old=old, new=new)
