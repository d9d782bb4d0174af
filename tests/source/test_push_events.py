"""Push events of each host: signed ones name branches and commits, unsigned ones are refused."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from bot.source.links import commit_url, compare_url
from bot.source.push_events import PushRefused, read_push

NEW = "a" * 40
GIT = {"ref": "refs/heads/main", "after": NEW}
CLOUD = {"push": {"changes": [{"new": {"type": "branch", "name": "main", "target": {"hash": NEW}}}, {"new": None}]}}
CENTER = {"changes": [{"ref": {"id": "refs/heads/main"}, "toHash": NEW}]}


def signed(body: bytes, prefix: str = "sha256=", secret: str = "secret") -> str:
    return prefix + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("header", "prefix", "event"),
    [
        ("X-Hub-Signature-256", "sha256=", GIT),  # GitHub
        ("X-Hub-Signature", "sha256=", CLOUD),
        ("X-Hub-Signature", "sha256=", CENTER),
        ("X-Gitea-Signature", "", GIT),
    ],
)
def test_signed_push_names_branch_and_commit(header: str, prefix: str, event: dict[str, Any]) -> None:
    body = json.dumps(event).encode()
    found = read_push({header: signed(body, prefix)}, body, secret="secret")
    assert found is not None
    assert found.commits == {"main": NEW}
    with pytest.raises(PushRefused):
        read_push({header: signed(body, prefix, "wrong")}, body, secret="secret")


def test_gitlab_sends_the_secret_itself() -> None:
    body = json.dumps(GIT).encode()
    found = read_push({"X-Gitlab-Token": "secret"}, body, secret="secret")
    assert found is not None
    with pytest.raises(PushRefused, match="not ours"):
        read_push({"X-Gitlab-Token": "wrong"}, body, secret="secret")


def test_unsigned_push_is_refused_also_when_no_secret_is_configured() -> None:
    with pytest.raises(PushRefused, match="no signature"):
        read_push({}, b"{}", secret="secret")
    with pytest.raises(PushRefused, match="WEBHOOK_SECRET"):
        read_push({}, b"{}", secret="")


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"nonsense", b'{"zen": "ping"}', b'{"ref": "refs/tags/v1", "after": "x"}']
)
def test_what_is_no_push_wakes_nobody(body: bytes) -> None:
    assert read_push({"X-Hub-Signature-256": signed(body)}, body, secret="secret") is None


@pytest.mark.parametrize(
    ("address", "web", "expected"),
    [
        ("https://github.com/acme/fleet.git", "", "https://github.com/acme/fleet/commit/new"),
        ("git@github.com:acme/fleet.git", "", "https://github.com/acme/fleet/commit/new"),
        ("ssh://git@bitbucket.org/acme/fleet.git", "", "https://bitbucket.org/acme/fleet/commits/new"),
        ("https://gitlab.com/a/b/c.git", "", "https://gitlab.com/a/b/c/-/commit/new"),
        ("/srv/fleet.git", "https://gitea.example.com/a/b", "https://gitea.example.com/a/b/commit/new"),
        ("/srv/fleet.git", "", ""),
    ],
)
def test_links_are_derived_for_the_known_hosts(address: str, web: str, expected: str) -> None:
    assert commit_url(address, web, "new") == expected
    assert bool(compare_url(address, web, "old", "new")) == bool(expected)
