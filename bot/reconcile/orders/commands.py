"""Orders from people, as pure functions: control in, control and announcement out.

An order never touches the cluster: it changes what the next pass works from. The texts are what the person reads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from bot.errors import OrderRefused
from bot.model.agreed import Agreed
from bot.model.announcement import Announcement, News
from bot.model.app import AppSpec, Mode, Rollback
from bot.model.control import Control, Pause, Pin, Via
from bot.model.record import AppMemory, Approval, AuditEntry, Decision
from bot.model.source import Revision

APPROVAL_LASTS: Final = timedelta(minutes=30)  # a plan is looked at while it is fresh
_SAME_END: Final = timedelta(minutes=1)  # an order typed twice
_PREFIX: Final = 7  # digits of a plan's hash, as of a commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who orders (`U0ANA`, `os:ana`), through which door, and when (UTC). `order` makes ids of what follows."""

    who: str
    via: Via
    at: datetime
    order: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """An order that is followed: what holds from now on, its audit line, what all are told, what its author reads.

    `ends` is how the message of the pause that it ends reads.
    """

    control: Control
    audit: AuditEntry
    announcement: Announcement
    answer: str
    ends: tuple[Announcement, ...] = ()


def pause(app: AppSpec, control: Control, *, person: Person, until: datetime | None, reason: str) -> Ordered:
    """Stop applying, or go on so on other terms: another end, another reason; a term that is not given stays.

    Raises `OrderRefused` when the app is paused like that already.
    """
    held = control.pause
    if held is not None and (until is None or is_about(until, held.until)) and reason in {"", held.reason}:
        raise OrderRefused(f"{app.title} is already {held}")
    if held is not None:
        until, reason = until or held.until, reason or held.reason
    made = Pause(
        by=person.who,
        reason=reason,
        since=held.since if held is not None else person.at,
        until=until,
        operation=(held.operation if held is not None and not held.is_shared else "") or person.order,
    )
    end = ending(until)
    was = f"before: {ending(held.until)}, by {held.by}" if held is not None else ""
    message = f"{person.who} changed it: nothing is applied {end} ({was})." if was else f"Nothing is applied {end}."
    pin = control.pin
    stays = f" It stays at {pin.commit[:7]}, where {pin.by} has rolled it back to." if pin is not None else ""
    return Ordered(
        control=replace(control, pause=made),
        audit=replace(audit(app, person, "pause", f"{end} {reason}".strip()), why=was),
        announcement=replace(
            announcement(app, person, News.PAUSED),
            operation=made.operation,
            reason=reason,
            until=until,
            message=f"{message} New commits wait.{stays}",
            next_step=f"/gitops resume {app.name} ends it{' and the rollback' if pin is not None else ''}",
            rings=held is not None and not held.is_shared,
        ),
        answer=f"{app.title} is paused {end}" + (f" ({was})." if was else "."),
    )


def ending(until: datetime | None) -> str:
    """Return when a pause ends, as people read it."""
    return f"until {until:%Y-%m-%d %H:%M} UTC" if until else "until someone resumes it"


def is_about(until: datetime, other: datetime | None) -> bool:
    """Tell whether two ends are the same to people, who say for how long."""
    return other is not None and abs(until - other) < _SAME_END


def sync(app: AppSpec, control: Control, *, person: Person, words: str) -> AuditEntry:
    """Return the audit line of a sync that somebody asks for. Raises `OrderRefused` for an app that is paused."""
    if control.pause is not None:
        raise OrderRefused(f"{app.title} is {control.pause}: `resume {app.name}` first")
    return replace(audit(app, person, "sync", words), decision=Decision.ALLOWED)


def resume(app: AppSpec, control: Control, *, person: Person, ends_pin: bool = True) -> Ordered:
    """End pause and pin, or the pause alone. Raises `OrderRefused` when there is nothing to end."""
    if control.pause is None and control.pin is None:
        raise OrderRefused(f"{app.title} is neither paused nor pinned")
    pin = control.pin if ends_pin else None
    if control.pause is None and pin is None and control.pin is not None:
        commit, by = control.pin.commit[:7], control.pin.by
        raise OrderRefused(
            f"{app.title} stays at {commit}, where {by} has rolled it back to: `resume {app.name}` ends that"
        )
    back = f"It leaves {pin.commit[:7]} and follows {app.ref} again." if pin else f"It follows {app.ref} again."
    said = announcement(app, person, News.RESUMED)
    return Ordered(
        control=Control(pin=None if ends_pin else control.pin),
        audit=audit(app, person, "resume", ""),
        announcement=replace(said, message=back),
        answer=f"{app.title} is running. {back}",
        ends=over(control.pause, f"{person.who} has resumed it at {person.at:%Y-%m-%d %H:%M} UTC.", base=said),
    )


def over(pause: Pause | None, how: str, *, base: Announcement) -> tuple[Announcement, ...]:
    """Return how the message of a pause reads once it has ended: nothing there is left to be resumed.

    Nothing of one that speaks of other apps too.
    """
    if pause is None or not pause.operation or pause.is_shared:
        return ()
    ended = replace(base, operation=pause.operation, news=News.PAUSED, by=pause.by, reason=pause.reason, message=how)
    return (replace(ended, id=f"{base.id}:over", edits_only=True),)


def roll_back(app: AppSpec, control: Control, revision: Revision, *, person: Person, reason: str) -> Ordered:
    """Pin the app at a commit; a pause ends, because the order is to act. Raises `OrderRefused` for the same pin."""
    if control.pin is not None and control.pin.commit == revision.commit:
        since = f"{control.pin.since:%Y-%m-%d %H:%M} UTC"
        raise OrderRefused(f"{app.title} is already pinned at {revision.short} by {control.pin.by} since {since}")
    end = f"{app.ref} has the same" if app.rollback is Rollback.REVERT else "it is resumed"
    people = "somebody else approves" if app.approvals == 1 else f"{app.approvals} other people approve"
    once = f" once {people}: it waits for that," if app.mode is Mode.APPROVE else ""
    pin = Pin(commit=revision.commit, by=person.who, reason=reason, since=person.at, operation=person.order)
    return Ordered(
        control=Control(pin=pin),
        audit=replace(
            audit(app, person, "rollback", f"{revision.commit} {reason}".strip()),
            decision=Decision.ALLOWED,  # the pass does it
        ),
        announcement=replace(
            announcement(app, person, News.SYNCING),
            revision=revision,
            reason=reason,
            message=f"Rolling back to {revision.short}.",
        ),
        answer=f"{app.title} goes back to {revision.short} ({revision.subject}){once} and stays there until {end}.",
    )


def expires_at(memory: AppMemory) -> datetime | None:
    """Return until when the plan that waits can be approved; None when none waits."""
    return memory.waiting_since + APPROVAL_LASTS if memory.waiting_since is not None else None


def verdict(
    app: AppSpec, memory: AppMemory, plan_hash: str, *, granted: bool, person: Person, reason: str = ""
) -> Approval:
    """Return a person's verdict on the plan that waits; `plan_hash` "" means that one, a prefix is enough.

    Raises `OrderRefused` when nothing waits, another plan waits, it is too late, or the person asked for it themselves.
    """
    waiting = memory.waiting_hash
    if not waiting:
        under_way = memory.planned is not None
        stop = f"; what is applied now is stopped by `pause {app.name}`, after the step it is at" if under_way else ""
        raise OrderRefused(f"no plan of {app.title} waits for approval{stop}")
    if not is_meant(waiting, plan_hash):
        raise OrderRefused(f"{app.title} waits for approval of another plan by now: {waiting}")
    ends = expires_at(memory)
    if ends is not None and person.at >= ends:
        again = f"/gitops sync {app.name} asks again"
        raise OrderRefused(f"nobody decided on this plan of {app.title} until {ends:%Y-%m-%d %H:%M} UTC: {again}")
    if granted and app.mode is Mode.APPROVE and person.who in memory.requested_by:
        raise OrderRefused(f"this plan of {app.title} needs someone else: {person.who} asked for it")
    return _said_of(app, waiting, person, granted=granted, reason=reason)


def is_begun(memory: AppMemory, plan_hash: str) -> bool:
    """Tell whether a person means a sync that people have agreed to and that is not done yet, while no other waits."""
    agreed = memory.agreed
    if agreed is None or agreed.over or memory.waiting_hash not in {"", agreed.plan_hash}:
        return False
    return is_meant(agreed.plan_hash, plan_hash)


def objection(app: AppSpec, agreed: Agreed, *, person: Person, reason: str) -> Approval:
    """Return a person's no to a sync that is being applied."""
    return _said_of(app, agreed.plan_hash, person, granted=False, reason=reason)


def _said_of(app: AppSpec, plan_hash: str, person: Person, *, granted: bool, reason: str) -> Approval:
    return Approval(
        app=app.key, plan_hash=plan_hash, by=person.who, via=person.via, at=person.at, granted=granted, reason=reason
    )


def is_meant(waiting: str, plan_hash: str) -> bool:
    """Tell whether a person means the plan that waits: by a beginning of its hash, or by naming none."""
    given = plan_hash.removeprefix("sha256:")
    return not given or (len(given) >= _PREFIX and waiting.removeprefix("sha256:").startswith(given))


def announcement(app: AppSpec, person: Person, news: News) -> Announcement:
    return Announcement(
        id=f"{person.order}:{news.name.lower()}",
        operation=person.order,
        news=news,
        app=app.name,
        cluster=app.cluster,
        env=app.env,
        channel=app.channel,
        at=person.at,
        by=person.who,
        via=person.via.value,
        ref=str(app.ref),
    )


def audit(app: AppSpec, person: Person, verb: str, arguments: str) -> AuditEntry:
    return replace(audit_of(person, verb, arguments), app=app.key)


def audit_of(person: Person, verb: str, arguments: str) -> AuditEntry:
    """Return the audit line of an order that is about no app."""
    return AuditEntry(
        at=person.at,
        who=person.who,
        via=person.via,
        verb=verb,
        app="",
        arguments=arguments,
        decision=Decision.DONE,
    )
