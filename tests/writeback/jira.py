"""A Jira site, as far as links and steps of issues go: REST API 2, "Issue remote links" and "Transitions"."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import orjson

from tests.receiver import Got, Receiver

TOKEN = "canary"
Answer = tuple[int, Mapping[str, str], str]
_NOBODY: Answer = (401, {}, '{"errorMessages": ["You are not authenticated"]}')
_NO_ISSUE: Answer = (404, {}, '{"errorMessages": ["Issue does not exist or you do not have permission to see it."]}')


@dataclass(slots=True)
class Issue:
    status: str = "In Progress"
    links: dict[str, Any] = field(default_factory=dict)  # by globalId
    moves: int = 0


class Jira:
    """A site with issues that can go from "In Progress" to "Released" by the step "Release". A context manager."""

    def __init__(self, keys: Collection[str]) -> None:
        self.issues = {key: Issue() for key in keys}
        self._receiver = Receiver(reply=self._answer)
        self.url = self._receiver.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._receiver.close()

    def title(self, key: str, app: str) -> str:
        """Return what the link of an app (`cluster/app`) says at an issue, "" without one."""
        link = self.issues[key].links.get(f"gitops-bot:{app}")
        return str(link["object"]["title"]) if link else ""

    def _answer(self, got: Got) -> Answer:
        if got.headers.get("authorization") != f"Bearer {TOKEN}":
            return _NOBODY
        path = got.path.removeprefix("/rest/api/2/")
        if (got.method, path) == ("GET", "myself"):
            return 200, {}, '{"name": "gitops-bot"}'
        _, key, what = path.split("/")
        issue = self.issues.get(key)
        if issue is None:
            return _NO_ISSUE
        if what == "remotelink":
            link = got.json()
            known = link["globalId"] in issue.links
            issue.links[link["globalId"]] = link
            return (200 if known else 201), {}, orjson.dumps({"id": 10000, "self": f"{self.url}{got.path}"}).decode()
        offered = [{"id": "31", "name": "Release", "to": {"name": "Released"}}] if issue.status != "Released" else []
        if got.method == "GET":
            return 200, {}, orjson.dumps({"transitions": offered}).decode()
        if got.json()["transition"]["id"] not in {one["id"] for one in offered}:
            return 400, {}, '{"errorMessages": ["Illegal workflow operation"]}'
        issue.status, issue.moves = "Released", issue.moves + 1
        return 204, {}, ""
