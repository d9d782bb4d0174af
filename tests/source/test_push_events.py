"""Push events of each host: signed ones name refs and commits, unsigned ones are refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from bot.model.source import GitRef, RefKind, branch
from bot.source.links import commit_url, compare_url
from bot.source.push_events import PushRefused, read_push

NEW, OLD, NONE = "a" * 40, "b" * 40, "0" * 40
JSON = "application/json"
BRANCH, TAG = "refs/heads/main", "refs/tags/v1.2.3"


def signed(body: bytes, prefix: str = "sha256=", secret: str = "secret") -> str:
    return prefix + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard(body: bytes, key: bytes = b"secret") -> dict[str, str]:
    signature = base64.b64encode(hmac.new(key, b"msg_1.1780000000." + body, hashlib.sha256).digest()).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": "1780000000", "webhook-signature": f"v1,{signature}"}


def cloud_ref(name: str, kind: str = "branch") -> dict[str, Any]:
    return {"type": kind, "name": name, "target": {"type": "commit", "hash": NEW, "message": "Raise the limit"}}


def center(name: str, new: str, kind: str = "UPDATE") -> dict[str, Any]:
    kinds = "BRANCH" if name.startswith("refs/heads/") else "TAG"
    short = name.split("/", 2)[2]
    ref = {"id": name, "displayId": short, "type": kinds}
    return {"ref": ref, "refId": name, "fromHash": OLD, "toHash": new, "type": kind}


def git_push(ref: str, after: str, **more: Any) -> dict[str, Any]:
    return {"ref": ref, "before": OLD, "after": after, "repository": {"full_name": "acme/fleet"}, **more}


GITHUB = {"X-GitHub-Event": "push", "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"}
GITHUB_PUSH = git_push(BRANCH, NEW, created=False, deleted=False, forced=True, head_commit={"id": NEW})
GITHUB_GONE = git_push(BRANCH, NONE, created=False, deleted=True, forced=False, head_commit=None)
GITHUB_TAG = git_push(TAG, NEW, created=True, deleted=False, base_ref=BRANCH)
GITHUB_DELETE = {"ref": "v1.2.3", "ref_type": "tag", "pusher_type": "user", "repository": {"full_name": "acme/fleet"}}
GITLAB_PUSH = git_push(BRANCH, NEW, object_kind="push", event_name="push", checkout_sha=NEW, total_commits_count=1)
GITLAB_GONE = git_push(BRANCH, NONE, object_kind="push", event_name="push", checkout_sha=None, total_commits_count=0)
GITLAB_TAG = git_push(TAG, NEW, object_kind="tag_push", event_name="tag_push", checkout_sha=OLD)
CLOUD_PUSH = {"actor": {}, "push": {"changes": [{"new": cloud_ref("main"), "old": cloud_ref("main"), "forced": True}]}}
CLOUD_MANY = {
    "push": {
        "changes": [
            {"new": cloud_ref("main"), "old": None, "created": True},
            {"new": cloud_ref("v1.2.3", "tag"), "old": None, "created": True},
            {"new": None, "old": cloud_ref("gone"), "closed": True},
        ]
    }
}
CENTER_MANY = {
    "eventKey": "repo:refs_changed",
    "changes": [center(BRANCH, NEW), center(TAG, NEW, "ADD"), center("refs/heads/gone", NONE, "DELETE")],
}
GITEA_DELETE = {"ref": "gone", "ref_type": "branch", "pusher_type": "user", "repository": {"full_name": "acme/fleet"}}


@pytest.mark.parametrize(
    ("headers", "event", "tips"),
    [
        (GITHUB, GITHUB_PUSH, {BRANCH: NEW}),
        (GITHUB, GITHUB_GONE, {BRANCH: ""}),
        (GITHUB, GITHUB_TAG, {TAG: NEW}),
        ({"X-GitHub-Event": "delete"}, GITHUB_DELETE, {TAG: ""}),
        ({"X-Event-Key": "repo:push"}, CLOUD_PUSH, {BRANCH: NEW}),
        ({"X-Event-Key": "repo:push"}, CLOUD_MANY, {BRANCH: NEW, TAG: NEW, "refs/heads/gone": ""}),
        ({"X-Event-Key": "repo:refs_changed"}, CENTER_MANY, {BRANCH: NEW, TAG: NEW, "refs/heads/gone": ""}),
        ({"X-Gitea-Event": "push"}, git_push(BRANCH, NEW), {BRANCH: NEW}),
        ({"X-Gitea-Event": "delete"}, GITEA_DELETE, {"refs/heads/gone": ""}),
    ],
)
def test_signed_push_names_what_moved(headers: dict[str, str], event: dict[str, Any], tips: dict[str, str]) -> None:
    body = json.dumps(event).encode()
    name = "X-Hub-Signature-256" if "X-GitHub-Event" in headers else "X-Hub-Signature"
    gitea = "X-Gitea-Event" in headers
    proof = {"X-Gitea-Signature": signed(body, "")} if gitea else {name: signed(body)}
    found = read_push({**headers, **proof, "Content-Type": JSON}, body, secret="secret")
    assert found is not None
    assert found.tips == tips
    wrong = dict.fromkeys(proof, signed(body, "" if gitea else "sha256=", "wrong"))
    with pytest.raises(PushRefused, match="does not match our secret"):
        read_push({**headers, **wrong}, body, secret="secret")


@pytest.mark.parametrize(
    ("event", "tips"), [(GITLAB_PUSH, {BRANCH: NEW}), (GITLAB_GONE, {BRANCH: ""}), (GITLAB_TAG, {TAG: NEW})]
)
def test_gitlab_sends_the_secret_itself_or_signs(event: dict[str, Any], tips: dict[str, str]) -> None:
    body = json.dumps(event).encode()
    for headers in ({"X-Gitlab-Token": "secret"}, standard(body)):
        found = read_push({"X-Gitlab-Event": "Push Hook", **headers}, body, secret="secret")
        assert found is not None
        assert found.tips == tips
    with pytest.raises(PushRefused, match="not ours"):
        read_push({"X-Gitlab-Token": "wrong"}, body, secret="secret")
    with pytest.raises(PushRefused, match="does not match"):
        read_push(standard(body, b"wrong"), body, secret="secret")


def test_standard_webhook_may_carry_two_signatures_and_a_coded_secret() -> None:
    body = json.dumps(GITLAB_PUSH).encode()
    key = b"0123456789abcdef01234567"
    headers = standard(body, key)
    headers["webhook-signature"] = f"v1,b2xk {headers['webhook-signature']}"
    secret = f"whsec_{base64.b64encode(key).decode()}"
    found = read_push(headers, body, secret=secret)
    assert found is not None
    with pytest.raises(PushRefused, match="does not match"):
        read_push({**headers, "webhook-id": "msg_2"}, body, secret=secret)
    with pytest.raises(PushRefused, match="no base64"):
        read_push(headers, body, secret="whsec_?")


def test_form_encoded_event_is_read_too() -> None:
    """GitHub sends a form unless somebody changes the content type of the webhook; the signature covers the form."""
    body = urlencode({"payload": json.dumps(GITHUB_PUSH)}).encode()
    headers = {**GITHUB, "X-Hub-Signature-256": signed(body), "Content-Type": "application/x-www-form-urlencoded"}
    found = read_push(headers, body, secret="secret")
    assert found is not None
    assert found.tips == {BRANCH: NEW}


def test_unsigned_push_is_refused_also_when_no_secret_is_configured() -> None:
    with pytest.raises(PushRefused, match="no signature"):
        read_push({}, b"{}", secret="secret")
    with pytest.raises(PushRefused, match="WEBHOOK_SECRET"):
        read_push({}, b"{}", secret="")


def test_sha1_signature_is_no_proof() -> None:
    body = json.dumps(GITHUB_PUSH).encode()
    weak = hmac.new(b"secret", body, hashlib.sha1).hexdigest()
    with pytest.raises(PushRefused):
        read_push({"X-Hub-Signature": f"sha1={weak}"}, body, secret="secret")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"nonsense",
        b"\xff",
        b'{"zen": "Keep it logically awesome.", "hook_id": 1}',
        b'{"test": true}',
        b'{"ref": "refs/pull/1/head", "after": "x"}',
        b'{"ref": "main", "ref_type": "branch", "master_branch": "main", "description": ""}',
        b'{"push": {"changes": [null, {"new": null, "old": null}, {"new": {"type": "branch"}}]}}',
        b'{"changes": ["x", {"ref": null}]}',
    ],
)
def test_what_is_no_push_wakes_nobody(body: bytes) -> None:
    assert read_push({"X-Hub-Signature-256": signed(body)}, body, secret="secret") is None


@pytest.mark.parametrize(
    ("ref", "name", "follows"),
    [
        (branch("main"), "refs/heads/main", True),
        (branch("main"), "refs/tags/main", False),
        (GitRef(RefKind.TAG, "v1"), "refs/tags/v1", True),
        (GitRef(RefKind.SEMVER, "1.x", "shop-v"), "refs/tags/shop-v1.2.3", True),
        (GitRef(RefKind.SEMVER, "1.x", "shop-v"), "refs/tags/cart-v1.2.3", False),
        (GitRef(RefKind.COMMIT, NEW), "refs/heads/main", False),
    ],
)
def test_ref_knows_which_events_concern_it(ref: GitRef, name: str, follows: bool) -> None:
    assert ref.follows(name) is follows


@pytest.mark.parametrize(
    ("address", "web", "expected"),
    [
        ("https://github.com/acme/fleet.git", "", "https://github.com/acme/fleet/commit/new"),
        ("git@github.com:acme/fleet.git", "", "https://github.com/acme/fleet/commit/new"),
        ("ssh://git@bitbucket.org/acme/fleet.git", "", "https://bitbucket.org/acme/fleet/commits/new"),
        ("https://gitlab.com/a/b/c.git", "", "https://gitlab.com/a/b/c/-/commit/new"),
        ("https://github.example.com/acme/fleet", "", "https://github.example.com/acme/fleet/commit/new"),
        ("https://gitlab.example.com:8443/a/b", "", "https://gitlab.example.com:8443/a/b/-/commit/new"),
        ("https://codeberg.org/a/b.git", "", "https://codeberg.org/a/b/commit/new"),
        ("https://git.example.com/scm/ac/fleet.git", "", "https://git.example.com/projects/ac/repos/fleet/commits/new"),
        ("https://example.com/git/scm/~ana/x.git", "", "https://example.com/git/projects/~ana/repos/x/commits/new"),
        (
            "ssh://git@git.example.com:7999/ac/fleet.git",
            "",
            "https://git.example.com/projects/ac/repos/fleet/commits/new",
        ),
        ("https://dev.azure.com/a/b/_git/c", "", "https://dev.azure.com/a/b/_git/c/commit/new"),
        ("https://git.example.com/acme/fleet.git", "", ""),
        ("https://notgithub.evil.example.com.git/x/y", "", ""),
        ("/srv/fleet.git", "https://git.example.com/a/b/", "https://git.example.com/a/b/commit/new"),
        ("/srv/fleet.git", "https://gitea.example.com/a/b", "https://gitea.example.com/a/b/commit/new"),
        ("/srv/fleet.git", "", ""),
    ],
)
def test_links_are_derived_for_the_known_hosts(address: str, web: str, expected: str) -> None:
    assert commit_url(address, web, "new") == expected
    assert bool(compare_url(address, web, "old", "new")) == bool(expected)
