"""Approvals on the wire: who decides on exactly which plan, for how long, and what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.slack.values import Message
from tests.flow.office import ANA, BOB, CAT, DEPLOYS, EVE, SRE, Office, configmap
from tests.flow.workplace import said
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
    assert "No rule allows you to approve a plan of shop (staging). Approvers are cat@example.com" in denied
    assert "1 of 2 by now" in office.types(BOB, "approve shop", DEPLOYS).text
    root = office.sees(DEPLOYS, "1 of 2", f"<@{BOB.id}>", "gitops.approve")
    assert "already approved by <@U0BOB>" in office.types(BOB, "approve shop", DEPLOYS).text
    assert "another plan by now" in office.types(BOB, f"approve shop {'0' * 12}", DEPLOYS).text
    assert office.level("shop") == ""
    assert "it is applied now" in office.presses(CAT, root, "gitops.approve").text
    office.sees(DEPLOYS, "Converged", "shop", commit[:7], f"Approved by <@{BOB.id}>, <@{CAT.id}>.")
    lines = [office.sees(DEPLOYS, "Approved: shop", f"({number} of 2)").text for number in (1, 2)]
    assert not [one for one in lines if "approvals" in one]  # the number is said once
    syncs = [(one["who"], one["decision"]) for one in office.audit("shop") if one["verb"] == "sync"]
    assert (BOB.id, "denied") not in syncs  # a yes that is not the last one was no sync that was denied


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
    office.types(BOB, "mute shop for 1h", DEPLOYS)  # a question is heard all the same
    second = office.commit("debug")
    asked = office.sees(DEPLOYS, "Waiting for approval", "shop", second[:7], "gitops.approve")
    assert asked.ts != rejected.ts
    assert "The plan has changed" not in asked.text
    office.types(BOB, "approve shop", DEPLOYS)
    office.sees(DEPLOYS, "1 of 2", f"<@{BOB.id}>")
    third = office.commit("trace")
    moved = office.sees(DEPLOYS, "Waiting for approval", "shop", third[:7], "what was approved does not count")
    assert moved.ts == asked.ts
    rung = office.sees(DEPLOYS, f"shop / prod waits for approval at {third[:7]}", "does not count", "Approve or reject")
    assert rung.thread_ts == asked.ts  # an edit alone is seen by nobody
    assert office.sees(DEPLOYS, "Rejected", "not today", "Ask again").ts == rejected.ts


def refused(office: Office) -> Message:
    """Drop twelve of an app's thirteen objects from Git; return the question about it."""
    office.commit("info")
    parts = {f"shop/part-{n}.yaml": configmap(f"part-{n}", "x") for n in range(12)}
    office.upstream.commit(parts)
    office.start()
    office.sees(DEPLOYS, "Converged", "shop")
    office.upstream.commit(dict.fromkeys(parts))
    return office.sees(DEPLOYS, "Waiting for a yes", "shop", "gitops.approve")


def test_refused_plan_is_decided_by_the_same_buttons(offices: Offices) -> None:
    """Twelve of thirteen objects would go: nothing happens before a person says yes."""
    office = offices()
    asked = refused(office)
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
    """Confirming a rollback let its author approve the plan alone; nobody was told that a rollback waits."""
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
    told = "once somebody else approves: it waits for that"
    until(lambda: any(told in one.text for one in office.slack.ephemerals(ANA.id)))
    asked = office.sees(DEPLOYS, "Waiting for approval", f"Roll back to {good[:7]}: 1 to update", "gitops.approve")
    assert f"needs someone else: <@{ANA.id}> asked for it" in office.presses(ANA, asked, "gitops.approve").text
    assert office.level("shop") == "debug"
    assert "it is applied now" in office.presses(BOB, asked, "gitops.approve").text
    office.sees(DEPLOYS, "Rolled back", "shop", good[:7])


def test_commit_about_another_app_leaves_the_question_and_its_answers_as_they_are(offices: Offices) -> None:
    """In a repository of hundreds of apps any push voided every approval, so that none was ever complete."""
    office = offices(shop=f"{APPROVE}, approvals: 2")
    first = office.commit("info", message="Raise the level")
    office.start()
    asked = office.sees(DEPLOYS, "Waiting for approval", "shop", first[:7], "Raise the level")
    assert "1 of 2 by now" in office.presses(BOB, asked, "gitops.approve").text
    known = office.sees(DEPLOYS, "1 of 2", f"<@{BOB.id}>", "gitops.approve")
    reaches(office, office.upstream.commit({"docs/a.yaml": configmap("docs", "debug")}, message="Write docs"))
    (still,) = [one for one in office.slack.roots(DEPLOYS) if one.text.startswith("Waiting for")]
    assert (still.ts, still.text, still.blocks) == (asked.ts, known.text, known.blocks)
    assert "it is applied now" in office.presses(CAT, still, "gitops.approve").text
    assert office.sees(DEPLOYS, "Converged", "shop", first[:7]).ts == asked.ts
    assert office.level("shop") == "info"

    second = office.upstream.commit({"shop/a.yaml": configmap("shop", "debug")})
    office.presses(BOB, office.sees(DEPLOYS, "Waiting for approval", "shop", second[:7]), "gitops.approve")
    office.sees(DEPLOYS, "1 of 2", f"<@{BOB.id}>", second[:7])
    office.upstream.commit({"shop/a.yaml": configmap("shop", "trace")})
    moved = office.sees(DEPLOYS, "Waiting for approval", "shop", "what was approved does not count")
    assert "0 of 2" in json.dumps(moved.blocks)
    assert office.level("shop") == "info"


def test_commit_that_leaves_the_plan_as_it_is_is_named_and_asks_nobody_again(offices: Offices) -> None:
    office = offices(shop=f"{APPROVE}, approvals: 2")
    first = office.commit("info")
    office.start()
    asked = office.sees(DEPLOYS, "Waiting for approval", "shop", first[:7])
    office.presses(BOB, asked, "gitops.approve")
    office.sees(DEPLOYS, "1 of 2", f"<@{BOB.id}>", "gitops.approve")
    commented = office.upstream.commit({"shop/a.yaml": f"# the level\n{configmap('shop', 'info')}"})
    now = office.sees(DEPLOYS, "1 of 2", f"<@{BOB.id}>", commented[:7])
    assert now.ts == asked.ts
    assert "it is applied now" in office.presses(CAT, now, "gitops.approve").text
    office.sees(DEPLOYS, "Converged", "shop", commented[:7])


def test_rejected_plan_stays_rejected_when_other_apps_change(offices: Offices) -> None:
    office = offices(shop=APPROVE)
    office.commit("info")
    office.start()
    office.sees(DEPLOYS, "Waiting for approval", "shop")
    office.types(CAT, "reject shop not today", DEPLOYS)
    rejected = office.sees(DEPLOYS, "Rejected", "not today", "Ask again")
    reaches(office, office.upstream.commit({"docs/a.yaml": configmap("docs", "debug")}))
    assert "already rejected by <@U0CAT>" in office.types(BOB, "approve shop", DEPLOYS).text
    roots = [one for one in office.slack.roots(DEPLOYS) if "shop" in one.text]
    assert [(one.ts, one.text) for one in roots] == [(rejected.ts, rejected.text)]


def test_approval_is_used_up_by_the_sync_that_it_allowed(offices: Offices) -> None:
    """The same change twice within half an hour: the second one was applied on the yes to the first."""
    office = offices(shop=APPROVE)
    office.start()
    for level in ("info", "debug", "info"):
        commit = office.commit(level)
        asked = office.sees(DEPLOYS, "Waiting for approval", "shop", commit[:7])
        assert "it is applied now" in office.presses(BOB, asked, "gitops.approve").text
        office.sees(DEPLOYS, "Converged", "shop", commit[:7])
    again = office.commit("debug")
    office.sees(DEPLOYS, "Waiting for approval", "shop", again[:7])
    assert office.level("shop") == "info"


def test_outage_of_the_cluster_takes_back_neither_a_yes_nor_who_asked(offices: Offices) -> None:
    office = offices(shop=f"{APPROVE}, approvals: 2")
    office.commit("info")
    office.start()
    asked = office.sees(DEPLOYS, "Waiting for approval", "shop")
    office.types(ANA, "sync shop", DEPLOYS)
    office.presses(BOB, asked, "gitops.approve")
    office.sees(DEPLOYS, "1 of 2", f"<@{BOB.id}>", "gitops.approve")
    office.kube.faults.add(Fault(kind=FaultKind.STATUS, status=503))
    until(lambda: office.bot.status("shop")["sync"] == "failed")
    office.kube.faults.heal()
    until(lambda: office.bot.status("shop")["sync"] == "waiting-approval")
    root = office.sees(DEPLOYS, "1 of 2", f"<@{BOB.id}>", "gitops.approve")
    assert "needs someone else" in office.presses(ANA, root, "gitops.approve").text
    assert office.level("shop") == ""
    assert "it is applied now" in office.presses(CAT, root, "gitops.approve").text
    office.sees(DEPLOYS, "Converged", "shop")


def test_question_stands_after_an_outage_that_mentions_nobody(offices: Offices) -> None:
    """The author of the commit was called to an API server that was away, and the question told anew each time."""
    office = offices(shop=APPROVE)
    office.commit("info")
    office.start()
    asked = office.sees(DEPLOYS, "Waiting for approval", "shop", "gitops.approve")

    def told() -> list[str]:
        thread = [one.text for one in office.slack.messages(DEPLOYS) if one.thread_ts == asked.ts]
        return [text for text in thread if text.startswith("Waiting for approval")]

    def root() -> str:
        return next(said(one) for one in office.slack.roots(DEPLOYS) if one.ts == asked.ts)

    until(told)
    office.kube.faults.add(Fault(kind=FaultKind.STATUS, status=503))
    until(lambda: office.bot.status("shop")["sync"] == "failed")
    office.types(BOB, "sync shop", DEPLOYS)
    until(lambda: "Sync failed" in root())
    assert f"<@{ANA.id}>" not in root()
    office.kube.faults.heal()
    until(lambda: "Waiting for approval" in root() and "gitops.approve" in root())
    office.presses(CAT, asked, "gitops.approve")
    until(lambda: "Converged" in root())
    assert len(told()) == 1


def test_yes_to_a_refused_plan_holds_over_an_outage(offices: Offices) -> None:
    """The yes was lost with the pass that met the outage, and whoever had given it could not give it again."""
    office = offices()
    asked = refused(office)
    office.kube.faults.add(Fault(kind=FaultKind.STATUS, status=503))
    assert "it is applied now" in office.presses(BOB, asked, "gitops.approve").text
    until(lambda: office.bot.status("shop")["sync"] == "failed")
    assert office.kube.cluster.get("configmaps", "default", "part-3") is not None
    office.kube.faults.heal()
    until(lambda: office.kube.cluster.get("configmaps", "default", "part-3") is None)


def test_sync_of_some_objects_asks_about_all_that_the_yes_is_for(offices: Offices) -> None:
    """The question showed the chosen objects alone, and the yes applied the others as well."""
    office = offices(shop=APPROVE)
    office.commit("info")
    office.upstream.commit({"shop/b.yaml": configmap("second", "x")})
    code, said = office.bot.run("sync", "shop", "--only", "ConfigMap/second")
    assert code == 4, said
    office.start()
    asked = office.sees(DEPLOYS, "Waiting for approval", "shop", "gitops.approve")
    assert "2 to create" in asked.text


STUCK = """apiVersion: apps/v1
kind: Deployment
metadata: {name: stuck}
spec:
  selector: {matchLabels: {app: stuck}}
  template:
    metadata: {labels: {app: stuck}}
    spec: {containers: [{name: main, image: "gitops-bot.test/never-ready:1"}]}
"""


def test_approved_sync_goes_on_after_a_kill_and_a_no_ends_it_where_it_is(offices: Offices) -> None:
    """Killed, it asked again as if nothing were live; to the no it said that nothing is applied, and applied it all."""
    office = offices(shop=APPROVE)
    first = office.commit("info")
    office.start()
    office.presses(BOB, office.sees(DEPLOYS, "Waiting for approval", "shop", first[:7]), "gitops.approve")
    office.sees(DEPLOYS, "Converged", "shop", first[:7])
    last = configmap("last", "x").replace("{name: last}", "{name: last, annotations: {gitops-bot/wave: '1'}}")
    files = {"shop/a.yaml": configmap("shop", "debug"), "shop/b.yaml": STUCK, "shop/last.yaml": last}
    second = office.upstream.commit(files)
    asked = office.sees(DEPLOYS, "Waiting for approval", "shop", second[:7], "gitops.approve")
    office.presses(BOB, asked, "gitops.approve")
    until(lambda: office.kube.cluster.get("deployments.apps", "default", "stuck") is not None)
    office.bot.kill()
    office.start()
    live = f"2 of 3 objects of {second[:7]}, which <@{BOB.id}> approved, are live"
    on = f"It goes on with the rest: {live}. 1 to create"
    until(lambda: [one for one in office.slack.messages(DEPLOYS) if one.thread_ts == asked.ts and on in said(one)])
    answer = office.types(CAT, "reject shop wrong day", DEPLOYS).text
    assert "is being applied: it ends after the step it is at" in answer
    assert f"rollback shop {first[:7]}" in answer
    rejected = office.sees(DEPLOYS, "Rejected", f"{live} already", "No more of it is applied", "wrong day")
    assert rejected.ts == asked.ts
    assert "already rejected by <@U0CAT>" in office.types(BOB, "approve shop", DEPLOYS).text
    assert office.kube.cluster.get("configmaps", "default", "last") is None
    assert [one.ts for one in office.slack.roots(DEPLOYS) if one.text.startswith("Waiting for")] == []


def reaches(office: Office, commit: str, app: str = "shop") -> None:
    """Wait until a pass of an app has seen a commit."""
    until(lambda: office.bot.status(app)["target_revision"] == commit)
