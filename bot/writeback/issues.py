"""Issues of Jira hear where their commits are: a link on each issue that says whether it is live, and where.

Sources: Jira REST API 2, "Issue remote links" and "Transitions", which Cloud and Data Center share. A link has a
`globalId`, so that writing it again changes it instead of adding one; a transition that was made is not offered again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import orjson

from bot.model.announcement import WriteBack
from bot.writeback.hosts import authorization
from bot.writeback.wire import ask, connections, post, read

Messages = Callable[[WriteBack], Collection[str]]

_ISSUES_TOLD: Final = 100  # more are no release notes but an import: a commit's message must not start a flood
_WORDS: Final[Mapping[str, str]] = {
    "converged": "live at",
    "failed": "failed at",
    "rolled-back": "taken back, the cluster is at",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """A Jira site. `token` is a personal access token, or `e-mail:token` of an account at Atlassian's cloud.

    Keys of other projects than `projects` in a commit's message (`UTF-8`, `SHA-256`) are no issues. `transition` is the
    name of the step, or of the status it leads to, that an issue makes when it is live.
    """

    url: str
    projects: Collection[str]
    token: str = field(repr=False)
    transition: str = ""

    @property
    def site(self) -> str:
        return self.url.rstrip("/")

    @property
    def credentials(self) -> Mapping[str, str]:
        return authorization(self.token)

    def issue(self, key: str) -> str:
        return f"{self.site}/rest/api/2/issue/{quote(key)}"


class JiraTarget:
    """Links the issues that the messages of a change's commits name. `messages` reads them from Git."""

    def __init__(self, tracker: Tracker, *, messages: Messages) -> None:
        self._tracker = tracker
        self._messages = messages
        self._http = connections()

    def send(self, back: WriteBack) -> None:
        keys = issues("\n".join(self._messages(back)), self._tracker.projects)
        for key in keys[:_ISSUES_TOLD]:
            self._link(key, back)
            if back.event == "converged" and self._tracker.transition:
                self._move(key)

    def check(self) -> str:
        """Return what is wrong with the token, "" when the site knows it. Changes no issue."""
        status = ask(self._http, "GET", f"{self._tracker.site}/rest/api/2/myself", self._tracker.credentials)
        if status == 200:
            return ""
        if status in {401, 403}:
            return (
                f"jira does not know the token of this write-back ({status}): make a new one, `e-mail:token` for Cloud"
            )
        return f"jira answers {status}" if status else f"jira cannot be reached at {self._tracker.url}"

    def _link(self, key: str, back: WriteBack) -> None:
        body = {
            "globalId": f"gitops-bot:{back.cluster}/{back.app}",
            "application": {"type": "io.gitops-bot", "name": "gitops-bot"},
            "relationship": "deployed to",
            "object": {
                "url": back.url or f"{self._tracker.site}/browse/{key}",
                "title": f"{back.app} / {back.env or back.cluster}: {_WORDS[back.event]} {back.commit[:7]}",
                "summary": f"{back.at:%Y-%m-%d %H:%M} UTC, {back.description}",
                "status": {"resolved": back.event == "converged"},
            },
        }
        self._post(f"{self._tracker.issue(key)}/remotelink", body, key)

    def _move(self, key: str) -> None:
        """Make the step that the configuration names, where the issue's workflow offers it now."""
        address = f"{self._tracker.issue(key)}/transitions"
        wanted = self._tracker.transition.casefold()
        offered = read(self._http, address, self._tracker.credentials, f"jira for {key}") or {}
        for one in offered.get("transitions", ()):
            if wanted in {str(one["name"]).casefold(), str(one["to"]["name"]).casefold()}:
                self._post(address, {"transition": {"id": one["id"]}}, key)
                return

    def _post(self, address: str, body: Mapping[str, Any], key: str) -> None:
        headers = {**self._tracker.credentials, "Content-Type": "application/json"}
        post(self._http, address, orjson.dumps(body), headers, f"jira for {key}", arrived=_is_no_issue)


def issues(text: str, projects: Collection[str]) -> tuple[str, ...]:
    """Return the keys of issues in a text, each once, in order."""
    keys = re.findall(r"(?<![A-Za-z0-9_-])([A-Z][A-Z0-9_]+)-([1-9][0-9]*)(?![A-Za-z0-9_])", text)
    return tuple(dict.fromkeys(f"{project}-{number}" for project, number in keys if project in projects))


def _is_no_issue(status: int, text: str) -> bool:
    """Nobody has an issue of that key, or it was deleted: there is nothing to be told, now or later."""
    return status == 404
