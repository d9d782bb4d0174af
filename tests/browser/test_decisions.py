"""Who decides on what is applied to payments, in its channel."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.person import becomes, decides, messages, mischief, opens, replies, types, window


@pytest.fixture
def waiting(page: Page) -> Locator:
    """A payments release that waits, whatever was decided before."""
    opens(page, "payments")
    mischief(page, "Push a payments release")
    pushed = page.get_by_role("status").get_by_text(re.compile("It waits in #payments")).inner_text()
    commit = re.findall(r"[0-9a-f]{7}", pushed)[0]
    asked = messages(page, "Waiting for approval", "payments", commit)
    expect(asked).to_have_count(1)
    return messages(page, "payments", commit).filter(has_not_text="Only visible to you").last


def test_release_waits_for_a_second_person_who_may(page: Page, waiting: Locator) -> None:
    becomes(page, "Bob Reis")
    types(page, "/gitops help")
    expect(messages(page, "Only visible to you").last).to_be_in_viewport()
    decides(page, waiting, "Approve")  # far above: the answer has to be brought into view
    expect(messages(page, "Only visible to you", "No rule allows you to approve")).to_be_in_viewport()
    becomes(page, "Chloé Martin")
    types(page, "/gitops sync payments")
    expect(messages(page, "Only visible to you").last).to_be_visible()
    decides(page, waiting, "Approve")
    expect(messages(page, "Only visible to you", "needs someone else")).to_have_count(1)
    becomes(page, "Dev Patel")
    decides(page, waiting, "Approve")
    expect(waiting).to_contain_text("Converged")
    waiting.get_by_role("button", name=re.compile("repl")).click()
    expect(replies(page, "Approved", "Dev Patel").first).to_be_visible()
    expect(page.locator(".tour li.done", has_text="Only some may say yes")).to_have_count(1)
    window(page, "Cluster")
    payments = page.get_by_role("region", name="payments", exact=True)
    expect(payments.get_by_role("button", name="Deployment payments")).to_be_visible()
    expect(payments.get_by_text("waiting approval")).to_have_count(0)


def test_rejected_release_is_held_until_somebody_asks_again(page: Page, waiting: Locator) -> None:
    becomes(page, "Chloé Martin")
    decides(page, waiting, "Reject")
    expect(waiting).to_contain_text("Rejected")
    becomes(page, "Ana Lima")
    waiting.get_by_role("button", name=re.compile("Ask again")).click()
    expect(messages(page, "Waiting for approval", "payments").last).to_be_visible()
    becomes(page, "Dev Patel")
    decides(page, waiting, "Approve")
    expect(waiting).to_contain_text("Converged")


def test_approval_is_taken_back_by_escape(page: Page, waiting: Locator) -> None:
    waiting.get_by_role("button", name=re.compile("^Approve")).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Exactly this plan is applied")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(waiting).to_contain_text("Waiting for approval")
