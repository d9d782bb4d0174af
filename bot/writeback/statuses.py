"""Commit statuses: the last word on a commit, at the commit, in the words of each Git host.

Sources: GitHub REST "Commit statuses", GitLab "Commits API: set the pipeline status", Bitbucket Cloud "Commit
statuses", Bitbucket Data Center "Builds and deployments", Gitea API v1 "repoCreateStatus". A status is set again to the
same value when an attempt seemed to fail.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

from bot.model.announcement import Verdict, WriteBack
from bot.writeback.hosts import GitHost
from bot.writeback.wire import ask, connections, post

_DESCRIPTION_LIMIT: Final = 140  # characters at GitHub; the others allow more
_KEY_LIMIT: Final = 40  # characters of a build key at Bitbucket Cloud
_STATES: Final[Mapping[str, Mapping[Verdict, str]]] = {
    "github": {Verdict.PENDING: "pending", Verdict.SUCCESS: "success", Verdict.FAILURE: "failure"},
    "gitlab": {Verdict.PENDING: "running", Verdict.SUCCESS: "success", Verdict.FAILURE: "failed"},
    "bitbucket": {Verdict.PENDING: "INPROGRESS", Verdict.SUCCESS: "SUCCESSFUL", Verdict.FAILURE: "FAILED"},
}


class CommitStatusTarget:
    """Sets the status of a commit at one repository of a Git host."""

    def __init__(self, host: GitHost) -> None:
        self._host = host
        self._http = connections()

    def send(self, back: WriteBack) -> None:
        context = f"gitops-bot/{back.cluster}/{back.app}"
        url, body = self._request(back, context)
        headers = {**self._host.credentials, "Content-Type": "application/json"}
        post(self._http, url, orjson.dumps(body), headers, self._host.kind, arrived=_set_already)

    def check(self) -> str:
        """Return what is wrong with the token, "" when the host shows it the repository. Sets no status."""
        host = self._host
        status = ask(self._http, "GET", host.repository, host.credentials)
        if status == 200:
            return ""
        if status in {401, 403, 404}:
            return (
                f"{host.kind} does not show the repository {host.path} to the token of this write-back ({status}): "
                "give it the right to read the repository and to set commit statuses"
            )
        return f"{host.kind} answers {status}" if status else f"{host.kind} cannot be reached at {host.api}"

    def _request(self, back: WriteBack, context: str) -> tuple[str, dict[str, Any]]:
        text = back.description[:_DESCRIPTION_LIMIT]
        link = back.url or f"{self._host.api}/{self._host.path}"
        match self._host.kind:
            case "github" | "gitea":
                state = _STATES["github"][back.verdict]
                body = {"state": state, "context": context, "description": text, "target_url": link}
                return f"{self._host.repository}/statuses/{back.commit}", body
            case "gitlab":
                body = {
                    "state": _STATES["gitlab"][back.verdict],
                    "name": context,
                    "description": text,
                    "target_url": link,
                }
                return f"{self._host.repository}/statuses/{back.commit}", body
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
                if self._host.kind == "bitbucket":
                    return f"{self._host.repository}/commit/{back.commit}/statuses/build", body
                return f"{self._host.repository}/commits/{back.commit}/builds", body


def _set_already(status: int, text: str) -> bool:
    """GitLab refuses to set a status to what it is: the attempt before had arrived, and only its answer was lost."""
    return status == 400 and "Cannot transition status" in text
