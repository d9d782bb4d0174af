"""One repository at a Git host: where its API is and how we log in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlsplit

import urllib3

_APIS: Final = {
    "github": "https://api.github.com",
    "gitlab": "https://gitlab.com/api/v4",
    "bitbucket": "https://api.bitbucket.org",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHost:
    """`kind` is github, gitlab, bitbucket, bitbucket-dc or gitea; `path` is the repository's, `owner/name`."""

    kind: str
    api: str
    path: str
    token: str = field(repr=False)

    @property
    def repository(self) -> str:
        """The address of the repository in the host's API; what belongs to it is below."""
        match self.kind:
            case "github":
                return f"{self.api}/repos/{self.path}"
            case "gitea":
                return f"{self.api}/api/v1/repos/{self.path}"
            case "gitlab":
                return f"{self.api}/projects/{quote(self.path, safe='')}"
            case "bitbucket":
                return f"{self.api}/2.0/repositories/{self.path}"
            case _:
                project, _, repo = self.path.rpartition("/")
                return f"{self.api}/rest/api/latest/projects/{quote(project)}/repos/{quote(repo)}"

    @property
    def credentials(self) -> Mapping[str, str]:
        """The header each host wants."""
        match self.kind:
            case "gitlab":
                return {"PRIVATE-TOKEN": self.token}
            case "gitea":
                return {"Authorization": f"token {self.token}"}
            case "bitbucket":
                return authorization(self.token)
            case _:
                return {"Authorization": f"Bearer {self.token}"}


def authorization(token: str) -> Mapping[str, str]:
    """Return the header of a token: one of an account, `name:token`, goes as basic credentials; others stand alone."""
    return urllib3.make_headers(basic_auth=token) if ":" in token else {"Authorization": f"Bearer {token}"}


def host_of(kind: str, *, api_url: str, repo_url: str, token: str) -> GitHost:
    """Return the host of a clone URL; `api_url` "" means the one everybody uses."""
    api = (api_url or _APIS.get(kind, "")).rstrip("/")
    return GitHost(kind=kind, api=api, path=_path_of(repo_url), token=token)


def _path_of(repo_url: str) -> str:
    """Return `owner/name` of a clone URL; Bitbucket Data Center has `scm/` before it, and maybe a context path."""
    path = urlsplit(repo_url).path if "://" in repo_url else repo_url.rpartition(":")[2]
    before, scm, after = f"/{path.strip('/')}".partition("/scm/")
    return (after if scm else before).strip("/").removesuffix(".git")
