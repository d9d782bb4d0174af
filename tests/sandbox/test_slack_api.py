"""The stand-in's Web API, response URLs and sockets refuse what Slack refuses, in Slack's words.

Words and numbers: https://docs.slack.dev/reference/methods and https://docs.slack.dev/reference/block-kit. The client
is the real slack_sdk.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from socket import SHUT_WR
from socket import create_connection as connected
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from websocket import WebSocket, create_connection

from bot.sandbox.slack import SlackWorkspace
from bot.sandbox.slack.values import Channel, User

ANA = User(id="U0ANA", name="ana", email="ana@example.com")
HERE, AWAY, OLD = "C0HERE", "C0AWAY", "C0OLD"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slack(clock: Clock) -> Iterator[SlackWorkspace]:
    channels = (
        Channel(id=HERE, name="here"),
        Channel(id=AWAY, name="away", member=False),
        Channel(id=OLD, name="old", archived=True),
    )
    with SlackWorkspace(users=[ANA], channels=channels, groups={"S0SRE": [ANA.id]}, clock=clock) as workspace:
        yield workspace


@pytest.fixture
def client(slack: SlackWorkspace) -> WebClient:
    return WebClient(token=slack.bot_token, base_url=slack.api_url)


@pytest.fixture
def socket(slack: SlackWorkspace) -> Iterator[WebSocket]:
    """A connection that acknowledges nothing by itself."""
    opened = WebClient(base_url=slack.api_url).apps_connections_open(app_token=slack.app_token)
    made = create_connection(opened["url"], timeout=10)
    assert json.loads(made.recv())["type"] == "hello"
    yield made
    made.close()


def plain(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "plain_text", "text": words, **more}


def section(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": words}, **more}


def button(**more: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": [{"type": "button", "action_id": "go", "text": plain("Go"), **more}]}


def menu(*options: dict[str, Any], **more: Any) -> dict[str, Any]:
    select = {"type": "static_select", "action_id": "pick", "placeholder": plain("Pick"), "options": list(options)}
    return {"type": "actions", "elements": [{**select, **more}]}


def modal(**more: Any) -> dict[str, Any]:
    return {"type": "modal", "title": plain("Title"), "blocks": [section("text")], **more}


def refusal(call: Any, **arguments: Any) -> str:
    with pytest.raises(SlackApiError) as refused:
        call(**arguments)
    return str(refused.value.response["error"])


def trigger(slack: SlackWorkspace) -> str:
    return str(slack.command(ANA.id, HERE, "x").payload["trigger_id"])


def answer(url: str, body: Mapping[str, Any]) -> tuple[int, str]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        (section(""), "must be more than 0 characters [json-pointer:/blocks/0/text/text]"),
        (section("x" * 3_001), "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        (section("x", colour="red"), "invalid additional property: colour [json-pointer:/blocks/0]"),
        ({"type": "header", "text": plain("x" * 151)}, "must be less than 151 characters"),
        (
            {"type": "header", "text": {"type": "mrkdwn", "text": "x"}},
            "must be plain_text [json-pointer:/blocks/0/text",
        ),
        ({"type": "context", "elements": [plain("x")] * 11}, "must have 1 to 10 items"),
        ({"type": "actions", "elements": []}, "must have 1 to 25 items"),
        (button(style="default"), "must be one of primary, danger [json-pointer:/blocks/0/elements/0/style]"),
        (button(value="x" * 2_001), "must be less than 2001 characters"),
        (button(text=plain("x" * 76)), "must be less than 76 characters"),
        (button(disabled=True), "invalid additional property: disabled [json-pointer:/blocks/0/elements/0]"),
        (
            button(confirm={"title": plain("Sure?")}),
            "missing required field [json-pointer:/blocks/0/elements/0/confirm/",
        ),
        (menu(), "must have 1 to 100 items"),
        (menu({"text": plain("x"), "value": "x" * 151}), "must be less than 151 characters"),
        (menu({"text": plain("x"), "value": "x", "style": "danger"}), "invalid additional property: style"),
        (menu({"text": plain("x"), "value": "x"}, initial_option={"text": plain("y"), "value": "y"}), "of the options"),
        (section("x", accessory=button()["elements"][0] | {"type": "knob"}), "unsupported type: knob"),
        ({"type": "hologram"}, "unsupported type: hologram [json-pointer:/blocks/0/type]"),
    ],
)
def test_block_that_breaks_a_rule_is_refused_by_its_pointer(
    client: WebClient, block: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(SlackApiError) as refused:
        client.chat_postMessage(channel=HERE, text="x", blocks=[block])
    said = refused.value.response
    assert said["error"] == "invalid_blocks"
    assert any(complaint in one for one in said["errors"]), said["errors"]
    assert said["response_metadata"]["messages"] == [f"[ERROR] {one}" for one in said["errors"]]


def test_message_as_a_whole_is_limited(client: WebClient) -> None:
    assert refusal(client.chat_postMessage, channel=HERE, blocks=[section("x")] * 51, text="x") == "invalid_blocks"
    assert refusal(client.chat_postMessage, channel=HERE, blocks=[section("x" * 2_900)] * 5, text="x") == (
        "msg_blocks_too_long"
    )
    assert refusal(client.chat_postMessage, channel=HERE, text="x" * 40_001) == "msg_too_long"
    assert refusal(client.api_call, api_method="chat.postMessage", json={"channel": HERE}) == "no_text"
    two = [section("x", block_id="a"), section("y", block_id="a")]
    assert refusal(client.chat_postMessage, channel=HERE, text="x", blocks=two) == "invalid_blocks"
    assert refusal(client.chat_postMessage, channel=HERE, text="x", metadata={"event_type": "op"}) == (
        "invalid_metadata_format"
    )


def test_request_that_is_cut_off_is_none(slack: SlackWorkspace) -> None:
    place = urllib.parse.urlsplit(slack.api_url)
    head = f"POST {place.path}chat.postMessage HTTP/1.1\r\nHost: slack\r\nContent-Length: 100\r\n\r\n"
    with connected((place.hostname, place.port)) as connection:
        connection.sendall(f"{head}channel={HERE}".encode())
        connection.shutdown(SHUT_WR)
        assert connection.recv(1) == b""
    assert slack.calls() == ()


def test_channels_and_tokens_are_refused_in_slacks_words(slack: SlackWorkspace, client: WebClient) -> None:
    assert refusal(client.chat_postMessage, channel="C0NONE", text="x") == "channel_not_found"
    assert refusal(client.chat_postMessage, channel=AWAY, text="x") == "not_in_channel"
    assert refusal(client.chat_postMessage, channel=OLD, text="x") == "is_archived"
    assert refusal(client.usergroups_users_list, usergroup="S0NONE") == "no_such_subteam"
    assert refusal(client.users_lookupByEmail, email="nobody@example.com") == "users_not_found"
    assert refusal(client.conversations_info, channel=HERE) == "missing_scope"
    assert refusal(client.api_call, api_method="chat.teleport") == "unknown_method"
    stranger = WebClient(token="xoxb-other", base_url=slack.api_url)
    assert refusal(stranger.auth_test) == "invalid_auth"
    assert refusal(WebClient(base_url=slack.api_url).auth_test) == "not_authed"
    assert refusal(client.apps_connections_open, app_token=slack.bot_token) == "not_allowed_token_type"


def test_update_takes_ids_keeps_metadata_and_drops_blocks(slack: SlackWorkspace, client: WebClient) -> None:
    metadata = {"event_type": "op", "event_payload": {"id": "1"}}
    ts = client.chat_postMessage(channel="#here", text="one", blocks=[section("one")], metadata=metadata)["ts"]
    assert refusal(client.chat_update, channel="#here", ts=ts, text="two") == "channel_not_found"
    assert refusal(client.chat_update, channel=HERE, ts="1.000001", text="two") == "message_not_found"
    theirs = slack.say(ANA.id, HERE, "mine")
    assert refusal(client.chat_update, channel=HERE, ts=theirs.ts, text="two") == "cant_update_message"
    client.chat_update(channel=HERE, ts=ts, text="two")
    message = slack.message(HERE, ts)
    assert message is not None
    assert (message.text, message.blocks, message.metadata) == ("two", (), metadata)
    client.chat_update(channel=HERE, ts=ts, text="three", metadata={})
    message = slack.message(HERE, ts)
    assert message is not None
    assert message.metadata == {}
    slack.delete(message)
    assert refusal(client.chat_update, channel=HERE, ts=ts, text="four") == "message_not_found"


def test_ephemeral_message_is_for_members_and_is_not_updated(slack: SlackWorkspace, client: WebClient) -> None:
    assert refusal(client.chat_postEphemeral, channel=HERE, user="U0NONE", text="x") == "user_not_in_channel"
    ts = client.chat_postEphemeral(channel=HERE, user=ANA.id, text="x")["message_ts"]
    assert refusal(client.chat_update, channel=HERE, ts=ts, text="y") == "message_not_found"


def test_trigger_opens_one_view_within_three_seconds(slack: SlackWorkspace, client: WebClient, clock: Clock) -> None:
    assert refusal(client.views_open, trigger_id="trigger.none", view=modal()) == "invalid_trigger_id"
    one = trigger(slack)
    assert refusal(client.views_open, trigger_id=one, view=modal(title=plain("x" * 25))) == "invalid_arguments"
    client.views_open(trigger_id=one, view=modal())
    assert refusal(client.views_open, trigger_id=one, view=modal()) == "exchanged_trigger_id"
    late = trigger(slack)
    clock.now += timedelta(seconds=4)
    assert refusal(client.views_open, trigger_id=late, view=modal()) == "expired_trigger_id"
    for _ in range(2):
        client.views_push(trigger_id=trigger(slack), view=modal())
    assert refusal(client.views_push, trigger_id=trigger(slack), view=modal()) == "push_limit_reached"


def test_view_that_has_moved_on_is_not_overwritten(slack: SlackWorkspace, client: WebClient) -> None:
    view = client.views_open(trigger_id=trigger(slack), view=modal())["view"]
    client.views_update(view_id=view["id"], hash=view["hash"], view=modal())
    assert refusal(client.views_update, view_id=view["id"], hash=view["hash"], view=modal()) == "hash_conflict"
    slack.close_view(view["id"], ANA.id)
    assert refusal(client.views_update, view_id=view["id"], view=modal()) == "not_found"
    home = {"type": "home", "blocks": [section("one")]}
    shown = client.views_publish(user_id=ANA.id, view=home)["view"]
    client.views_publish(user_id=ANA.id, view=home, hash=shown["hash"])
    assert refusal(client.views_publish, user_id=ANA.id, view=home, hash=shown["hash"]) == "hash_conflict"
    huge = {"type": "home", "blocks": [section("x" * 3_000)] * 90}
    assert refusal(client.views_publish, user_id=ANA.id, view=huge) == "view_too_large"


def test_file_is_shared_in_three_steps(slack: SlackWorkspace, client: WebClient) -> None:
    assert refusal(client.files_getUploadURLExternal, filename="a.txt", length=0) == "missing_argument"
    url = client.files_getUploadURLExternal(filename="a.txt", length=3)
    files = [{"id": url["file_id"], "title": "A"}]
    assert refusal(client.files_completeUploadExternal, files=files, channel_id=HERE) == "file_not_found"
    assert refusal(client.files_completeUploadExternal, files=[], channel_id=HERE) == "invalid_arguments"
    root = client.chat_postMessage(channel=HERE, text="root")["ts"]
    client.files_upload_v2(filename="b.txt", content="abc", channel=HERE, thread_ts=root)
    (_, reply) = slack.messages(HERE, thread=root)
    assert (reply.files[0].name, reply.files[0].content) == ("b.txt", b"abc")
    assert refusal(client.files_completeUploadExternal, files=files, channel_id="#here") == "file_not_found"


def test_response_url_is_used_five_times_in_half_an_hour(slack: SlackWorkspace, clock: Clock) -> None:
    url = str(slack.command(ANA.id, HERE, "x").payload["response_url"])
    assert answer(url, {"blocks": [section("")]}) == (400, "invalid_blocks")
    assert answer(url, {}) == (400, "no_text")
    for number in range(5):
        assert answer(url, {"text": str(number), "replace_original": bool(number)}) == (200, "ok")
    assert answer(url, {"text": "6"}) == (404, "used_url")
    assert [one.text for one in slack.ephemerals(ANA.id)] == ["4"]
    late = str(slack.command(ANA.id, HERE, "x").payload["response_url"])
    clock.now += timedelta(minutes=31)
    assert answer(late, {"text": "x"}) == (404, "expired_url")


def test_envelope_that_is_not_acknowledged_comes_again_under_its_id(slack: SlackWorkspace, socket: WebSocket) -> None:
    slack.state.answer_within = timedelta(milliseconds=50)
    delivery = slack.mention(ANA.id, HERE, "status")
    assert not delivery.acknowledged
    first = json.loads(socket.recv())
    assert (first["type"], first["retry_attempt"], first["accepts_response_payload"]) == ("events_api", 0, False)
    slack.redeliver(delivery, attempt=1, reason="timeout")
    again = json.loads(socket.recv())
    assert (again["envelope_id"], again["retry_attempt"]) == (first["envelope_id"], 1)
    assert again["retry_reason"] == "timeout"


def test_connection_is_warned_before_it_is_ended(slack: SlackWorkspace, socket: WebSocket) -> None:
    slack.refresh("warning")
    assert json.loads(socket.recv())["reason"] == "warning"
    assert len(slack.sockets()) == 1
    slack.refresh()
    said = json.loads(socket.recv())
    assert (said["type"], said["reason"]) == ("disconnect", "refresh_requested")
    assert slack.wait_until(lambda: not slack.sockets())


def test_no_more_than_ten_connections_and_a_ticket_opens_one(slack: SlackWorkspace) -> None:
    client = WebClient(base_url=slack.api_url)
    made = []
    for _ in range(10):
        url = client.apps_connections_open(app_token=slack.app_token)["url"]
        made.append(create_connection(url, timeout=10))
        made[-1].recv()
    assert refusal(client.apps_connections_open, app_token=slack.app_token) == "too_many_websockets"
    for one in made:
        one.close()
