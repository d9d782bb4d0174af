"""What people decide of a plan that waits, or of a sync that has begun; each verdict with its line in thread and audit.

Whether somebody may decide at all is known before. Nothing here wakes the loop: a verdict changes nothing by itself.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from functools import partial

from bot.errors import OrderRefused
from bot.model.announcement import Announcement, News
from bot.model.app import AppSpec, Mode
from bot.model.record import AppMemory, Approval
from bot.ports.state import Store
from bot.reconcile.notify import asking
from bot.reconcile.notify.post import Post
from bot.reconcile.orders import approval, commands
from bot.reconcile.orders.commands import Person


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A verdict that is saved, what its author reads, and the plan that the next pass is told of, if it is."""

    verdict: Approval
    confirm: str | None
    answer: str


class Verdicts:
    """Safe to use from several threads."""

    def __init__(self, store: Store, *, post: Post) -> None:
        self._store, self._post = store, post
        self._one_by_one = threading.Lock()  # five clicks of one person are one yes

    def approve(self, app: AppSpec, memory: AppMemory, plan_hash: str, *, person: Person) -> Given:
        """Save a yes to the plan with a hash, "" for the one in its message. Raises `OrderRefused`."""
        verdict, given = self._give(app, memory, plan_hash, person, granted=True)
        enough = len(given) >= app.approvals
        left = (
            "it is applied now, unless something has moved since: then you are asked anew"
            if enough
            else f"{len(given)} of {app.approvals} by now"
        )
        return Given(
            verdict=verdict,
            # The hash in `confirm` tells an approver from a requester.
            confirm=verdict.plan_hash if enough or app.mode is Mode.APPROVE else None,
            answer=f"{app.title}: you approved plan {verdict.plan_hash[:19]}, {left}.",
        )

    def reject(self, app: AppSpec, memory: AppMemory, plan_hash: str, *, person: Person, reason: str) -> Given:
        """Save a no to the plan that waits, or that is being applied. Raises `OrderRefused`."""
        begun = commands.is_begun(memory, plan_hash)
        verdict, _ = self._give(app, memory, plan_hash, person, granted=False, reason=reason)
        said = f"{app.title}: you rejected plan {verdict.plan_hash[:19]}"
        if begun:
            back = f"`rollback {app.name} {memory.revision[:7]}` takes it back" if memory.revision else ""
            back = back or "a commit changes it"
            said += f", which is being applied: it ends after the step it is at. What is live by then stays, {back}."
        else:
            said += "; nothing is applied."
        return Given(verdict=verdict, confirm=verdict.plan_hash, answer=said)

    def _give(
        self, app: AppSpec, memory: AppMemory, plan_hash: str, person: Person, *, granted: bool, reason: str = ""
    ) -> tuple[Approval, tuple[str, ...]]:
        """Save a verdict; returns it, and whose yes counts now."""
        with self._one_by_one:
            if not commands.is_begun(memory, plan_hash):
                return self._decided(app, memory, plan_hash, person, granted=granted, reason=reason)
            return self._objected(app, memory, person, granted=granted, reason=reason), ()

    def _decided(
        self, app: AppSpec, memory: AppMemory, plan_hash: str, person: Person, *, granted: bool, reason: str
    ) -> tuple[Approval, tuple[str, ...]]:
        memory = replace(memory, requested_by=(*memory.requested_by, *self._asking(app.key)))
        recorded = partial(self._store.approvals, app.key)
        earlier = recorded(plan_hash) if not memory.waiting_hash else ()
        counted = asking.standing(memory, memory.waiting_hash, recorded, now=person.at)
        last = next(iter(reversed(earlier)), None)
        if commands.is_meant(memory.waiting_hash, plan_hash):
            last = last or next((one for one in counted if not one.granted), None)
            last = last or next((one for one in counted if one.by == person.who and one.granted is granted), None)
        if last is not None:
            word = "approved" if last.granted else "rejected"
            raise OrderRefused(f"this plan was already {word} by {last.by} at {last.at:%Y-%m-%d %H:%M} UTC")
        if granted and not plan_hash and memory.waiting_hash:
            plan_hash = asking.meant(app, memory, self._store.shown(memory.operation), now=person.at)
        verdict = commands.verdict(app, memory, plan_hash, granted=granted, person=person, reason=reason)
        given = approval.granted_by(app, (*counted, verdict), requesters=memory.requested_by)
        base = replace(self._base(app, person), needed=app.approvals)
        self._save(app, person, verdict, asking.decided(verdict, memory, base=base, given=len(given)))
        return verdict, given

    def _objected(self, app: AppSpec, memory: AppMemory, person: Person, *, granted: bool, reason: str) -> Approval:
        agreed = memory.agreed
        assert agreed is not None  # else nothing has begun
        no = asking.objection(memory, partial(self._store.approvals, app.key))
        if no is not None:
            raise OrderRefused(f"this plan was already rejected by {no.by} at {no.at:%Y-%m-%d %H:%M} UTC")
        if granted:
            by = " and ".join(agreed.by)
            raise OrderRefused(
                f"this plan was already approved by {by} at {agreed.at:%Y-%m-%d %H:%M} UTC and is being applied"
            )
        verdict = commands.objection(app, agreed, person=person, reason=reason)
        self._save(app, person, verdict, asking.objected(verdict, memory, base=self._base(app, person)))
        return verdict

    def _save(self, app: AppSpec, person: Person, verdict: Approval, said: Announcement) -> None:
        verb = "approve" if verdict.granted else "reject"
        audit = commands.audit(app, person, verb, f"{verdict.plan_hash} {verdict.reason}".strip())
        self._store.save_approval(verdict, audit=audit, dispatches=self._post.rows([said]))

    def _base(self, app: AppSpec, person: Person) -> Announcement:
        return commands.announcement(self._post.placed(app), person, News.DIFF)

    def _asking(self, app: str) -> tuple[str, ...]:
        """Return who asked for a pass that has not ended: the memory does not know them yet."""
        waiting = (one.trigger for one in self._store.requests() if one.app == app)
        return tuple(one.by for one in waiting if one.asks)
