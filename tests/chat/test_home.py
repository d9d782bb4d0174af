"""The Home tab: what a person is offered for an app in each state, and its limits with hundreds of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson
import pytest

from bot.chat import replies
from bot.chat.home import Filters, home
from bot.model.attempt import attempts
from bot.model.control import ControlState, Pin, Via
from bot.model.outcome import HealthState, Result
from bot.model.record import EVERY_APP, Mute, SyncState
from bot.model.source import Revision
from bot.model.status import REJECTED, UNDECIDED, AppStatus, Question, counts
from bot.sandbox.slack import limits
from tests.lines import entry, standing
from tests.plan.world import app

NOW: Final = datetime(2026, 11, 26, 4, 35, tzinfo=UTC)
PIN: Final = Pin(commit="a" * 40, by="U0BOB", reason="", since=NOW)
HASH: Final = "sha256:" + "1" * 64
SYNCED: Final = standing(env="production", revision="a" * 40, target_revision="a" * 40, last_sync_at=NOW)
QUESTION: Final = Question(
    plan_hash=HASH, until=NOW + timedelta(minutes=9), needed=2, given=("U0BOB",), requesters=("U0ANA",)
)
ASKED: Final = replace(
    SYNCED,
    sync=SyncState.WAITING_APPROVAL,
    target_revision="b" * 40,
    question=QUESTION,
)
MUTE: Final = Mute(app="prod/shop", by="U0BOB", via=Via.SLACK, reason="", since=NOW, until=NOW + timedelta(hours=1))
FAILED: Final = replace(SYNCED, sync=SyncState.FAILED, last_error="quota exceeded " * 40, page="gitops-bot:prod:shop")
PAUSED: Final = replace(
    SYNCED, control=ControlState.PAUSED, control_by="U0BOB", control_reason="migration " * 30, control_until=NOW
)


def offered(
    one: AppStatus, *, user: str = "U0CAT", may: Callable[[AppStatus, str], bool] = lambda *_: True
) -> list[str]:
    """Return the labels of an app's buttons."""
    blocks = home([one], Filters(), user=user, may=may, now=NOW)["blocks"]
    rows = [block["elements"] for block in blocks if block["type"] == "actions" and "block_id" not in block]
    return [element["text"]["text"] for row in rows for element in row]


@pytest.mark.parametrize(
    ("one", "labels"),
    [
        (SYNCED, "Sync now, What would change, Roll back, Pause"),
        (replace(SYNCED, sync=SyncState.UNKNOWN, revision=""), "Sync now, What would change, Pause"),
        (FAILED, "Retry now, Acknowledge, What would change, Roll back, Pause"),
        (replace(SYNCED, sync=SyncState.DRIFTED), "Revert now, Keep it, What would change, Roll back, Pause"),
        (ASKED, "Approve, Reject, What would change, Roll back, Pause"),
        (replace(ASKED, sync=SyncState.REFUSED), "Approve, Reject, What would change, Roll back, Pause"),
        (PAUSED, "Resume, What would change"),
        (replace(ASKED, control=ControlState.PAUSED), "Resume, What would change"),
        (replace(SYNCED, control=ControlState.PINNED, pin=PIN), "Resume, What would change, Roll back, Pause"),
        (
            replace(ASKED, control=ControlState.PINNED, pin=PIN),
            "Approve, Reject, Resume, What would change, Roll back, Pause",
        ),
        (replace(SYNCED, mute=MUTE), "Sync now, What would change, Roll back, Pause, Unmute"),
        (replace(SYNCED, mute=replace(MUTE, app=EVERY_APP)), "Sync now, What would change, Roll back, Pause"),
    ],
)
def test_each_state_offers_what_may_be_done_next(one: AppStatus, labels: str) -> None:
    """An app that waited for approval offered "Sync now", and no way to decide."""
    assert ", ".join(offered(one)) == labels


def test_plan_is_decided_by_who_may_and_did_not_ask_for_it_and_in_time() -> None:
    assert ASKED.question is not None
    assert offered(ASKED, user="U0ANA")[0] == "Reject"
    assert offered(ASKED, may=lambda _, verb: verb == "plan") == ["What would change"]
    late = replace(ASKED, question=replace(ASKED.question, over="nobody decided in time"))
    assert offered(late)[0] == "Ask again"


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (SYNCED, "synced"),
        (FAILED, "failing"),
        (
            replace(SYNCED, sync=SyncState.BEHIND, consecutive_failures=3, control=ControlState.PAUSED),
            "failing, behind, paused",
        ),
        (replace(SYNCED, control=ControlState.PINNED, pin=PIN), "pinned, synced"),
        (
            replace(ASKED, control=ControlState.PINNED, pin=PIN, question=replace(QUESTION, over=f"U0BOB {REJECTED}")),
            "rejected, pinned",
        ),
        (replace(ASKED, question=replace(QUESTION, over=UNDECIDED)), "not decided on in time"),
        (ASKED, "waiting for approval"),
        (replace(SYNCED, sync=SyncState.BEHIND, is_syncing=True), "syncing"),
        (replace(SYNCED, sync=SyncState.REFUSED, question=QUESTION), "waiting for approval"),
        (replace(SYNCED, health=HealthState.DEGRADED), "degraded, synced"),
        (replace(SYNCED, sync=SyncState.UNKNOWN, health=HealthState.UNKNOWN), "not synced yet"),
    ],
)
def test_status_has_a_word_for_each_thing_that_holds(one: AppStatus, words: str) -> None:
    """Of a paused app that fails it said one of both; of one that nobody had looked at "unknown, unknown"."""
    assert ", ".join(one.words) == words
    text, blocks = replies.status([one])
    assert text.startswith(f"shop / prod  {words}")
    assert f"*shop / prod*  {words}" in str(blocks)
    assert "unknown" not in text


def test_status_says_what_is_live_of_a_sync_that_was_rejected_and_why() -> None:
    """It said that nothing was applied, and the reason of the reject nowhere."""
    live = "4 of 5 objects of 1651a32, which U0ANA approved, are live"
    no = replace(QUESTION, over=f"U0CAT {REJECTED}", reason="stop it now", live=live)
    told = replies.status([replace(ASKED, question=no)])[0]
    assert "4 of 5 objects of 1651a32, which <@U0ANA> approved, are live; no more of it is applied" in told
    assert "<@U0CAT> rejected it (stop it now)" in told


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (SYNCED, "at `aaaaaaa`"),
        (replace(FAILED, failing_commit="b" * 40), "at `aaaaaaa`, `bbbbbbb` was not applied"),
        (
            replace(FAILED, failing_commit="b" * 40, is_begun=True),
            "at `bbbbbbb`, written last, before it `aaaaaaa` was good",
        ),
        (replace(FAILED, failing_commit="a" * 40), "at `aaaaaaa`"),
        (replace(FAILED, failing_commit="b" * 40, is_begun=True, revision=""), "at `bbbbbbb`, written last"),
        (replace(FAILED, failing_commit="b" * 40, revision=""), ""),
    ],
)
def test_commit_that_the_cluster_has_is_the_one_that_was_written_last(one: AppStatus, words: str) -> None:
    """While a newer commit ran broken, status and the rollback's modal said that the app was at the good one."""
    assert replies.stands_at(one) == words
    assert words in str(replies.status([one])[1])


def test_what_waits_for_a_yes_is_no_trouble() -> None:
    """The header said "2 in trouble" of apps that waited for approval."""
    apps = [
        replace(ASKED, app="a"),
        replace(ASKED, app="b"),
        replace(FAILED, app="c"),
        replace(PAUSED, app="d"),
        SYNCED,
    ]
    assert counts(apps) == "2 of 5 apps are synced; 1 failing, 2 waiting for approval, 1 paused."
    view = home(apps, Filters(), user="U", may=lambda *_: True, now=NOW)
    assert counts(apps) in view["blocks"][1]["text"]["text"]
    trouble = home(apps, Filters(show="trouble"), user="U", may=lambda *_: True, now=NOW)
    assert "apps 1 to 1 of 1" in str(trouble["blocks"][-1])
    assert replies.status(apps)[0].startswith(
        f"{counts(apps)} c / prod failing; a / prod waiting for approval; b / prod"
    )


def test_status_says_how_far_a_sync_is() -> None:
    text, blocks = replies.status([replace(SYNCED, is_syncing=True, written=3, writes=5)])
    assert ". 3 of 5 objects written." in text
    assert "\n3 of 5 objects written\n" in blocks[1]["text"]["text"]


def test_pinned_app_shows_what_a_resume_would_do() -> None:
    pinned = replace(SYNCED, control=ControlState.PINNED, pin=PIN, ref="main")
    blocks = home([pinned], Filters(), user="U", may=lambda *_: True, now=NOW)["blocks"]
    values = [one["value"] for block in blocks for one in block.get("elements") or () if "value" in one]
    assert orjson.dumps({"app": "prod/shop", "commit": "main"}).decode() in values


def test_equal_failures_in_a_row_are_one_line_of_history() -> None:
    """Each retry of a failing sync was a line, and the ten lines of an answer all said the same."""
    failed = entry(NOW)
    good = replace(failed, result=Result.CONVERGED, revision="a" * 40)
    failures = [replace(failed, finished_at=NOW - timedelta(minutes=n)) for n in range(14)]
    shown = attempts([*failures, good, replace(good, revision="c" * 40), failed])
    assert [one.count for one in shown] == [14, 1, 1, 1]
    commit = Revision(commit="b" * 40, author="Ana Lima", subject="Say <more>")
    text, blocks = replies.history("shop / prod", shown, {commit.commit: commit})
    assert "bbbbbbb Say &lt;more&gt; by Ana Lima: sync failed 14 times from <!date" in text
    assert "aaaaaaa: sync converged, <!date" in text
    assert "1 updated, by schedule" in text
    assert "14 times" in str(blocks)


def test_history_of_a_name_on_many_clusters_says_how_many_are_left_out() -> None:
    """It was cut where the message was full, without a word."""
    apps = [app(name="shop", cluster=f"prod-{number:03}") for number in range(200)]
    commit = Revision(commit="b" * 40, author="Ängström " * 7, subject="Größer als üblich & <länger> " * 2)
    found = [(one, attempts([entry(NOW, app=one.key)])) for one in apps]
    text, blocks = replies.histories(found, {commit.commit: commit})
    assert limits.complaints(list(blocks)) == ()
    assert limits.characters(blocks) < limits.ALL_BLOCKS_CHARACTERS
    sections, rest = blocks[:-1], blocks[-1]["elements"][0]["text"]
    shown = sum(block["text"]["text"].count("*shop / prod-") for block in sections)
    assert rest == (
        f"{200 - shown} apps more: `/gitops history prod-{shown:03}/shop` shows one, "
        "`gitops-bot history shop` in a terminal all of them"
    )
    assert text.endswith("in a terminal all of them")
    (few,) = replies.histories(found[:3], {})[1]
    assert few["text"]["text"].count("*shop / prod-") == 3


def test_verdict_is_bound_to_the_plan_that_the_tab_shows() -> None:
    view = home([ASKED], Filters(show="asked"), user="U0CAT", may=lambda *_: True, now=NOW)
    text = orjson.dumps(view["blocks"]).decode()
    assert "1 of 2 approvals by <@U0BOB>, plan `sha256:111111111111`" in text
    (value,) = [
        element["value"]
        for block in view["blocks"]
        for element in block.get("elements") or ()
        if element.get("action_id") == "gitops.approve"
    ]
    assert orjson.loads(value) == {"app": "prod/shop", "plan": HASH}
    assert home([SYNCED], Filters(show="asked"), user="U", may=lambda *_: True, now=NOW)["blocks"][3]["text"][
        "text"
    ] == ("No app is like that.")


@pytest.mark.parametrize("page", [0, 7, 14])
def test_three_hundred_apps_in_every_state_keep_the_limits(page: int) -> None:
    states = [SYNCED, FAILED, ASKED, PAUSED, replace(SYNCED, sync=SyncState.DRIFTED, mute=MUTE)]
    apps = [replace(states[n % 5], app=f"app-{n:03}-" + "x" * 50, cluster=f"c{n % 3}") for n in range(300)]
    view = home(apps, Filters(page=page), user="U0CAT", may=lambda *_: True, now=NOW)
    assert limits.view_complaints(view, "home") == ()
    assert limits.characters(view["blocks"]) < limits.VIEW_CHARACTERS
    assert sum(1 for block in view["blocks"] if block["type"] == "section") == 21
