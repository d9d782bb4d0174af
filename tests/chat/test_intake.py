"""What Slack delivers is acknowledged before anything is done with it, but for what Slack shows as the answer."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from slack_bolt import Ack, BoltRequest
from slack_bolt.authorization import AuthorizeResult

from bot.chat.intake import PromptApp
from tests.waiting import until

COMMAND = {"command": "/gitops", "text": "status", "user_id": "U0ANA"}
CLICK = {"type": "block_actions", "user": {"id": "U0ANA"}, "actions": [{"action_id": "gitops.sync"}]}
EVENT = {"type": "event_callback", "event": {"type": "app_mention", "user": "U0ANA", "text": "status"}}


@contextmanager
def prompt_app(*, threads: int = 1) -> Iterator[PromptApp]:
    with ThreadPoolExecutor(threads) as pool:
        yield PromptApp(
            threads=pool,
            signing_secret="unused",
            token_verification_enabled=False,
            request_verification_enabled=False,
            authorize=lambda: AuthorizeResult(enterprise_id=None, team_id=None, bot_token="xoxb"),
        )


@pytest.mark.parametrize("body", [COMMAND, CLICK, EVENT], ids=["command", "click", "event"])
def test_what_needs_no_answer_is_acknowledged_while_nobody_has_time_for_it(body: dict[str, object]) -> None:
    """Of fifty commands at once the last ones waited for listeners' turns: under load one was not acknowledged."""
    followed: list[str] = []
    free = threading.Event()

    def follow(ack: Ack) -> None:
        assert free.wait(60)
        ack()
        followed.append("it")

    with prompt_app() as app:
        app.command("/gitops")(follow)
        app.action("gitops.sync")(follow)
        app.event("app_mention")(follow)
        answers = [app.dispatch(BoltRequest(mode="socket_mode", body=body)) for _ in range(50)]
        assert [(one.status, one.body) for one in answers] == [(200, "")] * 50
        assert followed == []
        free.set()
        until(lambda: len(followed) == 50)


def test_choices_and_views_are_the_answer() -> None:
    with prompt_app() as app:
        choice = {"text": {"type": "plain_text", "text": "a1b2c3d"}, "value": "a1b2c3d"}
        app.options("gitops.commit")(lambda ack: ack(options=[choice]))
        app.view("gitops.pick")(lambda ack: ack(response_action="clear"))
        search = {"type": "block_suggestion", "action_id": "gitops.commit", "value": ""}
        submit = {"type": "view_submission", "view": {"type": "modal", "callback_id": "gitops.pick"}}
        found, shown = (app.dispatch(BoltRequest(mode="socket_mode", body=body)) for body in (search, submit))
        assert json.loads(found.body) == {"options": [choice]}
        assert json.loads(shown.body) == {"response_action": "clear"}


def test_delivery_that_nobody_follows_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with prompt_app() as app:
        assert app.dispatch(BoltRequest(mode="socket_mode", body={**COMMAND, "command": "/other"})).status == 200
    assert "a delivery of Slack was not followed: 404" in caplog.text
