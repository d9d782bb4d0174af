"""May a plan be written, and on whose yes? In goes what people have decided, out what the plan waits for. Pure.

A yes is to a whole plan. A sync that was killed, or met an outage, leaves a part of it: what is left of it has another
hash and needs no other yes, for as long as it does nothing else. Whoever says no meanwhile stops it.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.model.agreed import Agreed, Unfinished
from bot.model.app import Mode
from bot.model.outcome import Result
from bot.plan import agreement
from bot.reconcile.orders import approval
from bot.reconcile.passes.inputs import PassInput
from bot.reconcile.planning.plans import Planned


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """`held` is how the pass ends, None where the plan may be written, and `reason` why, without its full stop.

    `agreed` is what people said yes to, where the plan needs that; `unfinished` how much of an agreed sync is live.
    """

    held: Result | None = None
    reason: str = ""
    agreed: Agreed | None = None
    unfinished: Unfinished | None = None


def consent(given: PassInput, made: Planned, *, key: bytes) -> Consent:
    """Decide about a plan; `key` keys what is remembered of it."""
    begun, plan = given.memory.agreed, made.plan
    if not plan.writes:
        cut_short = begun is not None and given.memory.planned is not None
        return Consent(agreed=begun if cut_short else None)
    unfinished = None
    if begun is not None:
        unfinished = Unfinished(agreed=begun, live=agreement.count_live(begun, plan, made.live(), key))
        if agreement.is_rest(begun, plan, made.desired.digest):
            return _rest(given, begun, unfinished)
    app = given.app
    if app.mode is not Mode.APPROVE and not plan.refusals:
        return Consent()
    verdicts = given.verdicts(plan.hash)
    if app.mode is Mode.APPROVE:
        own = given.requesters(plan)
        if why := approval.missing(app, verdicts, requesters=own):
            return Consent(held=Result.WAITING_APPROVAL, reason=why, unfinished=unfinished)
        by = approval.granted_by(app, verdicts, requesters=own)
    elif given.trigger.confirm == plan.hash:
        by = (given.trigger.by,)
    elif approval.is_agreed(app, verdicts):
        by = approval.granted_by(app, verdicts, requesters=())
    else:
        why = " ".join(refusal.message for refusal in plan.refusals)
        return Consent(held=Result.REFUSED, reason=why, unfinished=unfinished)
    return Consent(agreed=_agreed(given, made, by, key) if given.only is None else None)


def _rest(given: PassInput, begun: Agreed, unfinished: Unfinished) -> Consent:
    no = given.objection()
    if no is None:
        return Consent(agreed=begun, unfinished=unfinished)
    return Consent(
        held=Result.WAITING_APPROVAL if given.app.mode is Mode.APPROVE else Result.REFUSED,
        reason=f"{no.by} rejected the rest of this sync" + (f": {no.reason}" if no.reason else ""),
        unfinished=Unfinished(agreed=begun, live=unfinished.live, refused=True),
    )


def _agreed(given: PassInput, made: Planned, by: tuple[str, ...], key: bytes) -> Agreed:
    """Return what is remembered of a plan that is about to be written.

    It begins with the pass: a no that comes after the verdicts were read must count.
    """
    return Agreed(
        plan_hash=made.plan.hash,
        rendered=made.desired.digest,
        changes=agreement.agreed_changes(made.plan, made.live(), key),
        summary=made.plan.summary,
        at=given.now,
        by=by,
        trigger=given.trigger,
        commit=made.plan.revision.blamed.commit,
    )
