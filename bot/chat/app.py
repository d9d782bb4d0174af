"""Commands, mentions and buttons by slack_bolt, the same handlers in both modes.

A handler acknowledges, remembers that it has seen this delivery, parses, authorises, and hands the order to the desk;
what asks Git or a cluster runs on the slow lane and answers when it is done. Errors and denials are for the person
alone; what changes a cluster is said by the engine in the app's channel.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from slack_bolt import Ack, App
from slack_bolt.authorization import AuthorizeResult
from slack_sdk import WebClient

from bot.chat import replies
from bot.chat.desk import Desk
from bot.chat.parse import Order, ParseProblem, parse
from bot.chat.people import People
from bot.chat.permissions import Decided, Request, Rule, decide
from bot.errors import BotError, OrderRefused
from bot.model.app import AppSpec
from bot.model.control import Trigger, Via
from bot.model.record import AuditEntry, Decision

log = logging.getLogger(__name__)

_TIMEOUT_SECONDS: Final = 5
_HISTORY: Final = 10
_SLOW: Final = frozenset({"plan", "rollback"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who ordered where, and how they are answered: a function from text and blocks."""

    user: str
    channel: str
    answer: Callable[[str, Sequence[dict[str, Any]]], None]


def build_app(
    *,
    desk: Desk,
    rules: Sequence[Rule],
    people: People,
    bot_token: str,
    signing_secret: str,
    api_url: str,
    clock: Callable[[], datetime],
    submit: Executor,
) -> App:
    """Build the Bolt app. Contacts nobody: it starts with Slack down."""
    client = WebClient(token=bot_token, base_url=api_url, timeout=_TIMEOUT_SECONDS, retry_handlers=[])
    app = App(
        name="gitops-bot",
        client=client,
        signing_secret=signing_secret or "unused in socket mode",
        request_verification_enabled=False,  # the HTTP door has verified; the socket is authenticated
        token_verification_enabled=False,
        ignoring_self_events_enabled=False,
        authorize=lambda: AuthorizeResult(enterprise_id=None, team_id=None, bot_token=bot_token),
        logger=logging.getLogger("bot.chat.bolt"),
    )
    clerk = Clerk(desk=desk, rules=rules, people=people, clock=clock, submit=submit)

    @app.command("/gitops")
    def command(ack: Ack, body: dict[str, Any], respond: Any) -> None:
        ack()
        if desk.first_time(f"command {body.get('trigger_id')}"):
            clerk.take(str(body.get("text") or ""), _caller(body["user_id"], body["channel_id"], respond))

    @app.event("app_mention")
    def mention(event: dict[str, Any], body: dict[str, Any], client: WebClient) -> None:
        if event.get("bot_id") or not desk.first_time(f"event {body.get('event_id')}"):
            return
        thread = event.get("thread_ts") or event.get("ts")

        def answer(text: str, blocks: Sequence[dict[str, Any]]) -> None:
            client.chat_postEphemeral(
                channel=event["channel"], user=event["user"], text=text, blocks=list(blocks), thread_ts=thread
            )

        words = str(event.get("text") or "").partition(">")[2]
        clerk.take(words, Caller(user=event["user"], channel=event["channel"], answer=answer))

    @app.action({"action_id": _BUTTONS})
    def button(ack: Ack, body: dict[str, Any], respond: Any) -> None:
        ack()
        action = body["actions"][0]
        key = f"click {action.get('action_ts')} {body['user']['id']} {action['action_id']}"
        channel = (body.get("channel") or body.get("container") or {}).get("id") or body["container"].get("channel_id")
        if desk.first_time(key):
            clerk.press(action["action_id"], action.get("value") or "", _caller(body["user"]["id"], channel, respond))

    return app


_BUTTONS: Final = re.compile(r"gitops\..+")


def _caller(user: str, channel: str, respond: Any) -> Caller:
    def answer(text: str, blocks: Sequence[dict[str, Any]]) -> None:
        respond(text=text, blocks=list(blocks) or None, response_type="ephemeral", replace_original=False)

    return Caller(user=user, channel=channel, answer=answer)


class Clerk:
    """Turns what people typed and pressed into orders. Public for tests; `build_app` connects it to Bolt."""

    def __init__(
        self,
        *,
        desk: Desk,
        rules: Sequence[Rule],
        people: People,
        clock: Callable[[], datetime],
        submit: Executor,
    ) -> None:
        self._desk, self._rules, self._people, self._clock, self._submit = desk, tuple(rules), people, clock, submit

    def take(self, text: str, caller: Caller) -> None:
        """Follow one command as typed."""
        order = parse(text)
        if isinstance(order, ParseProblem):
            caller.answer(order.message, ())
            return
        self._guarded(order, caller)

    def press(self, action: str, value: str, caller: Caller) -> None:
        """Follow one button."""
        try:
            facts = orjson.loads(value)
            app, commit, plan = str(facts["app"]), str(facts.get("commit") or ""), facts.get("plan")
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            caller.answer("This button is from another version of the bot: type the command instead.", ())
            return
        if action == "gitops.cancel":
            caller.answer("Cancelled; nothing has changed.", ())
            return
        verb = {"gitops.diff": "plan", "gitops.confirm": "sync", "gitops.rollback_go": "rollback"}.get(
            action, action.removeprefix("gitops.")
        )
        order = Order(verb=verb, app=app, commit=commit, typed=f"button {action} {app} {commit}".strip())
        self._guarded(order, caller, confirm=str(plan) if plan else None, previewed=action == "gitops.rollback_go")

    def _guarded(self, order: Order, caller: Caller, *, confirm: str | None = None, previewed: bool = False) -> None:
        def work() -> None:
            try:
                self._follow(order, caller, confirm=confirm, previewed=previewed)
            except OrderRefused as refused:
                caller.answer(str(refused), ())
            except BotError as error:
                caller.answer(f"That did not work: {error}", ())
            except Exception:
                log.exception("unexpected error while following %s", order.verb)
                caller.answer("That did not work for an unexpected reason; the log has the details.", ())

        if order.verb in _SLOW:
            self._submit.submit(work)
        else:
            work()

    def _follow(self, order: Order, caller: Caller, *, confirm: str | None, previewed: bool) -> None:
        if order.verb == "help":
            caller.answer(*replies.help_text(self._allowed_verbs(caller)))
            return
        if order.verb == "whoami":
            caller.answer(*replies.whoami(caller.user, self._people.identities(caller.user), self._rights(caller)))
            return
        if order.verb == "status" and not order.app:
            keys = [app.key for app in self._desk.apps() if self._decide("status", app, caller).allowed]
            if not keys and self._desk.apps():
                self._deny(order, self._desk.apps()[0], self._decide("status", self._desk.apps()[0], caller), caller)
                return
            caller.answer(*replies.status(self._desk.status(keys)))
            return
        app = self._app(order, caller)
        decided = self._decide(order.verb, app, caller)
        if not decided.allowed:
            self._deny(order, app, decided, caller)
            return
        self._carry_out(order, app, caller, confirm=confirm, previewed=previewed)

    def _carry_out(self, order: Order, app: AppSpec, caller: Caller, *, confirm: str | None, previewed: bool) -> None:
        by, via = caller.user, Via.SLACK
        match order.verb:
            case "status":
                caller.answer(*replies.status(self._desk.status([app.key])))
            case "history":
                caller.answer(*replies.history(app, self._desk.history(app.key, _HISTORY)))
            case "plan":
                caller.answer(*replies.plan(self._desk.plan(app.key, order.commit)))
            case "sync":
                self._note(order, app, caller, Decision.ALLOWED, "")
                trigger = Trigger(via=via, by=by, confirm=confirm)
                caller.answer(self._desk.sync(app.key, trigger=trigger), ())
            case "pause":
                until = self._clock() + order.duration if order.duration else None
                caller.answer(self._desk.pause(app.key, by=by, until=until, reason=order.reason, via=via), ())
            case "resume":
                caller.answer(self._desk.resume(app.key, by=by, via=via), ())
            case "rollback" if previewed:
                answer = self._desk.rollback(app.key, order.commit, by=by, reason=order.reason, via=via)
                caller.answer(answer, ())
            case "rollback":
                preview = self._desk.preview_rollback(app.key, order.commit)
                caller.answer(*replies.rollback_preview(app, preview))
            case _:
                caller.answer(f"{order.verb} is no button of this version.", ())

    def _app(self, order: Order, caller: Caller) -> AppSpec:
        """Return the app a person means; without a name, the only one of this channel."""
        if order.app:
            return self._desk.find(order.app)
        here = [app for app in self._desk.apps() if app.channel == caller.channel] or list(self._desk.apps())
        if len(here) == 1:
            return here[0]
        names = ", ".join(app.key for app in here[:20])
        raise OrderRefused(f"Which app? `/gitops {order.verb} <app>` with one of: {names}")

    def _decide(self, verb: str, app: AppSpec, caller: Caller) -> Decided:
        request = Request(
            verb=verb,
            app=app.name,
            cluster=app.cluster,
            env=app.env,
            channel=caller.channel,
            identities=self._people.identities(caller.user),
        )
        return decide(request, self._rules, in_group=lambda group: self._people.in_group(caller.user, group))

    def _rights(self, caller: Caller) -> list[tuple[str, str]]:
        """Return, for each app, the verbs this person may use here."""
        verbs = ("status", "plan", "history", "sync", "pause", "resume", "rollback")
        return [
            (app.title, ", ".join(verb for verb in verbs if self._decide(verb, app, caller).allowed) or "nothing")
            for app in self._desk.apps()[:20]
        ]

    def _allowed_verbs(self, caller: Caller) -> frozenset[str]:
        verbs = ("status", "plan", "history", "sync", "pause", "resume", "rollback")
        apps = self._desk.apps()
        return frozenset(verb for verb in verbs if any(self._decide(verb, app, caller).allowed for app in apps))

    def _deny(self, order: Order, app: AppSpec, decided: Decided, caller: Caller) -> None:
        self._note(order, app, caller, Decision.DENIED, decided.why)
        caller.answer(f"You may not {order.verb} {app.title}. {decided.why}", ())

    def _note(self, order: Order, app: AppSpec, caller: Caller, decision: Decision, why: str) -> None:
        self._desk.audit(
            AuditEntry(
                at=self._clock(),
                who=caller.user,
                via=Via.SLACK,
                verb=order.verb,
                app=app.key,
                arguments=order.typed,
                decision=decision,
                why=why,
            )
        )
