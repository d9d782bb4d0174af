"""Take the pictures of the documentation: `make pictures` plays the demo and writes docs/images/demo-*.png.

Nothing is staged: each is the page at a moment of the story. Times and hashes differ from run to run.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, PHONE
from tests.browser.demo_process import DemoProcess
from tests.browser.person import messages, mischief, opens, types, window

IMAGES = Path(__file__).parents[2] / "docs" / "images"
MINUTE = 60_000
SLACK: ViewportSize = {"width": 1380, "height": 860}
WIDE: ViewportSize = {"width": 1500, "height": 860}


def main() -> int:
    expect.set_options(timeout=2 * MINUTE)
    demo = DemoProcess()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            _approval(browser, demo.url)
            _failure(browser, demo.url)
            _cluster(browser, demo.url)
            _rollback(browser, demo.url)
            browser.close()
    finally:
        demo.interrupt()
    return 0


def _approval(browser: Browser, url: str) -> None:
    with _page(browser, f"{url}/#slack/C0PAYMENTS", SLACK) as page:
        expect(messages(page, "Waiting for approval", "payments")).to_have_count(1)
        page.get_by_label("You act as").select_option(label="Chloé Martin")
        _take(page, "approval")


def _failure(browser: Browser, url: str) -> None:
    with _page(browser, url, SLACK) as page:
        expect(messages(page, "Converged", "catalog").first).to_be_visible()
        types(page, "/gitops status web")
        mischief(page, "Push a good commit")
        expect(messages(page, "Converged", "checkout button")).to_have_count(1)
        mischief(page, "Push a broken image")
        expect(messages(page, "Sync failed", "product videos", "ImagePullBackOff")).to_have_count(1)
        expect(page.get_by_role("link", name=re.compile("On-call 1 new"))).to_be_visible()
        page.locator("#rail").evaluate("one => one.scrollTop = 0")
        _take(page, "slack")
        window(page, "On-call")
        page.get_by_role("article", name=re.compile("Alert 1")).get_by_role("button", name="Acknowledge").click()
        page.locator(".alert details").first.evaluate("one => one.open = true")
        _take(page, "oncall")
    with _page(browser, f"{url}/#slack/C0DEPLOYS", PHONE, scale=2) as page:
        expect(messages(page, "Sync failed", "product videos").last).to_be_visible()
        _take(page, "phone")


def _cluster(browser: Browser, url: str) -> None:
    with _page(browser, f"{url}/#cluster", WIDE, dark=True) as page:
        page.get_by_role("button", name="Play").click()
        expect(page.locator(".node-message.degraded").first).to_be_visible()
        expect(page.get_by_role("complementary", name="Git history")).to_contain_text("product videos")
        _take(page, "cluster-dark")


def _rollback(browser: Browser, url: str) -> None:
    with _page(browser, url, SLACK) as page:
        opens(page, "deploys")
        types(page, "/gitops rollback web")
        modal = page.get_by_role("dialog", name="Roll back")
        modal.get_by_role("button", name="Commit").click()
        page.get_by_role("combobox", name="Search the options").fill("web")
        expect(page.locator(".menu").get_by_role("option").nth(1)).to_be_visible()
        _take(page, "rollback")


@contextmanager
def _page(
    browser: Browser, url: str, viewport: ViewportSize, *, dark: bool = False, scale: float = 1
) -> Iterator[Page]:
    context = browser.new_context(
        viewport=viewport,
        color_scheme="dark" if dark else "light",
        device_scale_factor=scale,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(url)
    yield page
    context.close()


def _take(page: Page, name: str) -> None:
    expect(page.locator(".toast")).to_have_count(0)
    page.screenshot(path=IMAGES / f"demo-{name}.png")
    sys.stdout.write(f"docs/images/demo-{name}.png\n")


if __name__ == "__main__":
    sys.exit(main())
