"""Pull requests, on the wire, as the hosts' API documents want them: looked for first, opened once."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from bot.errors import DeliveryFailed
from bot.writeback.hosts import host_of
from bot.writeback.pulls import PullRequests
from tests.receiver import Receiver

BRANCH = "gitops-bot/keep/shop-1a2b3c4"
URL = "https://git.example.com/pull/7"
REPOS = {
    "github": ("https://github.com/acme/fleet.git", "/repos/acme/fleet/pulls"),
    "gitlab": ("https://gitlab.com/acme/sub/fleet.git", "/projects/acme%2Fsub%2Ffleet/merge_requests"),
    "bitbucket": ("git@bitbucket.org:acme/fleet.git", "/2.0/repositories/acme/fleet/pullrequests"),
    "bitbucket-dc": (
        "ssh://git@git.acme.example:7999/PAY/fleet.git",
        "/rest/api/latest/projects/PAY/repos/fleet/pull-requests",
    ),
    "gitea": ("https://git.acme.example/acme/fleet.git", "/api/v1/repos/acme/fleet/pulls"),
}
LINKS: dict[str, Any] = {
    "github": {"html_url": URL},
    "gitlab": {"web_url": URL},
    "bitbucket": {"links": {"html": {"href": URL}}},
    "bitbucket-dc": {"links": {"self": [{"href": URL}]}},
    "gitea": {"html_url": URL, "state": "open"},
}
NONE: dict[str, tuple[int, Any]] = {
    "github": (200, []),
    "gitlab": (200, []),
    "bitbucket": (200, {"values": []}),
    "bitbucket-dc": (200, {"values": []}),
    "gitea": (404, {"message": "not found"}),
}
QUERIES = {
    "github": "?state=open&head=acme%3Agitops-bot%2Fkeep%2Fshop-1a2b3c4&base=main",
    "gitlab": "?state=opened&source_branch=gitops-bot%2Fkeep%2Fshop-1a2b3c4&target_branch=main",
    "bitbucket": "?q=source.branch.name+%3D+%22gitops-bot%2Fkeep%2Fshop-1a2b3c4%22+AND+destination.branch.name+%3D+"
    "%22main%22+AND+state+%3D+%22OPEN%22",
    "bitbucket-dc": "?at=refs%2Fheads%2Fgitops-bot%2Fkeep%2Fshop-1a2b3c4&direction=OUTGOING&state=OPEN",
    "gitea": "/main/gitops-bot%2Fkeep%2Fshop-1a2b3c4",
}
HEADS: dict[str, dict[str, Any]] = {
    "github": {"head": BRANCH, "base": "main"},
    "gitlab": {"source_branch": BRANCH, "target_branch": "main", "remove_source_branch": True},
    "bitbucket": {
        "source": {"branch": {"name": BRANCH}},
        "destination": {"branch": {"name": "main"}},
        "close_source_branch": True,
    },
    "bitbucket-dc": {"fromRef": {"id": f"refs/heads/{BRANCH}"}, "toRef": {"id": "refs/heads/main"}},
    "gitea": {"head": BRANCH, "base": "main"},
}


def answer(value: Any, status: int = 200) -> tuple[int, dict[str, str], str]:
    return status, {"Content-Type": "application/json"}, orjson.dumps(value).decode()


def pulls(kind: str, receiver: Receiver) -> PullRequests:
    return PullRequests(host_of(kind, api_url=receiver.url, repo_url=REPOS[kind][0], token="canary"))


def opened(made: PullRequests) -> str:
    return made.open(branch=BRANCH, into="main", title="Keep data.level", body="Why")


@pytest.mark.parametrize("kind", REPOS)
def test_pull_request_is_opened_where_there_is_none(kind: str) -> None:
    status, none = NONE[kind]
    with Receiver(answer(none, status), answer(LINKS[kind], 201)) as receiver:
        assert opened(pulls(kind, receiver)) == URL
        asked, made = receiver.got
    path = REPOS[kind][1]
    assert (asked.method, asked.path) == ("GET", path + QUERIES[kind])
    assert (made.method, made.path) == ("POST", path)
    body = made.json()
    assert {key: body[key] for key in HEADS[kind]} == HEADS[kind]
    assert body["title"] == "Keep data.level"
    assert "Why" in {body.get("body"), body.get("description")}
    assert "canary" in made.headers.get("private-token", made.headers.get("authorization", ""))


@pytest.mark.parametrize("kind", REPOS)
def test_one_that_is_open_is_found(kind: str) -> None:
    found = {"values": [LINKS[kind]]} if kind.startswith("bitbucket") else [LINKS[kind]]
    with Receiver(answer(LINKS[kind] if kind == "gitea" else found)) as receiver:
        assert opened(pulls(kind, receiver)) == URL
        assert [one.method for one in receiver.got] == ["GET"]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer({"message": "canary"}, 403), "answers 403: give the token the right to open pull requests"),
        (answer({}, 500), "answers 500"),
        ((200, {}, "<html>"), "answers no JSON"),
    ],
)
def test_refusal_says_what_the_token_lacks_and_not_the_token(
    reply: tuple[int, dict[str, str], str], words: str
) -> None:
    with Receiver(reply) as receiver, pytest.raises(DeliveryFailed) as failed:
        opened(pulls("github", receiver))
    assert words in str(failed.value)
    assert "canary" not in str(failed.value)
