"""Turns what people typed, pressed, chose and submitted into orders at the desk, after asking whether they may.

Every way in ends in `_guarded`: an order that cannot be followed is answered with its reason, a bug with a sentence
and a log line. What asks Git or a cluster runs on the slow lane and answers when it is done. Errors and denials are
for the person alone; what changes a cluster is said by the engine in the app's channel.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson

from bot.chat import kit, modals, replies
from bot.chat.bulk import Sweeps
from bot.chat.caller import Caller
from bot.chat.desk import Desk
from bot.chat.parse import Order, ParseProblem, needs_app, parse
from bot.chat.people import People
from bot.chat.permissions import Rule
from bot.chat.rights import VERDICTS, Rights
from bot.chat.scope import Scope
from bot.chat.verbs import VERBS
from bot.chat.views import Views
from bot.errors import BotError, OrderRefused
from bot.model.app import AppSpec
from bot.model.attempt import READ, attempts
from bot.model.bulk import ALL
from bot.model.control import Trigger, Via
from bot.model.record import EVERY_APP
from bot.model.source import Revision

log = logging.getLogger(__name__)

_LINES: Final = 10  # of history and audit
_SLOW: Final = frozenset({"history", "plan", "rollback", "keep", "ignore"})
_ASKS: Final = frozenset({"help", "whoami", "status", "plan", "history", "route", "audit", "oncall"})
_ACTIONS: Final = {"diff": "plan", "confirm": "approve", "rollback_go": "rollback", "rollback_pick": "rollback"}


class Clerk:
    """One per bot; safe to use from several threads."""

    def __init__(
        self,
        *,
        desk: Desk,
        rules: Sequence[Rule],
        people: People,
        clock: Callable[[], datetime],
        submit: Executor,
    ) -> None:
        self._desk, self._clock, self._submit = desk, clock, submit
        self._rights = Rights(rules, people)
        self._scope = Scope(desk, self._rights, clock=clock)
        self._sweeps = Sweeps(desk, self._rights, self._scope)
        self._views = Views(desk, self._rights, clock=clock)

    # --- the ways in ------------------------------------------------------------------------------------------

    def take(self, text: str, caller: Caller) -> None:
        """Follow one command as typed."""
        order = parse(text, in_thread=bool(caller.thread))
        if isinstance(order, ParseProblem):
            caller.answer(order.message, ())
            return
        self._guarded(lambda: self._follow(order, caller), caller, slow=order.verb in _SLOW)

    def press(self, action: str, value: str, caller: Caller) -> None:
        """Follow one button."""
        try:
            facts = {str(name): str(fact) for name, fact in orjson.loads(value or "{}").items()}
        except (orjson.JSONDecodeError, AttributeError):
            caller.answer("This button is from another version of the bot: type the command instead.", ())
            return
        name = action.removeprefix("gitops.")
        if name == "cancel":
            caller.replace_answer("Cancelled; nothing has changed.", ())
        elif name == "acknowledge":
            self._guarded(lambda: self._acknowledge(facts.get("alias", ""), caller), caller)
        elif name == "bulk_go":
            self._guarded(lambda: self._sweeps.confirmed(facts, caller), caller)
        elif name == "resume_all":
            self._guarded(lambda: self._sweeps.resume(facts.get("order", ""), caller), caller)
        elif name.startswith("page."):
            self._guarded(lambda: self._turn(int(facts["page"]), facts.get("words", ""), caller), caller)
        elif name.startswith("home."):
            self._guarded(lambda: self._views.filter(name.removeprefix("home."), facts.get("page", ""), caller), caller)
        else:
            verb = _ACTIONS.get(name, name)
            self._guarded(lambda: self._pressed(name, verb, facts, caller), caller, slow=verb in _SLOW)

    def choose(self, action: str, value: str, caller: Caller) -> None:
        """Follow one choice of a menu: an app for a command that named none, or a filter of the Home."""
        name = action.removeprefix("gitops.")
        if name.startswith("home."):
            self._guarded(lambda: self._views.filter(name.removeprefix("home."), value, caller), caller)
            return
        verb = name.removeprefix("pick.")
        app, _, field = value.partition("#")
        order = Order(verb=verb, app=app, field=field, typed=f"{verb} {app} {field}".strip())
        self._guarded(lambda: self._follow(order, caller), caller, slow=verb in _SLOW)

    def suggest(self, action: str, typed: str, caller: Caller) -> list[kit.Block]:
        """Return the choices of a menu that searches, as many as a menu holds; only what the person may."""
        if action == modals.COMMIT and caller.view is not None:
            return self._views.commits(caller.view, typed, caller)
        verb, wanted = action.removeprefix("gitops.pick."), typed.strip().lower()
        found = [
            app for app in self._scope.here(caller) if wanted in app.key and self._rights.allows(verb, app, caller)
        ]
        return [replies.app_option(app) for app in found[: kit.OPTIONS_LIMIT]]

    def picked(self, view: Mapping[str, Any], caller: Caller) -> tuple[modals.View | None, Callable[[], None]]:
        """Take a commit chosen in the modal; returns what the modal shows meanwhile, and what is done after that."""
        carried = modals.carried(view)
        commit, reason = modals.chosen(view)
        seen = replace(carried, commit=commit, reason=reason)

        def show() -> None:
            self._views.preview(str(view["id"]), seen, caller)

        return modals.waiting(seen), lambda: self._guarded(show, caller, slow=True)

    def confirmed(self, view: Mapping[str, Any], caller: Caller) -> None:
        """Follow a rollback that a person has seen and confirmed in the modal."""
        seen = modals.carried(view)
        facts = {"app": seen.app, "commit": seen.commit, "plan": seen.plan, "reason": seen.reason}
        at = replace(caller, channel=seen.channel)
        self._guarded(lambda: self._pressed("rollback_go", "rollback", facts, at), at, slow=True)

    def look(self, caller: Caller) -> None:
        """Show the Home tab."""
        self._guarded(lambda: self._views.show(caller), caller)

    # --- orders -----------------------------------------------------------------------------------------------

    def _guarded(self, work: Callable[[], None], caller: Caller, *, slow: bool = False) -> None:
        def guarded() -> None:
            try:
                work()
            except OrderRefused as refused:
                caller.answer(kit.spoken(str(refused)), ())
            except BotError as error:
                caller.answer(kit.spoken(f"That did not work: {error}"), ())
            except Exception:  # the boundary for bugs of an order
                log.exception("unexpected error while following an order")
                caller.answer("That did not work for an unexpected reason; the log has the details.", ())

        if slow:
            self._submit.submit(guarded)
        else:
            guarded()

    def _follow(self, order: Order, caller: Caller) -> None:
        form = VERBS[order.verb]
        if caller.thread and form.app != "none":
            order = self._scope.below(order, caller)
            if form.app == "needed" and not order.app:
                held = self._desk.order_of(caller.channel, caller.thread) if order.verb == "resume" else ""
                if held:
                    self._sweeps.resume(held, caller, typed=order.typed)
                    return
                caller.answer(needs_app(order.verb), ())
                return
        match order.verb:
            case "help":
                caller.answer(*replies.help_text(self._rights.verbs(self._desk.apps(), caller)))
            case "whoami":
                rights = self._rights.explained(self._desk.apps(), caller)
                caller.answer(*replies.whoami(caller.user, self._rights.identities(caller), rights))
            case "oncall":
                self._oncall(order, caller)
            case "mute" | "unmute" if order.app == ALL and (order.verb == "mute" or self._desk.mutes_all()):
                self._mute_all(order, caller)
            case _ if order.is_of_many:
                self._sweeps.take(order, caller)
            case "status" | "audit" if not order.app:
                self._overview(order, caller)
            case "status":
                self._chosen(order, caller)
            case "history" if order.app and len(apps := self._desk.named(order.app)) > 1:
                self._histories(order, apps, caller)
            case _:
                order, app = self._scope.meant(order, caller)
                if app is not None and self._scope.may(order, app, caller):
                    self._ordered(order, app, caller)

    def _ordered(self, order: Order, app: AppSpec, caller: Caller) -> None:
        """Follow an order; one that would change something and cannot be followed stands in the audit too."""
        if order.verb in _ASKS:
            self._carry_out(order, app, caller)
            return
        with self._desk.noting(app.key, order.verb, order.typed, by=caller.user, via=Via.SLACK):
            self._carry_out(order, app, caller)

    def _carry_out(self, order: Order, app: AppSpec, caller: Caller) -> None:
        by, via, key = caller.user, Via.SLACK, app.key
        match order.verb:
            case "history":
                entries = self._desk.history(key, READ)
                shown = attempts(entries)[:_LINES]
                commits = self._desk.revisions(key, {one.newest.revision for one in shown})
                caller.answer(*replies.history(app.title, shown, commits))
            case "audit":
                caller.answer(*replies.audit(app.title, self._desk.log(key, _LINES)))
            case "route":
                caller.answer(*replies.listing(f"{app.title} is heard", self._desk.routes(key)))
            case "plan":
                caller.answer(*replies.plan(self._desk.plan(key, order.commit)))
            case "sync":
                caller.say(self._desk.sync(key, trigger=Trigger(via=via, by=by), words=order.typed))
            case "pause":
                until = self._clock() + order.duration if order.duration else None
                caller.hear(self._desk.pause(key, by=by, until=until, reason=order.reason, via=via))
            case "resume":
                caller.hear(self._desk.resume(key, by=by, via=via))
            case "approve":
                caller.say(self._desk.approve(key, order.plan, by=by, via=via))
            case "reject":
                caller.say(self._desk.reject(key, by=by, via=via, reason=order.reason, plan_hash=order.plan))
            case "mute" if order.duration is not None:
                until = self._clock() + order.duration
                caller.hear(self._desk.mute(key, by=by, until=until, reason=order.reason, via=via))
            case "unmute":
                caller.hear(self._desk.unmute(key, by=by, via=via))
            case "keep":
                name = self._rights.name(caller)
                caller.say(self._desk.keep(key, by=by, name=name, reason=order.reason, via=via))
            case "ignore":
                name = self._rights.name(caller)
                caller.say(self._desk.ignore(key, order.field, by=by, name=name, reason=order.reason, via=via))
            case "rollback" if order.commit:
                preview = self._desk.preview_rollback(key, order.commit)
                caller.answer(*replies.rollback_preview(app, preview, order.reason))
            case "rollback":
                self._views.pick(app, caller)
            case _:
                caller.answer(f"{order.verb} is no button of this version.", ())

    def _pressed(self, name: str, verb: str, facts: Mapping[str, str], caller: Caller) -> None:
        if verb not in VERBS:
            raise OrderRefused("This button is from another version of the bot: type the command instead.")
        app = self._desk.find(facts.get("app", ""))
        order = Order(
            verb=verb,
            app=app.key,
            commit=facts.get("commit", ""),
            plan=facts.get("plan", "") if verb in VERDICTS else "",
            field=facts.get("field", ""),
            reason=facts.get("reason", ""),
            typed=f"button {name} {app.key} {facts.get('commit', '')}".strip(),
        )
        if not self._scope.may(order, app, caller):
            return
        if name == "rollback_go":
            plan = facts.get("plan") or None
            with self._desk.noting(app.key, verb, order.typed, by=caller.user, via=Via.SLACK):
                answer = self._desk.rollback(
                    app.key, order.commit, by=caller.user, reason=order.reason, via=Via.SLACK, confirm=plan
                )
            caller.replace_answer(kit.spoken(answer), ())
            return
        late = self._too_late(name, app, facts)
        if late is not None:
            caller.answer(*late)
            return
        self._ordered(order, app, caller)
        self._refresh(caller)

    def _refresh(self, caller: Caller) -> None:
        """Show the Home tab as it is after what was pressed there."""
        if caller.view is not None and caller.view.get("type") == "home":
            self._views.show(caller)

    def _too_late(self, name: str, app: AppSpec, facts: Mapping[str, str]) -> replies.Answer | None:
        """Return the answer to a button of an operation that is over; None for one of a live operation."""
        operation = facts.get("op", "")
        if name == "resume":
            (now,) = self._desk.status([app.key])
            last = self._desk.last(app.key, "resume") if not now.control_by else None
            done = replies.settled_by(last, f"{app.title} is running") if last is not None else None
            return replies.already(done, "") if done is not None else None
        if name not in {"sync", "rollback"} or not operation:
            return None
        settled = self._desk.settled(app.key, operation, at=facts.get("at", ""))
        if settled is None:
            return None
        words = f"rollback {app.name} {facts.get('commit', '')[:7]}" if name == "rollback" else f"sync {app.name}"
        return replies.already(settled, f"Type `/gitops {words}` if you still want it.")

    # --- questions --------------------------------------------------------------------------------------------

    def _overview(self, order: Order, caller: Caller) -> None:
        apps = self._desk.apps()
        keys = [app.key for app in apps if self._rights.allows(order.verb, app, caller)]
        if not keys and apps:
            self._scope.may(order, apps[0], caller)
        elif order.verb == "status":
            caller.answer(*replies.status(self._desk.status(keys)))
        else:
            lines = [one for one in self._desk.log(None, 10 * _LINES) if one.app in keys]
            caller.answer(*replies.audit("All apps", lines[:_LINES]))

    def _turn(self, page: int, words: str, caller: Caller) -> None:
        keys = [app.key for app in self._scope.that_are(words) if self._rights.allows("status", app, caller)]
        caller.replace_answer(*replies.status(self._desk.status(keys), page=page, words=words))

    def _chosen(self, order: Order, caller: Caller) -> None:
        """Show how the apps stand that all words are about; one alone with what may be done about it."""
        apps = self._scope.that_are(order.app)
        seen = [app for app in apps if self._rights.allows("status", app, caller)]
        if apps and not seen:
            self._scope.may(order, apps[0], caller)
        elif len(seen) == 1:
            caller.answer(*self._views.status(seen[0], caller))
        else:
            caller.answer(*replies.status(self._desk.status([app.key for app in seen]), words=order.app))

    def _histories(self, order: Order, apps: Sequence[AppSpec], caller: Caller) -> None:
        """Show what was deployed of the apps of one name."""
        seen = [app for app in apps if self._rights.allows("history", app, caller)]
        if not seen:
            self._scope.may(order, apps[0], caller)
            return
        each = max(_LINES // len(seen), 1)
        found = [(app, attempts(self._desk.history(app.key, READ))[:each]) for app in seen]
        commits: dict[str, Revision] = {}
        for app, shown in found:
            wanted = {one.newest.revision for one in shown} - commits.keys()
            commits.update(self._desk.revisions(app.key, wanted))
        caller.answer(*replies.histories(found, commits))

    def _oncall(self, order: Order, caller: Caller) -> None:
        apps = self._desk.apps()
        if not any(self._rights.allows("oncall", app, caller) for app in apps):
            if apps:
                self._scope.may(order, apps[0], caller)
            return
        if order.test:
            caller.say(self._desk.test_page(by=caller.user, via=Via.SLACK, channel=caller.channel))
        else:
            caller.answer(*replies.listing("On-call", self._desk.oncall()))

    def _acknowledge(self, alias: str, caller: Caller) -> None:
        """Whoever may see to one app of a page may have it."""
        with self._desk.noting("", "oncall", f"acknowledge {alias}", by=caller.user, via=Via.SLACK):
            apps = self._desk.paged(alias)
            if not apps:
                raise OrderRefused("That page is closed already.")
            may = next((app for app in apps if self._rights.allows("oncall", app, caller)), apps[0])
            if self._scope.may(Order(verb="oncall", app=may.key, typed=f"button acknowledge {alias}"), may, caller):
                caller.say(self._desk.acknowledge(alias, by=caller.user, via=Via.SLACK))
        self._refresh(caller)

    def _mute_all(self, order: Order, caller: Caller) -> None:
        if not all(self._scope.may(order, app, caller) for app in self._desk.apps()):
            return
        with self._desk.noting(EVERY_APP, order.verb, order.typed, by=caller.user, via=Via.SLACK):
            if order.verb == "unmute":
                caller.hear(self._desk.unmute(EVERY_APP, by=caller.user, via=Via.SLACK))
            elif order.duration is not None:
                until = self._clock() + order.duration
                said = self._desk.mute(EVERY_APP, by=caller.user, until=until, reason=order.reason, via=Via.SLACK)
                caller.hear(said)
