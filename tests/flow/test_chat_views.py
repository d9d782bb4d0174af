"""Menus, modals and the Home tab, on the wire, and what crowds of apps and hostile texts do to messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bot.sandbox.slack import limits
from tests.flow.office import ANA, BOB, DEPLOYS, EVE, PAYMENTS, SRE, Office, configmap
from tests.waiting import until

Offices = Callable[..., Office]


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_rollback_without_a_commit_is_chosen_in_a_modal(offices: Offices, mode: str) -> None:
    """The last good commits with their authors, a menu that searches, what would change back, and then the deed."""
    office = offices(mode=mode)
    first = office.open()
    second = office.commit("debug", message="Say more")
    office.sees(PAYMENTS, "Converged", second[:7])
    assert office.slack.command(ANA.id, PAYMENTS, "rollback payments").acknowledged

    def top() -> str:
        return _top(office, ANA.id)

    assert office.slack.wait_until(lambda: "Last good commits" in top())
    assert first[:7] in top()
    assert "Ana Lima" in top()
    view = office.slack.view_stack(ANA.id)[-1]
    found = office.slack.suggest(ANA.id, view_id=view["id"], action_id="gitops.commit", query="change")
    assert [one["value"] for one in found] == [first]
    assert office.slack.suggest(EVE.id, view_id=view["id"], action_id="gitops.commit", query="") == ()
    values: dict[str, dict[str, Any]] = {
        "gitops.commit": {"gitops.commit": {"type": "external_select", "selected_option": found[0]}},
        "gitops.reason": {"gitops.reason": {"type": "plain_text_input", "value": "too loud"}},
    }
    assert office.slack.submit(view["id"], ANA.id, values).acknowledged
    assert office.slack.wait_until(lambda: "What would change back" in top())
    assert "debug -&gt; info" in top()
    assert office.level("payments") == "debug"
    assert office.slack.submit(view["id"], ANA.id, {}).acknowledged
    office.sees(PAYMENTS, "Rolled back", first[:7], "too loud")
    assert office.level("payments") == "info"
    assert office.slack.view_stack(ANA.id) == ()


def test_home_shows_apps_filters_and_what_a_person_may_press(offices: Offices) -> None:
    office = offices()
    office.open()

    def home(user: str) -> str:
        view = office.slack.home(user)
        return json.dumps(view["blocks"]) if view is not None else ""

    assert office.slack.open_home(BOB.id).acknowledged
    assert office.slack.wait_until(lambda: "3 of 3 apps are synced" in home(BOB.id))
    assert '"gitops.pause"' in home(BOB.id)
    view = office.slack.home(BOB.id)
    assert view is not None
    shop = next(
        str(block["block_id"])
        for block in view["blocks"]
        for element in block.get("elements") or ()
        if "prod/shop" in str(element.get("value")) and element["action_id"] == "gitops.pause"
    )
    assert office.slack.act(view["id"], BOB.id, action_id="gitops.pause", block_id=shop).acknowledged
    assert office.slack.wait_until(lambda: "1 paused" in home(BOB.id))
    office.sees(DEPLOYS, "Paused", "shop")
    (answer,) = office.slack.view_stack(BOB.id)
    assert "is paused until someone resumes it" in json.dumps(answer["blocks"])
    office.slack.act(view["id"], BOB.id, action_id="gitops.home.show", value="held")
    assert office.slack.wait_until(lambda: "apps 1 to 1 of 1" in home(BOB.id))
    assert office.slack.open_home(EVE.id).acknowledged
    assert office.slack.wait_until(lambda: "shop" in home(EVE.id))
    assert '"gitops.pause"' not in home(EVE.id)


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_plan_that_waits_is_approved_on_the_home_tab(offices: Offices, mode: str) -> None:
    """It offered "Sync now" there, which asks again and decides nothing."""
    office = offices(mode=mode, shop=", mode: approve")
    commit = office.commit("info")
    office.start()
    office.sees(DEPLOYS, "Waiting for approval", "shop", commit[:7])

    def home(user: str) -> str:
        view = office.slack.home(user)
        return json.dumps(view["blocks"]) if view is not None else ""

    for user in (EVE.id, BOB.id):
        assert office.slack.open_home(user).acknowledged
    seen = office.slack.wait_until(
        lambda: all("0 of 1 approvals" in home(user) for user in (EVE.id, BOB.id)), timeout_seconds=60
    )
    assert seen
    assert '"gitops.approve"' not in home(EVE.id)
    view = office.slack.home(BOB.id)
    assert view is not None
    assert office.slack.act(view["id"], BOB.id, action_id="gitops.approve").acknowledged
    office.sees(DEPLOYS, "Converged", "shop", commit[:7])
    assert [one["who"] for one in office.audit("shop") if one["verb"] == "approve"] == [BOB.id]


def test_only_commits_that_changed_the_app_are_offered_to_go_back_to(offices: Offices) -> None:
    """Most of what was offered was about other apps, and among it what the app is equal to already."""
    office = offices()
    first = office.open()
    elsewhere = office.commit("info", docs="debug")
    office.sees(DEPLOYS, "Converged", "docs", elsewhere[:7])
    until(lambda: office.bot.status("payments")["revision"] == elsewhere)
    office.edits("payments", level="mine")  # undone at a commit that is about docs
    office.sees(PAYMENTS, "What was changed by hand is undone", elsewhere[:7])
    second = office.commit("info", docs="debug", payments="debug", message="Say more")
    office.sees(PAYMENTS, "Converged", second[:7])
    last = office.commit("info", docs="trace", payments="debug")
    until(lambda: office.bot.status("payments")["revision"] == last)
    assert office.slack.command(ANA.id, PAYMENTS, "rollback payments").acknowledged
    assert office.slack.wait_until(lambda: "Last good commits" in _top(office, ANA.id), timeout_seconds=60)
    assert first[:7] in _top(office, ANA.id)
    view = office.slack.view_stack(ANA.id)[-1]
    found = office.slack.suggest(ANA.id, view_id=view["id"], action_id="gitops.commit", query="")
    assert [one["value"] for one in found] == [first]
    assert " ago" in found[0]["description"]["text"]
    preview = office.types(ANA, f"rollback payments {elsewhere[:7]}")
    assert office.slack.click(preview, "gitops.rollback_go", ANA.id).acknowledged
    done = office.sees(PAYMENTS, "Rolled back", "payments")
    assert f"|{first[:7]}>  Change something (at `{elsewhere[:7]}`)" in str(done.blocks)


def test_hand_edit_in_a_plan_and_before_a_rollback_has_the_reader_s_time(offices: Offices) -> None:
    """It was UTC for everybody: Slack shows no time in the reader's zone in a code block."""
    office = offices(shop=", self_heal: false")
    first = office.open()
    second = office.commit("debug")
    office.sees(DEPLOYS, "Converged", "shop", second[:7])
    office.edits("shop", level="mine")
    for words in ("plan shop", f"rollback shop {first[:7]}"):
        blocks = office.types(BOB, words, DEPLOYS).blocks
        texts = [block["text"]["text"] for block in blocks if block["type"] == "section"]
        assert [text for text in texts if "ConfigMap default/shop: kubectl-edit at <!date^" in text]
        assert not [text for text in texts if "```" in text and "UTC" in text]


def _top(office: Office, user: str) -> str:
    stack = office.slack.view_stack(user)
    return json.dumps(stack[-1]["blocks"]) if stack else ""


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_three_hundred_apps_fit_everywhere(offices: Offices, mode: str) -> None:
    """Status is paged, the menu searches, the Home keeps its limits; apps whose path is missing fail all at once."""
    many = "".join(
        f"  - {{name: app-{n:03}, repo: fleet, cluster: prod, path: none, env: staging, interval: 1h}}\n"
        for n in range(297)
    )
    office = offices(mode=mode, apps=many, interval="1h")
    office.commit("info")
    office.start()
    shown = office.types(ANA, "status")
    assert len(shown.blocks) <= limits.MESSAGE_BLOCKS
    assert "of 300 apps are synced" in shown.text
    assert office.slack.click(shown, "gitops.page.1", ANA.id).acknowledged
    until(lambda: "apps 21 to 40 of 300" in json.dumps(office.slack.ephemerals(ANA.id)[0].blocks))
    asked = office.types(ANA, "history shop", DEPLOYS)
    assert asked.text
    picker = office.types(ANA, "sync", DEPLOYS)
    found = office.slack.suggest(ANA.id, message=picker, action_id="gitops.pick.sync", query="app-12")
    assert [one["value"] for one in found] == [f"prod/app-12{n}" for n in range(10)]
    assert office.slack.open_home(ANA.id).acknowledged
    assert office.slack.wait_until(lambda: office.slack.home(ANA.id) is not None)


def test_group_s_members_are_asked_of_slack_and_nobody_is_let_in_without_an_answer(offices: Offices) -> None:
    office = offices()
    office.open()
    office.slack.set_group(SRE, ())
    assert "No rule allows you to pause" in office.types(BOB, "pause payments").text


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_secret_values_are_nowhere(offices: Offices, mode: str) -> None:
    canary = "c4nary-v4lue"
    office = offices(mode=mode)
    office.open()
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\nstringData: {{password: {}}}\n"
    office.sees(DEPLOYS, "Converged", office.upstream.commit({"shop/s.yaml": secret.format(canary)})[:7])
    last = office.upstream.commit({"shop/s.yaml": secret.format(canary + "-2")})
    office.sees(DEPLOYS, "Converged", "shop", last[:7])
    office.sees(DEPLOYS, "data.password: (hidden) -&gt; (hidden, changed)")
    heard = json.dumps([dict(call.arguments) for call in office.slack.calls()], default=str)
    assert canary not in heard
    assert canary not in office.bot.log()
    assert canary not in json.dumps(office.audit("shop"))


def test_long_diff_is_a_file_in_the_thread(offices: Offices) -> None:
    office = offices()
    office.commit("info")
    office.upstream.commit({f"shop/part-{n:02}.yaml": configmap(f"part-{n:02}", "x") for n in range(40)})
    office.start()
    root = office.sees(DEPLOYS, "Converged", "shop")
    (file,) = until(lambda: [one for one in office.slack.messages(DEPLOYS, thread=root.ts) if one.files])
    assert file.text.startswith("Changes detected: shop / prod")
    assert b"ConfigMap default/part-39" in file.files[0].content
