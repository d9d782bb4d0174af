"""What on-call people and their service do with a page, and who hears of it: it arrived, somebody has it, it is closed.

Both ways meet here: a button pressed in Slack goes out to the service, a webhook of the service comes back to Slack.
What is said once is remembered on the open page, so that an answer to our own call says nothing again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from bot.errors import OrderRefused
from bot.model.announcement import Announcement, News, Page, PageAct
from bot.model.control import Via
from bot.model.incident import Incident, OpenPage, Sufferer
from bot.model.people import named
from bot.model.place import place_of
from bot.model.record import AuditEntry, Dispatch, SinkName
from bot.ports.state import Store
from bot.reconcile.incidents.folding import dropped
from bot.reconcile.incidents.ledger import entering
from bot.reconcile.notify.post import Post
from bot.reconcile.orders.commands import Ordered, Person, audit_of

_NAMED: Final = 50  # apps of one page in the audit


class Attention:
    """Safe to use from several threads. All methods raise `StateError`."""

    def __init__(self, store: Store, *, post: Post) -> None:
        self._store, self._post = store, post

    def arrived(self, page: Page, *, at: datetime) -> None:
        """The service has an alert: the message about the trouble says so and offers to acknowledge it."""
        if page.act is PageAct.OPEN:
            self._change(page.alias, lambda one: None if one.arrived else replace(one, arrived=True), at, lambda *_: ())

    def send_again(self, *, at: datetime) -> tuple[str, ...]:
        """Send the pages that the service refused for good while their trouble lasts; returns their aliases.

        What was wrong (a key, a team, a right) may be mended. Nobody is called to what has ended, was taken over by
        another service alone, is muted, or has somebody who acknowledged it: another provider had woken them.
        """
        with entering(self._store):
            lasting = {page.alias: page for incident, page in self.open_pages() if self._is_heard(incident, page, at)}
            refused = {
                one.lane: (one, page)
                for one in self._store.lost(SinkName.ONCALL)
                if isinstance(page := one.parcel, Page) and page.act is PageAct.OPEN and page.alias in lasting
            }
            again = []
            for lane, (one, page) in refused.items():  # of each lane the last one
                if lane in {copy.lane for copy in self._post.copies(page)}:
                    self._store.send_again(one.id, replace(page, priority=lasting[page.alias].priority))
                    again.append(page.alias)
        return tuple(again)

    def _is_heard(self, incident: Incident, page: OpenPage, at: datetime) -> bool:
        if page.acknowledged_by:
            return False
        return any(one.team == page.team and not self._post.is_muted(one.app, at) for one in incident.failing)

    def speaks_for(self, alias: str) -> tuple[str, ...]:
        """Return the apps (keys) that an open page speaks for."""
        return tuple(
            one.app
            for incident, page in self.open_pages()
            for one in incident.failing
            if page.alias == alias and page.team == one.team
        )

    def acknowledge(self, alias: str, person: Person, *, tell_service: bool) -> None:
        """Note who has the page. Raises `OrderRefused` when it is not open, or somebody has it.

        Without `tell_service` the service has told us.
        """
        by = self._page(alias).acknowledged_by
        entry = self._entry(person, "acknowledge", alias)
        changed = self._change(
            alias,
            lambda one: None if one.acknowledged_by else replace(one, acknowledged_by=person.who),
            person.at,
            lambda incident, page: self._acknowledged(incident, page, person, tell_service=tell_service),
        )
        if not changed:
            raise OrderRefused(f"The page is already acknowledged by {by}.")
        self._store.add_audit(entry)

    def closed(self, alias: str, person: Person) -> None:
        """Somebody closed the alert over there; apps that still fail page again later. Nothing when it is no news."""
        by, at, entry = person.who, person.at, self._entry(person, "close", alias)

        def close(one: OpenPage) -> OpenPage | None:
            return None if one.closed_by else replace(one, closed_by=by, closed_at=at, acknowledged_by="")

        def said(incident: Incident, page: OpenPage) -> tuple[Dispatch, ...]:
            count = sum(1 for one in incident.failing if one.team == page.team)
            what = "the app is still failing" if count == 1 else f"{count} apps are still failing"
            lines = _lines(incident, page, News.PAGE_CLOSED, f"Closed by {by} over there; {what}.", at)
            again = "It pages again if that goes on."
            return self._post.exactly([replace(one, next_step=again, by=by, via=Via.WEBHOOK.value) for one in lines])

        if self._change(alias, close, at, said):
            self._store.add_audit(entry)

    def notes(self, app: str, ordered: Ordered) -> Iterator[Page]:
        """Yield what the alert of an app hears of an order: whoever looks into it there sees it."""
        audit = ordered.audit
        verb = {"pause": "Paused", "resume": "Resumed", "rollback": "Rolled back"}.get(audit.verb, audit.verb)
        by = named(audit.who, self._store.names())
        for incident, page in self.open_pages():
            for one in incident.failing:
                if one.app == app and one.team == page.team:
                    yield page.call(
                        PageAct.NOTE,
                        place_of([one]),
                        id=f"{ordered.announcement.id}:note",
                        at=audit.at,
                        message=f"{one.title}: {verb} by {by} {audit.arguments}".rstrip(),
                    )

    def gone(self, app: str, how: str, *, at: datetime, key: str = "") -> None:
        """Let an app that can neither fail nor recover any more hold no page open, or only that of a reason's key."""
        with entering(self._store):
            for incident in self._store.incidents():
                folded = dropped([incident], app, how=how, at=at) if key in {"", incident.key} else None
                if folded is not None:
                    rows = [*self._post.rows(folded.pages), *self._post.exactly(folded.folds)]
                    self._store.save_incidents(folded.incidents, dispatches=rows)

    def open_pages(self) -> Iterator[tuple[Incident, OpenPage]]:
        for incident in self._store.incidents():
            for page in incident.pages:
                if not page.closed_by:
                    yield incident, page

    def _entry(self, person: Person, what: str, alias: str) -> AuditEntry:
        """Return the audit line of what somebody did with a page: of its app, or with the apps that it speaks for."""
        apps, entry = self.speaks_for(alias), audit_of(person, "oncall", f"{what} {alias}")
        return replace(entry, app=apps[0]) if len(apps) == 1 else replace(entry, why=", ".join(apps[:_NAMED]))

    def _page(self, alias: str) -> OpenPage:
        found = next((page for _, page in self.open_pages() if page.alias == alias), None)
        if found is None:
            raise OrderRefused("That page is closed already.")
        return found

    def _acknowledged(
        self, incident: Incident, page: OpenPage, person: Person, *, tell_service: bool
    ) -> tuple[Dispatch, ...]:
        lines = _lines(incident, page, News.ACKNOWLEDGED, f"Acknowledged by {person.who}.", person.at)
        names = self._store.names()
        call = page.call(
            PageAct.ACKNOWLEDGE,
            place_of([one for one in incident.failing if one.team == page.team]),
            id=f"{page.operation}:acknowledge:{int(person.at.timestamp())}",
            at=person.at,
            message=f"Acknowledged in Slack by {named(person.who, names)}.",
        )
        rows = self._post.rows([replace(call, by=names.get(person.who, person.who))]) if tell_service else ()
        said = self._post.exactly([replace(one, by=person.who, via=person.via.value) for one in lines])
        return (*said, *rows)

    def _change(
        self,
        alias: str,
        change: Callable[[OpenPage], OpenPage | None],
        at: datetime,
        said: Callable[[Incident, OpenPage], Sequence[Dispatch]],
    ) -> bool:
        """Change the open page with an alias, in the store and in every message about it; False when nothing is new."""
        with entering(self._store):
            for incident in self._store.incidents():
                for page in incident.pages:
                    new = change(page) if page.alias == alias else None
                    if new is None:
                        continue
                    pages = tuple(new if one is page else one for one in incident.pages)
                    rows = [*said(incident, new), *self._edits(incident, new, at)]
                    self._store.save_incidents([replace(incident, pages=pages)], dispatches=rows)
                    return True
        return False

    def _edits(self, incident: Incident, page: OpenPage, at: datetime) -> tuple[Dispatch, ...]:
        """Return the messages about an incident as they read with the page as it is now."""
        shown = [self._store.root(key) for key in _roots(incident)]
        words = "" if page.closed_by else page.words
        edited = [
            replace(
                one,
                id=f"{one.root_key}:page:{at.timestamp():.3f}",
                page=words,
                alias=page.alias if words else "",
                acknowledged_by=page.acknowledged_by,
                edits_only=one.edits_only or not one.apps,  # nothing new failed: it rings for nobody
                rings=False,
            )
            for one in shown
            if one is not None
        ]
        return self._post.exactly(edited)


def _roots(incident: Incident) -> Iterator[str]:
    """Yield the root messages that speak of an incident: of all apps, or of the one."""
    yield from dict.fromkeys(root for _, root in _places(incident, incident.sufferers))


def _places(incident: Incident, apps: Iterable[Sufferer]) -> Iterator[tuple[str, str]]:
    """Yield each channel that heard of one of the apps, with the root message that speaks of it there."""
    for one in apps:
        for channel, root in one.roots:
            yield channel, incident.fold(channel) if incident.is_folded(channel) else root


def _lines(incident: Incident, page: OpenPage, news: News, message: str, at: datetime) -> tuple[Announcement, ...]:
    """Return a line for the thread of each message about what a page is for: whoever heard of it hears of its end."""
    of_team = [one for one in incident.sufferers if one.team == page.team]
    place = place_of(of_team)
    places = dict.fromkeys(_places(incident, of_team)) or {(page.channel, page.operation): None}
    return tuple(
        Announcement(
            id=f"{page.operation}:{news.value}:{at.timestamp():.3f}@{root}",
            operation=page.operation,
            root=root,
            news=news,
            app=place.app,
            cluster=place.cluster,
            env="",
            channel=channel,
            at=at,
            in_thread=True,
            message=message,
        )
        for channel, root in places
    )
