"""Rights by a group of Slack, on the wire: who was removed, and what counts while Slack does not say who is in."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from bot.chat.people import FRESH
from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.slack.values import User
from tests.flow.office import BOB, CAT, DEPLOYS, PAYMENTS, SRE, Office
from tests.waiting import PATIENCE_SECONDS, until

Offices = Callable[..., Office]

OPS = "S0OPS"
RULES = f"""
  - {{verbs: ["*"], envs: [production], groups: [{SRE}]}}
  - {{verbs: ["*"], envs: [staging], groups: [{OPS}]}}
"""
SILENT = {
    "500": Fault(kind=FaultKind.STATUS, status=500),
    "429": Fault(kind=FaultKind.THROTTLE, seconds=3600),
    "plan_upgrade_required": Fault(
        kind=FaultKind.STATUS, status=200, body='{"ok": false, "error": "plan_upgrade_required"}'
    ),
}


def denied(office: Office, user: User, app: str) -> bool:
    """Tell whether the audit of an app says that somebody was refused."""
    return (user.id, "denied") in [(one["who"], one["decision"]) for one in office.audit(app)]


@pytest.mark.long
def test_removed_member_is_denied_and_the_last_known_members_count_while_slack_is_silent(offices: Offices) -> None:
    """Both doors at once, because what is remembered counts for a minute of the clock."""
    doors = {"500": offices(mode="socket", rules=RULES), "429": offices(mode="http", rules=RULES)}
    for office in doors.values():
        office.slack.set_group(OPS, (CAT.id,))
        office.open()
        assert "is syncing" in office.types(BOB, "sync payments", PAYMENTS).text
        assert "is syncing" in office.types(CAT, "sync shop", DEPLOYS).text
        office.slack.set_group(SRE, ())
    fresh = FRESH.total_seconds()
    removed = time.monotonic()
    until(lambda: time.monotonic() - removed >= fresh, "a minute is over", seconds=fresh + PATIENCE_SECONDS)
    for name, office in doors.items():
        assert "No rule allows" in office.types(BOB, "sync payments", PAYMENTS).text
        assert denied(office, BOB, "payments")
        office.slack.fail("usergroups.users.list", SILENT[name], times=None)
        asked = len(office.slack.calls("usergroups.users.list"))
        assert "is syncing" in office.types(CAT, "sync shop", DEPLOYS).text
        assert len(office.slack.calls("usergroups.users.list")) > asked
        office.slack.heal()
        office.slack.set_group(OPS, ())
        assert "No rule allows" in office.types(CAT, "sync shop", DEPLOYS).text
        assert denied(office, CAT, "shop")


@pytest.mark.parametrize("mode", ["socket", "http"])
@pytest.mark.parametrize("fault", SILENT.values(), ids=SILENT)
def test_member_whom_slack_never_named_is_denied_with_the_reason(offices: Offices, mode: str, fault: Fault) -> None:
    office = offices(mode=mode, rules=RULES)
    office.slack.fail("usergroups.users.list", fault, times=None)
    commit = office.open()
    answer = office.types(BOB, "pause payments", PAYMENTS).text
    assert "No rule allows" in answer
    assert f"Slack does not say who is in <!subteam^{SRE}>" in answer
    assert denied(office, BOB, "payments")
    assert office.bot.status("payments")["control"] == "running"
    assert office.bot.status("payments")["revision"] == commit
