"""Commands, mentions, buttons, menus, modals and the Home tab by slack_bolt, the same handlers in both modes.

Handlers run after the acknowledgement, on threads of ours (`bot.chat.intake`); those whose answer Slack waits for give
it first, in bounded time. What was delivered twice is followed once. The clerk decides what is done.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from slack_bolt import Ack, App, Respond
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.logger.messages import warning_client_prioritized_and_token_skipped, warning_token_skipped
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.chat import kit, modals
from bot.chat.caller import Caller
from bot.chat.clerk import Clerk
from bot.chat.desk import Desk
from bot.chat.intake import PromptApp
from bot.chat.people import People
from bot.chat.permissions import Rule
from bot.errors import BotError

log = logging.getLogger(__name__)

_TIMEOUT_SECONDS: Final = 5
_CHOICES_SECONDS: Final = 2.0  # Slack shows no choices that come after three
_PATIENT: Final = frozenset({"gitops.diff", "gitops.keep"})  # ask Git and a cluster: the trigger would have run out
_ACTIONS: Final = re.compile(r"gitops\..+")
_MEANT: Final = frozenset({warning_client_prioritized_and_token_skipped(), warning_token_skipped()})


def build_app(
    *,
    desk: Desk,
    rules: Sequence[Rule],
    people: People,
    bot_token: str,
    signing_secret: str,
    api_url: str,
    clock: Callable[[], datetime],
    quick: Executor,
    slow: Executor,
) -> App:
    """Build the Bolt app. Contacts nobody: it starts with Slack down. `slow` runs what asks Git and clusters."""
    logger = logging.getLogger("bot.chat.bolt")
    logger.addFilter(_is_news)
    client = WebClient(token=bot_token, base_url=api_url, timeout=_TIMEOUT_SECONDS, retry_handlers=[])
    app = PromptApp(
        threads=quick,
        name="gitops-bot",
        client=client,
        signing_secret=signing_secret or "unused in socket mode",
        request_verification_enabled=False,  # the HTTP door has verified; the socket is authenticated
        token_verification_enabled=False,
        ignoring_self_events_enabled=False,
        authorize=lambda: AuthorizeResult(enterprise_id=None, team_id=None, bot_token=bot_token),
        logger=logger,
    )
    clerk = Clerk(desk=desk, rules=rules, people=people, clock=clock, submit=slow)

    def once(key: str, work: Callable[[], None]) -> None:
        """Do what Slack delivered, and only the first time."""
        try:
            if desk.first_time(key):
                work()
        except Exception:  # the boundary for bugs and a lost state store: Slack was answered already
            log.exception("a delivery from Slack could not be followed")

    @app.command("/gitops")
    def command(ack: Ack, body: dict[str, Any], respond: Respond, client: WebClient) -> None:
        ack()
        caller = _by_response(body["user_id"], body["channel_id"], respond, _Views(client, body))
        once(f"command {body.get('trigger_id')}", lambda: clerk.take(str(body.get("text") or ""), caller))

    @app.event("app_mention")
    def mention(event: dict[str, Any], body: dict[str, Any], client: WebClient) -> None:
        if event.get("bot_id") or not event.get("user"):
            return
        thread = event.get("thread_ts") or event.get("ts")
        answer = _ephemeral(client, event["channel"], event["user"], thread)
        caller = Caller(
            user=event["user"],
            channel=event["channel"],
            answer=answer,
            replace_answer=answer,
            windows=_Views(client, {}),
            thread=str(event.get("thread_ts") or ""),
        )
        words = str(event.get("text") or "").partition(">")[2]
        once(f"event {body.get('event_id')}", lambda: clerk.take(words, caller))

    @app.event("app_home_opened")
    def home(event: dict[str, Any], body: dict[str, Any], client: WebClient) -> None:
        if event.get("tab") == "home":
            caller = _on_home(event["user"], event.get("view"), _Views(client, {}))
            once(f"event {body.get('event_id')}", lambda: clerk.look(caller))

    @app.action({"action_id": _ACTIONS})
    def action(ack: Ack, body: dict[str, Any], respond: Respond, client: WebClient) -> None:
        ack()
        pressed = body["actions"][0]
        user, name = body["user"]["id"], str(pressed["action_id"])
        views = _Views(client, body)
        channel = (body.get("channel") or {}).get("id") or (body.get("container") or {}).get("channel_id") or ""
        caller = _by_response(user, channel, respond, views) if channel else _on_home(user, body.get("view"), views)
        option = pressed.get("selected_option")

        def work() -> None:
            if option is not None:
                clerk.choose(name, str(option["value"]), caller)
            elif not channel and name in _PATIENT:
                clerk.press(name, str(pressed.get("value") or ""), _patient(caller))
            else:
                clerk.press(name, str(pressed.get("value") or ""), caller)

        once(f"click {pressed.get('action_ts')} {user} {name}", work)

    @app.options(_ACTIONS)
    def options(ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        channel = (body.get("channel") or {}).get("id") or ""
        caller = _on_home(body["user"]["id"], body.get("view"), _Views(client, body), channel=channel)
        asked = slow.submit(clerk.suggest, str(body["action_id"]), str(body.get("value") or ""), caller)
        try:
            found = asked.result(_CHOICES_SECONDS)
        except (BotError, ValueError, TimeoutError) as error:
            log.warning("a menu has no choices: %s", error or "Git or Slack takes too long")
            found = []
        ack(options=found)

    @app.view(modals.PICK)
    def picked(ack: Ack, body: dict[str, Any], view: dict[str, Any], client: WebClient) -> None:
        caller = _on_home(body["user"]["id"], view, _Views(client, body))
        shown, work = clerk.picked(view, caller)
        ack(response_action="update", view=shown)
        quick.submit(once, f"view {view['id']} {view.get('hash')}", work)

    @app.view(modals.CONFIRM)
    def confirmed(ack: Ack, body: dict[str, Any], view: dict[str, Any], client: WebClient) -> None:
        ack()
        user, channel = body["user"]["id"], modals.carried(view).channel
        answer = _ephemeral(client, channel, user, None) if channel else _in_modal(_Views(client, body))
        caller = Caller(
            user=user, channel=channel, answer=answer, replace_answer=answer, windows=_Views(client, {}), view=view
        )
        quick.submit(once, f"view {view['id']} {view.get('hash')}", lambda: clerk.confirmed(view, caller))

    return app


Answer = Callable[[str, Sequence[kit.Block]], None]


def _by_response(user: str, channel: str, respond: Respond, views: _Views) -> Caller:
    """Return a caller who is answered where they typed or pressed, by Slack's address for that."""

    def send(text: str, blocks: Sequence[kit.Block], *, instead: bool) -> None:
        try:
            respond(text=text, blocks=list(blocks) or None, response_type="ephemeral", replace_original=instead)
        except (SlackClientError, OSError) as error:
            log.warning("an answer could not be delivered: %s", type(error).__name__)

    return Caller(
        user=user,
        channel=channel,
        answer=lambda text, blocks: send(text, blocks, instead=False),
        replace_answer=lambda text, blocks: send(text, blocks, instead=True),
        windows=views,
    )


def _on_home(user: str, view: Mapping[str, Any] | None, views: _Views, *, channel: str = "") -> Caller:
    """Return a caller in a view: an answer is a modal."""
    answer = _in_modal(views)
    return Caller(user=user, channel=channel, answer=answer, replace_answer=answer, windows=views, view=view)


def _patient(caller: Caller) -> Caller:
    """Return a caller to whom a modal is open already, which the answer fills."""
    view_id = caller.windows.open(modals.notice("One moment: asking Git and the cluster."))
    return replace(caller, answer=lambda text, blocks: caller.windows.update(view_id, modals.notice(text, blocks)))


def _in_modal(views: _Views) -> Answer:
    def answer(text: str, blocks: Sequence[kit.Block]) -> None:
        views.open(modals.notice(text, blocks))

    return answer


def _ephemeral(client: WebClient, channel: str, user: str, thread: str | None) -> Answer:
    def answer(text: str, blocks: Sequence[kit.Block]) -> None:
        try:
            client.chat_postEphemeral(
                channel=channel, user=user, text=text, blocks=list(blocks) or None, thread_ts=thread
            )
        except (SlackClientError, OSError) as error:
            log.warning("an answer could not be delivered: %s", type(error).__name__)

    return answer


class _Views:
    """A `bot.chat.caller.Windows` by the Web API; `body` is the interaction, whose trigger opens one modal."""

    def __init__(self, client: WebClient, body: Mapping[str, Any]) -> None:
        self._client, self._trigger = client, str(body.get("trigger_id") or "")

    def open(self, view: modals.View) -> str:
        trigger, self._trigger = self._trigger, ""
        if not trigger:
            return ""
        found = self._call(lambda: self._client.views_open(trigger_id=trigger, view=view))
        return str(found["view"]["id"]) if found is not None else ""

    def update(self, view_id: str, view: modals.View) -> None:
        self._call(lambda: self._client.views_update(view_id=view_id, view=view))

    def publish(self, user: str, view: modals.View) -> None:
        self._call(lambda: self._client.views_publish(user_id=user, view=view))

    def _call(self, call: Callable[[], Any]) -> Any:
        """Return Slack's answer; None when it refuses or is silent: the person closed the view, or waits too long."""
        try:
            return call()
        except SlackApiError as error:
            log.warning("Slack does not show a view: %s", error.response.get("error"))
        except (SlackClientError, OSError) as error:
            log.warning("Slack does not show a view: %s", type(error).__name__)
        return None


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out that Bolt does not read `SLACK_BOT_TOKEN` itself: it is ours to read, and the client has it."""
    return record.getMessage() not in _MEANT
