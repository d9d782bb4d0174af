"""What Slack delivers, each kind by one method: commands, mentions, clicks, menus, modals and the Home tab.

A method runs after the acknowledgement, on threads of ours (`bot.chat.intake`); those whose answer Slack waits for give
it first, in bounded time. What was delivered twice is followed once. The clerk decides what is done. Bolt gives each
method the arguments that it names.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Final

from slack_bolt import Ack, Respond
from slack_sdk import WebClient

from bot.chat import modals
from bot.chat.answering import Views, by_response, ephemeral, in_modal, on_home, patient
from bot.chat.caller import Caller
from bot.chat.clerk import Clerk
from bot.chat.desk import Desk
from bot.errors import BotError

log = logging.getLogger(__name__)

_CHOICES_SECONDS: Final = 2.0  # Slack shows no choices that come after three
_PATIENT: Final = frozenset({"gitops.diff", "gitops.keep"})  # ask Git and a cluster: the trigger would have run out


class Handlers:
    """Tells the clerk who ordered what, and how they are answered. Safe to call from several threads."""

    def __init__(self, clerk: Clerk, *, desk: Desk, quick: Executor, slow: Executor) -> None:
        self._clerk, self._desk, self._quick, self._slow = clerk, desk, quick, slow

    def command(self, ack: Ack, body: dict[str, Any], respond: Respond, client: WebClient) -> None:
        """Take `/gitops …`."""
        ack()
        caller = by_response(body["user_id"], body["channel_id"], respond, Views(client, body))
        self._once(f"command {body.get('trigger_id')}", lambda: self._clerk.take(str(body.get("text") or ""), caller))

    def mention(self, event: dict[str, Any], body: dict[str, Any], client: WebClient) -> None:
        """Take what stands behind a mention, in the thread where it was."""
        if event.get("bot_id") or not event.get("user"):
            return
        thread = event.get("thread_ts") or event.get("ts")
        answer = ephemeral(client, event["channel"], event["user"], thread)
        caller = Caller(
            user=event["user"],
            channel=event["channel"],
            answer=answer,
            replace_answer=answer,
            windows=Views(client, {}),
            thread=str(event.get("thread_ts") or ""),
        )
        words = str(event.get("text") or "").partition(">")[2]
        self._once(f"event {body.get('event_id')}", lambda: self._clerk.take(words, caller))

    def home(self, event: dict[str, Any], body: dict[str, Any], client: WebClient) -> None:
        """Show the Home tab."""
        if event.get("tab") == "home":
            caller = on_home(event["user"], event.get("view"), Views(client, {}))
            self._once(f"event {body.get('event_id')}", lambda: self._clerk.look(caller))

    def action(self, ack: Ack, body: dict[str, Any], respond: Respond, client: WebClient) -> None:
        """Take a click on a button, or what was chosen in a menu of a message or a view."""
        ack()
        pressed = body["actions"][0]
        user, name = body["user"]["id"], str(pressed["action_id"])
        views = Views(client, body)
        channel = (body.get("channel") or {}).get("id") or (body.get("container") or {}).get("channel_id") or ""
        caller = by_response(user, channel, respond, views) if channel else on_home(user, body.get("view"), views)
        option = pressed.get("selected_option")

        def work() -> None:
            if option is not None:
                self._clerk.choose(name, str(option["value"]), caller)
            elif not channel and name in _PATIENT:
                self._clerk.press(name, str(pressed.get("value") or ""), patient(caller))
            else:
                self._clerk.press(name, str(pressed.get("value") or ""), caller)

        self._once(f"click {pressed.get('action_ts')} {user} {name}", work)

    def options(self, ack: Ack, body: dict[str, Any], client: WebClient) -> None:
        """Answer with the choices of a menu, while Slack waits."""
        channel = (body.get("channel") or {}).get("id") or ""
        caller = on_home(body["user"]["id"], body.get("view"), Views(client, body), channel=channel)
        asked = self._slow.submit(self._clerk.suggest, str(body["action_id"]), str(body.get("value") or ""), caller)
        try:
            found = asked.result(_CHOICES_SECONDS)
        except (BotError, ValueError, TimeoutError) as error:
            log.warning("a menu has no choices: %s", error or "Git or Slack takes too long")
            found = []
        ack(options=found)

    def picked(self, ack: Ack, body: dict[str, Any], view: dict[str, Any], client: WebClient) -> None:
        """Answer with the next view, while Slack waits; what a chosen commit would change back fills it later."""
        caller = on_home(body["user"]["id"], view, Views(client, body))
        shown, work = self._clerk.picked(view, caller)
        ack(response_action="update", view=shown)
        self._quick.submit(self._once, f"view {view['id']} {view.get('hash')}", work)

    def confirmed(self, ack: Ack, body: dict[str, Any], view: dict[str, Any], client: WebClient) -> None:
        """Do what a person has confirmed in a modal."""
        ack()
        user, channel = body["user"]["id"], modals.carried(view).channel
        answer = ephemeral(client, channel, user, None) if channel else in_modal(Views(client, body))
        caller = Caller(
            user=user, channel=channel, answer=answer, replace_answer=answer, windows=Views(client, {}), view=view
        )
        self._quick.submit(
            self._once, f"view {view['id']} {view.get('hash')}", lambda: self._clerk.confirmed(view, caller)
        )

    def _once(self, key: str, work: Callable[[], None]) -> None:
        """Do what Slack delivered, and only the first time."""
        try:
            if self._desk.first_time(key):
                work()
        except Exception:  # the boundary for bugs and a lost state store: Slack was answered already
            log.exception("a delivery from Slack could not be followed")
