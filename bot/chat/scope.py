"""Which apps an order is about, and whether its author may: a denial is answered, and stands in the audit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from bot.chat import replies
from bot.chat.caller import Caller
from bot.chat.desk import Desk
from bot.chat.parse import Order
from bot.chat.rights import Rights
from bot.chat.verbs import VERBS, deed
from bot.errors import NotThere, OrderRefused
from bot.model.app import AppSpec
from bot.model.bulk import ALL
from bot.model.control import Via
from bot.model.record import EVERY_APP, AuditEntry, Decision

_MENTION: Final = re.compile(r"<(?:@|!subteam\^)(\w+)>")


class Scope:
    """Safe to use from several threads."""

    def __init__(self, desk: Desk, rights: Rights, *, clock: Callable[[], datetime]) -> None:
        self._desk, self._rights, self._clock = desk, rights, clock

    # --- which apps -------------------------------------------------------------------------------------------

    def below(self, order: Order, caller: Caller) -> Order:
        """Return an order given in a thread: without an app it means the thread's.

        What stands in the place of an app, and is none nor nearly one, begins the reason: `reject not now`.
        """
        if order.is_of_many:
            return order
        if order.app:
            try:
                self._desk.find(order.app)
            except NotThere as no:
                if no.near or not VERBS[order.verb].reason:
                    return order
                order = replace(order, reason=f"{order.app} {order.reason}".strip())
            else:
                return order
        return replace(order, app=self._desk.subject(caller.channel, caller.thread))

    def meant(self, order: Order, caller: Caller) -> tuple[Order, AppSpec | None]:
        """Return the app a person means; without a name, the only one of this channel, or a menu of them."""
        found = self.here(caller)
        if order.app:
            try:
                return order, self._desk.find(order.app)
            except OrderRefused:
                if order.verb != "plan" or order.commit or len(found) != 1:
                    raise
                return replace(order, app="", commit=order.app), found[0]  # `plan 9f8e7d6` where one app lives
        if len(found) == 1:
            return order, found[0]
        offered = [app for app in found if self._rights.allows(order.verb, app, caller)]
        if not offered:
            if found:
                self.may(order, found[0], caller)
            else:
                caller.answer("There is no app in the configuration.", ())
        else:
            caller.answer(*replies.app_picker(order.verb, offered))
        return order, None

    def that_are(self, words: str) -> list[AppSpec]:
        """Return the apps that all words are about; a released one has no channel and no rights."""
        apps = {app.key: app for app in self._desk.apps()}
        lines = self._desk.choose(words.split())
        return [apps[one.key] for one in lines if one.key in apps]

    def here(self, caller: Caller) -> list[AppSpec]:
        """Return the apps of a channel; all of them where none lives."""
        apps = self._desk.apps()
        return [app for app in apps if self._desk.bound(app.key, caller.channel)] or list(apps)

    # --- rights -----------------------------------------------------------------------------------------------

    def may(self, order: Order, app: AppSpec, caller: Caller) -> bool:
        """Return whether somebody may; a denial is answered and noted. The audit gets to know them."""
        decided = self._rights.decide(order.verb, app, caller)
        self._desk.introduce(caller.user, self._rights.email(caller))
        if not decided.allowed:
            about = _about(order, app)
            self._desk.audit(self.denied(order, about, caller, decided.why))
            what = {"": "any app", EVERY_APP: "all apps"}.get(about, app.title)
            caller.answer(f"You may not {deed(order.verb, what)}. {decided.why}", ())
        return decided.allowed

    def denied(self, order: Order, app: str, caller: Caller, why: str) -> AuditEntry:
        """Return the audit line of an order that its author may not give."""
        return AuditEntry(
            at=self._clock(),
            who=caller.user,
            via=Via.SLACK,
            verb=order.verb,
            app=app,
            arguments=order.typed,
            decision=Decision.DENIED,
            why=_MENTION.sub(r"\1", why),  # whoever reads the audit shows people their own way
        )


def _about(order: Order, app: AppSpec) -> str:
    """Return what an order is about: the key of its app, `*` for all, "" for none."""
    if order.app == ALL:
        return EVERY_APP
    of_none = VERBS[order.verb].app == "none" or order.verb in {"status", "audit"}
    return "" if of_none and not order.app else app.key
