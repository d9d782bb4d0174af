"""What people do in the page's workspace, as the bot hears it on its socket."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient
from websocket import create_connection

from bot.sandbox.demo import cast
from bot.sandbox.demo.office import Misuse, Office
from bot.sandbox.slack import SlackWorkspace
from tests.waiting import PATIENCE_SECONDS

HERE = cast.DEPLOYS.id


@pytest.fixture
def office() -> Iterator[Office]:
    patience = timedelta(seconds=PATIENCE_SECONDS)
    with SlackWorkspace(users=cast.PEOPLE, channels=cast.CHANNELS, answer_within=patience) as slack:
        yield Office(slack)


def listen(office: Office, heard: list[dict[str, Any]]) -> threading.Thread:
    """Open a socket that acknowledges one event, and keep it."""
    opened = WebClient(base_url=office.slack.api_url).apps_connections_open(app_token=office.slack.app_token)
    socket = create_connection(opened["url"], timeout=10)
    assert json.loads(socket.recv())["type"] == "hello"

    def serve() -> None:
        envelope = json.loads(socket.recv())
        heard.append(envelope)
        socket.send(json.dumps({"envelope_id": envelope["envelope_id"]}))
        socket.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert office.slack.wait_until(lambda: bool(office.slack.sockets()))
    return thread


def test_mention_that_nobody_heard_arrives_when_somebody_listens_again(office: Office) -> None:
    office.do("say", {"user": cast.ANA.id, "channel": HERE, "text": "@gitops status web"})
    office.retry()
    heard: list[dict[str, Any]] = []
    thread = listen(office, heard)
    office.retry()
    thread.join()
    (envelope,) = heard
    assert envelope["payload"]["event"]["text"] == "<@U0GITOPS> status web"
    assert envelope["retry_attempt"] == 1
    assert office.slack.wait_until(lambda: not office.slack.sockets())


def test_command_that_nobody_hears_is_said_so_to_its_author_alone(office: Office) -> None:
    office.do("say", {"user": cast.ANA.id, "channel": HERE, "text": "/gitops status"})
    (said,) = office.slack.ephemerals(cast.ANA.id)
    assert "did not respond (dispatch_failed)" in said.text
    assert office.slack.ephemerals(cast.BOB.id) == ()


def test_command_in_a_thread_is_refused_as_slack_refuses_it(office: Office) -> None:
    office.do("say", {"user": cast.ANA.id, "channel": HERE, "text": "/gitops status", "thread": "1.000001"})
    (said,) = office.slack.ephemerals(cast.ANA.id)
    assert "not supported in threads" in said.text


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("fly", {}),
        ("say", {"user": "U0NOBODY"}),
        ("click", {"channel": HERE, "ts": "1.000001", "action_id": "x"}),
        ("submit", {"view": "V0"}),
    ],
)
def test_what_is_not_there_cannot_be_used(office: Office, verb: str, said: dict[str, Any]) -> None:
    with pytest.raises(Misuse):
        office.do(verb, {"user": cast.ANA.id, **said})


def test_page_knows_every_icon_the_bot_uses() -> None:
    """A message read ":seedling:" where the picture was to be."""
    root = Path(__file__).parents[3]
    known = set(re.findall(r'(\w+): "', (root / "bot/sandbox/demo/page/emoji.js").read_text(encoding="utf-8")))
    said = "".join(one.read_text(encoding="utf-8") for one in (root / "tests/golden/chat").glob("*.txt"))
    used = set(re.findall(r"^\*.*? :([a-z_]+):$", said, re.MULTILINE))
    assert used
    assert used <= known
