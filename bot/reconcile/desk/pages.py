"""On-call, as people ask about it and try it, and as their service tells of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from bot.errors import OrderRefused
from bot.model.announcement import TEST_ALIAS
from bot.model.app import AppSpec
from bot.model.incident import Incident, OpenPage
from bot.oncall.escalation import trial
from bot.ports.state import Store
from bot.reconcile.incidents.attention import Attention
from bot.reconcile.notify.post import Post
from bot.reconcile.orders import commands
from bot.reconcile.orders.commands import Person


class Pages:
    """`pager` describes who is paged when; nothing when on-call is off."""

    def __init__(
        self,
        store: Store,
        *,
        post: Post,
        attention: Attention,
        pager: Callable[[Sequence[AppSpec]], Sequence[str]],
    ) -> None:
        self._store, self._post, self._attention, self._pager = store, post, attention, pager

    def standing(self, apps: Sequence[AppSpec]) -> tuple[str, ...]:
        """Return who is paged when, and what is open now."""
        now = [
            f"{page.words}, since {page.at:%Y-%m-%d %H:%M} UTC: {_whose(incident, page)}: {incident.message}"
            + (f" (acknowledged by {page.acknowledged_by})" if page.acknowledged_by else "")
            for incident, page in self._attention.open_pages()
        ]
        return (*self._pager(apps), *(now or ["nothing is paged now"]))

    def test(self, apps: Sequence[AppSpec], person: Person, *, channel: str) -> str:
        """Open an alert of our own and close it at once. Raises `OrderRefused` when on-call is off."""
        if not self._pager(apps):
            raise OrderRefused("on-call is off: name a provider under oncall in the configuration")
        pages = trial(
            TEST_ALIAS,
            id=person.order,
            at=person.at,
            opened=f"Test alert of gitops-bot, asked for by {person.who}; it closes by itself.",
            closed="The test is over.",
            operation=person.order,
            channel=channel or self._post.routing.default,
            by=person.who,
        )
        self._store.add_audit(replace(commands.audit_of(person, "oncall", "test"), app=""))
        # Not by the post: there a close takes back an alert that was not sent yet.
        self._store.dispatch([row for one in pages for row in self._post.copies(one)])
        return f"A test alert is on its way; whether it arrives is said in the channel. It has the alias {TEST_ALIAS}."

    def heard(self, action: str, alias: str, person: Person) -> None:
        """Follow what a person did with an alert over there; an alias that is not ours is ignored."""
        if action == "Close":
            self._attention.closed(alias, person)
            return
        with suppress(OrderRefused):  # somebody has it, or our own call comes back
            self._attention.acknowledge(alias, person, tell_service=False)


def _whose(incident: Incident, page: OpenPage) -> str:
    some = [one for one in incident.failing if one.team == page.team]
    return some[0].title if len(some) == 1 else f"{len(some)} apps"
