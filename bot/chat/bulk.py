"""Orders about many apps: each with its own permission, asked about first where many would change, answered once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from bot.chat import bulk_replies
from bot.chat.bulk_replies import Denied
from bot.chat.caller import Caller
from bot.chat.desk import Desk
from bot.chat.parse import Order
from bot.chat.rights import Rights
from bot.chat.scope import Scope
from bot.errors import OrderRefused
from bot.model.app import AppSpec
from bot.model.bulk import BulkOrder
from bot.model.control import Via

_ASKS: Final = frozenset({"sync", "pause", "resume"})  # a mute changes nothing on a cluster
_AT_ONCE: Final = 10  # apps that one order changes without a question


class Sweeps:
    """Safe to use from several threads."""

    def __init__(self, desk: Desk, rights: Rights, scope: Scope) -> None:
        self._desk, self._rights, self._scope = desk, rights, scope

    def take(self, order: Order, caller: Caller) -> None:
        """Follow an order as typed, or ask first."""
        bulk = _bulk(order, caller)
        apps, denied = self._allowed(order, self._desk.meant(order.app), caller)
        if order.verb in _ASKS and apps:
            foreseen = self._desk.foresee(bulk, apps)
            if len(foreseen.changes) > _AT_ONCE:
                caller.answer(*bulk_replies.asked(bulk, foreseen, denied))
                return
        self._follow(order, bulk, apps, denied, caller)

    def confirmed(self, facts: Mapping[str, str], caller: Caller) -> None:
        """Follow an order that its author has confirmed; about other apps than they have seen they are asked anew."""
        seconds, words = facts.get("seconds"), facts.get("words", "")
        order = Order(
            verb=facts.get("verb", ""),
            app=words,
            duration=timedelta(seconds=int(seconds)) if seconds else None,
            reason=facts.get("reason", ""),
            typed=f"button confirm {facts.get('verb', '')} {words}",
        )
        if order.verb not in _ASKS:
            raise OrderRefused("This button is from another version of the bot: type the command instead.")
        bulk = _bulk(order, caller)
        apps, denied = self._allowed(order, self._desk.meant(words), caller)
        foreseen = self._desk.foresee(bulk, apps)
        if foreseen.changes and foreseen.digest != facts.get("seen"):
            caller.replace_answer(*bulk_replies.asked(bulk, foreseen, denied))
            return
        self._follow(order, bulk, apps, denied, caller, confirmed=True)

    def resume(self, paused_by: str, caller: Caller, *, typed: str = "button resume_all") -> None:
        """Resume what one order has paused, and is so still."""
        apps = self._desk.paused_by(paused_by)
        if not apps:
            raise OrderRefused("None of these apps is paused by that order any more.")
        order = Order(verb="resume", typed=typed)
        allowed, denied = self._allowed(order, apps, caller)
        self._follow(order, _bulk(order, caller), allowed, denied, caller)

    def _follow(
        self,
        order: Order,
        bulk: BulkOrder,
        apps: Sequence[AppSpec],
        denied: Sequence[Denied],
        caller: Caller,
        *,
        confirmed: bool = False,
    ) -> None:
        self._desk.introduce(caller.user, self._rights.email(caller))
        refused = [self._scope.denied(order, one.app.key, caller, one.why) for one in denied]
        done = self._desk.sweep(bulk, apps, words=order.typed, denied=refused)
        answer = bulk_replies.swept(bulk, done, denied) if apps else bulk_replies.refused(bulk, denied)
        if confirmed:
            caller.replace_answer(*answer)
        elif caller.thread or denied or done.kept or caller.channel not in done.done.heard_in:
            caller.answer(*answer)

    def _allowed(self, order: Order, apps: Sequence[AppSpec], caller: Caller) -> tuple[list[AppSpec], list[Denied]]:
        """Return the apps that somebody may order, and the others with the reason."""
        decided = [(app, self._rights.decide(order.verb, app, caller)) for app in apps]
        denied = [Denied(app, one.why) for app, one in decided if not one.allowed]
        return [app for app, one in decided if one.allowed], denied


def _bulk(order: Order, caller: Caller) -> BulkOrder:
    return BulkOrder(
        verb=order.verb,
        words=order.app,
        by=caller.user,
        via=Via.SLACK,
        span=order.duration,
        reason=order.reason,
    )
