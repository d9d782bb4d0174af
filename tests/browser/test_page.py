"""The page as a client: every block and element of Block Kit, keys, small screens, names and contrast."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

import pytest
import yaml
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.browser.conftest import DESKTOP, PHONE, Open
from tests.browser.demo_process import DemoProcess
from tests.browser.person import messages, opens, types, window

PANES = ("slack/C0DEPLOYS", "oncall", "cluster", "git", "config")


def text(value: str, *, kind: str = "plain_text") -> dict[str, str]:
    return {"type": kind, "text": value}


def option(value: str) -> dict[str, Any]:
    return {"value": value, "text": text(f"Option {value}")}


BLOCKS: list[dict[str, Any]] = [
    {"type": "header", "text": text("A header :tada:")},
    {
        "type": "section",
        "text": text(
            "*bold* _italic_ ~gone~ `code` <https://example.com|a link> <@U0BOB> <#C0STAGING> <!here> "
            "&lt;escaped&gt; :rocket:\n> a quote\n```a block\nof code```",
            kind="mrkdwn",
        ),
        "accessory": {
            "type": "overflow",
            "action_id": "g.more",
            "options": [option("a"), option("b")],
        },
    },
    {"type": "section", "fields": [text("*Left*\none", kind="mrkdwn"), text("*Right*\ntwo", kind="mrkdwn")]},
    {"type": "divider"},
    {"type": "context", "elements": [text("when: <!date^0^{date_num}|long ago>", kind="mrkdwn")]},
    {
        "type": "actions",
        "elements": [
            {"type": "button", "action_id": "g.go", "text": text("Go"), "style": "primary", "value": "1"},
            {
                "type": "button",
                "action_id": "g.stop",
                "text": text("Stop"),
                "style": "danger",
                "confirm": {
                    "title": text("Really?"),
                    "text": text("It *stops*.", kind="mrkdwn"),
                    "confirm": text("Stop it"),
                    "deny": text("Leave it"),
                },
            },
            {
                "type": "static_select",
                "action_id": "g.pick",
                "placeholder": text("Pick one"),
                "options": [option("a"), option("b"), option("c")],
            },
            {"type": "users_select", "action_id": "g.who", "placeholder": text("Somebody")},
            {"type": "multi_static_select", "action_id": "g.many", "options": [option("x"), option("y")]},
            {"type": "datepicker", "action_id": "g.day", "initial_date": "2026-03-01"},
            {"type": "checkboxes", "action_id": "g.check", "options": [option("one"), option("two")]},
        ],
    },
    {
        "type": "rich_text",
        "elements": [
            {"type": "rich_text_section", "elements": [{"type": "text", "text": "rich", "style": {"bold": True}}]},
            {
                "type": "rich_text_list",
                "style": "bullet",
                "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "a point"}]}],
            },
        ],
    },
    {"type": "markdown", "text": "**marked** down"},
]


def post(demo: DemoProcess, said: str, blocks: list[dict[str, Any]] | None = None) -> None:
    """Post a message in #staging over the wire, as the bot would."""
    configuration = yaml.safe_load((demo.folder / "gitops-bot.yaml").read_text())
    body = json.dumps({"channel": "C0STAGING", "text": said, "blocks": blocks or []}).encode()
    headers = {"Content-Type": "application/json", "Authorization": "Bearer xoxb-sandbox-bot"}
    request = urllib.request.Request(f"{configuration['slack']['api_url']}chat.postMessage", body, headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        answer = json.load(response)
    assert answer["ok"], answer


@pytest.fixture
def gallery(demo: DemoProcess, page: Page) -> Page:
    """Post every kind of block and look at it."""
    post(demo, "A gallery of blocks", BLOCKS)
    opens(page, "staging")
    expect(messages(page, "A header").last).to_be_visible()
    return page


def test_every_block_is_drawn_and_markup_is_not_html(gallery: Page) -> None:
    message = messages(gallery, "A header").last
    expect(message.get_by_role("heading", name=re.compile("A header"))).to_be_visible()
    expect(message.get_by_role("img", name="tada")).to_have_text("🎉")
    for tag, words in (
        ("strong", "bold"),
        ("em", "italic"),
        ("s", "gone"),
        ("code", "code"),
        ("blockquote", "a quote"),
        ("pre", "a block\nof code"),
        (".mention", "@Bob Reis"),
        (".mention", "#staging"),
        (".mention", "@here"),
        ("strong", "rich"),
        ("li", "a point"),
        ("strong", "marked"),
        (".b-fields > div", "Left"),
        ("time", "1970-01-01"),
    ):
        expect(message.locator(tag, has_text=words).first).to_be_visible()
    expect(message).to_contain_text("<escaped>")
    expect(message.get_by_role("link", name="a link")).to_have_attribute("href", "https://example.com")


def test_menu_is_searched_and_chosen_by_keys(gallery: Page) -> None:
    message = messages(gallery, "A header").last
    message.get_by_role("button", name="Pick one").click()
    search = gallery.get_by_role("combobox", name="Search the options")
    search.fill("option b")
    expect(gallery.locator(".menu").get_by_role("option")).to_have_count(1)
    search.press("Enter")
    expect(message.get_by_role("button", name="Option b")).to_be_visible()
    message.get_by_role("button", name="Somebody").click()
    gallery.locator(".menu").get_by_role("option", name="Eve Okafor").click()
    expect(message.get_by_role("button", name="Eve Okafor")).to_be_visible()
    message.get_by_role("checkbox", name="Option two").check()
    message.get_by_role("button", name="More actions").click()
    gallery.keyboard.press("Escape")
    expect(gallery.get_by_role("listbox")).to_have_count(0)


def test_dangerous_button_asks_first(gallery: Page) -> None:
    message = messages(gallery, "A header").last
    message.get_by_role("button", name="Stop").click()
    dialog = gallery.get_by_role("dialog", name="Really?")
    expect(dialog).to_contain_text("It stops.")
    dialog.get_by_role("button", name="Leave it").click()
    expect(dialog).to_be_hidden()


def test_keys_lead_everywhere(page: Page) -> None:
    expect(messages(page).first).to_be_visible()
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Go to").fill("pay")
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox", name="Message #payments")).to_be_visible()
    page.locator("#main").focus()
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Message #payments")).to_be_focused()
    page.keyboard.press("Alt+ArrowUp")
    expect(page.get_by_role("combobox", name="Message #staging")).to_be_visible()


def test_people_talk_and_threads_hold_what_they_say(page: Page) -> None:
    opens(page, "general")
    types(page, "Good morning *everybody*")
    said = messages(page, "Good morning").last
    expect(said.locator("strong", has_text="everybody")).to_be_visible()
    said.hover()
    said.get_by_role("button", name="Reply in thread").click()
    reply = page.get_by_role("combobox", name="Reply in thread")
    reply.fill("Morning!")
    reply.press("Enter")
    expect(page.get_by_role("log", name="Replies").locator("article", has_text="Morning!")).to_have_count(1)
    expect(said.get_by_role("button", name=re.compile("1 reply"))).to_be_visible()


def test_unknown_command_is_answered_by_slackbot(page: Page) -> None:
    types(page, "/giphy cats")
    expect(messages(page, "Slackbot", "/giphy is not a valid command").last).to_be_visible()


@pytest.mark.parametrize("pane", PANES)
def test_phone_shows_every_window_without_scrolling_sideways(open_page: Open, pane: str) -> None:
    page = open_page(f"#{pane}", viewport=PHONE)
    expect(page.locator(f"[data-pane='{pane.partition('/')[0]}']")).to_be_visible()
    width = page.evaluate(WIDTH)
    assert width <= PHONE["width"]
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Push a broken image")).to_be_visible()


def test_phone_goes_from_channels_to_messages_to_thread_and_back(open_page: Open) -> None:
    page = open_page(viewport=PHONE)
    page.get_by_role("navigation", name="Channels").get_by_role("link", name=re.compile("^deploys")).click()
    expect(page.get_by_role("navigation", name="Channels")).to_be_hidden()
    messages(page).get_by_role("button", name=re.compile("repl")).first.click()
    expect(page.get_by_role("log", name="Replies")).to_be_visible()
    page.get_by_role("button", name="Close the thread").click()
    page.get_by_role("button", name="Back to the channels").click()
    expect(page.get_by_role("navigation", name="Channels")).to_be_visible()


WIDTH = """() => Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll('.pane, .messages')]
  .filter(one => one.offsetParent).map(one => one.scrollWidth))"""

NAMELESS = """() => [...document.querySelectorAll('button, a[href], input, select, textarea, [role=button]')]
  .filter(one => one.offsetParent)
  .filter(one => !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length || one.title))
  .map(one => one.outerHTML.slice(0, 200))"""

# Interactive elements whose name lacks the text they show: who speaks to the computer says what they see (2.5.3).
MISNAMED = """() => {
  const seen = one => one.innerText.trim().toLowerCase().replace(/\\s+/g, ' ');
  return [...document.querySelectorAll('a[aria-label], button[aria-label], [role=button][aria-label]')]
    .filter(one => !one.getAttribute('aria-label').toLowerCase().includes(seen(one)))
    .map(one => one.outerHTML.slice(0, 200));
}"""

# Contrast of text against the nearest opaque background, as WCAG 2.2 computes it (1.4.3).
FAINT = """() => {
  const channel = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = one => {
    for (; one; one = one.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(one).backgroundColor);
      if (a > 0.99) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement, said = walker.currentNode.data.trim();
    if (!said || !one.offsetParent || one.closest('[disabled], .emoji, .sr, option, noscript')) continue;
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(behind(one))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.add(`${one.className || one.nodeName} ${ratio.toFixed(2)}: ${said.slice(0, 40)}`);
  }
  return [...found];
}"""


def test_what_one_sends_is_brought_into_view(page: Page) -> None:
    """The answer to a command came below the fold, for whoever had scrolled up."""
    log = page.get_by_role("log", name="Messages")
    expect(messages(page, "Converged")).to_have_count(5)
    log.evaluate("one => one.scrollTop = 0")
    types(page, "/gitops whoami")
    answer = messages(page, "Only visible to you", "You are").last
    expect(answer).to_be_in_viewport()
    log.evaluate("one => one.scrollTop = 0")
    types(page, "a word among people")
    expect(messages(page, "a word among people")).to_be_in_viewport()


FOLLOWS = "one => one.clientHeight > 0 && one.scrollHeight - one.scrollTop - one.clientHeight < 60"


def test_channel_opens_at_its_newest_message(page: Page) -> None:
    """After another window, the Home tab or another width it opened in the middle."""
    expect(messages(page, "Converged")).to_have_count(5)
    types(page, "/gitops help")
    log = page.get_by_role("log", name="Messages")
    expect(messages(page, "Only visible to you").last).to_be_in_viewport()
    assert log.evaluate("one => one.scrollHeight > one.clientHeight + 200")
    window(page, "On-call")
    page.set_viewport_size(PHONE)
    window(page, "Slack")
    opens(page, "deploys")
    _follows(page, log)
    page.set_viewport_size(DESKTOP)
    _follows(page, log)
    opens(page, "gitops Home")
    opens(page, "deploys")
    _follows(page, log)
    page.set_viewport_size(PHONE)
    _follows(page, log)
    page.set_viewport_size(DESKTOP)


def _follows(page: Page, log: Locator) -> None:
    expect(log).to_be_visible()
    page.wait_for_function(FOLLOWS, arg=log.element_handle())


def test_one_empty_line_has_no_scrollbar(open_page: Open) -> None:
    box = open_page("#slack/C0DEPLOYS", viewport=PHONE).get_by_role("combobox", name=re.compile("^Message "))
    box.focus()
    assert box.evaluate("one => getComputedStyle(one).overflowY") == "hidden"
    box.fill("line\n" * 30)
    assert box.evaluate("one => getComputedStyle(one).overflowY") == "auto"


@pytest.mark.parametrize("width", [721, 780, 900])
def test_words_of_the_bar_stand_on_one_line(open_page: Open, width: int) -> None:
    page = open_page(viewport={"width": width, "height": 800})
    expect(page.get_by_text("bot ok")).to_be_visible()
    spans = page.locator(".top span:not(:empty)")
    assert spans.evaluate_all("all => all.filter(one => one.offsetHeight > 32).map(one => one.innerText)") == []
    assert page.locator(".top").evaluate("one => one.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_has_a_name_and_can_be_read(open_page: Open, scheme: str) -> None:
    page = open_page(viewport=DESKTOP, color_scheme=scheme, reduced_motion="reduce")
    expect(messages(page).first).to_be_visible()
    for name in ("Slack", "On-call", "Cluster", "Git", "Config"):
        window(page, name)
        expect(page.locator("main > :not([hidden])")).to_have_count(1)
        expect(page.locator("main > :not([hidden])")).to_contain_text(re.compile(r"\w{4}"))
        assert page.evaluate(NAMELESS) == []
        assert page.evaluate(MISNAMED) == []
        assert page.evaluate(FAINT) == []


def test_message_below_is_marked_while_a_person_reads_above(demo: DemoProcess, open_page: Open) -> None:
    page = open_page(viewport={"width": 1000, "height": 500})
    post(demo, "A long one", BLOCKS)
    opens(page, "staging")
    expect(messages(page, "A header").last).to_be_visible()
    page.get_by_role("log", name="Messages").evaluate("list => { list.scrollTop = 0 }")
    post(demo, "What came meanwhile")
    mark = page.get_by_role("button", name=re.compile(r"\d+ new messages?$"))
    expect(mark).to_be_visible()
    expect(messages(page, "What came meanwhile").last).not_to_be_in_viewport()
    mark.click()
    at_end = "() => (list => list.scrollHeight - list.scrollTop - list.clientHeight < 5)"
    page.wait_for_function(f"{at_end}(document.querySelector('.messages'))", timeout=60_000)
    expect(mark).to_have_count(0)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_what_is_said_for_a_moment_covers_no_message(viewport: ViewportSize, open_page: Open) -> None:
    page = open_page("#slack/C0STAGING", viewport=viewport)
    expect(page.get_by_role("log", name="Messages")).to_be_visible()
    script = """async text => {
        const { toast } = await import("/page/dom.js");
        toast(text);
        const [said, list] = [".toast", ".messages"].map(one => document.querySelector(one).getBoundingClientRect());
        return said.height > 0 && said.bottom <= list.top;
    }"""
    assert page.evaluate(script, "Bob Reis dropped 1234567 from main and put 89abcde in its place.")
