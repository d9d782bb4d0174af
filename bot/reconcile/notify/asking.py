"""News of plans that wait for people: asked once per plan, told again when somebody decides or the plan moves. Pure.

A verdict counts for exactly the plan it was given for, and for one sync: when what Git wants of the app or the cluster
moves, the new plan is asked for anew in the same message. A commit that leaves the plan as it is changes nothing of
that, and an outage only interrupts it. A no ends that message: what is asked later is asked in a new one, which rings.
Nobody decides after half an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

from bot.errors import OrderRefused
from bot.model.agreed import Unfinished
from bot.model.announcement import Announcement, News
from bot.model.app import AppSpec
from bot.model.control import Pin
from bot.model.outcome import PassKind, Result, SyncReport
from bot.model.plan import Plan
from bot.model.record import AppMemory, Approval, SyncState
from bot.reconcile.orders import approval
from bot.reconcile.orders.commands import APPROVAL_LASTS, expires_at

_READ_WITHIN: Final = timedelta(seconds=5)  # nobody reads what a message says now and types an answer any faster
ASKED: Final = "asked:"  # begins what is remembered of a question; it ends with the number of approvals and who said no


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is remembered and said of a plan that waits."""

    memory: AppMemory
    announcements: tuple[Announcement, ...] = ()


def counted(
    memory: AppMemory, plan_hash: str, recorded: Callable[[str], Sequence[Approval]], *, now: datetime
) -> tuple[Approval, ...]:
    """Return the verdicts on a plan that count: those since it was asked for, fresh ones where something came between.

    A sync that converged has used up all before it: the same change may come up again. `recorded` returns all that
    people said of the plan with a hash.
    """
    waits = memory.waiting_hash == plan_hash and memory.waiting_since is not None
    since = memory.waiting_since if waits and memory.waiting_since is not None else now - APPROVAL_LASTS
    since = max(since, memory.last_sync_at or since)
    return tuple(one for one in recorded(plan_hash) if one.at >= since)


def standing(
    memory: AppMemory, plan_hash: str, recorded: Callable[[str], Sequence[Approval]], *, now: datetime
) -> tuple[Approval, ...]:
    """Return the verdicts that count, and after a sync that was stopped the no that what is left of it waits for."""
    verdicts = counted(memory, plan_hash, recorded, now=now)
    no = objection(memory, recorded) if is_over(memory) else None
    return (*verdicts, no) if no is not None else verdicts


def meant(app: AppSpec, memory: AppMemory, shown: Sequence[Announcement], *, now: datetime) -> str:
    """Return the plan that a yes without a hash means: the one in the message. Raises `OrderRefused`.

    `shown` is what the message has asked, newest first. Who has typed it while the message changed has read another.
    """
    waiting = memory.waiting_hash
    own = list(takewhile(lambda one: one.plan_hash == waiting, shown))
    fresh = len(own) < len(shown) and own[-1].at > now - _READ_WITHIN if own else True
    if fresh:
        raise OrderRefused(
            f"the plan of {app.title} has changed since it was shown: look again, "
            f"then `approve {app.name} {waiting.removeprefix('sha256:')[:12]}`"
        )
    return waiting


def objection(memory: AppMemory, recorded: Callable[[str], Sequence[Approval]]) -> Approval | None:
    """Return a person's no to the sync that people agreed to and that has begun, None where there is none.

    It does not expire. `recorded` returns all that people said of the plan with a hash.
    """
    agreed = memory.agreed
    if agreed is None or agreed.over:
        return None
    return next((one for one in recorded(agreed.plan_hash) if not one.granted and one.at >= agreed.at), None)


def renewed(memory: AppMemory, verdicts: Sequence[Approval], *, objection: Approval | None, now: datetime) -> AppMemory:
    """Return the memory when a person types sync: what was rejected, or nobody decided on, is asked for again.

    What is left of a sync that a person has said no to is asked for like any other plan then.
    """
    since = memory.waiting_since
    late = since is not None and now >= since + APPROVAL_LASTS
    if objection is not None and memory.agreed is not None:
        memory = replace(memory, agreed=replace(memory.agreed, over=True))
    over = late or objection is not None or any(not one.granted for one in verdicts)
    return replace(memory, waiting_since=now, requested_by=(), said="") if over else memory


def sent_elsewhere(memory: AppMemory, pin: Pin | None) -> AppMemory:
    """Return the memory when an app was rolled back since a sync that people had agreed to began: that one is over."""
    agreed = memory.agreed
    if agreed is None or pin is None or pin.since < agreed.at:
        return memory
    return replace(memory, agreed=replace(agreed, over=True))


def asked(
    app: AppSpec,
    report: SyncReport,
    before: AppMemory,
    after: AppMemory,
    *,
    base: Announcement,
    verdicts: Sequence[Approval],
    requesters: tuple[str, ...],
) -> Asked:
    """Return what is said of a plan that was refused or waits for approval. `verdicts` are those that count."""
    assert report.plan is not None  # only a plan can wait
    plan_hash = report.plan.hash
    told = before.said.startswith(ASKED)  # else an outage came between
    ends = expires_at(before)
    same = before.waiting_hash == plan_hash and ends is not None and (told or report.finished_at < ends)
    since = before.waiting_since if same and before.waiting_since is not None else report.finished_at
    memory = _waiting(after, report, plan_hash, since=since, requesters=requesters)
    no = next((one for one in verdicts if not one.granted), None)
    given = approval.granted_by(app, verdicts, requesters=requesters)
    # Who reads the question sees whose commit it is about now; a no is not asked about again.
    commit = base.revision.blamed.short if base.revision is not None and no is None else ""
    said = f"{ASKED}{plan_hash}:{commit}:{since.timestamp():.0f}:{len(given)}:{no.by if no else ''}"
    if said == before.said:
        return Asked(memory=memory)
    part, again = _part(report.unfinished), "" if told else f":{report.finished_at.timestamp():.0f}"
    root = replace(
        base,
        news=News.REFUSED if report.result is Result.REFUSED else News.APPROVAL,
        id=f"{base.operation}:asked:{plan_hash[-12:]}:{commit}:{since.timestamp():.0f}:{len(given)}{again}",
        message=part + _question(report, before, report.plan, base),
        needed=app.approvals,
        given=given,
        until=since + APPROVAL_LASTS,
        by=requesters[0] if requesters else "",
        rings=not same and before.operation == base.operation,
        next_step=f"Approve or reject here, or: gitops-bot approve {base.app} {plan_hash[:19]}",
    )
    memory = replace(memory, said=said, operation=base.operation)
    if no is not None:
        return Asked(memory=memory, announcements=(_rejected(root, no, part),))
    thread = () if same else (replace(root, id=f"{root.id}:thread", in_thread=True),)
    return Asked(memory=memory, announcements=(root, *thread))


def _waiting(
    memory: AppMemory, report: SyncReport, plan_hash: str, *, since: datetime, requesters: tuple[str, ...]
) -> AppMemory:
    refused = report.result is Result.REFUSED
    if report.unfinished is not None and memory.agreed is not None:
        memory = replace(memory, agreed=replace(memory.agreed, live=report.unfinished.live))
    return replace(
        memory,
        sync=SyncState.REFUSED if refused else SyncState.WAITING_APPROVAL,
        last_error=report.reason if refused else "",
        consecutive_failures=0,  # it got as far as a plan: what kept it from that is over
        failing_since=None,
        failing_commit="",
        waiting_hash=plan_hash,
        waiting_since=since,
        requested_by=requesters,
    )


def _question(report: SyncReport, before: AppMemory, plan: Plan, base: Announcement) -> str:
    """Return what people are asked about, and that it is another plan than the one they were shown."""
    why = " ".join(refusal.message for refusal in plan.refusals)
    if report.kind is PassKind.ROLLBACK:
        why = f"Roll back to {base.ref}: {why or f'{plan.summary}.'}"
    why = why or f"{plan.summary} at {base.ref}."
    moved = before.waiting_hash not in {"", plan.hash} and not is_over(before)
    return f"The plan has changed since it was asked for{_lost(before.said)}. {why}" if moved else why


def _rejected(root: Announcement, no: Approval, part: str) -> Announcement:
    """Return how the question ends with a no; `part` tells what is live of it."""
    return replace(
        root,
        news=News.REJECTED,
        id=f"{root.id}:no",
        by=no.by,
        reason=no.reason,
        until=None,
        needed=0,
        rings=False,
        message=f"{part}No more of it is applied." if part else "Nothing is applied.",
        next_step=f"{_way_back(root) if part else ''}Push a change, or ask again: /gitops sync {root.app}",
    )


def _part(unfinished: Unfinished | None) -> str:
    """Return the sentence about an agreed sync of which a part is live; "" where there is none."""
    return f"{unfinished.sentence} already. " if unfinished is not None and unfinished.live else ""


def _way_back(base: Announcement) -> str:
    """Return how what is live is taken back; "" before anything was deployed."""
    return f"Take back what is live: /gitops rollback {base.app} {base.previous[:7]}. " if base.previous else ""


def is_over(memory: AppMemory) -> bool:
    """Tell whether people were told of a no: whatever is asked after that is asked in a message of its own."""
    return bool(refused_by(memory))


def refused_by(memory: AppMemory) -> str:
    """Return whose no people were told of; "" where the question is open, or there is none."""
    return memory.said.rpartition(":")[2] if memory.said.startswith(ASKED) else ""


def _lost(said: str) -> str:
    """Return what became of the approvals of an earlier plan, by what was said of it; "" when there was none."""
    return ": what was approved does not count" if said.startswith(ASKED) and said.split(":")[-2] != "0" else ""


def decided(verdict: Approval, memory: AppMemory, *, base: Announcement, given: int) -> Announcement:
    """Return the line in the thread that says who decided."""
    count = f"({given} of {base.needed})" if given <= base.needed else "too"  # others were enough a moment ago
    words = f"approved this plan {count}" if verdict.granted else "rejected this plan"
    return replace(
        base,
        needed=0,  # the sentence counts; the message above says until when
        operation=memory.operation,
        news=News.APPROVED if verdict.granted else News.REJECTED,
        id=f"{memory.operation}:verdict:{verdict.by}:{verdict.at.timestamp():.0f}",
        in_thread=True,
        by=verdict.by,
        reason=verdict.reason,
        message=f"A person {words}: {verdict.plan_hash[:19]}.",
    )


def objected(verdict: Approval, memory: AppMemory, *, base: Announcement) -> Announcement:
    """Return the line in the thread that says who has stopped a sync that was being applied."""
    line = decided(verdict, memory, base=base, given=0)
    return replace(line, message=f"{line.message} It was being applied: no more of it is, after the step it is at.")


def expired(memory: AppMemory, *, base: Announcement) -> Announcement:
    """Return what becomes of the message when nobody decided in time."""
    return replace(
        base,
        operation=memory.operation,
        news=News.EXPIRED,
        id=f"{memory.operation}:expired:{memory.waiting_hash[-12:]}:{base.at.timestamp():.0f}",
        plan_hash=memory.waiting_hash,
        message="Nobody decided on the plan in time; it is not applied.",
        next_step=f"/gitops sync {base.app} asks again",
    )
