"""Modals, menus that search and the Home tab of the stand-in, by the real slack_sdk and slack_bolt in Socket Mode."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from slack_bolt import Ack, App
from slack_bolt.adapter.socket_mode.websocket_client import SocketModeHandler
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.sandbox.slack import SlackWorkspace
from bot.sandbox.slack.values import Channel, User
from tests.waiting import PATIENCE_SECONDS

ANA = User(id="U0ANA", name="ana")
CHANNEL = "C0DEPLOYS"


def modal(title: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "plain_text", "text": title}
    return {"type": "modal", "title": text, "submit": text, "callback_id": "pick", "blocks": list(blocks)}


def field() -> dict[str, Any]:
    return {
        "type": "input",
        "block_id": "commit",
        "label": {"type": "plain_text", "text": "Commit"},
        "element": {"type": "external_select", "action_id": "commit", "min_query_length": 0},
    }


def said(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


@pytest.fixture
def slack() -> Iterator[SlackWorkspace]:
    patience = timedelta(seconds=PATIENCE_SECONDS)
    channels = [Channel(id=CHANNEL, name="deploys")]
    with SlackWorkspace(users=[ANA], channels=channels, answer_within=patience) as workspace:
        client = WebClient(token=workspace.bot_token, base_url=workspace.api_url)
        app = App(
            client=client,
            token_verification_enabled=False,
            authorize=lambda: AuthorizeResult(enterprise_id=None, team_id=None, bot_token=workspace.bot_token),
        )

        @app.command("/gitops")
        def command(ack: Ack, body: dict[str, Any], client: WebClient) -> None:
            ack()
            client.views_open(trigger_id=body["trigger_id"], view=modal("First", field()))

        @app.options("commit")
        def options(ack: Ack, payload: dict[str, Any]) -> None:
            found = [one for one in ("abc1234", "def5678") if one.startswith(payload["value"])]
            ack(options=[{"text": {"type": "plain_text", "text": one}, "value": one} for one in found])

        @app.view("pick")
        def picked(ack: Ack, view: dict[str, Any]) -> None:
            values = view["state"]["values"]
            if "commit" not in values:
                ack()
                return
            chosen = values["commit"]["commit"]["selected_option"]["value"]
            ack(response_action="update", view=modal("Second", said(f"chosen {chosen}")))

        @app.event("app_home_opened")
        def home(event: dict[str, Any], client: WebClient) -> None:
            client.views_publish(user_id=event["user"], view={"type": "home", "blocks": [said("All is well")]})

        handler: Any = SocketModeHandler(app, workspace.app_token, web_client=client)
        handler.connect()
        assert workspace.wait_until(lambda: bool(workspace.sockets()))
        yield workspace
        handler.close()


def test_modal_opens_is_updated_by_its_submission_and_closes(slack: SlackWorkspace) -> None:
    slack.command(ANA.id, CHANNEL, "pick")
    assert slack.wait_until(lambda: bool(slack.view_stack(ANA.id)))
    (view,) = slack.view_stack(ANA.id)
    found = slack.suggest(ANA.id, view_id=view["id"], action_id="commit", query="abc")
    assert [one["value"] for one in found] == ["abc1234"]
    slack.submit(view["id"], ANA.id, {"commit": {"commit": {"type": "external_select", "selected_option": found[0]}}})
    (second,) = slack.view_stack(ANA.id)
    assert second["blocks"][0]["text"]["text"] == "chosen abc1234"
    assert second["id"] == view["id"]
    slack.submit(view["id"], ANA.id, {})
    assert slack.view_stack(ANA.id) == ()
    with pytest.raises(LookupError):
        slack.submit(view["id"], ANA.id, {})


def test_home_is_published_when_a_person_looks(slack: SlackWorkspace) -> None:
    assert slack.open_home(ANA.id).acknowledged
    assert slack.wait_until(lambda: slack.home(ANA.id) is not None)
    home = slack.home(ANA.id)
    assert home is not None
    assert home["blocks"][0]["text"]["text"] == "All is well"


def test_block_that_stays_keeps_the_name_a_person_is_pressing(slack: SlackWorkspace) -> None:
    """A Home that was published anew while a person looked at a confirmation had no such button any more."""
    client = WebClient(token=slack.bot_token, base_url=slack.api_url)
    go = {"type": "button", "action_id": "go", "text": {"type": "plain_text", "text": "Go"}, "value": "1"}
    row = {"type": "actions", "elements": [go]}
    client.views_publish(user_id=ANA.id, view={"type": "home", "blocks": [said("one"), row]})
    seen = slack.home(ANA.id)
    assert seen is not None
    names = [block["block_id"] for block in seen["blocks"]]
    client.views_publish(user_id=ANA.id, view={"type": "home", "blocks": [said("two"), said("three"), row, row]})
    home = slack.home(ANA.id)
    assert home is not None
    slack.state.answer_within = timedelta(milliseconds=50)  # nobody listens to this button
    now = [block["block_id"] for block in home["blocks"]]
    assert now[2] == names[1]
    assert len(set(now)) == 4
    assert slack.act(home["id"], ANA.id, action_id="go", block_id=names[1]).payload["actions"][0]["value"] == "1"


def test_view_that_slack_would_refuse_is_refused(slack: SlackWorkspace) -> None:
    client = WebClient(token=slack.bot_token, base_url=slack.api_url)
    with pytest.raises(SlackApiError, match="invalid_arguments"):
        client.views_publish(user_id=ANA.id, view={"type": "home", "blocks": [said("x" * 3_001)]})
    with pytest.raises(SlackApiError, match="invalid_trigger_id"):
        client.views_open(trigger_id="trigger.none", view=modal("Late", said("text")))
    with pytest.raises(SlackApiError, match="not_found"):
        client.views_update(view_id="V0NONE", view=modal("Late", said("text")))
