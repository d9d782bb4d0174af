"""Commit statuses: the last word on a commit, at the commit, in the words of each Git host.

Sources: GitHub REST "Commit statuses", GitLab "Commits API: set the pipeline status", Bitbucket Cloud "Commit
statuses", Bitbucket Data Center "Builds and deployments", Gitea API v1 "repoCreateStatus". A status is set again to the
same value when an attempt seemed to fail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

import orjson
import urllib3

from bot.model.announcement import Verdict, WriteBack
from bot.writeback.wire import ask, connections, post

_APIS: Final = {
    "github": "https://api.github.com",
    "gitlab": "https://gitlab.com/api/v4",
    "bitbucket": "https://api.bitbucket.org",
}
_DESCRIPTION_LIMIT: Final = 140  # characters at GitHub; the others allow more
_KEY_LIMIT: Final = 40  # characters of a build key at Bitbucket Cloud
_STATES: Final[Mapping[str, Mapping[Verdict, str]]] = {
    "github": {Verdict.PENDING: "pending", Verdict.SUCCESS: "success", Verdict.FAILURE: "failure"},
    "gitlab": {Verdict.PENDING: "running", Verdict.SUCCESS: "success", Verdict.FAILURE: "failed"},
    "bitbucket": {Verdict.PENDING: "INPROGRESS", Verdict.SUCCESS: "SUCCESSFUL", Verdict.FAILURE: "FAILED"},
}


class CommitStatusTarget:
    """Sets the status of a commit at one repository of a Git host."""

    def __init__(self, *, host: str, api_url: str, repo_url: str, token: str) -> None:
        self._host = host
        self._repo = _path_of(repo_url)
        self._api = (api_url or _APIS.get(host, "")).rstrip("/")
        self._token = token
        self._http = connections()

    def send(self, back: WriteBack) -> None:
        context = f"gitops-bot/{back.cluster}/{back.app}"
        url, body = self._request(back, context)
        headers = {**self._credentials(), "Content-Type": "application/json"}
        post(self._http, url, orjson.dumps(body), headers, self._host, arrived=_set_already)

    def check(self) -> str:
        """Return what is wrong with the token, "" when the host shows it the repository. Sets no status."""
        status = ask(self._http, "GET", self._repository(), self._credentials())
        if status == 200:
            return ""
        if status in {401, 403, 404}:
            return (
                f"{self._host} does not show the repository {self._repo} to the token of this write-back ({status}): "
                "give it the right to read the repository and to set commit statuses"
            )
        return f"{self._host} answers {status}" if status else f"{self._host} cannot be reached at {self._api}"

    def _repository(self) -> str:
        """Return the address of the repository in the host's API; what belongs to it is below."""
        match self._host:
            case "github":
                return f"{self._api}/repos/{self._repo}"
            case "gitea":
                return f"{self._api}/api/v1/repos/{self._repo}"
            case "gitlab":
                return f"{self._api}/projects/{quote(self._repo, safe='')}"
            case "bitbucket":
                return f"{self._api}/2.0/repositories/{self._repo}"
            case _:
                project, _, repo = self._repo.rpartition("/")
                return f"{self._api}/rest/api/latest/projects/{quote(project)}/repos/{quote(repo)}"

    def _credentials(self) -> Mapping[str, str]:
        """Return the header each host wants. Atlassian's API tokens belong to an account: `e-mail:token`."""
        match self._host:
            case "gitlab":
                return {"PRIVATE-TOKEN": self._token}
            case "gitea":
                return {"Authorization": f"token {self._token}"}
            case "bitbucket" if ":" in self._token:
                return urllib3.make_headers(basic_auth=self._token)
            case _:
                return {"Authorization": f"Bearer {self._token}"}

    def _request(self, back: WriteBack, context: str) -> tuple[str, dict[str, Any]]:
        text = back.description[:_DESCRIPTION_LIMIT]
        link = back.url or f"{self._api}/{self._repo}"
        match self._host:
            case "github" | "gitea":
                state = _STATES["github"][back.verdict]
                body = {"state": state, "context": context, "description": text, "target_url": link}
                return f"{self._repository()}/statuses/{back.commit}", body
            case "gitlab":
                body = {
                    "state": _STATES["gitlab"][back.verdict],
                    "name": context,
                    "description": text,
                    "target_url": link,
                }
                return f"{self._repository()}/statuses/{back.commit}", body
            case _:
                key = (
                    context if len(context) <= _KEY_LIMIT else hashlib.sha256(context.encode()).hexdigest()[:_KEY_LIMIT]
                )
                body = {
                    "state": _STATES["bitbucket"][back.verdict],
                    "key": key,
                    "name": context,
                    "description": text,
                    "url": link,
                }
                if self._host == "bitbucket":
                    return f"{self._repository()}/commit/{back.commit}/statuses/build", body
                return f"{self._repository()}/commits/{back.commit}/builds", body


def _path_of(repo_url: str) -> str:
    """Return `owner/name` of a clone URL; Bitbucket Data Center has `scm/` before it, and maybe a context path."""
    path = urlsplit(repo_url).path if "://" in repo_url else repo_url.rpartition(":")[2]
    before, scm, after = f"/{path.strip('/')}".partition("/scm/")
    return (after if scm else before).strip("/").removesuffix(".git")


def _set_already(status: int, text: str) -> bool:
    """GitLab refuses to set a status to what it is: the attempt before had arrived, and only its answer was lost."""
    return status == 400 and "Cannot transition status" in text
