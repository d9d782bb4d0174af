"""The bot's own modal and its Home tab, filled in by hand."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Open
from tests.browser.person import becomes, confirms, messages, opens, types


def test_rollback_modal_is_searched_checked_and_followed(page: Page) -> None:
    opens(page, "staging")
    expect(messages(page, "Converged", "catalog-staging").first).to_be_visible()
    types(page, "/gitops rollback catalog-staging")
    modal = page.get_by_role("dialog", name="Roll back")
    modal.get_by_role("button", name="Show changes").click()
    expect(modal).to_contain_text("Please complete this required field.")
    modal.get_by_role("button", name="Commit").click()
    search = page.get_by_role("combobox", name="Search the options")
    search.fill("no such commit")
    expect(page.locator(".menu")).to_contain_text("Nothing")
    search.fill("add catalog")
    found = page.locator(".menu").get_by_role("option")
    expect(found).to_have_count(1)
    expect(found).to_contain_text("Bob Reis")
    found.click()
    modal.get_by_role("textbox", name="Reason").fill("trying how it feels")
    modal.get_by_role("button", name="Show changes").click()
    expect(modal).to_contain_text("What would change back")
    expect(modal).to_contain_text("trying how it feels")
    modal.get_by_role("button", name="Roll back").click()
    expect(modal).to_be_hidden()
    expect(messages(page, "Rolled back", "catalog-staging").first).to_be_visible()
    types(page, "/gitops resume catalog-staging")
    expect(messages(page, "Resumed", "catalog-staging").last).to_be_visible()


def test_modal_is_left_by_escape_and_is_nobody_elses(page: Page) -> None:
    types(page, "/gitops rollback cart")
    modal = page.get_by_role("dialog", name="Roll back")
    expect(modal).to_be_visible()
    page.reload()
    expect(modal).to_be_visible()
    page.keyboard.press("Escape")
    expect(modal).to_be_hidden()
    types(page, "/gitops rollback cart")
    expect(modal).to_be_visible()
    page.evaluate("sessionStorage.setItem('user', 'U0EVE')")
    page.reload()
    expect(page.get_by_label("You act as")).to_have_value("U0EVE")
    expect(modal).to_have_count(0)
    becomes(page, "Ana Lima")
    page.keyboard.press("Escape")
    expect(modal).to_be_hidden()


def test_home_is_filtered_and_orders_are_given_there(open_page: Open) -> None:
    page = open_page("#slack/C0STAGING")
    expect(messages(page, "Converged", "cart-staging").first).to_be_visible()
    becomes(page, "Bob Reis")
    opens(page, "gitops Home")
    home = page.locator(".home")
    expect(home).to_contain_text("of 12 apps are synced")
    home.get_by_role("button", name="All environments").click()
    page.locator(".menu").get_by_role("option", name="production").click()
    expect(home.get_by_role("button", name="What would change: web in shop-eu")).to_be_visible()
    expect(home).not_to_contain_text("cart-staging")
    expect(home.get_by_role("button", name="Pause: cart in shop-eu")).to_have_count(0)  # Bob may not
    home.get_by_role("button", name="production").click()
    page.locator(".menu").get_by_role("option", name="staging").click()
    home.get_by_role("button", name="Pause: cart-staging in shop-eu").click()
    confirms(page, "Pause")
    answer = page.get_by_role("dialog", name="GitOps")
    expect(answer).to_contain_text("cart-staging")
    answer.get_by_role("button", name="Close").click()
    resume = home.get_by_role("button", name="Resume: cart-staging in shop-eu")
    expect(resume).to_be_visible()
    home.get_by_role("button", name="All apps").click()
    page.locator(".menu").get_by_role("option", name="Paused or pinned").click()
    expect(home).to_contain_text("apps 1 to 1 of 1")
    resume.click()
    confirms(page, "Resume")
    answer.get_by_role("button", name="Close").click()
    expect(home).to_contain_text("No app is like that.")
    opens(page, "staging")
    expect(messages(page, "Paused", "cart-staging").first).to_be_visible()


def test_home_fits_on_a_phone_and_shows_what_would_change(open_page: Open) -> None:
    page = open_page("", viewport=PHONE)
    page.get_by_role("navigation", name="Channels").get_by_role("link", name=re.compile("^gitops Home")).click()
    home = page.locator(".home")
    home.get_by_role("button", name="What would change: web in shop-eu").click()
    answer = page.get_by_role("dialog", name="GitOps")
    expect(answer).to_contain_text(re.compile("web / shop-eu"))
    answer.get_by_role("button", name="Close").click()
    expect(answer).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
