"""What the Git hosts and the webhooks get, on the wire, as the hosts' API documents want it."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.errors import DeliveryFailed
from bot.model.announcement import Verdict, WriteBack
from bot.model.plan import Summary
from bot.model.record import Consignment, SinkName
from bot.writeback.hooks import WebhookTarget
from bot.writeback.hosts import host_of
from bot.writeback.sink import WriteBackSink
from bot.writeback.statuses import CommitStatusTarget
from tests.receiver import Receiver

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
COMMIT = "a1b2c3d4" * 5
CONVERGED = WriteBack(
    id="op_1:converged:a1b2c3d:0",
    target=0,
    event="converged",
    verdict=Verdict.SUCCESS,
    app="shop",
    cluster="prod",
    env="production",
    operation="op_1",
    commit=COMMIT,
    at=NOW,
    description="converged",
    url=f"https://git.example.com/commit/{COMMIT}",
    summary=Summary(update=1),
    digest="sha256:1",
)


def status_target(
    host: str, receiver: Receiver, *, repo: str = "acme/fleet", token: str = "canary"
) -> CommitStatusTarget:
    return CommitStatusTarget(host_of(host, api_url=receiver.url, repo_url=repo, token=token))


@pytest.mark.parametrize(
    ("host", "repo", "path", "header"),
    [
        ("github", "https://github.com/acme/fleet.git", f"/repos/acme/fleet/statuses/{COMMIT}", "Bearer canary"),
        ("github", "git@github.com:acme/fleet.git", f"/repos/acme/fleet/statuses/{COMMIT}", "Bearer canary"),
        (
            "gitlab",
            "https://gitlab.com/acme/sub/fleet.git",
            f"/projects/acme%2Fsub%2Ffleet/statuses/{COMMIT}",
            "canary",
        ),
        (
            "bitbucket",
            "ssh://git@bitbucket.org/acme/fleet.git",
            f"/2.0/repositories/acme/fleet/commit/{COMMIT}/statuses/build",
            "Bearer canary",
        ),
        (
            "bitbucket-dc",
            "ssh://git@git.acme.example:7999/PAY/fleet.git",
            f"/rest/api/latest/projects/PAY/repos/fleet/commits/{COMMIT}/builds",
            "Bearer canary",
        ),
        (
            "bitbucket-dc",
            "https://acme.example/bitbucket/scm/PAY/fleet.git",
            f"/rest/api/latest/projects/PAY/repos/fleet/commits/{COMMIT}/builds",
            "Bearer canary",
        ),
        (
            "gitea",
            "https://git.acme.example/acme/fleet.git",
            f"/api/v1/repos/acme/fleet/statuses/{COMMIT}",
            "token canary",
        ),
    ],
)
def test_each_host_is_asked_where_and_as_it_wants(host: str, repo: str, path: str, header: str) -> None:
    with Receiver() as receiver:
        status_target(host, receiver, repo=repo).send(CONVERGED)
    (got,) = receiver.got
    assert (got.method, got.path) == ("POST", path)
    assert got.headers["private-token" if host == "gitlab" else "authorization"] == header


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("github", ["pending", "success", "failure"]),
        ("gitlab", ["running", "success", "failed"]),
        ("bitbucket", ["INPROGRESS", "SUCCESSFUL", "FAILED"]),
        ("bitbucket-dc", ["INPROGRESS", "SUCCESSFUL", "FAILED"]),
        ("gitea", ["pending", "success", "failure"]),
    ],
)
def test_each_host_hears_its_own_word_with_a_link(host: str, words: list[str]) -> None:
    with Receiver() as receiver:
        target = status_target(host, receiver)
        for verdict in Verdict:
            target.send(replace(CONVERGED, verdict=verdict))
    bodies = [got.json() for got in receiver.got]
    assert [body["state"] for body in bodies] == words
    assert {body.get("target_url") or body.get("url") for body in bodies} == {CONVERGED.url}
    names = {body.get("context") or body.get("name") for body in bodies}
    assert names == {"gitops-bot/prod/shop"}


def test_bitbucket_key_stays_short_and_stable_for_long_names() -> None:
    with Receiver() as receiver:
        for _ in range(2):
            status_target("bitbucket", receiver).send(replace(CONVERGED, app="a" * 60))
    first, second = (got.json()["key"] for got in receiver.got)
    assert first == second
    assert len(first) <= 40


def test_bitbucket_account_and_token_go_as_basic_credentials() -> None:
    """An API token of Atlassian belongs to an e-mail address; an access token of a repository stands alone."""
    with Receiver() as receiver:
        status_target("bitbucket", receiver, token="ana@example.com:canary").send(CONVERGED)
    assert receiver.got[0].headers["authorization"] == "Basic YW5hQGV4YW1wbGUuY29tOmNhbmFyeQ=="


def test_gitlab_status_that_is_set_already_has_arrived() -> None:
    """GitLab answers 400 to the second attempt of a status whose first answer was lost."""
    said = '{"message":"Cannot transition status via :run from :running (Reason(s): Status cannot transition)"}'
    with Receiver((400, {}, said)) as receiver:
        status_target("gitlab", receiver).send(CONVERGED)
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("status", "headers", "after"),
    [(500, {}, 5.0), (429, {"Retry-After": "17"}, 17.0), (408, {}, 5.0), (404, {}, None), (401, {}, None)],
)
def test_refusal_says_whether_to_try_again_and_no_token(
    status: int, headers: dict[str, str], after: float | None
) -> None:
    with Receiver((status, headers, "<html>canary</html>")) as receiver, pytest.raises(DeliveryFailed) as failed:
        status_target("github", receiver).send(CONVERGED)
    assert failed.value.retry_after_seconds == after
    assert str(status) in str(failed.value)
    assert "canary" not in str(failed.value)


def test_host_that_is_away_is_tried_again() -> None:
    receiver = Receiver()
    receiver.close()
    with pytest.raises(DeliveryFailed, match="github cannot be reached") as failed:
        status_target("github", receiver).send(CONVERGED)
    assert failed.value.retry_after_seconds is not None


def test_webhook_gets_a_signed_cloud_event() -> None:
    with Receiver() as receiver:
        WebhookTarget(url=f"{receiver.url}/hook", secret="hook").send(CONVERGED)
    (got,) = receiver.got
    assert got.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert got.headers["x-gitops-bot-signature"] == "sha256=" + hmac.new(b"hook", got.body, hashlib.sha256).hexdigest()
    event = got.json()
    assert (event["specversion"], event["id"], event["source"]) == ("1.0", CONVERGED.id, "/gitops-bot/prod/shop")
    assert (event["type"], event["subject"]) == ("io.gitops-bot.converged.v1", COMMIT)
    assert event["data"]["app"] == "shop"
    assert event["data"]["digest"] == "sha256:1"
    assert event["data"]["fault"] == ""


def test_write_back_of_a_target_that_is_no_longer_configured_is_given_up() -> None:
    consignment = Consignment(
        id=1, sink=SinkName.WRITEBACK, lane="3", parcel=replace(CONVERGED, target=3), attempts=0, created_at=NOW
    )
    with pytest.raises(DeliveryFailed, match="no longer in the configuration") as failed:
        WriteBackSink([], []).deliver(consignment)
    assert failed.value.retry_after_seconds is None


def test_write_back_goes_to_its_receiver_wherever_that_stands_now() -> None:
    """What waited for the first entry went to the second, once the first was taken out of the configuration."""
    heard: list[str] = []

    class Listener:
        def __init__(self, name: str) -> None:
            self._name = name

        def send(self, back: WriteBack) -> None:
            heard.append(f"{self._name} {back.receiver}")

        def check(self) -> str:
            return ""

    sink = WriteBackSink([Listener("a"), Listener("b")], ["hook-a", "hook-b"])
    row = Consignment(id=1, sink=SinkName.WRITEBACK, lane="1", parcel=CONVERGED, attempts=0, created_at=NOW)
    for back in (replace(CONVERGED, receiver="hook-b"), replace(CONVERGED, target=1)):
        sink.deliver(replace(row, parcel=back))
    assert heard == ["b hook-b", "b "]
    with pytest.raises(DeliveryFailed, match="no longer in the configuration"):
        sink.deliver(replace(row, parcel=replace(CONVERGED, receiver="hook-c")))


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("github", "/repos/acme/fleet"),
        ("gitlab", "/projects/acme%2Ffleet"),
        ("bitbucket", "/2.0/repositories/acme/fleet"),
        ("bitbucket-dc", "/rest/api/latest/projects/acme/repos/fleet"),
        ("gitea", "/api/v1/repos/acme/fleet"),
    ],
)
def test_check_asks_each_host_for_the_repository_alone(host: str, path: str) -> None:
    with Receiver((200, {}, "{}")) as receiver:
        assert status_target(host, receiver).check() == ""
    assert [(got.method, got.path) for got in receiver.got] == [("GET", path)]


def test_check_says_what_a_refused_token_needs_and_never_the_token() -> None:
    with Receiver((401, {}, "{}")) as receiver:
        said = status_target("github", receiver).check()
    assert "does not show the repository acme/fleet" in said
    assert "canary" not in said


def test_check_of_a_webhook_sends_no_event() -> None:
    with Receiver() as receiver:
        assert WebhookTarget(url=receiver.url, secret="hook").check() == ""
    assert [(got.method, got.body) for got in receiver.got] == [("HEAD", b"")]
    assert "cannot be reached" in WebhookTarget(url=receiver.url, secret="hook").check()
