"""One commit that changes thirty apps is one message of their channel, on the wire, with the real bot process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.slack.values import Message
from tests.contract.servers import SandboxServer
from tests.flow.complaints import complaints
from tests.flow.story import ANA, DEPLOYS, Story, configmap
from tests.flow.workplace import said
from tests.waiting import until

pytestmark = pytest.mark.long

NAMES = [f"app-{number:02}" for number in range(1, 31)]
LATE = "late"  # waits for the one that is refused
_SECONDS = 240  # thirty apps on a machine that does other things too


@pytest.fixture(params=["socket", "http"])
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Story]:
    """Thirty apps, one that is refused by the API server, and one that waits for that one.

    Slack is away, and takes one message a second later.
    """
    plane = SandboxServer(tmp_path, speed=1)
    entry = "  - {{name: {0}, repo: fleet, path: apps/{0}, cluster: prod, env: production, interval: 3s}}"
    story = Story(
        tmp_path,
        plane,
        "default",
        mode=request.param,
        apps="\n".join([*map(entry.format, NAMES), entry.format(LATE).replace("}", ", depends_on: [shop]}")]),
        retry="{first: 2s, factor: 1, max: 2s}",
    )
    story.slack.state.post_interval = timedelta(seconds=1)
    story.slack.fail("*", Fault(kind=FaultKind.REFUSE), times=None)
    story.fails()
    files = {f"apps/{name}/a.yaml": configmap("info").replace("settings", name) for name in (*NAMES, LATE)}
    story.upstream.commit(files, message="Change all")
    yield story
    story.close()
    plane.stop()
    assert "Traceback" not in story.bot.log()
    assert complaints(story.slack) == []


def all_synced(story: Story) -> None:
    until(lambda: story.bot.metric("gitops_bot_app_synced") == len(NAMES), seconds=_SECONDS)
    until(lambda: story.bot.metric("gitops_bot_app_failures") >= 1, seconds=_SECONDS)


def is_about_all(story: Story) -> Message:
    """Wait until each app is told of as it is, nearly all of them in one message; return that one.

    What was on its way before the message about all has a message of its own; that one waits for the late app.
    """

    def is_over(one: Message) -> bool:
        return one.text.startswith("Converged") or ("still to be asked" in one.text and " syncing" not in one.text)

    def told() -> bool:
        roots = [one for one in story.slack.roots(DEPLOYS) if is_over(one)]
        return all(any(name in said(one) for one in roots) for name in NAMES)

    until(told, seconds=_SECONDS)
    roots = [one for one in story.slack.roots(DEPLOYS) if not one.text.startswith("Sync failed")]
    assert len(roots) <= 2, [one.text for one in roots]
    (message,) = (one for one in roots if " apps / " in one.text)
    return message


def test_one_commit_of_thirty_apps_is_one_message(fleet: Story) -> None:
    """Each was a message and a line in its thread: a minute of messages that nobody reads."""
    fleet.bot.start()
    all_synced(fleet)
    fleet.slack.heal()
    fleet.sees("Syncing: ", " apps converged, ", "1 still to be asked", seconds=_SECONDS)
    message = is_about_all(fleet)
    failed = fleet.sees("Sync failed: shop / prod", seconds=_SECONDS)
    assert "gitops.sync" in said(failed)  # its buttons stay with it
    fleet.connected()
    answer = fleet.presses(ANA, message, "gitops.pick.status", value=f"prod/{NAMES[6]}")
    assert NAMES[6] in said(answer)
    status, history = fleet.bot.run("history", NAMES[6], "--output", "json")
    assert (status, [one["result"] for one in json.loads(history)["entries"]]) == (0, ["converged"])

    fleet.upstream.commit({f"apps/{NAMES[6]}/a.yaml": configmap("debug").replace("settings", NAMES[6])})
    fleet.sees("Converged", f"{NAMES[6]} / prod", seconds=_SECONDS)  # one app is told of as before


def test_message_waits_for_the_app_that_has_not_begun(fleet: Story) -> None:
    """It said that all thirty had converged, and that all thirty-two had a minute later."""
    fleet.bot.start()
    all_synced(fleet)
    fleet.slack.heal()
    fleet.sees("Syncing: ", "1 still to be asked", seconds=_SECONDS)
    fleet.mends()
    fleet.sees("Converged: ", f"{LATE} / prod", seconds=_SECONDS)
    message = fleet.sees("Converged: ", " apps / ", NAMES[6], seconds=_SECONDS)  # nobody is asked about it any more
    assert "still to be asked" not in said(message)


def test_restart_in_between_loses_and_doubles_nothing(fleet: Story) -> None:
    fleet.bot.start()
    all_synced(fleet)
    fleet.bot.kill()
    fleet.slack.heal()
    fleet.bot.start()
    until(lambda: fleet.slack.roots(DEPLOYS), seconds=_SECONDS)
    assert fleet.bot.stop() == 0
    fleet.bot.start()
    is_about_all(fleet)
