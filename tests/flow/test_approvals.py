"""Approvals on the wire: who decides on exactly which plan, for how long, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.flow.office import ANA, BOB, CAT, DEPLOYS, EVE, SRE, Office, configmap
from tests.waiting import until

Offices = Callable[..., Office]

APPROVE = ", mode: approve"


def plan_of(office: Office, app: str = "shop") -> str:
    """Return the hash of the plan whose buttons are shown."""
    asked = office.sees(DEPLOYS, "Waiting for", app, "gitops.approve")
    (row,) = [block for block in asked.blocks if block["type"] == "actions"]
    return str(json.loads(row["elements"][0]["value"])["plan"])


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_someone_else_approves_exactly_the_plan_that_is_shown(offices: Offices, mode: str) -> None:
    """The requester is not counted; a commit pushed meanwhile is asked for anew; buttons outlive a restart."""
    office = offices(mode=mode, shop=APPROVE)
    first = office.commit("info")
    office.start()
    asked = office.sees(DEPLOYS, "Waiting for approval", "shop", first[:7])
    old = plan_of(office)
    office.types(ANA, "sync shop", DEPLOYS)
    assert "needs someone else" in office.presses(ANA, asked, "gitops.approve").text
    assert office.level("shop") == ""

    second = office.commit("debug")
    moved = office.sees(DEPLOYS, "Waiting for approval", "shop", second[:7], "The plan has changed since it was asked")
    assert "does not count" not in moved.text  # nobody had approved it
    assert "another plan by now" in office.types(BOB, f"approve shop {old}", DEPLOYS).text
    assert office.level("shop") == ""
    office.bot.stop()
    office.start()
    plan = plan_of(office)
    root = office.sees(DEPLOYS, "Waiting for approval", "shop", second[:7], "gitops.approve")
    assert "it is applied now" in office.presses(BOB, root, "gitops.approve").text
    done = office.sees(DEPLOYS, "Converged", "shop", second[:7])
    assert office.level("shop") == "debug"
    assert done.ts == asked.ts
    assert moved.ts in {asked.ts, moved.ts}
    line = office.sees(DEPLOYS, "Approved", "shop", f"<@{BOB.id}>")
    assert line.thread_ts == asked.ts
    lines = [(one["who"], one["decision"]) for one in office.audit("shop") if one["verb"] == "approve"]
    assert lines == [(BOB.id, "done"), (BOB.id, "denied"), (ANA.id, "denied")]
    assert "already approved by <@U0BOB> at <!date^" in office.types(CAT, f"approve shop {plan}", DEPLOYS).text


def test_two_of_the_named_people_or_their_group_approve(offices: Offices) -> None:
    office = offices(
        mode="http",
        shop=f", mode: approve, approvals: 2, approvers: {{users: [cat@example.com], groups: [{SRE}]}}",
    )
    commit = office.commit("info")
    office.start()
    office.sees(DEPLOYS, "Waiting for approval", "shop", commit[:7])
    denied = office.types(ANA, "approve shop", DEPLOYS).text
    assert "No rule allows you to approve for shop (staging). Approvers are cat@example.com" in denied
    assert "1 of 2 by now" in office.types(BOB, "approve shop", DEPLOYS).text
    root = office.sees(DEPLOYS, "1 of 2", f"<@{BOB.id}>", "gitops.approve")
    assert "already approved by <@U0BOB>" in office.types(BOB, "approve shop", DEPLOYS).text
    assert office.level("shop") == ""
    assert "it is applied now" in office.presses(CAT, root, "gitops.approve").text
    office.sees(DEPLOYS, "Converged", "shop", commit[:7])


def test_rejected_plan_is_held_until_somebody_asks_again(offices: Offices) -> None:
    office = offices(shop=APPROVE)
    commit = office.commit("info")
    office.start()
    asked = office.sees(DEPLOYS, "Waiting for approval", "shop", commit[:7])
    assert "nothing is applied" in office.types(CAT, "reject shop “not today”", DEPLOYS).text
    rejected = office.sees(DEPLOYS, "Rejected", "not today", "Ask again")
    assert rejected.ts == asked.ts
    assert "already rejected by <@U0CAT>" in office.types(BOB, "approve shop", DEPLOYS).text
    answer = office.presses(ANA, rejected, "gitops.sync").text
    assert "applied when somebody else has approved the plan" in answer
    again = office.sees(DEPLOYS, "Waiting for approval", "shop", "gitops.approve")
    assert "it is applied now" in office.types(BOB, "approve shop", DEPLOYS).text
    done = office.sees(DEPLOYS, "Converged", "shop", commit[:7])
    assert done.ts == again.ts != rejected.ts
    assert office.sees(DEPLOYS, "Rejected", "not today", "Ask again").ts == rejected.ts


def test_release_after_a_rejected_one_is_asked_for_in_a_message_of_its_own(offices: Offices) -> None:
    """It was an edit of the rejected one: nobody heard of it, and the no was gone."""
    office = offices(shop=f"{APPROVE}, approvals: 2")
    office.commit("info")
    office.start()
    office.sees(DEPLOYS, "Waiting for approval", "shop")
    office.types(CAT, "reject shop not today", DEPLOYS)
    rejected = office.sees(DEPLOYS, "Rejected", "not today", "Ask again")
    second = office.commit("debug")
    asked = office.sees(DEPLOYS, "Waiting for approval", "shop", second[:7], "gitops.approve")
    assert asked.ts != rejected.ts
    assert "The plan has changed" not in asked.text
    office.types(BOB, "approve shop", DEPLOYS)
    office.sees(DEPLOYS, "1 of 2", f"<@{BOB.id}>")
    third = office.commit("trace")
    moved = office.sees(DEPLOYS, "Waiting for approval", "shop", third[:7], "what was approved does not count")
    assert moved.ts == asked.ts
    assert office.sees(DEPLOYS, "Rejected", "not today", "Ask again").ts == rejected.ts


def test_refused_plan_is_decided_by_the_same_buttons(offices: Offices) -> None:
    """Twelve of thirteen objects would go: nothing happens before a person says yes."""
    office = offices()
    office.commit("info")
    parts = {f"shop/part-{n}.yaml": configmap(f"part-{n}", "x") for n in range(12)}
    office.upstream.commit(parts)
    office.start()
    office.sees(DEPLOYS, "Converged", "shop")
    office.upstream.commit(dict.fromkeys(parts))
    asked = office.sees(DEPLOYS, "Waiting for a yes", "shop", "gitops.approve")
    assert "12 to delete" in json.dumps(asked.blocks)
    assert "No rule allows" in office.presses(EVE, asked, "gitops.approve").text
    assert office.kube.cluster.get("configmaps", "default", "part-3") is not None
    assert "it is applied now" in office.presses(BOB, asked, "gitops.approve").text
    until(lambda: office.kube.cluster.get("configmaps", "default", "part-3") is None)
    assert office.level("shop") == "info"


def test_confirmed_rollback_confirms_what_its_plan_refuses(offices: Offices) -> None:
    office = offices()
    first = office.open()
    parts = {f"shop/part-{n}.yaml": configmap(f"part-{n}", "x") for n in range(12)}
    office.sees(DEPLOYS, "Converged", "shop", office.upstream.commit(parts)[:7])
    preview = office.types(ANA, f"rollback shop {first[:7]}", DEPLOYS)
    assert "12 to delete" in preview.text
    assert office.slack.click(preview, "gitops.rollback_go", ANA.id).acknowledged
    office.sees(DEPLOYS, "Rolled back", "shop", first[:7])
    assert office.kube.cluster.get("configmaps", "default", "part-3") is None


def test_who_rolls_back_is_not_counted_either(offices: Offices) -> None:
    """Confirming a rollback let its author approve the plan alone."""
    office = offices(shop=APPROVE)
    office.commit("info")
    office.start()
    asked = office.sees(DEPLOYS, "Waiting for approval", "shop", "gitops.approve")
    office.presses(BOB, asked, "gitops.approve")
    good = office.upstream.git("rev-parse", "main")
    office.sees(DEPLOYS, "Converged", "shop", good[:7])
    second = office.commit("debug")
    office.presses(BOB, office.sees(DEPLOYS, "Waiting for approval", second[:7], "gitops.approve"), "gitops.approve")
    office.sees(DEPLOYS, "Converged", "shop", second[:7])
    preview = office.types(ANA, f"rollback shop {good[:7]}", DEPLOYS)
    assert office.slack.click(preview, "gitops.rollback_go", ANA.id).acknowledged
    asked = office.sees(DEPLOYS, "Waiting for approval", good[:7], "gitops.approve")
    assert "needs someone else" in office.presses(ANA, asked, "gitops.approve").text
    assert office.level("shop") == "debug"
    assert "it is applied now" in office.presses(BOB, asked, "gitops.approve").text
    office.sees(DEPLOYS, "Rolled back", "shop", good[:7])
