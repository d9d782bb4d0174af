"""Approvals: exactly one plan, distinct people, the requester not counted, one no holds it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.errors import OrderRefused
from bot.model.app import AppSpec, Mode
from bot.model.control import Via
from bot.model.record import AppMemory, Approval
from bot.reconcile.orders import commands
from bot.reconcile.orders.approval import missing
from tests.oncall.test_escalation import APP

APPROVED = replace(APP, mode=Mode.APPROVE, approvals=2)
NOON = datetime(2026, 3, 6, 12, 0, tzinfo=UTC)
HASH = "sha256:" + "a1" * 32


def said(by: str, *, granted: bool = True, reason: str = "") -> Approval:
    return Approval(app=APP.key, plan_hash=HASH, by=by, via=Via.SLACK, at=NOON, granted=granted, reason=reason)


@pytest.mark.parametrize(
    ("app", "verdicts", "expected"),
    [
        (APP, [], ""),
        (APPROVED, [], "2 people must approve this plan"),
        (APPROVED, [said("U1")], "2 people must approve this plan, 1 has"),
        (APPROVED, [said("U1"), said("U0")], "2 people must approve this plan, 1 has"),
        (APPROVED, [said("U1"), said("U2")], ""),
        (APPROVED, [said("U1"), said("U2"), said("U3", granted=False, reason="no")], "U3 rejected this plan: no"),
    ],
)
def test_plan_waits_for_enough_people(app: AppSpec, verdicts: list[Approval], expected: str) -> None:
    assert missing(app, verdicts, requesters=("U0",)) == expected


def test_verdict_is_bound_to_the_plan_that_waits() -> None:
    person = commands.Person(who="U1", via=Via.SLACK, at=NOON, order="op_1")
    waiting = AppMemory(app=APP.key, waiting_hash=HASH, requested_by=("U0",), waiting_since=NOON)
    assert commands.verdict(APP, waiting, HASH, granted=True, person=person).plan_hash == HASH
    late = replace(person, at=NOON + commands.APPROVAL_LASTS)
    with pytest.raises(OrderRefused, match="asks again"):
        commands.verdict(APP, waiting, HASH, granted=True, person=late)
    assert commands.verdict(APP, waiting, HASH[:14], granted=True, person=person).plan_hash == HASH
    with pytest.raises(OrderRefused, match="another plan"):
        commands.verdict(APP, waiting, "sha256:" + "b2" * 32, granted=True, person=person)
    with pytest.raises(OrderRefused, match="another plan"):
        commands.verdict(APP, waiting, "a1a1", granted=True, person=person)
    with pytest.raises(OrderRefused, match="no plan"):
        commands.verdict(APP, AppMemory(app=APP.key), HASH, granted=True, person=person)
    with pytest.raises(OrderRefused, match="needs someone else"):
        commands.verdict(APPROVED, waiting, "", granted=True, person=replace(person, who="U0"))
