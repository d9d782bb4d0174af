"""Apps that fail for one reason: one message in each channel, one page for each team. Pure.

In goes what a pass would say of its app alone, and the incidents that are open; out comes what is said instead. An
incident begins with the first app that fails, and while it is the only one its message and its page are its own. With
the second the message becomes that of all: its list is edited as apps join and recover. An app whose reason differs
leaves with a message of its own; it stays with the page that is open, and pages alone if it still fails when that is
closed. docs/adr/0007-one-reason-one-message.md says why.

Apps that fail alike by their own words are kin only when they begin within minutes of each other: two apps with a
wrong image on two days have two reasons. An outage of a neighbour is one for as long as it lasts.

Apps that fail differently are one crowd when the third begins within moments of the others: thirty messages in a minute
are read by nobody. An app that fails anew later leaves the crowd and speaks for itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bot.model.announcement import MOVED, Announcement, News, Page, PageAct
from bot.model.incident import Incident, OpenPage, Sufferer
from bot.model.record import AppMemory
from bot.oncall.escalation import PagePolicy, urgency
from bot.reconcile.incidents.own import TROUBLES, OwnNews
from bot.reconcile.incidents.shared import call_of, closed, page_of_many, spoken_for, told

TOGETHER: Final = timedelta(minutes=5)
MOMENT: Final = timedelta(seconds=30)  # from one app to the next; what one cause breaks, breaks within it
_FEW: Final = 2  # reasons that are told one by one, whenever they begin
OWN_REASONS: Final = "each for a reason of its own"
_LISTED: Final = 50  # apps in a note; the message in Slack has all


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What is said instead: of the app alone, but silently in `hushed` channels, and of all of them, in `folds`.

    `incidents` are those that changed; one for which nothing fails any more is over.
    """

    memory: AppMemory
    said: tuple[Announcement, ...]
    pages: tuple[Page, ...] = ()
    folds: tuple[Announcement, ...] = ()
    hushed: frozenset[str] = frozenset()
    incidents: tuple[Incident, ...] = ()


def covered(before: AppMemory, incidents: Sequence[Incident]) -> AppMemory:
    """Return the memory as it is true now: an app is paged while the alert that speaks for it is open."""
    open_now = any(page.alias == before.page_alias and not page.closed_by for one in incidents for page in one.pages)
    return replace(before, paged=open_now) if before.paged is not open_now else before


def fold(incidents: Sequence[Incident], own: OwnNews, *, policy: PagePolicy | None) -> Folded:
    """Return what is said of a pass, given the incidents that are open."""
    grouping = _Grouping(incidents, own)
    held = next((one for one in incidents if own.before.incident and one.fails(own.app.key)), None)
    if own.is_well:
        if held is not None:
            short = own.report.revision.short if own.report.revision else "?"
            grouping.leave(held, f"converged at {short}")
        memory = replace(own.memory, incident="", paged=False, page_operation="", page_alias="")
        return grouping.folded(memory)
    if held is not None and held.shared and own.holds:  # the neighbour answers again, and that was all
        grouping.leave(held, own.holds)
        over = replace(own.memory, consecutive_failures=0, failing_since=None, failing_commit="", last_error="")
        return grouping.folded(replace(over, incident="", paged=False, page_operation="", page_alias=""))
    due = next((one for one in own.pages if one.act is PageAct.OPEN), None)
    incident = held
    if own.trouble is not None or (held is None and (due is not None or own.is_cut_off)):
        incident = grouping.join(held)
    if incident is None:
        return Folded(memory=own.memory, said=own.said, pages=own.pages)
    memory = replace(own.memory, incident=incident.id)
    return grouping.folded(grouping.paged(incident, memory, due, policy, joins=held is None or held.id != incident.id))


def dropped(incidents: Sequence[Incident], app: str, *, how: str, at: datetime) -> Folded | None:
    """Return what is said when an app is no longer there to fail or recover; None when it fails for nothing."""
    held = next((one for one in incidents if one.fails(app)), None)
    if held is None:
        return None
    team = _own(held, app).team
    left, folds = _without(held, app, how, at)
    left, pages = closed(left, team, f"{app} {how}.", at)
    return Folded(memory=AppMemory(app=app), said=(), pages=pages, folds=folds, incidents=(left,))


class _Grouping:
    """The incidents while one pass is entered; every method returns the incident as it is then."""

    def __init__(self, incidents: Sequence[Incident], own: OwnNews) -> None:
        self._incidents, self._own = {one.id: one for one in incidents}, own
        self._changed: dict[str, Incident] = {}
        self._folds: dict[str, Announcement] = {}
        self._pages: list[Page] = []
        self._hushed: set[str] = set()
        self._overtaken: tuple[Sufferer, ...] = ()  # those that a crowd speaks for from now on
        self._now = own.report.finished_at
        self._key = own.app.key

    def folded(self, memory: AppMemory) -> Folded:
        changed = tuple(self._changed.values())
        pages = {page.alias: page for one in self._incidents.values() for page in one.pages if not page.closed_by}
        page = pages.get(memory.page_alias)
        said = tuple(
            replace(one, page=page.words, alias=page.alias, acknowledged_by=page.acknowledged_by)
            if page is not None and page.arrived and one.news in TROUBLES
            else one
            for one in self._own.said
            if not (one.edits_only and self._is_spoken_for)
        )
        return Folded(
            memory=memory,
            said=said,
            pages=tuple(self._pages),
            folds=tuple(self._folds.values()),
            hushed=frozenset(self._hushed),
            incidents=changed,
        )

    @property
    def _is_spoken_for(self) -> bool:
        """True while a message about several apps is what people read of this one: how it goes on alone is not said."""
        held = next((one for one in self._incidents.values() if one.fails(self._key)), None)
        return held is not None and any(held.is_folded(channel) for channel, _ in _own(held, self._key).roots)

    # --- who fails for what -----------------------------------------------------------------------------------

    def leave(self, held: Incident, how: str) -> Incident:
        """Take the app out of an incident, and close the page when nobody of its team is left."""
        self._hushed |= {channel for channel, _ in _own(held, self._key).roots if held.is_folded(channel)}
        left, folds = _without(held, self._key, how, self._now)
        count = sum(1 for one in left.sufferers if one.team == self._own.app.oncall_team)
        note = f"{how[:1].upper()}{how[1:]} ({self._own.report.operation})."
        moved = any(one.how == MOVED for one in left.sufferers)
        all_of = "None of the apps fails for this reason any more" if moved else f"All {count} apps are over it"
        text = note if count == 1 else f"{all_of}; {self._own.app.title} {how}."
        left, pages = closed(left, self._own.app.oncall_team, text, self._now)
        self._pages += pages
        self._folds |= {one.operation: one for one in folds}
        return self._entered(left)

    def join(self, held: Incident | None) -> Incident:
        """Enter the app under the incident of its trouble; it leaves the one it was under when that is another."""
        key, shared = self._own.kin()
        page = held.page(self._own.app.oncall_team) if held is not None else None
        awake = page is not None and not page.closed_by
        stays = held is not None and held.mixed and not shared and self._now - held.joined_at <= MOMENT
        if held is not None and (held.key == key or stays or (shared and not held.shared and awake)):
            incident = held  # a page of the app itself does not call people to a neighbour that is away
        else:
            incident = (
                self._kindred(key) or (None if shared or held else self._crowd()) or self._new(key, shared=shared)
            )
            if held is not None:
                incident = self._moved(held, incident)
        sufferer = self._sufferer(incident)
        known = incident.fails(self._key)
        others = [one for one in incident.sufferers if not (one.app == self._key and one.over_at is None)]
        place = incident.sufferers.index(_own(incident, self._key)) if known else len(others)
        incident = replace(
            incident,
            sufferers=(*others[:place], sufferer, *others[place:]),
            joined_at=incident.joined_at if known else self._now,
            version=incident.version + 1,
        )
        folded = [channel for channel, _ in sufferer.roots if incident.is_folded(channel)]
        self._hushed |= set(folded)
        told = {channel for one in self._overtaken for channel, _ in one.roots if incident.is_folded(channel)}
        self._tell(incident, sorted({*folded, *told}))
        for one in self._overtaken:  # what stands there goes on elsewhere
            edits = [spoken_for(one, channel, at=self._now) for channel, _ in one.roots if channel in told]
            self._folds |= {edit.id: edit for edit in edits}
        return self._entered(incident)

    def _tell(self, incident: Incident, channels: Iterable[str]) -> None:
        """Let the messages about an incident say how it is now."""
        self._folds |= {incident.fold(one): told(incident, one, at=self._now) for one in channels}

    def _kindred(self, key: str) -> Incident | None:
        for one in self._incidents.values():
            if one.key == key and one.failing and (one.shared or self._now - one.joined_at <= TOGETHER):
                return one
        return None

    def _crowd(self) -> Incident | None:
        """Return the incident of all that begin to fail just now; None while they are few.

        The first ones, which were told alone, become part of it, unless somebody is paged for them.
        """
        near = [
            one
            for one in self._incidents.values()
            if one.failing and not one.shared and self._now - one.joined_at <= MOMENT and self._meets(one)
        ]
        crowd = next((one for one in near if one.mixed), None)
        if crowd is not None or len(near) < _FEW:
            return crowd
        own = [one for one in near if len(one.sufferers) == 1 and not one.pages]
        for incident in own:
            self._entered(replace(incident, sufferers=()))
        # Their messages stand: that of the crowd is another one, and rings.
        before = tuple(replace(one, owns=False) for incident in own for one in incident.sufferers)
        self._overtaken = before
        key = hashlib.sha256(f"crowd {self._now.isoformat()} {self._key}".encode()).hexdigest()
        crowd = self._new(key, shared=False)
        return replace(crowd, mixed=True, news=News.FAILED.value, message=OWN_REASONS, sufferers=before)

    def _meets(self, incident: Incident) -> bool:
        """Tell whether somebody would hear of the app and of the incident, in a channel or by a page."""
        team, heard = self._own.app.oncall_team, set(self._own.heard)
        return any(one.team == team or heard & {channel for channel, _ in one.roots} for one in incident.failing)

    def _new(self, key: str, *, shared: bool) -> Incident:
        operation = self._own.memory.operation or self._own.report.operation
        trouble = self._own.trouble
        return Incident(
            id=f"{operation}:{key[:8]}:{int(self._now.timestamp())}",  # an app may come back to a reason it has left
            key=key,
            shared=shared,
            news=(trouble.news if trouble is not None else News.FAILED).value,
            message=self._own.reason,
            since=self._since,
            joined_at=self._now,
        )

    def _moved(self, held: Incident, incident: Incident) -> Incident:
        """Leave one incident for another; the page goes along when nobody else of the team needs it."""
        team, title = self._own.app.oncall_team, self._own.app.title
        page = held.page(team)
        if page is not None and any(one.team == team and one.app != self._key for one in held.failing):
            text = f"{title} {MOVED}: {self._own.reason}"
            self._pages.append(call_of(page, self._own.app, PageAct.NOTE, text, self._now))
        elif page is not None and incident.page(team) is None:
            held = replace(held, pages=tuple(one for one in held.pages if one is not page))
            incident = replace(incident, pages=(*incident.pages, page))
        self.leave(held, MOVED)
        # Its own message speaks again, and rings: the reason is new.
        self._hushed.clear()
        return incident

    @property
    def _since(self) -> datetime:
        memory = self._own.memory
        return memory.failing_since or memory.degraded_since or self._now

    def _sufferer(self, incident: Incident) -> Sufferer:
        app, known = self._own.app, next((one for one in incident.failing if one.app == self._key), None)
        heard = tuple(self._own.heard.items()) if self._own.trouble is not None else ()
        if known is not None:
            urgent, roots = urgency(app, self._own.report), known.roots or heard
            return self._blaming(replace(known, reason=self._own.reason, roots=roots, priority=urgent))
        return self._blaming(
            Sufferer.of(
                app,
                priority=urgency(app, self._own.report),
                since=self._since,
                reason=self._own.reason,
                roots=heard,
                owns=self._own.owns,
            )
        )

    def _blaming(self, sufferer: Sufferer) -> Sufferer:
        """Return the sufferer with the commit at which it failed, where its trouble is news of a commit."""
        trouble = self._own.trouble
        if trouble is None or trouble.news is not News.FAILED:
            return sufferer
        return replace(
            sufferer, revision=trouble.revision, revision_url=trouble.revision_url, previous=trouble.previous
        )

    def _entered(self, incident: Incident) -> Incident:
        self._changed[incident.id] = self._incidents[incident.id] = incident
        return incident

    # --- who is woken -----------------------------------------------------------------------------------------

    def paged(
        self, incident: Incident, memory: AppMemory, due: Page | None, policy: PagePolicy | None, *, joins: bool
    ) -> AppMemory:
        """Decide whether the app is a page, a line in one that is open, or nothing yet; returns the memory."""
        if policy is None:
            return memory
        app, now = self._own.app, self._now
        page = incident.page(app.oncall_team)
        if page is not None and page.closed_by and page.closed_at is not None:
            if due is None or now - page.closed_at < policy.duration:
                return replace(memory, paged=False)
            page = None  # it was closed over there a while ago and nothing is well: somebody has to know
        if page is None and due is not None:
            page = self._opened(incident, due)
        elif page is not None:
            page = self._noted(incident, page, joins=joins)
        if page is None:
            return memory
        if page not in incident.pages:
            others = tuple(one for one in incident.pages if one.team != page.team)
            incident = self._entered(replace(incident, pages=(*others, page)))
            self._tell(
                incident, [one.channel for one in self._folds.values() if one.operation == incident.fold(one.channel)]
            )
        return replace(memory, paged=True, page_alias=page.alias, page_operation=page.operation)

    def _opened(self, incident: Incident, due: Page) -> OpenPage:
        team = self._own.app.oncall_team
        failing = [one for one in incident.failing if one.team == team]
        channel = self._own.app.channel
        if len(failing) > 1 or (incident.shared and len(incident.failing) > 1):
            operation = incident.fold(channel) if incident.is_folded(channel) else due.operation
            due = replace(page_of_many(due, failing, incident), operation=operation)
        if any(page.alias == due.alias for one in self._incidents.values() for page in one.pages if not page.closed_by):
            # It speaks for others meanwhile, and the service takes a second alert under one alias for the same.
            due = replace(due, alias=f"{due.alias}:{incident.id}")
        due = replace(due, id=f"{due.operation}:open:{int(self._now.timestamp())}")
        self._pages.append(due)
        return OpenPage.of(due)

    def _noted(self, incident: Incident, page: OpenPage, *, joins: bool) -> OpenPage:
        app = self._own.app
        for note in self._own.pages:
            if note.act is PageAct.NOTE:  # once for each commit, however many apps say it
                commit = note.id.rpartition(":")[2]
                self._pages.append(call_of(page, app, PageAct.NOTE, note.message, self._now, unique=commit))
        failing = [one for one in incident.failing if one.team == page.team]
        if joins and len(failing) > 1:
            why = OWN_REASONS if incident.mixed else "for this reason"
            text = f"{len(failing)} apps fail now, {why}: {_names(failing)}"
            note = call_of(page, app, PageAct.NOTE, text, self._now, unique=f"join:{app.key}")
            self._pages.append(replace(note, collapse="joined"))
        urgent = urgency(app, self._own.report)
        if urgent < page.priority:  # P1 is more urgent than P2
            raised = call_of(page, app, PageAct.RAISE, f"{app.title} fails for the same reason.", self._now)
            self._pages.append(replace(raised, priority=urgent))
            page = replace(page, priority=urgent)
        return page


def _without(incident: Incident, app: str, how: str, at: datetime) -> tuple[Incident, tuple[Announcement, ...]]:
    """Return the incident without an app, and what the channels hear; a channel where all is over forgets it."""
    own = _own(incident, app)
    folded = [channel for channel, _ in own.roots if incident.is_folded(channel)]
    roots = tuple((channel, root) for channel, root in own.roots if channel in folded)
    over = replace(own, over_at=at, how=how, roots=roots)
    others = tuple(over if one is own else one for one in incident.sufferers)
    incident = replace(incident, sufferers=others, version=incident.version + 1)
    folds = tuple(told(incident, one, at=at) for one in folded)
    quiet = {one for one in folded if all(s.over_at is not None for s in incident.heard_in(one))}
    kept = [replace(one, roots=tuple(root for root in one.roots if root[0] not in quiet)) for one in incident.sufferers]
    return replace(incident, sufferers=tuple(kept)), folds


def _own(incident: Incident, app: str) -> Sufferer:
    return next(one for one in incident.sufferers if one.app == app and one.over_at is None)


def _names(failing: Sequence[Sufferer]) -> str:
    rest = f" and {len(failing) - _LISTED} more" if len(failing) > _LISTED else ""
    return ", ".join(one.title for one in failing[:_LISTED]) + rest
