"""Pull requests at the Git hosts: a branch that is pushed already becomes a question to the people there.

Sources: GitHub REST "Pulls", GitLab "Merge requests API", Bitbucket Cloud "Pullrequests", Bitbucket Data Center "Pull
Requests", Gitea API v1 "repoCreatePullRequest". One that is open already is found and returned: asking twice opens one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import orjson
import urllib3

from bot.errors import DeliveryFailed
from bot.writeback.hosts import GitHost
from bot.writeback.wire import connections

_BODY_LIMIT: Final = 30_000  # characters; Bitbucket Data Center allows 32,768, the others more


class PullRequests:
    """A `bot.ports.source.Proposals`: opens pull requests at one repository of a Git host."""

    def __init__(self, host: GitHost) -> None:
        self._host = host
        self._http = connections()

    def open(self, *, branch: str, into: str, title: str, body: str) -> str:
        """Return the address of the open pull request of a branch. Raises `DeliveryFailed`."""
        url, query, entries = self._list(branch, into)
        found = entries(self._call("GET", f"{url}?{urlencode(query)}" if query else url))
        if not found:
            found = [self._call("POST", self._address(), self._new(branch, into, title, body[:_BODY_LIMIT]))]
        return self._link(found[0])

    def _address(self) -> str:
        kind = {"gitlab": "merge_requests", "bitbucket": "pullrequests", "bitbucket-dc": "pull-requests"}
        return f"{self._host.repository}/{kind.get(self._host.kind, 'pulls')}"

    def _list(self, branch: str, into: str) -> tuple[str, Mapping[str, str], Callable[[Any], list[Any]]]:
        """Return where open ones of a branch are listed, the query, and how they are taken from the answer."""
        address = self._address()
        match self._host.kind:
            case "github":
                owner = self._host.path.partition("/")[0]
                return address, {"state": "open", "head": f"{owner}:{branch}", "base": into}, list
            case "gitlab":
                return address, {"state": "opened", "source_branch": branch, "target_branch": into}, list
            case "bitbucket":
                wanted = f'source.branch.name = "{branch}" AND destination.branch.name = "{into}" AND state = "OPEN"'
                return address, {"q": wanted}, lambda answer: list(answer.get("values") or ())
            case "bitbucket-dc":
                query = {"at": f"refs/heads/{branch}", "direction": "OUTGOING", "state": "OPEN"}
                return address, query, lambda answer: list(answer.get("values") or ())
            case _:
                one = f"{address}/{quote(into, safe='')}/{quote(branch, safe='')}"
                return one, {}, lambda answer: [answer] if answer.get("state") == "open" else []

    def _new(self, branch: str, into: str, title: str, body: str) -> Mapping[str, Any]:
        match self._host.kind:
            case "gitlab":
                return {
                    "source_branch": branch,
                    "target_branch": into,
                    "title": title,
                    "description": body,
                    "remove_source_branch": True,
                }
            case "bitbucket":
                return {
                    "title": title,
                    "description": body,
                    "source": {"branch": {"name": branch}},
                    "destination": {"branch": {"name": into}},
                    "close_source_branch": True,
                }
            case "bitbucket-dc":
                return {
                    "title": title,
                    "description": body,
                    "fromRef": {"id": f"refs/heads/{branch}"},
                    "toRef": {"id": f"refs/heads/{into}"},
                }
            case _:
                return {"title": title, "body": body, "head": branch, "base": into}

    def _link(self, answer: Any) -> str:
        try:
            match self._host.kind:
                case "gitlab":
                    return str(answer["web_url"])
                case "bitbucket":
                    return str(answer["links"]["html"]["href"])
                case "bitbucket-dc":
                    return str(answer["links"]["self"][0]["href"])
                case _:
                    return str(answer["html_url"])
        except (KeyError, IndexError, TypeError) as error:
            raise self._failed("answers without the address of the pull request") from error

    def _call(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return the answer; an empty one for 404: Gitea says so when a branch has none."""
        headers = {**self._host.credentials, "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            answer = self._http.request(
                method, url, body=orjson.dumps(body) if body is not None else None, headers=headers
            )
        except urllib3.exceptions.HTTPError as error:
            raise self._failed(f"cannot be reached ({type(error).__name__})") from error
        if method == "GET" and answer.status == 404 and self._host.kind == "gitea":
            return {}
        if not 200 <= answer.status < 300:
            hint = ": give the token the right to open pull requests" if answer.status in {401, 403, 404} else ""
            raise self._failed(f"answers {answer.status}{hint}")
        try:
            return orjson.loads(answer.data)
        except orjson.JSONDecodeError as error:
            raise self._failed("answers no JSON") from error

    def _failed(self, why: str) -> DeliveryFailed:
        return DeliveryFailed(f"no pull request could be opened: {self._host.kind} {why}", retry_after_seconds=None)
