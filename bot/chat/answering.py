"""How people are answered by Slack: where they typed or pressed, for them alone, or in a view. No answer raises."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from slack_bolt import Respond
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.chat import kit, modals
from bot.chat.caller import Caller

log = logging.getLogger(__name__)

Answer = Callable[[str, Sequence[kit.Block]], None]


def by_response(user: str, channel: str, respond: Respond, views: Views) -> Caller:
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


def on_home(user: str, view: Mapping[str, Any] | None, views: Views, *, channel: str = "") -> Caller:
    """Return a caller in a view: an answer is a modal."""
    answer = in_modal(views)
    return Caller(user=user, channel=channel, answer=answer, replace_answer=answer, windows=views, view=view)


def patient(caller: Caller) -> Caller:
    """Return a caller to whom a modal is open already, which the answer fills."""
    view_id = caller.windows.open(modals.notice("One moment: asking Git and the cluster."))
    return replace(caller, answer=lambda text, blocks: caller.windows.update(view_id, modals.notice(text, blocks)))


def in_modal(views: Views) -> Answer:
    def answer(text: str, blocks: Sequence[kit.Block]) -> None:
        views.open(modals.notice(text, blocks))

    return answer


def ephemeral(client: WebClient, channel: str, user: str, thread: str | None) -> Answer:
    def answer(text: str, blocks: Sequence[kit.Block]) -> None:
        try:
            client.chat_postEphemeral(
                channel=channel, user=user, text=text, blocks=list(blocks) or None, thread_ts=thread
            )
        except (SlackClientError, OSError) as error:
            log.warning("an answer could not be delivered: %s", type(error).__name__)

    return answer


class Views:
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
