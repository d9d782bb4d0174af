"""What the issues of a change hear, on the wire."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from bot.errors import DeliveryFailed
from bot.writeback.issues import JiraTarget, Tracker, issues
from tests.receiver import Receiver
from tests.writeback.jira import TOKEN, Jira
from tests.writeback.test_sink import CONVERGED

BROUGHT = replace(CONVERGED, previous="f" * 40)


def target(url: str, *messages: str, projects: Collection[str] = ("SHOP",), transition: str = "") -> JiraTarget:
    tracker = Tracker(url=url, projects=projects, token=TOKEN, transition=transition)
    return JiraTarget(tracker, messages=lambda back: messages)


def test_each_issue_of_a_change_has_one_link_that_says_where_it_is() -> None:
    with Jira(["SHOP-1", "SHOP-2"]) as jira:
        one = target(jira.url, "SHOP-1: brighter", "Merge branch 'SHOP-2-till'\n\nand SHOP-1 again")
        one.send(replace(BROUGHT, event="failed", commit="d" * 40, description="shop: ImagePullBackOff"))
        for _ in range(2):  # what was sent and not answered is sent again
            one.send(BROUGHT)
        for issue in jira.issues.values():
            (link,) = issue.links.values()
            assert link["object"]["title"] == "shop / production: live at a1b2c3d"
            assert link["object"]["url"] == BROUGHT.url
            assert link["object"]["summary"] == "2026-03-01 12:00 UTC, converged"
            assert link["object"]["status"] == {"resolved": True}
        one.send(replace(BROUGHT, event="rolled-back", commit="e" * 40))
        (link,) = jira.issues["SHOP-2"].links.values()
        assert link["object"]["title"] == "shop / production: taken back, the cluster is at eeeeeee"
        assert link["object"]["status"] == {"resolved": False}


def test_app_on_two_clusters_has_a_link_for_each() -> None:
    with Jira(["SHOP-1"]) as jira:
        one = target(jira.url, "SHOP-1")
        for cluster in ("prod", "dr"):
            one.send(replace(BROUGHT, cluster=cluster))
        assert set(jira.issues["SHOP-1"].links) == {"gitops-bot:prod/shop", "gitops-bot:dr/shop"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SHOP-12, PAY-3 (SHOP-12)", ("SHOP-12", "PAY-3")),
        ("feature/SHOP-7_till and SHOP-8.", ("SHOP-8",)),
        ("UTF-8 and SHA-256; xSHOP-1, SHOP-0, SHOP-1a, shop-2, A-SHOP-3", ()),
        ("https://acme.atlassian.net/browse/SHOP-4", ("SHOP-4",)),
        ("", ()),
    ],
)
def test_only_keys_of_the_configured_projects_are_issues(text: str, expected: tuple[str, ...]) -> None:
    assert issues(text, {"SHOP", "PAY"}) == expected


def test_issue_makes_the_named_step_once_and_only_when_it_is_live() -> None:
    for name in ("release", "Released"):  # the step, or where it leads to
        with Jira(["SHOP-1"]) as jira:
            one = target(jira.url, "SHOP-1", transition=name)
            one.send(replace(BROUGHT, event="failed"))
            assert jira.issues["SHOP-1"].status == "In Progress"
            for _ in range(2):
                one.send(BROUGHT)
            assert (jira.issues["SHOP-1"].status, jira.issues["SHOP-1"].moves) == ("Released", 1)


def test_key_that_is_no_issue_does_not_stop_the_others() -> None:
    with Jira(["SHOP-2"]) as jira:
        target(jira.url, "SHOP-1 SHOP-2", transition="Release").send(BROUGHT)
        assert jira.title("SHOP-2", "prod/shop")


@pytest.mark.parametrize(
    ("status", "headers", "after"),
    [(500, {}, 5.0), (429, {"Retry-After": "17"}, 17.0), (401, {}, None), (403, {}, None)],
)
def test_refusal_says_whether_to_try_again_and_no_token(
    status: int, headers: dict[str, str], after: float | None
) -> None:
    with Receiver((status, headers, "canary")) as receiver, pytest.raises(DeliveryFailed) as failed:
        target(receiver.url, "SHOP-1").send(BROUGHT)
    assert failed.value.retry_after_seconds == after
    assert f"jira for SHOP-1 answers {status}" in str(failed.value)
    assert "canary" not in str(failed.value)


def test_check_tells_a_bad_token_from_a_bad_address_and_changes_nothing() -> None:
    with Jira(["SHOP-1"]) as jira:
        assert target(jira.url, "SHOP-1").check() == ""
        stranger = JiraTarget(
            Tracker(url=jira.url, projects=["SHOP"], token="ana@example.com:old"), messages=lambda back: ["SHOP-1"]
        )
        assert "does not know the token" in stranger.check()
        assert not jira.issues["SHOP-1"].links
    assert "cannot be reached" in target("http://127.0.0.1:9").check()
