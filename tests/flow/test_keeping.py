"""Drift as a choice, on the wire: revert it, keep it by a branch in Git, or leave the field alone from now on."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable

import pytest

from bot.sandbox.slack.values import Message
from tests.flow.office import ANA, BOB, DEPLOYS, EVE, Office, configmap
from tests.flow.pull_requests import TOKEN, PullRequests
from tests.waiting import until

Offices = Callable[..., Office]

LEFT = ", self_heal: false"
HEAD = "# why: the shop's people\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\n"
COMMENTED = f"{HEAD}data: {{level: warn}}  # low\n"


def drifted(office: Office, *words: str) -> str:
    """Return the branch that an answer names, after the message said the words."""
    (branch,) = set(re.findall(r"gitops-bot/(?:keep|ignore)/[\w-]+", " ".join(words)))
    return str(branch)


def buttons(message: Message) -> set[str]:
    """Return what may be pressed or chosen on a message."""
    rows = [block["elements"] for block in message.blocks if block["type"] == "actions"]
    return {one["action_id"] for row in rows for one in row}


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_hand_edit_is_kept_by_a_branch_that_changes_one_line(offices: Offices, mode: str) -> None:
    """Pressed twice it is one branch; merged, the cluster is equal to Git without a write."""
    office = offices(mode=mode, shop=LEFT)
    office.open()
    base = office.upstream.commit({"shop/a.yaml": COMMENTED})
    office.sees(DEPLOYS, "Converged", "shop", base[:7])
    office.edits("shop", level="debug", colour="red")
    drift = office.sees(DEPLOYS, "Drift", "shop", "gitops.keep", "gitops.pick.ignore", "Revert now", "kubectl-edit at")
    assert "No rule allows" in office.presses(EVE, drift, "gitops.keep").text
    answer = office.presses(ANA, drift, "gitops.keep").text
    assert "ConfigMap default/shop data.level: warn -&gt; debug" in answer
    branch = drifted(office, answer)
    assert f"https://git.example.com/fleet/compare/main...{branch}" in answer
    tip = office.upstream.git("rev-parse", branch)
    assert office.upstream.git("rev-parse", f"{branch}^") == base
    assert office.upstream.git("show", f"{branch}:shop/a.yaml") == COMMENTED.replace(
        "{level: warn}", "{level: debug, colour: red}"
    ).rstrip("\n")
    message = office.upstream.git("log", "-1", "--format=%B", branch)
    assert "Keep 2 fields of shop" in message
    assert "as ana@example.com (U0ANA) asked by way of slack" in message
    again = office.types(BOB, "keep shop because it is better", DEPLOYS).text
    assert drifted(office, again) == branch
    assert office.upstream.git("rev-parse", branch) == tip
    said = office.sees(DEPLOYS, "Change proposed", "shop", branch)
    assert said.thread_ts == drift.ts
    settled = office.sees(DEPLOYS, "Change proposed", "shop", branch, "Merge it, or undo it after all", "it is better")
    for words in ("(changed by kubectl-edit at <!date^", f"By <@{BOB.id}>", "Reason: because it is better"):
        assert words in settled.text
    stands = office.types(BOB, "status shop", DEPLOYS).text
    assert f"to keep, proposed by <@{BOB.id}>" in stands
    assert "because it is better" in stands
    assert settled.ts == drift.ts
    assert buttons(settled) == {"gitops.sync", "gitops.diff"}
    lines = [(one["who"], one["decision"]) for one in office.audit("shop") if one["verb"] == "keep"]
    assert lines == [(BOB.id, "done"), (ANA.id, "done"), (EVE.id, "denied")]
    office.upstream.git("update-ref", "refs/heads/main", tip)
    over = office.sees(DEPLOYS, "Settled", "shop", f"What was changed by hand is in Git now, with {tip[:7]}")
    assert over.ts == drift.ts
    assert office.level("shop") == "debug"


def test_ignored_field_is_left_alone_after_the_merge(offices: Offices) -> None:
    office = offices(shop=LEFT)
    office.open()
    office.edits("shop", level="debug")
    drift = office.sees(DEPLOYS, "Drift", "shop", "Ignore this field")
    answer = office.presses(BOB, drift, "gitops.ignore").text
    branch = drifted(office, answer)
    assert "ignore data.level" in answer
    assert "annotations: {gitops-bot/ignore: /data/level}" in office.upstream.git("show", f"{branch}:shop/a.yaml")
    settled = office.sees(DEPLOYS, "Change proposed", f"<@{BOB.id}>", branch, "Merge it, or undo it after all")
    assert settled.ts == drift.ts
    assert buttons(settled) == {"gitops.sync", "gitops.diff"}
    assert "is no field that differs" in office.types(BOB, "ignore shop data.other", DEPLOYS).text
    assert drifted(office, office.types(BOB, "ignore shop /data/level", DEPLOYS).text) == branch
    tip = office.upstream.git("rev-parse", branch)
    office.upstream.git("update-ref", "refs/heads/main", tip)
    office.sees(DEPLOYS, "shop", tip[:7], "equal to")
    assert office.level("shop") == "debug"
    before = len(office.slack.messages(DEPLOYS))
    office.edits("shop", level="trace")
    office.types(BOB, "sync shop", DEPLOYS)
    until(lambda: [one for one in office.audit("shop") if one["verb"] == "sync"])
    assert office.level("shop") == "trace"
    assert "does not differ from Git" in office.types(BOB, "keep shop", DEPLOYS).text
    assert "left alone: ConfigMap default/shop /data/level" in str(office.types(BOB, "plan shop", DEPLOYS).blocks)
    assert not [one for one in office.slack.messages(DEPLOYS)[before:] if one.text.startswith("Drift")]


def test_choice_about_one_field_leaves_the_others_to_be_chosen(offices: Offices) -> None:
    """The buttons of a message stayed after the choice, a commit elsewhere in the repository brought them back."""
    office = offices(shop=LEFT)
    office.open()
    office.edits("shop", level="debug", colour="red")
    drift = office.sees(DEPLOYS, "Drift", "shop", "gitops.pick.ignore")
    office.types(BOB, "ignore shop data.level", DEPLOYS)
    settled = office.sees(DEPLOYS, "Change proposed", "data.level", "Not decided yet:", "data.colour")
    assert settled.ts == drift.ts
    assert buttons(settled) == {"gitops.sync", "gitops.keep", "gitops.ignore", "gitops.diff"}
    office.presses(BOB, settled, "gitops.keep")
    kept = office.sees(DEPLOYS, "Change proposed", "To keep", "Merge it, or undo it after all")
    assert (kept.ts, buttons(kept)) == (drift.ts, {"gitops.sync", "gitops.diff"})
    elsewhere = office.upstream.commit({"docs/a.yaml": configmap("docs", "trace")})
    office.sees(DEPLOYS, "Converged", "docs", elsewhere[:7])
    until(lambda: office.bot.status("shop")["target_revision"] == elsewhere)
    assert buttons(office.sees(DEPLOYS, "shop", "To keep", "Merge it")) == {"gitops.sync", "gitops.diff"}


def test_what_has_no_place_in_git_is_named_with_the_way_out(offices: Offices) -> None:
    """The value of a Secret and a deleted object stay out of the branch; of a Secret alone there is no branch."""
    canary = "c4nary-v4lue"
    hidden = base64.b64encode(canary.encode()).decode()
    office = offices(shop=LEFT)
    office.open()
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: first}\n"
    commit = office.upstream.commit({"shop/s.yaml": secret, "shop/b.yaml": configmap("gone", "info")})
    office.sees(DEPLOYS, "Converged", "shop", commit[:7])
    live = office.kube.cluster.get("secrets", "default", "db")
    assert live is not None
    office.kube.cluster.update("secrets", {**live, "data": {"password": hidden}}, manager="kubectl-edit")
    office.sees(DEPLOYS, "Drift", "shop", "Secret default/db")
    alone = office.types(BOB, "keep shop", DEPLOYS).text
    assert "Secret default/db data.password is left out: values of Secrets are not written to Git" in alone
    office.kube.cluster.delete("configmaps", "default", "gone")
    office.edits("shop", level="debug")
    office.sees(DEPLOYS, "Drift", "shop", "data.level")
    answer = office.types(BOB, "keep shop", DEPLOYS).text
    assert "ConfigMap default/gone was deleted by hand: to keep it so, remove it from Git at shop/b.yaml:1" in answer
    assert office.upstream.git("diff", "--name-only", "main", drifted(office, answer)).split() == ["shop/a.yaml"]
    heard = json.dumps([dict(call.arguments) for call in office.slack.calls()], default=str)
    said = heard + office.bot.log() + office.upstream.git("log", "-p", "--all")
    assert not [one for one in (canary, hidden) if one in said]


def test_pull_request_is_opened_once_where_a_token_is_configured(offices: Offices) -> None:
    with PullRequests() as host:
        office = offices(shop=LEFT, more=f"writebacks: [{host.writeback}]", GIT_TOKEN=TOKEN)
        office.open()
        office.edits("shop", level="debug")
        drift = office.sees(DEPLOYS, "Drift", "shop")
        assert "https://git.example.com/pull/1" in office.presses(BOB, drift, "gitops.keep").text
        assert "https://git.example.com/pull/1" in office.presses(BOB, drift, "gitops.keep").text
        office.bot.kill()
    (one,) = host.opened
    assert one["title"] == "Keep ConfigMap default/shop data.level"
    assert one["base"] == "main"
    assert TOKEN not in office.bot.log()


def test_branch_that_cannot_be_pushed_is_said_with_the_way_out(offices: Offices) -> None:
    office = offices(shop=LEFT)
    office.open()
    hook = office.upstream.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    office.edits("shop", level="debug")
    drift = office.sees(DEPLOYS, "Drift", "shop")
    answer = office.presses(BOB, drift, "gitops.keep").text
    assert "cannot be pushed: [remote rejected] (pre-receive hook declined)" in answer
    assert "give the repository's credentials the right to push this branch" in answer


def test_hand_edit_of_an_app_that_is_pinned_is_told_too(offices: Offices) -> None:
    office = offices(shop=LEFT)
    good = office.open()
    bad = office.commit("debug")
    office.sees(DEPLOYS, "Converged", "shop", bad[:7])
    assert office.bot.run("rollback", "shop", good[:7])[0] == 0
    office.sees(DEPLOYS, "Rolled back", "shop", good[:7])
    office.edits("shop", level="loud")
    office.sees(DEPLOYS, "Drift", "shop", "loud", "Revert now")
    assert (office.bot.status("shop")["sync"], office.bot.status("shop")["control"]) == ("drifted", "pinned")
    office.types(ANA, "sync shop", DEPLOYS)
    until(lambda: office.level("shop") == "info")
