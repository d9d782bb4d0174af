"""When somebody is woken, on the wire, with the real bot process: once, in time, and until it is over.

Both flavours of the service answer the same calls at different hosts.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.oncall import OncallService
from tests.flow.story import ANA, BOB, DEPLOYS, Story, configmap
from tests.flow.workplace import buttons
from tests.waiting import PATIENCE_SECONDS, until

Tell = Callable[..., Story]


PAIRS = pytest.mark.parametrize(
    ("mode", "flavour"), [("socket", "opsgenie"), ("http", "jsm")], ids=["socket-opsgenie", "http-jsm"]
)


@pytest.fixture(params=["socket-opsgenie", "http-jsm"])
def story(request: pytest.FixtureRequest, tell: Tell) -> Story:
    mode, _, flavour = request.param.partition("-")
    return tell(mode=mode, flavour=flavour, ONCALL_WEBHOOK_SECRET="hook")


def paged(story: Story) -> Story:
    """Let the app fail until somebody is paged."""
    story.fails()
    story.bot.start()
    until(story.oncall.opened)
    return story


def test_third_failure_in_a_row_opens_one_page_and_later_ones_none(story: Story) -> None:
    paged(story)
    before = story.bot.metric("gitops_bot_app_failures")
    assert before >= 3
    until(lambda: story.bot.metric("gitops_bot_app_failures") > before + 3)
    (alert,) = story.oncall.opened()
    assert (alert.alias, alert.priority, alert.count) == ("gitops-bot:prod:shop", "P2", 1)
    assert len(alert.message) <= 130
    assert (story.calls("open"), story.calls("notes")) == (1, 0)


def test_page_says_what_who_since_when_and_the_way_back_to_whom_it_wakes(story: Story) -> None:
    """It had the first error and a hash: whoever read it on a phone knew neither whom to call nor what to type."""
    good = story.mends()
    story.bot.start()
    story.sees("Converged", good[:7])
    bad = story.fails()
    (alert,) = until(story.oncall.opened)
    assert alert.message.startswith("shop / prod (production): ")
    assert f"Commit: {bad[:7]} Break, by " in alert.description
    assert f"Last good: {good[:7]}" in alert.description
    assert f"/gitops rollback shop {good[:7]}" in alert.description
    assert "Since: " in alert.description
    assert f"In Slack: {story.slack.url}/archives/{DEPLOYS}" in alert.description


def test_new_commit_that_fails_too_is_one_note(story: Story) -> None:
    paged(story)
    second = story.fails("two")
    until(lambda: story.oncall.alerts[0].notes)
    before = story.bot.metric("gitops_bot_app_failures")
    until(lambda: story.bot.metric("gitops_bot_app_failures") > before + 2)
    (note,) = story.oncall.alerts[0].notes
    assert second[:7] in note
    assert story.calls("open") == 1


def test_convergence_closes_the_page_once_and_says_so(story: Story) -> None:
    paged(story)
    fixed = story.mends()
    until(lambda: not story.oncall.opened())
    assert fixed[:7] in story.oncall.alerts[0].notes[-1]
    story.sees("Page closed")
    story.mends("debug")
    until(lambda: story.data() == {"level": "debug"})
    until(lambda: story.bot.metric("gitops_bot_app_synced"))
    assert story.calls("close") == 1


def test_rollback_to_the_last_good_commit_is_said_and_closes_the_page(story: Story) -> None:
    """What people roll back to is the commit that converged last: its order was left at "Syncing" for ever."""
    good = story.mends()
    story.bot.start()
    story.sees("Converged", good[:7])
    story.fails()
    until(story.oncall.opened)
    assert story.bot.run("rollback", "shop", good[:7])[0] == 0
    until(lambda: not story.oncall.opened())
    assert story.bot.status("shop")["control"] == "pinned"
    story.sees("Rolled back", good[:7])
    assert [one.text for one in story.slack.roots(DEPLOYS) if one.text.startswith("Syncing")] == []


@pytest.mark.parametrize(
    ("mode", "flavour", "fault"),
    [
        ("socket", "opsgenie", Fault(kind=FaultKind.REFUSE)),
        ("http", "jsm", Fault(kind=FaultKind.STATUS, status=500)),
        ("socket", "opsgenie", Fault(kind=FaultKind.STATUS, status=502, body="<html>Bad Gateway</html>")),
        ("http", "jsm", Fault(kind=FaultKind.THROTTLE, seconds=1)),
        ("socket", "jsm", Fault(kind=FaultKind.HANG)),
    ],
    ids=["refused", "500", "html", "throttled", "hang"],
)
def test_service_that_is_away_is_said_and_the_page_comes_later(
    tell: Tell, mode: str, flavour: str, fault: Fault
) -> None:
    """The reconciler does not notice: passes go on failing at their own pace."""
    story = tell(mode=mode, flavour=flavour)
    story.oncall.faults.add(fault)
    story.fails()
    story.bot.start()
    story.sees("Not paged yet", "It is tried again by itself", seconds=90)
    before = story.bot.metric("gitops_bot_pass_seconds_count", 'result="failed"')
    until(lambda: story.bot.metric("gitops_bot_pass_seconds_count", 'result="failed"') > before + 1)
    assert story.bot.metric("gitops_bot_delivery_failures_total", 'sink="oncall"', 'how="late"') >= 1
    assert story.oncall.opened() == []
    story.oncall.faults.heal()
    until(story.oncall.opened, seconds=90)
    story.sees("On-call is paged after all")
    assert len(story.oncall.alerts) == 1


@PAIRS
def test_page_that_never_got_through_wakes_nobody_after_convergence(tell: Tell, mode: str, flavour: str) -> None:
    story = tell(mode=mode, flavour=flavour)
    story.oncall.faults.add(Fault(kind=FaultKind.STATUS, status=503))
    story.fails()
    story.bot.start()
    story.sees("Not paged yet", seconds=90)
    fixed = story.mends()
    story.sees("Converged", fixed[:7])
    until(lambda: story.bot.metric("gitops_bot_app_synced"))
    story.oncall.faults.heal()
    story.sees("Page closed", seconds=90)
    assert story.oncall.alerts == []


def test_call_whose_answer_is_lost_makes_one_alert(story: Story) -> None:
    story.oncall.faults.add(Fault(kind=FaultKind.LOST), match="POST */v2/alerts", times=1)
    paged(story)
    until(lambda: story.calls("open") == 2)
    story.sees("On-call is paged")
    assert len(story.oncall.alerts) == 1


def test_killed_before_the_answer_to_its_page_it_pages_once(story: Story) -> None:
    story.oncall.faults.add(Fault(kind=FaultKind.HANG))
    story.fails()
    story.bot.start()
    until(lambda: story.calls("open"))
    story.bot.kill()
    story.oncall.faults.heal()
    story.bot.start()
    until(story.oncall.opened)
    assert len(story.oncall.alerts) == 1


@pytest.mark.parametrize("done", [False, True], ids=["not-done", "done"])
def test_killed_between_a_close_and_its_answer_it_closes_after_the_restart(story: Story, done: bool) -> None:
    """Whether the service had closed the alert by then or not: the bot cannot know, and asks again."""
    paged(story)
    alert = story.oncall.opened()[0]
    story.oncall.faults.add(Fault(kind=FaultKind.DELAY if done else FaultKind.HANG, seconds=600), match="POST */close*")
    story.mends()
    until(lambda: story.calls("close"))
    until(lambda: not alert.open if done else True)
    story.bot.kill()
    story.oncall.faults.heal()
    story.bot.start()
    until(lambda: not story.oncall.opened())
    until(lambda: story.calls("close") >= 2)
    story.sees("Page closed")
    assert len(story.oncall.alerts) == 1


@PAIRS
def test_refused_key_is_shouted_with_its_setting_and_not_tried_again(tell: Tell, mode: str, flavour: str) -> None:
    story = tell(mode=mode, flavour=flavour, OPSGENIE_API_KEY="canary-key")
    story.fails()
    story.bot.start()
    shouted = story.sees("Could not page", "OPSGENIE_API_KEY", seconds=90)
    before = story.bot.metric("gitops_bot_app_failures")
    until(lambda: story.bot.metric("gitops_bot_app_failures") > before + 2)
    assert story.calls("open") <= 2
    assert "canary" not in f"{shouted.text} {shouted.blocks} {story.bot.log()}"
    health = story.bot.health()
    assert health["status"] == "degraded"
    assert "OPSGENIE_API_KEY" in health["parts"]["deliveries to oncall"]


@PAIRS
def test_refused_page_is_sent_once_when_the_key_is_mended_and_the_trouble_lasts(
    tell: Tell, tmp_path: Path, mode: str, flavour: str
) -> None:
    """Nobody was ever woken: the page counted as sent, and the sync went on failing."""
    key = tmp_path / "key"
    key.write_text("wrong", encoding="utf-8")
    story = tell(mode=mode, flavour=flavour, OPSGENIE_API_KEY_FILE=str(key))
    story.fails()
    story.bot.start()
    story.sees("Could not page", "OPSGENIE_API_KEY", seconds=90)
    assert story.bot.stop() == 0
    story.bot.start()  # the key is wrong still: that is no news
    until(lambda: story.calls("open") == 2)
    key.write_text("oncall-key", encoding="utf-8")
    story.bot.hang_up()
    (alert,) = until(story.oncall.opened)
    story.sees("paged", "after all")
    assert sum("Could not page" in one.text for one in story.said()) == 0  # that message says so by now
    story.bot.hang_up()
    until(lambda: story.bot.log().count("takes up its new configuration") == 2)
    before = story.bot.metric("gitops_bot_app_failures")
    until(lambda: story.bot.metric("gitops_bot_app_failures") > before + 2)
    assert (alert.alias, alert.count, story.calls("open")) == ("gitops-bot:prod:shop", 1, 3)
    story.mends()
    until(lambda: not story.oncall.opened())
    assert len(story.oncall.alerts) == 1


@PAIRS
def test_refused_page_is_not_sent_for_what_is_over(tell: Tell, tmp_path: Path, mode: str, flavour: str) -> None:
    key = tmp_path / "key"
    key.write_text("wrong", encoding="utf-8")
    story = tell(mode=mode, flavour=flavour, OPSGENIE_API_KEY_FILE=str(key))
    story.fails()
    story.bot.start()
    story.sees("Could not page", "OPSGENIE_API_KEY", seconds=90)
    good = story.mends()
    story.sees("Converged", good[:7])
    key.write_text("oncall-key", encoding="utf-8")
    story.bot.hang_up()
    until(lambda: "takes up its new configuration" in story.bot.log())
    bad = story.fails("two")  # what begins now is paged as ever
    (alert,) = until(story.oncall.opened)
    assert (alert.count, len(story.oncall.alerts)) == (1, 1)
    assert bad[:7] in alert.description


def hook(story: Story, action: str, alias: str, *, secret: str = "hook", more: str = "") -> int:
    """Call the bot as the service's outgoing webhook does; returns the status."""
    body = json.dumps({"action": action, "alert": {"alias": alias, "username": "ana"}, "more": more}).encode()
    headers = {"Content-Type": "application/json", "X-Webhook-Secret": secret}
    request = urllib.request.Request(f"http://127.0.0.1:{story.bot.port}/webhooks/oncall", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:  # the bot hung up while we were still sending
        return 413


def test_acknowledgement_over_there_is_one_line_in_the_thread_and_takes_the_button_away(story: Story) -> None:
    paged(story)
    alias = "gitops-bot:prod:shop"
    until(lambda: "gitops.acknowledge" in buttons(story.sees("Sync failed", "paged on-call, P2")))
    assert hook(story, "Acknowledge", alias, secret="wrong") == 401
    assert hook(story, "Acknowledge", "gitops-bot:prod:other") == 200
    assert hook(story, "Acknowledge", alias, more="x" * 2_000_000) == 413
    for _ in range(2):
        assert hook(story, "Acknowledge", alias) == 200
    line = story.sees("Page acknowledged", "Acknowledged by ana")
    assert line.thread_ts
    assert len([one for one in story.said() if "Page acknowledged" in one.text]) == 1
    shown = story.sees("Sync failed", "acknowledged by ana")
    assert "gitops.acknowledge" not in buttons(shown)
    assert story.calls("acknowledge") == 0


@PAIRS
def test_button_acknowledges_over_there_in_the_name_of_who_pressed_it(tell: Tell, mode: str, flavour: str) -> None:
    story = paged(tell(mode=mode, flavour=flavour))
    story.connected()
    failed = until(
        lambda: next((one for one in story.slack.roots(DEPLOYS) if "gitops.acknowledge" in buttons(one)), None)
    )
    assert "may not use on-call" in story.presses(BOB, failed, "gitops.acknowledge").text
    assert story.slack.click(failed, "gitops.acknowledge", ANA.id).acknowledged
    (alert,) = story.oncall.opened()
    until(lambda: alert.acknowledged)
    assert alert.acknowledged_by == ANA.email
    assert "gitops.acknowledge" not in buttons(story.sees("Sync failed", "acknowledged by"))
    story.sees("Page acknowledged")
    assert story.calls("acknowledge") == 1


def test_page_that_is_closed_is_not_acknowledged_and_the_audit_says_so(story: Story) -> None:
    """Somebody closed it over there, and a button of before is pressed."""
    paged(story)
    story.connected()
    failed = until(
        lambda: next((one for one in story.slack.roots(DEPLOYS) if "gitops.acknowledge" in buttons(one)), None)
    )
    alias = story.oncall.opened()[0].alias
    assert hook(story, "Close", alias) == 200
    story.sees("Closed by ana over there")
    assert story.slack.click(failed, "gitops.acknowledge", ANA.id, late=True).acknowledged
    assert until(lambda: story.slack.ephemerals(ANA.id))[0].text == "That page is closed already."
    code, text = story.bot.run("audit", "--output", "json")
    assert code == 0
    line, closed = [one for one in map(json.loads, text.splitlines()) if one["verb"] == "oncall"]
    assert (closed["who"], closed["arguments"], closed["app"]) == ("ana", f"close {alias}", "shop")
    assert (line["who"], line["arguments"], line["decision"]) == (ANA.id, f"acknowledge {alias}", "denied")
    assert line["why"] == "That page is closed already."
    assert story.calls("acknowledge") == 0


def test_close_over_there_is_not_an_acknowledgement_and_pages_again_only_later(story: Story) -> None:
    paged(story)
    alert = story.oncall.opened()[0]
    with story.oncall.changed:
        alert.open = False
    for _ in range(2):
        assert hook(story, "Close", alert.alias) == 200
    line = story.sees("Closed by ana over there; the app is still failing", "It pages again if that goes on")
    assert line.thread_ts
    until(lambda: "gitops.acknowledge" not in buttons(story.sees("Sync failed")))
    before = story.bot.metric("gitops_bot_app_failures")
    until(lambda: story.bot.metric("gitops_bot_app_failures") > before + 4)
    assert story.oncall.opened() == []
    assert len([one for one in story.said() if "Closed by ana" in one.text]) == 1
    story.mends()
    story.sees("Converged")
    assert story.calls("close") == 0


@PAIRS
def test_closed_over_there_it_pages_again_when_the_app_fails_on(tell: Tell, mode: str, flavour: str) -> None:
    story = paged(
        tell(mode=mode, flavour=flavour, ONCALL_WEBHOOK_SECRET="hook", page_after="{failures: 3, duration: 5s}")
    )
    alert = story.oncall.opened()[0]
    with story.oncall.changed:
        alert.open = False
    assert hook(story, "Close", alert.alias) == 200
    until(story.oncall.opened)
    assert [one.alias for one in story.oncall.alerts] == [alert.alias] * 2
    story.mends()
    until(lambda: not story.oncall.opened())


@PAIRS
def test_order_from_slack_while_the_service_hangs_is_followed(tell: Tell, mode: str, flavour: str) -> None:
    story = tell(mode=mode, flavour=flavour)
    story.oncall.faults.add(Fault(kind=FaultKind.HANG))
    story.fails()
    story.bot.start()
    until(lambda: story.calls("open"))
    story.connected()
    assert "Paused" in story.types(ANA, "pause shop").text
    story.sees("Paused")


@pytest.mark.door
def test_both_services_get_every_alert_and_neither_waits_for_the_other(tell: Tell) -> None:
    """For the move from one to the other: each has its own key, and one that is away holds no page of the other."""
    further = OncallService(flavour="jsm", keys=frozenset({"jsm-key"}))
    further.start()
    try:
        also = f", also: [{{provider: jsm, host: '{further.url}', key_env: JSM_API_KEY}}]"
        story = tell(oncall=also, JSM_API_KEY="jsm-key")
        story.oncall.faults.add(Fault(kind=FaultKind.HANG))
        story.fails()
        story.bot.start()
        until(further.opened)
        story.sees("On-call could not be paged by opsgenie yet", seconds=90)
        story.sees("On-call is paged", "shop / prod")
        story.oncall.faults.heal()
        until(story.oncall.opened, seconds=90)
        assert [(one.alias, one.key) for one in further.alerts] == [("gitops-bot:prod:shop", "jsm-key")]
        assert [(one.alias, one.key) for one in story.oncall.alerts] == [("gitops-bot:prod:shop", "oncall-key")]
        story.mends()
        until(lambda: not story.oncall.opened() and not further.opened())
        story.sees("Page closed")
        assert len([one for one in story.said() if one.text.startswith("Page closed") and one.thread_ts]) == 1
        assert story.bot.run("check")[1].startswith("warning: Opsgenie is switched off on 2027-04-05")
    finally:
        further.stop()


def test_alert_that_was_taken_and_then_not_made_is_no_page(story: Story) -> None:
    story.oncall.spoiled = 1
    story.fails()
    story.bot.start()
    until(story.oncall.opened)
    after_all = story.sees("On-call is paged after all")
    (first, *_) = after_all.edits
    assert first.text.startswith("Not paged yet")
    assert "took the alert and then did not make it" in json.dumps(first.blocks)
    assert (len(story.oncall.alerts), story.calls("open")) == (1, 2)


@PAIRS
def test_each_team_s_alert_carries_its_own_key(tell: Tell, mode: str, flavour: str) -> None:
    story = tell(
        mode=mode,
        flavour=flavour,
        app="interval: 1s",
        apps="\n".join(
            f"  - {{name: {team}, repo: fleet, path: apps/{team}, cluster: prod, interval: 1s,"
            f" oncall: {{team: {team}}}}}"
            for team in ("sre", "pay")
        ),
        OPSGENIE_API_KEY_SRE="sre-key",
        OPSGENIE_API_KEY_PAY="pay-key",
    )
    story.oncall.keys |= {"sre-key", "pay-key"}
    story.mends()
    story.upstream.commit({f"apps/{team}/a.yaml": configmap("info") + f"{team}: one\n" for team in ("sre", "pay")})
    story.bot.start()
    until(lambda: len(story.oncall.opened()) == 2)
    assert {(one.team, one.key) for one in story.oncall.alerts} == {("sre", "sre-key"), ("pay", "pay-key")}


@PAIRS
def test_throttled_page_waits_for_the_period_that_the_service_names(tell: Tell, mode: str, flavour: str) -> None:
    story = tell(mode=mode, flavour=flavour)
    story.oncall.faults.add(Fault(kind=FaultKind.THROTTLE, seconds=3600))
    story.fails()
    story.bot.start()
    story.sees("Not paged yet")
    before = story.bot.metric("gitops_bot_app_failures")
    until(lambda: story.bot.metric("gitops_bot_app_failures") > before + 3)
    assert story.calls("open") == 1


_URGENT = """\
  - {name: vault, repo: fleet, path: apps/shop, cluster: prod, namespace: default, env: production,
     interval: 1s, oncall: {priority: P1}}
"""


def test_more_urgent_app_that_fails_for_the_same_reason_raises_the_page(story: Story) -> None:
    paged(story)
    story.bot.configure(lambda text: text.replace("apps:\n", f"apps:\n{_URGENT}"))
    story.bot.hang_up()
    alert = story.oncall.opened()[0]
    assert alert.priority == "P2"
    until(lambda: alert.priority == "P1")
    story.sees("2 apps fail for one reason", "paged on-call, P1")
    assert (story.calls("open"), len(story.oncall.alerts)) == (1, 1)


def test_pause_is_a_note_and_the_page_stays(story: Story) -> None:
    paged(story)
    assert story.bot.run("pause", "shop", "--reason", "looking at it")[0] == 0
    until(lambda: story.oncall.alerts[0].notes)
    assert "Paused by os:" in story.oncall.alerts[0].notes[0]
    assert "looking at it" in story.oncall.alerts[0].notes[0]
    assert len(story.oncall.opened()) == 1
    fixed = story.mends()
    assert story.bot.run("resume", "shop")[0] == 0
    until(lambda: not story.oncall.opened())
    assert fixed[:7] in story.oncall.alerts[0].notes[-1]


def test_check_opens_and_closes_an_alert_on_request(story: Story) -> None:
    story.mends()
    code, text = story.bot.run("check", "--page")
    assert code == 0, text
    (alert,) = story.oncall.alerts
    assert (alert.alias, alert.priority, alert.open) == ("gitops-bot:check", "P5", False)
    story.oncall.faults.add(Fault(kind=FaultKind.STATUS, status=500), match="POST *")
    code, text = story.bot.run("check", "--page")
    assert code == 1
    assert "a test alert could not be opened and closed: the on-call service answers 500" in text
