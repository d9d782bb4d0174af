"""Rights by a group of Slack, on the wire: who was removed, and what counts while Slack does not say who is in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.slack.values import User
from tests.flow.office import BOB, PAYMENTS, SRE, Office

Offices = Callable[..., Office]

RULES = f"""
  - {{verbs: ["*"], envs: [production], groups: [{SRE}]}}
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


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_removed_member_is_denied_and_the_audit_says_so(offices: Offices, mode: str) -> None:
    """What is remembered counts for a minute, as `tests/chat/test_people.py` shows; a start forgets it."""
    office = offices(mode=mode, rules=RULES)
    office.open()
    assert "is syncing" in office.types(BOB, "sync payments", PAYMENTS).text
    office.slack.set_group(SRE, ())
    assert office.bot.stop() == 0
    office.start()
    assert "No rule allows" in office.types(BOB, "sync payments", PAYMENTS).text
    assert denied(office, BOB, "payments")


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
