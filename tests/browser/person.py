"""What a person does on the page, in their words."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect


def mischief(page: Page, title: str) -> None:
    """Press a button of the Play panel, and read what it says was done."""
    page.locator(".mischief").get_by_role("button", name=title, exact=True).click()


def types(page: Page, text: str) -> None:
    """Type into the channel and send."""
    box = page.get_by_role("combobox", name=re.compile("^Message "))
    box.fill(text)
    box.press("Escape")  # close the completions: Enter sends what was typed
    box.press("Enter")


def opens(page: Page, channel: str) -> None:
    page.get_by_role("navigation", name="Channels").get_by_role("link", name=re.compile(rf"^{channel}\b")).click()
    expect(page.locator("section.channel h2")).to_contain_text(channel.removesuffix(" Home"))


def window(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Windows").get_by_role("link", name=re.compile(f"^{name}")).click()


def messages(page: Page, *words: str) -> Locator:
    """Return the messages of the open channel that have all the words."""
    found = page.get_by_role("log", name="Messages").locator("article")
    for word in words:
        found = found.filter(has_text=word)
    return found


def replies(page: Page, *words: str) -> Locator:
    found = page.get_by_role("log", name="Replies").locator("article")
    for word in words:
        found = found.filter(has_text=word)
    return found


def becomes(page: Page, name: str) -> None:
    page.get_by_label("You act as").select_option(label=name)


def decides(page: Page, message: Locator, verdict: str) -> None:
    """Approve or reject the plan that a message shows, and mean it."""
    message.get_by_role("button", name=re.compile(f"^{verdict}")).click()
    confirms(page, verdict)


def confirms(page: Page, label: str) -> None:
    page.locator("dialog.confirm").get_by_role("button", name=label, exact=True).click()
