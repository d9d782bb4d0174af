"""Mutes, as pure functions: who may not be rung for a while, what is said of it, and what its end says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from bot.errors import OrderRefused
from bot.model.announcement import Announcement, News
from bot.model.record import EVERY_APP, AuditEntry, Mute
from bot.reconcile.orders.commands import Person, audit_of, is_about


@dataclass(frozen=True, slots=True, kw_only=True)
class Muted:
    """A mute that holds, or None for one that has ended; its audit line, what its author reads.

    `was` is the one whose terms it changes.
    """

    mute: Mute | None
    audit: AuditEntry
    answer: str
    was: Mute | None = None


def longest(mutes: Iterable[Mute | None], now: datetime) -> Mute | None:
    """Return the one that holds now and ends last; None when none does."""
    return max((one for one in mutes if one is not None and one.until > now), key=lambda one: one.until, default=None)


def mute(app: str, title: str, held: Mute | None, *, person: Person, until: datetime, reason: str) -> Muted:
    """Mute an app, or all (`EVERY_APP`), or go on so on other terms: another end, another reason.

    Raises `OrderRefused` when it is muted like that already.
    """
    if held is not None and is_about(until, held.until) and reason in {"", held.reason}:
        raise OrderRefused(f"{title} is already muted by {held.by} until {held.until:%Y-%m-%d %H:%M} UTC")
    end = f"{until:%Y-%m-%d %H:%M} UTC"
    since = held.since if held is not None else person.at  # its end says what happened since then
    reason = reason or (held.reason if held is not None else "")
    made = Mute(app=app, by=person.who, via=person.via, reason=reason, since=since, until=until)
    before = _before(held)
    return Muted(
        mute=made,
        audit=replace(_audit(app, person, "mute", f"until {end} {reason}".strip()), why=before),
        answer=f"{title} is muted until {end}: no messages, no pages; syncs go on."
        + (f" It was {before}." if before else ""),
        was=held,
    )


def _before(held: Mute | None) -> str:
    return f"muted by {held.by} until {held.until:%Y-%m-%d %H:%M} UTC before" if held is not None else ""


def unmute(app: str, title: str, held: Mute | None, *, person: Person) -> Muted:
    """End a mute. Raises `OrderRefused` when there is none."""
    if held is None:
        raise OrderRefused(f"{title} is not muted")
    return Muted(mute=None, audit=_audit(app, person, "unmute", ""), answer=f"{title} is heard again.")


def said(muted: Muted, base: Announcement) -> Announcement:
    """Return what a channel hears of it; `base` carries channel, people and operation."""
    held = muted.mute
    if held is None:
        return replace(base, news=News.UNMUTED, message="Messages and pages are sent again.")
    return replace(
        base,
        news=News.MUTED,
        reason=held.reason,
        until=held.until,
        message=f"No messages and no pages until {held.until:%Y-%m-%d %H:%M} UTC, but questions; syncs go on."
        + (f" It was {_before(muted.was)}." if muted.was is not None else ""),
        next_step=f"/gitops unmute {'all' if held.app == EVERY_APP else base.app} ends it",
    )


def _audit(app: str, person: Person, verb: str, arguments: str) -> AuditEntry:
    return replace(audit_of(person, verb, arguments), app=app)
