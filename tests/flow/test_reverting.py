"""A rollback that Git follows, on the wire: the branch takes the app's files back, or another one asks for it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.flow.office import ANA, BOB, DEPLOYS, Office, configmap
from tests.flow.pull_requests import TOKEN, PullRequests
from tests.flow.workplace import buttons
from tests.tools.building import search_path
from tests.waiting import until

Offices = Callable[..., Office]

REVERT = ", rollback: revert"


def rolled_back(office: Office) -> tuple[str, str]:
    """Deploy two commits and go back to the first; returns both."""
    good = office.open()
    office.upstream.commit({"README": "hello"}, message="Greet")
    bad = office.commit("debug", message="Say more")
    office.sees(DEPLOYS, "Converged", "shop", bad[:7])
    office.sees(DEPLOYS, "Converged", "docs", bad[:7])
    preview = office.types(ANA, f"rollback shop {good[:7]} too loud", DEPLOYS)
    assert office.slack.click(preview, "gitops.rollback_go", ANA.id).acknowledged
    return good, bad


def protect(office: Office) -> None:
    """Let nobody push to main, as a Git host's protected branch does."""
    hook = office.upstream.path / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ] || { echo "main is protected"; exit 1; }\n')
    hook.chmod(0o755)


def test_rollback_is_reverted_on_the_branch_and_the_app_follows_it_again(offices: Offices) -> None:
    """Only the app's folder goes back: what else the bad commit did stays."""
    office = offices(shop=REVERT)
    good, bad = rolled_back(office)
    root = office.sees(DEPLOYS, "Rolled back", "shop", good[:7])
    said = office.sees(DEPLOYS, "Resumed", "shop", "Reverted on main by", "follows main again")
    office.sees(DEPLOYS, "Rolled back", "shop", "The app follows main again")
    assert said.thread_ts == root.ts
    tip = office.upstream.git("rev-parse", "main")
    assert office.upstream.git("rev-parse", "main^") == bad
    assert office.upstream.git("diff", "--name-only", bad, tip) == "shop/a.yaml"
    assert office.upstream.git("rev-parse", f"{tip}:shop") == office.upstream.git("rev-parse", f"{good}:shop")
    message = office.upstream.git("log", "-1", "--format=%B", tip)
    assert message.startswith(f"Roll shop back to {good[:7]}")
    assert "Reason: too loud" in message
    assert f"- {bad[:7]} Say more" in message
    assert "Greet" not in message  # it did not change the app
    until(lambda: office.bot.status("shop")["revision"] == tip)
    assert office.bot.status("shop")["control"] == "running"
    assert office.level("shop") == "info"
    (ended,) = [one for one in office.slack.messages(DEPLOYS) if one.ts == root.ts]
    assert f"The cluster is equal to {good[:7]}. Reverted on main by {tip[:7]}" in ended.text
    assert buttons(ended) == set()  # nothing is left to be resumed
    assert not [one for one in office.slack.messages(DEPLOYS) if one.text.startswith("New commit waits")]
    newer = office.commit("trace")
    office.sees(DEPLOYS, "Converged", "shop", newer[:7])


def test_rollback_on_a_protected_branch_is_proposed_and_the_pin_ends_with_the_merge(offices: Offices) -> None:
    office = offices(mode="http", shop=REVERT)
    protect(office)
    good, bad = rolled_back(office)
    said = office.sees(DEPLOYS, "Change proposed", "shop", "To revert", "Not pushed to main")
    assert said.thread_ts == office.sees(DEPLOYS, "Rolled back", "shop", good[:7]).ts
    (branch,) = set(re.findall(r"gitops-bot/revert/[\w-]+", said.text))
    assert f"https://git.example.com/fleet/compare/main...{branch}" in said.text
    tip = office.upstream.git("rev-parse", branch)
    assert office.upstream.git("rev-parse", f"{tip}^", "main").split() == [bad, bad]
    assert office.bot.stop() == 0
    office.start()
    assert office.bot.status("shop")["control"] == "pinned"
    assert office.types(BOB, "status shop", DEPLOYS).text
    office.upstream.git("update-ref", "refs/heads/main", tip)
    office.sees(DEPLOYS, "Resumed", "shop", f"{tip[:7]} says what the cluster has")
    until(lambda: office.bot.status("shop")["control"] == "running")
    assert len([one for one in office.slack.messages(DEPLOYS) if one.text.startswith("Change proposed")]) == 1
    assert office.level("shop") == "info"


def test_pull_request_is_opened_where_a_token_is_configured(offices: Offices) -> None:
    """One for the whole of the pin, a restart included, with the reason and what it undoes."""
    with PullRequests() as host:
        office = offices(shop=REVERT, more=f"writebacks: [{host.writeback}]", GIT_TOKEN=TOKEN)
        protect(office)
        good, bad = rolled_back(office)
        said = office.sees(DEPLOYS, "Change proposed", "shop", "https://git.example.com/pull/1", "Not pushed to main")
        assert said.thread_ts == office.sees(DEPLOYS, "Rolled back", "shop", good[:7]).ts
        assert office.bot.stop() == 0
        office.start()
        newer = office.commit("trace")
        office.sees(DEPLOYS, "waiting (pinned)", "shop", newer[:7])
        office.bot.kill()
    (one,) = host.opened
    assert (one["title"], one["base"]) == (f"Roll shop back to {good[:7]}", "main")
    assert one["head"] in said.text
    assert "Reason: too loud" in one["body"]
    assert f"- {bad[:7]} Say more" in one["body"]
    assert TOKEN not in office.bot.log()


@pytest.mark.tools
def test_app_that_takes_files_from_outside_stays_pinned_and_git_as_it_is(offices: Offices) -> None:
    """Its own folder is as it was; what differs is the base, which belongs to others too."""
    office = offices(shop=REVERT, PATH=search_path())
    office.commit("info")
    based = {"shop/a.yaml": None, "shop/kustomization.yaml": "resources: [../base]\n"}
    base = {"base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": configmap("shop", "info")}
    good = office.upstream.commit({**based, **base})
    office.start()
    office.sees(DEPLOYS, "Converged", "shop", good[:7])
    bad = office.upstream.commit({"base/a.yaml": configmap("shop", "debug")})
    office.sees(DEPLOYS, "Converged", "shop", bad[:7])
    preview = office.types(ANA, f"rollback shop {good[:7]}", DEPLOYS)
    assert office.slack.click(preview, "gitops.rollback_go", ANA.id).acknowledged
    said = office.sees(DEPLOYS, "Git is not changed", "takes files from outside")
    assert said.thread_ts == office.sees(DEPLOYS, "Rolled back", "shop", good[:7]).ts
    assert office.upstream.git("rev-parse", "main") == bad
    assert (office.bot.status("shop")["control"], office.level("shop")) == ("pinned", "info")
