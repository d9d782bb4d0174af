"""Thirty apps that fail for one reason are one message and one page, on the wire, with the real bot process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.slack.values import Message
from tests.contract.servers import SandboxServer
from tests.flow.complaints import complaints
from tests.flow.story import ANA, DEPLOYS, Story, configmap
from tests.flow.workplace import buttons
from tests.reconcile.test_folding import WORDS
from tests.waiting import until

pytestmark = pytest.mark.long

COUNT = 30
NAMES = [f"app-{number:02}" for number in range(1, COUNT + 1)]
TOKEN = Fault(kind=FaultKind.STATUS, status=401, body='{"kind": "Status", "status": "Failure", "code": 401}')

_SECONDS = 240  # thirty apps on a machine that does other things too


# Where neither the way in from Slack nor the flavour of on-call matters, one of them will do.
SOCKET = pytest.mark.parametrize("fleet", ["socket-opsgenie"], indirect=True)
HTTP = pytest.mark.parametrize("fleet", ["http-jsm"], indirect=True)


@pytest.fixture(params=["socket-opsgenie", "http-jsm"])
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Story]:
    """Thirty apps of one team on a cluster of their own; nothing is committed yet."""
    mode, _, flavour = request.param.partition("-")
    plane = SandboxServer(tmp_path, speed=1)
    apps = "\n".join(
        f"  - {{name: {name}, repo: fleet, path: apps/{name}, cluster: prod, env: production, interval: 3s,"
        f" oncall: {{priority: P2}}}}"
        for name in NAMES
    )
    retry = "{first: 2s, factor: 1, max: 2s}"  # thirty apps that try five times a second are a load of their own
    story = Story(tmp_path, plane, "default", mode=mode, flavour=flavour, apps=apps, retry=retry)
    story.mends()
    yield story
    story.close()
    plane.stop()
    assert "Traceback" not in story.bot.log()
    assert complaints(story.slack) == []


def commits(story: Story, text: Callable[[str], str]) -> str:
    return story.upstream.commit({f"apps/{name}/a.yaml": text(name) for name in NAMES}, message="Change all")


def good(name: str) -> str:
    return configmap(name).replace("settings", name)


def bad(name: str) -> str:
    return good(name) + "nonsense: one\n"


def failures(story: Story) -> list[Message]:
    return [one for one in story.slack.roots(DEPLOYS) if one.text.startswith("Sync failed")]


def listed(message: Message) -> set[str]:
    return {name for name in NAMES if name in json.dumps(message.blocks)}


def fresh(story: Story, message: Message) -> Message:
    """Return a message as it reads now."""
    return next(one for one in story.slack.roots(DEPLOYS) if one.ts == message.ts)


def folded(story: Story, count: int = COUNT) -> Message:
    """Wait until one message speaks for so many apps."""
    return sees(story, "Sync failed", f"{count} apps fail for one reason")


def sees(story: Story, *words: str) -> Message:
    return story.sees(*words, seconds=_SECONDS)


def test_one_commit_that_breaks_thirty_apps_is_one_message_and_one_page(fleet: Story) -> None:
    commits(fleet, bad)
    fleet.bot.start()
    found = folded(fleet)
    assert listed(found) == set(NAMES)
    assert len(failures(fleet)) == 1
    until(fleet.oncall.opened, seconds=_SECONDS)
    before = fleet.bot.metric("gitops_bot_app_failures")
    until(lambda: fleet.bot.metric("gitops_bot_app_failures") > before + COUNT, seconds=_SECONDS)
    (alert,) = fleet.oncall.opened()
    assert alert.count == 1
    assert alert.alias.startswith("gitops-bot:_shared:")
    assert all(name in alert.description for name in NAMES)
    assert len(failures(fleet)) == 1

    fixed = commits(fleet, lambda name: bad(name) if name in NAMES[:2] else good(name))
    sees(fleet, "Sync failed", f"2 of {COUNT} apps still fail for one reason", f"converged at {fixed[:7]}")
    assert len(fleet.oncall.opened()) == 1
    commits(fleet, good)
    sees(fleet, "Recovered", f"All {COUNT} apps are over it")
    until(lambda: not fleet.oncall.opened(), seconds=_SECONDS)
    assert len(fleet.oncall.alerts) == 1
    assert failures(fleet) == []


@HTTP
def test_thirty_apps_that_fail_at_once_for_thirty_reasons_are_three_messages_and_as_few_pages(fleet: Story) -> None:
    """Each was a message and a page of its own: half a minute of messages at one a second, and thirty calls."""
    fleet.slack.state.post_interval = timedelta(seconds=1)
    commits(fleet, lambda name: good(name) + f"{WORDS[NAMES.index(name)]}: one\n")
    fleet.bot.start()
    until(fleet.oncall.opened, seconds=_SECONDS)
    found = sees(fleet, "Sync failed", "apps fail within moments of each other, each for a reason of its own")
    until(lambda: len(listed(fresh(fleet, found))) == COUNT, seconds=_SECONDS)
    assert all(f".{word}:" in json.dumps(fresh(fleet, found).blocks) for word in WORDS)
    assert len(failures(fleet)) <= 3
    assert len(fleet.oncall.alerts) <= 3
    fleet.connected()
    answer = fleet.presses(ANA, found, "gitops.pick.status", value=f"prod/{NAMES[6]}")
    assert "gitops.sync" in buttons(answer)

    fixed = commits(fleet, lambda name: good(name) + ("one: two\n" if name == NAMES[3] else ""))
    sees(fleet, f"1 of {COUNT} apps still fail", f"converged at {fixed[:7]}")
    commits(fleet, good)
    until(lambda: not fleet.oncall.opened(), seconds=_SECONDS)
    assert "ratelimited" not in {one.outcome for one in fleet.slack.calls("chat.postMessage")}


@SOCKET
def test_token_that_ran_out_is_one_message_that_unfolds_app_by_app(fleet: Story) -> None:
    plane = fleet.plane
    assert isinstance(plane, SandboxServer)
    commits(fleet, good)
    plane.sandbox.faults.add(TOKEN)
    fleet.bot.start()
    found = folded(fleet, COUNT + 1)
    assert listed(found) == set(NAMES)
    assert len(fleet.slack.roots(DEPLOYS)) == 1
    until(fleet.oncall.opened, seconds=_SECONDS)
    plane.sandbox.faults.heal()
    sees(fleet, "Recovered", f"All {COUNT + 1} apps are over it")
    until(lambda: not fleet.oncall.opened(), seconds=_SECONDS)
    assert len(fleet.oncall.alerts) == 1


@HTTP
def test_app_whose_reason_differs_speaks_for_itself(fleet: Story) -> None:
    commits(fleet, bad)
    fleet.bot.start()
    folded(fleet)
    other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {level: [1]}\n"
    commits(fleet, lambda name: other if name == NAMES[4] else bad(name))
    sees(fleet, "Sync failed", f"{COUNT - 1} of {COUNT} apps still fail")
    until(
        lambda: any(one.text.startswith(f"Sync failed: {NAMES[4]} / prod") for one in failures(fleet)), seconds=_SECONDS
    )
    assert len(failures(fleet)) == 2


@SOCKET
def test_nothing_is_doubled_or_lost_when_the_bot_is_killed_in_between(fleet: Story) -> None:
    commits(fleet, bad)
    fleet.bot.start()
    sees(fleet, "Sync failed", "apps fail for one reason")
    fleet.bot.kill()
    fleet.bot.start()
    folded(fleet)
    until(fleet.oncall.opened, seconds=_SECONDS)
    fleet.bot.kill()
    commits(fleet, good)
    fleet.bot.start()
    sees(fleet, "Recovered", f"All {COUNT} apps are over it")
    until(lambda: not fleet.oncall.opened(), seconds=_SECONDS)
    assert len(fleet.oncall.alerts) == 1


def test_one_of_the_apps_is_looked_at_from_the_message(fleet: Story) -> None:
    commits(fleet, bad)
    fleet.bot.start()
    found = folded(fleet)
    fleet.connected()
    answer = fleet.presses(ANA, found, "gitops.pick.status", value=f"prod/{NAMES[6]}")
    assert NAMES[6] in json.dumps(answer.blocks)


@HTTP
def test_running_apps_that_fail_at_once_are_at_most_three_messages_and_none_too_early(fleet: Story) -> None:
    """The workspace refuses a second post within a second."""
    fleet.slack.state.post_interval = timedelta(seconds=1)
    commits(fleet, good)
    fleet.bot.start()
    until(lambda: fleet.bot.metric("gitops_bot_app_synced") == COUNT + 1, seconds=_SECONDS)
    commits(fleet, bad)
    found = folded(fleet)
    assert listed(found) == set(NAMES)
    assert len(failures(fleet)) <= 3
    assert "ratelimited" not in {one.outcome for one in fleet.slack.calls("chat.postMessage")}
