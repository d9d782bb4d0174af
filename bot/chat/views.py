"""The Home tab and the rollback's modal: what they show, to whom, and what their menus offer.

What asks Git or a cluster is for a thread that may wait; nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.chat import home, kit, modals, replies
from bot.chat.caller import Caller
from bot.chat.desk import Desk
from bot.chat.rights import Rights
from bot.chat.verbs import deed
from bot.errors import BotError, OrderRefused
from bot.model.app import AppSpec
from bot.model.plan import Plan
from bot.model.status import AppStatus


class Views:
    """Safe to use from several threads."""

    def __init__(self, desk: Desk, rights: Rights, *, clock: Callable[[], datetime]) -> None:
        self._desk, self._rights, self._clock = desk, rights, clock

    # --- rollback ---------------------------------------------------------------------------------------------

    def pick(self, app: AppSpec, caller: Caller) -> None:
        """Let somebody choose a commit to go back to; where no modal can be opened, ask for its hash."""
        (now,) = self._desk.status([app.key])
        picked = modals.Picked(app=app.key, channel=caller.channel)
        view_id = caller.windows.open(modals.waiting(picked))
        if not view_id:
            caller.answer(*replies.commit_asked(app, now.revision))
            return
        try:
            view = modals.pick(app, picked, self._desk.choices(app.key), replies.stands_at(now))
        except BotError as error:
            view = modals.refused(picked, str(error))
        caller.windows.update(view_id, view)

    def commits(self, view: Mapping[str, Any], typed: str, caller: Caller) -> list[kit.Block]:
        """Return the commits that a menu offers, to who may roll back."""
        carried = modals.carried(view)
        app = self._desk.find(carried.app)
        if not self._rights.allows("rollback", app, replace(caller, channel=carried.channel)):
            return []
        found = self._desk.choices(app.key, typed, limit=kit.OPTIONS_LIMIT)
        return [modals.commit_option(one, self._clock()) for one in found]

    def preview(self, view_id: str, seen: modals.Picked, caller: Caller) -> None:
        """Show what a rollback would change back, and the plan that a yes means."""
        app = self._desk.find(seen.app)
        try:
            decided = self._rights.decide("rollback", app, replace(caller, channel=seen.channel))
            if not decided.allowed:
                raise OrderRefused(f"You may not {deed('rollback', app.title)}. {decided.why}")
            found = self._desk.preview_rollback(app.key, seen.commit)
            known = replace(seen, plan=found.hash) if isinstance(found, Plan) else seen
            shown = modals.preview(app, known, found)
        except BotError as error:
            shown = modals.refused(seen, str(error))
        caller.windows.update(view_id, shown)

    # --- Home -------------------------------------------------------------------------------------------------

    def status(self, app: AppSpec, caller: Caller) -> replies.Answer:
        """Return how an app stands, with the buttons of what this person may do about it."""
        (one,) = self._desk.status([app.key])
        text, blocks = replies.status([one])
        row = home.buttons(one, caller.user, lambda _, verb: self._rights.allows(verb, app, caller))
        return text, (*blocks, *kit.actions(list(row)))

    def filter(self, name: str, value: str, caller: Caller) -> None:
        """Show the Home tab with one filter changed."""
        filters = _filters(caller)
        if name.startswith("page"):
            filters = replace(filters, page=int(value))
        elif name == "show":
            filters = replace(filters, show=value, page=0)
        elif name == "cluster":
            filters = replace(filters, cluster=value, page=0)
        elif name == "env":
            filters = replace(filters, env=value, page=0)
        self._show(filters, caller)

    def show(self, caller: Caller) -> None:
        """Show the Home tab with the filters it has."""
        self._show(_filters(caller), caller)

    def _show(self, filters: home.Filters, caller: Caller) -> None:
        apps = {app.key: app for app in self._desk.apps() if self._rights.allows("status", app, caller)}

        def may(one: AppStatus, verb: str) -> bool:
            return self._rights.allows(verb, apps[one.key], caller)

        lines = self._desk.status(list(apps))
        view = home.home(lines, filters, user=caller.user, may=may, now=self._clock())
        caller.windows.publish(caller.user, view)


def _filters(caller: Caller) -> home.Filters:
    return home.Filters.read(str((caller.view or {}).get("private_metadata") or ""))
