"""Who is in a group, as Slack says it on the wire: for a minute it need not say it again, for ten it may be silent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bot.chat.people import People
from bot.model.people import named
from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.slack import SlackWorkspace
from bot.sandbox.slack.values import User

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BOB = User(id="U0BOB", name="bob", real_name="Bob Reis", email="bob@example.com")
SRE = "S0SRE"


@pytest.fixture
def slack() -> Iterator[SlackWorkspace]:
    workspace = SlackWorkspace(users=(BOB,), groups={SRE: (BOB.id,)})
    workspace.start()
    yield workspace
    workspace.stop()


class Office:
    """People at a time that the test sets."""

    def __init__(self, slack: SlackWorkspace) -> None:
        self.now = NOON
        self.people = People(slack.bot_token, api_url=slack.api_url, clock=lambda: self.now)

    def at(self, span: timedelta) -> bool | None:
        self.now = NOON + span
        return self.people.in_group(BOB.id, SRE)


def test_member_who_was_removed_is_out_within_a_minute(slack: SlackWorkspace) -> None:
    office = Office(slack)
    assert office.at(timedelta()) is True
    slack.set_group(SRE, ())
    assert office.at(timedelta(seconds=60)) is False
    assert len(slack.calls("usergroups.users.list")) == 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=FaultKind.THROTTLE, seconds=3600),
        Fault(kind=FaultKind.STATUS, status=500),
        Fault(kind=FaultKind.STATUS, status=200, body='{"ok": false, "error": "plan_upgrade_required"}'),
        Fault(kind=FaultKind.REFUSE),
    ],
    ids=["429", "500", "plan_upgrade_required", "refused"],
)
def test_last_known_members_count_for_ten_minutes_and_then_nobody_is_known(slack: SlackWorkspace, fault: Fault) -> None:
    office = Office(slack)
    assert office.at(timedelta()) is True
    slack.fail("usergroups.users.list", fault, times=None)
    assert office.at(timedelta(minutes=9, seconds=59)) is True
    assert office.at(timedelta(minutes=10)) is None
    slack.heal()
    assert office.at(timedelta(minutes=10, seconds=1)) is True


def test_silence_from_the_start_is_no_answer(slack: SlackWorkspace) -> None:
    slack.fail("*", Fault(kind=FaultKind.STATUS, status=500), times=None)
    office = Office(slack)
    assert office.at(timedelta()) is None
    assert office.people.identities(BOB.id) == {BOB.id}
    assert office.people.is_unsure(BOB.id)
    assert office.people.author(BOB.email) == ""
    slack.heal()
    assert office.at(timedelta(seconds=1)) is True
    assert office.people.identities(BOB.id) == {BOB.id, BOB.email}
    assert not office.people.is_unsure(BOB.id)


def test_silent_slack_is_asked_once_for_hundreds_of_apps(slack: SlackWorkspace) -> None:
    """Each app of an order waited five seconds for it, one after the other."""
    slack.fail("usergroups.users.list", Fault(kind=FaultKind.STATUS, status=500), times=None)
    office = Office(slack)
    assert [office.at(timedelta()) for _ in range(300)] == [None] * 300
    assert len(slack.calls("usergroups.users.list")) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pinned by U0ANA", "pinned by ana@example.com (U0ANA)"),
        ("paused by U0BOB since 12:00 UTC", "paused by U0BOB (Slack) since 12:00 UTC"),
        ("ana@example.com (U0ANA) approved, os:ana did not", "ana@example.com (U0ANA) approved, os:ana did not"),
        ("UTC, USER and WARN are no people", "UTC, USER and WARN are no people"),
    ],
)
def test_who_it_is_can_be_read_where_nobody_can_ask_slack(text: str, shown: str) -> None:
    """A terminal said "pinned by U0ANA"."""
    assert named(text, {"U0ANA": "ana@example.com"}) == shown
