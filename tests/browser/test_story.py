"""The demo's story, played by clicking and typing; what is asserted is what a person sees."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import MINUTE, PHONE, Open
from tests.browser.person import becomes, confirms, messages, mischief, opens, replies, types, window


def test_fleet_converges_before_ones_eyes(page: Page) -> None:
    expect(messages(page, "Converged", "web / shop-eu")).to_have_count(1)
    expect(page.locator("#health")).to_have_text("bot ok")
    expect(
        page.get_by_role("navigation", name="Channels").get_by_role("link", name=re.compile("^staging"))
    ).to_contain_text(re.compile(r"\d"))
    messages(page, "Converged", "web / shop-eu").get_by_role("button", name=re.compile("repl")).click()
    expect(replies(page, "Changes detected", "Deployment shop/web").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("region", name="Thread")).to_be_hidden()


def test_command_is_completed_answered_and_seen_by_its_author_alone(page: Page) -> None:
    box = page.get_by_role("combobox", name="Message #deploys")
    box.press_sequentially("/gi")
    expect(page.get_by_role("option", name="/gitops")).to_be_visible()
    box.press("Tab")
    box.press_sequentially("sta")
    box.press("Enter")
    expect(box).to_have_value("/gitops status ")
    box.press_sequentially("web-s")
    box.press("Enter")
    expect(box).to_have_value("/gitops status web-staging")
    box.press("Enter")
    answer = messages(page, "Only visible to you", "web-staging")
    expect(answer).to_have_count(1)
    becomes(page, "Eve Okafor")
    expect(answer).to_have_count(0)
    becomes(page, "Ana Lima")
    expect(answer).to_have_count(1)


def test_rights_differ_between_people(page: Page) -> None:
    becomes(page, "Bob Reis")
    types(page, "/gitops pause web")
    expect(messages(page, "Only visible to you", "may not pause web")).to_have_count(1)
    opens(page, "staging")
    types(page, "/gitops pause web-staging for 1h trying things")
    expect(messages(page, "Paused", "trying things").first).to_be_visible()
    types(page, "/gitops resume web-staging")
    expect(messages(page, "Resumed", "web-staging").last).to_be_visible()


def test_good_commit_is_deployed_in_one_message_that_is_edited(page: Page) -> None:
    expect(messages(page, "Converged", "web / shop-eu").first).to_be_visible()
    mischief(page, "Push a good commit")
    fresh = messages(page, "Converged", "checkout button")
    expect(fresh).to_have_count(1)
    expect(fresh).to_contain_text("(edited)")
    commit = fresh.locator("a").first
    short = commit.inner_text()
    commit.click()
    expect(page.get_by_role("heading", name="Git", exact=True, level=1)).to_be_visible()
    expect(page.locator(".patch")).to_contain_text(short)
    expect(page.locator(".patch .plus", has_text="image: registry.shop.example/web:").first).to_be_visible()
    row = page.locator(".git .commit", has_text="checkout button")
    expect(row).to_contain_text("main")
    expect(row).to_contain_text("deployed")
    page.go_back()
    expect(fresh).to_be_visible()


def test_hand_edit_is_named_and_undone(page: Page) -> None:
    expect(messages(page, "Converged", "web / shop-eu").first).to_be_visible()
    mischief(page, "Edit a ConfigMap")
    undone = messages(page, "Converged", "web / shop-eu", "1 updated", "ConfigMap web")
    expect(undone).to_have_count(1)
    expect(undone).to_contain_text("What was changed by hand is undone")
    expect(undone).to_contain_text("BANNER")
    expect(page.locator(".tour li.done", has_text="Edit the cluster by hand")).to_have_count(1)
    undone.get_by_role("button", name=re.compile("repl")).click()
    expect(replies(page, "BANNER").first).to_be_visible()
    window(page, "Cluster")
    web = page.get_by_role("region", name="web", exact=True)
    expect(web.get_by_text("by hand", exact=True)).to_have_count(0)


def test_change_in_staging_is_kept_and_merged(page: Page) -> None:
    opens(page, "staging")
    expect(messages(page, "Converged", "web-staging").first).to_be_visible()
    mischief(page, "Edit staging")
    drift = messages(page, "Drift", "web-staging", "LOG_LEVEL")
    expect(drift).to_have_count(1)
    drift.get_by_role("button", name=re.compile("Keep")).click()
    confirms(page, "Keep it")
    answer = messages(page, "Only visible to you", "Review and merge it")
    expect(answer).to_have_count(1)
    settled = messages(page, "Change proposed", "web-staging", "By", "Ana Lima", "Merge it, or undo it after all")
    expect(settled).to_have_count(1)
    expect(settled.get_by_role("button", name=re.compile("Keep|Ignore"))).to_have_count(0)
    expect(settled.get_by_role("button", name=re.compile("Revert"))).to_have_count(1)
    settled.get_by_role("link").first.click()
    expect(page.locator(".patch .plus", has_text="LOG_LEVEL: debug")).to_be_visible()
    git = page.locator(".git")
    git.get_by_role("button", name="Merge into main").click()
    expect(git.locator(".commit", has_text="LOG_LEVEL")).to_contain_text("main")
    expect(git.get_by_role("button", name="Merge into main")).to_have_count(0)
    window(page, "Cluster")
    staging = page.get_by_role("region", name="web-staging", exact=True)
    expect(staging.get_by_text("drifted")).to_have_count(0)


def test_object_deleted_in_the_tree_comes_back(page: Page) -> None:
    window(page, "Cluster")
    cart = page.get_by_role("region", name="cart", exact=True)
    service = cart.get_by_role("button", name="Service cart")
    before = service.locator("xpath=..").inner_text()
    service.click()
    expect(cart.get_by_label("Service cart as YAML")).to_have_value(re.compile("kind: Service"))
    cart.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status").filter(has_text="deleted by hand")).to_be_visible()
    # The new one has another address: it was made again, not left.
    expect(service.locator("xpath=..")).not_to_have_text(before)


def test_broken_image_pages_and_its_revert_closes_the_page(page: Page) -> None:
    expect(messages(page, "Converged", "catalog / shop-eu").first).to_be_visible()
    mischief(page, "Push a broken image")
    failed = messages(page, "Sync failed", "catalog", "product videos")
    expect(failed).to_have_count(1)
    expect(failed).to_contain_text("ImagePullBackOff")
    tab = page.get_by_role("navigation", name="Windows").get_by_role("link", name=re.compile("^On-call"))
    expect(tab).to_contain_text("1", timeout=2 * MINUTE)
    tab.click()
    alert = page.get_by_role("article", name=re.compile("Alert 1"))
    expect(alert).to_contain_text("catalog")
    alert.get_by_role("button", name="Acknowledge").click()
    expect(alert).to_contain_text("Acknowledged by ana@shop.example")
    mischief(page, "Revert the broken image")
    expect(page.get_by_role("article", name="Alert 1, closed")).to_be_visible()
    window(page, "Slack")
    expect(messages(page, "Converged", "catalog", "Revert").first).to_be_visible()


def test_rollback_by_button_stays_until_resume(page: Page) -> None:
    expect(messages(page, "Converged", "web / shop-eu").first).to_be_visible()
    offers = messages(page, "Converged", "web / shop-eu", "Roll back to")
    before = offers.count()
    mischief(page, "Push a good commit")
    expect(offers).to_have_count(before + 1)
    offers.last.get_by_text("Roll back to").click()
    preview = messages(page, "Only visible to you", "Roll back")
    preview.last.locator("[data-action='gitops.rollback_go']").click()
    expect(messages(page, "Rolled back", "web").first).to_be_visible()
    types(page, "/gitops resume web")
    expect(messages(page, "Resumed", "web / shop-eu").last).to_be_visible()


@pytest.mark.parametrize("viewport", [PHONE], ids=["phone"])
def test_slack_outage_delays_what_the_bot_says_and_loses_nothing(open_page: Open, viewport: dict[str, int]) -> None:
    page = open_page("#slack/C0DEPLOYS", viewport=viewport)
    play = page.get_by_role("button", name="Play")

    def press(title: str) -> None:
        play.click()
        mischief(page, title)
        play.click()

    press("Slack down")
    expect(page.locator(".banner", has_text="Slack is down")).to_be_visible()
    types(page, "/gitops status web")
    unheard = messages(page, "did not respond")
    expect(unheard).to_have_count(1)
    press("Push a good commit")
    press("Slack up again")
    expect(page.locator(".banner", has_text="Slack is down")).to_be_hidden()
    expect(messages(page, "Converged", "the checkout button fits").first).to_be_visible(timeout=2 * MINUTE)
    answer = messages(page, "Only visible to you", "gitops", "synced")
    for said in range(2, 12):  # the bot opens its socket again within half a minute; people type again
        types(page, "/gitops status web")
        expect(answer.first.or_(unheard.nth(said - 1)).first).to_be_visible(timeout=MINUTE)
        if answer.count():
            break
    expect(answer.last).to_be_visible()


def test_api_server_that_is_down_is_shown_and_comes_back(open_page: Open) -> None:
    """Whoever opened the window during an outage read that nothing of the bot was there."""
    page = open_page("#slack")
    mischief(page, "API server down")
    window(page, "Cluster")
    banner = page.get_by_role("status").filter(has_text="The API server does not answer. This is how it was at")
    expect(banner).to_be_visible()
    expect(page.get_by_role("region", name="web", exact=True)).to_contain_text("Deployment")
    mischief(page, "API server up again")
    expect(banner).to_be_hidden()


def test_git_stands_beside_the_cluster_on_a_laptop(open_page: Open) -> None:
    page = open_page("#cluster", viewport={"width": 1280, "height": 800})
    expect(page.locator("#rail")).to_be_visible()
    beside = page.get_by_role("complementary", name="Git history")
    expect(beside.locator(".commit").first).to_be_in_viewport()
    expect(page.get_by_role("region", name="cart", exact=True)).to_be_in_viewport()


def test_force_push_shows_what_it_dropped(page: Page) -> None:
    mischief(page, "Force-push main")
    window(page, "Git")
    git = page.locator(".git")
    expect(git.get_by_text("dropped by a force-push").first).to_be_visible()
    expect(git.locator(".commit").first).to_contain_text("pushed with --force")
