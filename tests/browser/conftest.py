"""One demo and one Chromium for all tests here, a page for each; a page with a script error fails its test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.browser.demo_process import DemoProcess

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

MINUTE = 60_000  # milliseconds

Open = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.nodeid:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=MINUTE)  # a pass, a health wait and Slack's pace on a busy machine
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield made
        made.close()


@pytest.fixture(scope="session")
def demo(browser: Browser) -> Iterator[DemoProcess]:
    """A demo whose bot has spoken: from then on it also hears."""
    made = DemoProcess()
    page = browser.new_page()
    page.goto(made.url)
    expect(page.get_by_role("log", name="Messages").get_by_text("Converged").first).to_be_visible(timeout=2 * MINUTE)
    page.close()
    yield made
    assert made.interrupt()[0] == 0


@pytest.fixture
def open_page(browser: Browser, demo: DemoProcess) -> Iterator[Open]:
    """Open the demo in a fresh browser profile: `open_page("#git", viewport=PHONE, color_scheme="dark")`."""
    errors: list[str] = []
    contexts = []

    def opened(at: str = "", **options: object) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, **options})  # type: ignore[arg-type]  # kept by name
        context.set_default_timeout(MINUTE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto(f"{demo.url}/{at}")
        expect(page.get_by_role("navigation", name="Windows").get_by_role("link")).to_have_count(5)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page(open_page: Open) -> Page:
    return open_page()
