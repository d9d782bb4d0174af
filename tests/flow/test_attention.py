"""Who hears what and when: routes, mutes, quiet hours, digests, reminders, pauses that run out."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.model.control import Control, Pause, Via
from bot.model.record import AuditEntry, Decision
from bot.sandbox.faults import Fault, FaultKind
from bot.state.store import SqlStore
from tests.flow.office import ANA, BOB, DEPLOYS, EVE, PAYMENTS, Office
from tests.flow.workplace import buttons, said
from tests.waiting import until

Offices = Callable[..., Office]


def test_failure_is_copied_to_the_channel_of_its_severity_and_followed_there(offices: Offices) -> None:
    office = offices(slack=f", routes: [{{channel: {PAYMENTS}, apps: [shop], severities: [failure]}}]")
    office.open()
    before = [one.text for one in office.slack.messages(PAYMENTS) if "shop" in one.text]
    assert before == []
    office.upstream.commit({"shop/a.yaml": "kind: [broken"})
    copy = office.sees(PAYMENTS, "Sync failed", "shop")
    office.sees(DEPLOYS, "Sync failed", "shop")
    fixed = office.commit("debug")
    done = office.sees(PAYMENTS, "shop", fixed[:7])
    assert done.ts == copy.ts
    shown = office.types(ANA, "route shop", DEPLOYS)
    assert f"<#{DEPLOYS}> hears everything: it is the default channel" in shown.text
    assert f"<#{PAYMENTS}> hears failure: route 1" in shown.text


def test_whoever_heard_of_a_page_hears_who_has_it_and_of_its_end(offices: Offices) -> None:
    """The channel of failures heard that somebody was called, and then nothing; the thread named a webhook."""
    office = offices(slack=f", routes: [{{channel: {PAYMENTS}, apps: [shop], severities: [failure]}}]")
    office.open()
    office.upstream.commit({"shop/a.yaml": "kind: [broken"})
    until(office.oncall.opened)
    shown = office.sees(DEPLOYS, "Sync failed", "shop", "gitops.acknowledge")
    assert office.presses(ANA, shown, "gitops.acknowledge").text == "You have the page."
    for place in (DEPLOYS, PAYMENTS):
        root = office.sees(place, "Sync failed", "shop", "acknowledged by")
        line = office.sees(place, "Page acknowledged", f"Acknowledged by <@{ANA.id}>", f"by <@{ANA.id}> (slack)")
        assert line.thread_ts == root.ts
        assert line.text.count(ANA.id) == 1
    until(lambda: office.oncall.alerts[0].acknowledged_by == ANA.email)
    assert not [one for one in office.slack.messages(DEPLOYS) if "could not be synced" in one.text], "it rang again"
    office.commit("debug")
    for place in (DEPLOYS, PAYMENTS):
        assert office.sees(place, "Page closed", "shop").thread_ts == office.sees(place, "is equal to", "shop").ts


@pytest.mark.parametrize("ends", ["rollback", "resume"])
def test_message_of_a_failure_is_paused_and_ends_with_the_rollback_in_every_channel(
    offices: Offices, ends: str
) -> None:
    """It stood for ever, with a retry that never came, over an app that had been rolled back and was healthy."""
    office = offices(slack=f", routes: [{{channel: {PAYMENTS}, apps: [shop], severities: [failure]}}]")
    good = office.open()
    no = json.dumps({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 403, "message": "frozen"})
    refusal = Fault(kind=FaultKind.STATUS, status=403, body=no)
    office.kube.faults.add(refusal, match="PATCH */configmaps/shop?*Validation=Ignore")
    office.commit("debug")
    failed = {place: office.sees(place, "Sync failed", "shop").ts for place in (DEPLOYS, PAYMENTS)}
    office.types(ANA, "pause shop", DEPLOYS)

    def reads(*words: str) -> bool:
        now = [said(one) for place, ts in failed.items() for one in office.slack.messages(place) if one.ts == ts]
        return all(word in text for word in words for text in now)

    until(lambda: reads("Paused", "nothing is retried while the app is paused", "/gitops resume shop tries it again"))
    office.kube.faults.heal()
    if ends == "rollback":
        assert office.bot.run("rollback", "shop", good[:7])[0] == 0
        until(lambda: reads("Recovered", f"The rollback to {good[:7]} has ended it"))
    else:
        office.types(ANA, "resume shop", DEPLOYS)
        until(lambda: reads("is equal to", "It recovered after"))
    assert not [one for place in failed for one in office.slack.roots(place) if one.text.startswith("Sync failed")]


def test_app_that_is_paused_tries_nothing_counts_nothing_and_calls_nobody(offices: Offices) -> None:
    """Each look at what Git has was one failure more: who paused a failing app was paged at once."""
    office = offices()
    office.open()
    office.types(ANA, "pause shop for 2h I am on it", DEPLOYS)
    paused = office.sees(DEPLOYS, "Paused", "shop", "I am on it")
    for text in ("broken", "broken again", "broken for good"):
        commit = office.upstream.commit({"shop/a.yaml": f"kind: [{text}"})
        waits = office.sees(DEPLOYS, "New commit waits", f"{commit[:7]} waiting (paused)", "It could not be applied")
        assert waits.thread_ts == paused.ts
    now = office.bot.status("shop")
    assert (now["sync"], now["control"], now["consecutive_failures"]) == ("behind", "paused", 0)
    assert not office.oncall.alerts
    office.types(ANA, "resume shop", DEPLOYS)
    until(office.oncall.opened)


def test_muted_app_is_synced_in_silence_and_its_end_says_what_happened(offices: Offices) -> None:
    office = offices()
    office.open()
    assert "No messages and no pages" in office.types(BOB, "mute shop for 1h load test", DEPLOYS).text
    office.sees(DEPLOYS, "Muted", "shop", "load test")
    commit = office.commit("debug")
    office.sees(DEPLOYS, "Converged", "docs", commit[:7])
    until(lambda: office.bot.status("shop")["revision"] == commit)
    assert office.level("shop") == "debug"
    assert "already muted by <@U0BOB>" in office.types(ANA, "mute shop for 1h", DEPLOYS).text
    changed = office.types(ANA, "mute shop for 5m", DEPLOYS)
    assert "It was muted by <@U0BOB> until" in changed.text
    assert "load test" in said(changed)
    assert "sent again" in office.types(ANA, "unmute shop", DEPLOYS).text
    office.sees(DEPLOYS, "No longer muted", "shop")
    assert not [one for one in office.slack.messages(DEPLOYS) if "shop" in one.text and commit[:7] in one.text]
    assert "No rule allows you to mute" in office.types(BOB, "mute all for 1h", DEPLOYS).text


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_pause_is_changed_in_its_message_with_old_and_new_end(offices: Offices, mode: str) -> None:
    """It could only be ended and begun again, and was over for whoever looked in between."""
    office = offices(mode=mode)
    office.open()
    paused = office.types(BOB, "pause shop for 2h migration", DEPLOYS)
    assert "already paused" in office.types(ANA, "pause shop", DEPLOYS).text
    assert "already paused" in office.types(ANA, "pause shop for 2h", DEPLOYS).text
    first = str(office.bot.status("shop")["control_until"])
    office.heard(lambda: office.slack.command(ANA.id, DEPLOYS, "pause shop for 4h"))
    line = office.sees(DEPLOYS, "shop / prod is paused", f"<@{ANA.id}> changed it", f"by <@{BOB.id}>")
    assert line.thread_ts == paused.ts
    until(lambda: str(office.bot.status("shop")["control_until"]) > first)
    root = office.sees(DEPLOYS, "Paused: shop", "before: until", "migration")
    assert (root.ts, office.bot.status("shop")["control_by"]) == (paused.ts, ANA.id)
    office.heard(lambda: office.slack.command(BOB.id, DEPLOYS, "pause shop because of tea"))
    until(lambda: office.bot.status("shop")["control_reason"] == "because of tea")
    ordered = [one for one in office.audit("shop") if (one["verb"], one["decision"]) == ("pause", "done")]
    assert [(one["who"], one["why"][:14]) for one in ordered] == [
        (BOB.id, "before: until "),
        (ANA.id, "before: until "),
        (BOB.id, ""),
    ]


def test_information_waits_in_quiet_hours_and_failures_do_not(offices: Offices) -> None:
    now = datetime.now(UTC)
    hours = f"{{start: '{now - timedelta(hours=1):%H:%M}', end: '{now + timedelta(hours=1):%H:%M}'}}"
    office = offices(slack=f", quiet: {hours}")
    office.commit("info")
    office.upstream.commit({"shop/a.yaml": "kind: [broken"})
    office.start()
    office.sees(DEPLOYS, "Sync failed", "shop")
    assert {one.text.partition(":")[0] for one in office.slack.messages(DEPLOYS)} == {"Sync failed"}
    assert office.slack.messages(PAYMENTS) == ()


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_old_pause_is_reminded_of_and_one_that_ran_out_ends(offices: Offices, mode: str) -> None:
    office = offices(mode=mode)
    office.open()
    told = office.types(BOB, "pause docs for 2h tea", DEPLOYS)
    assert office.bot.stop() == 0
    store = SqlStore(f"sqlite:///{office.bot.folder}/gitops-bot.db")
    since = datetime.now(UTC) - timedelta(hours=9)
    held = store.control("prod/docs").pause
    assert held is not None
    for app, pause in (
        ("prod/shop", Pause(by=ANA.id, reason="migration", since=since)),
        ("prod/docs", replace(held, until=datetime.now(UTC) - timedelta(seconds=1))),
    ):
        audit = AuditEntry(
            at=since, who=ANA.id, via=Via.CLI, verb="pause", app=app, arguments="", decision=Decision.DONE
        )
        store.save_control(app, Control(pause=pause), audit=audit)
    store.close()
    office.start()
    reminder = office.sees(DEPLOYS, "Reminder", "shop", "still paused", "migration")
    assert f"<@{ANA.id}>" in json.dumps(reminder.blocks)
    office.sees(DEPLOYS, "Resumed", "docs", "The pause has run out.")
    ended = office.sees(DEPLOYS, "Paused", "docs", "The pause has run out.", "tea")
    assert (ended.ts, buttons(ended)) == (told.ts, set())
    reminders = [one for one in office.slack.messages(DEPLOYS) if one.text.startswith("Reminder")]
    assert len(reminders) == 1


def test_audit_in_chat_and_terminal_is_one_chain(offices: Offices) -> None:
    office = offices()
    office.open()
    office.types(BOB, "pause shop for 1h tea", DEPLOYS)
    shown = json.dumps(office.types(BOB, "audit shop", DEPLOYS).blocks)
    assert "*pause* prod/shop: done" in shown
    office.types(BOB, "pause shop", DEPLOYS)
    refused, done = office.audit("shop")[:2]
    assert (refused["decision"], done["decision"]) == ("denied", "done")
    assert "already paused by U0BOB" in refused["why"]
    assert (done["app"], done["cluster"]) == ("shop", "prod")
    code, _ = office.bot.run("sync", "shop")
    ordered = office.audit("shop")[0]
    assert (code, ordered["verb"], ordered["decision"]) == (4, "sync", "denied")
    assert "paused" in ordered["why"]
    named = "paused by bob@example.com (U0BOB)"
    assert named in office.bot.run("status", "shop")[1]
    assert named in office.bot.run("sync", "shop")[1]
    assert f"already {named} since" in office.bot.run("pause", "shop")[1]
    assert "bob@example.com (U0BOB)  pause" in office.bot.run("audit", "--app", "shop")[1]
    code, text = office.bot.run("audit", "--export")
    lines = [json.loads(line) for line in text.splitlines()]
    assert code == 0
    assert [one["id"] for one in lines] == sorted(one["id"] for one in lines)
    assert any(one["who"] == BOB.id and one["verb"] == "pause" for one in lines)
    chain = ""
    for one in lines:  # whoever has the export can count the chain up
        chain = hashlib.sha256(f"{chain}\n{one['line']}".encode()).hexdigest()
        assert one["chain"] == chain


def test_every_order_has_one_decision_and_one_outcome(offices: Offices) -> None:
    """A paused app's sync was allowed and denied, a typo denied, a rollback done twice, who had a page of no app."""
    office = offices(ONCALL_WEBHOOK_SECRET="hook")
    good = office.open()
    for mistake in ("sync nosuch", "frobnicate", "rollback shop 1234567", "rollback shop zz"):
        office.types(ANA, mistake, DEPLOYS)
    assert "No rule allows" in office.types(EVE, "mute all for 1h", DEPLOYS).text
    assert "No rule allows" in office.types(EVE, "oncall test", DEPLOYS).text
    for order in ("pause shop", "sync shop", "resume shop"):
        office.types(ANA, order, DEPLOYS)
    office.commit("debug")
    until(lambda: office.level("shop") == "debug")
    until(lambda: office.bot.status("shop")["sync"] == "synced")
    office.types(ANA, "sync shop", DEPLOYS)

    def of(who: str, *, app: str | None) -> list[tuple[str, str]]:
        code, text = office.bot.run("audit", "--output", "json", "--limit", "100")
        assert code == 0
        lines = [json.loads(line) for line in reversed(text.splitlines())]
        return [(one["verb"], one["decision"]) for one in lines if one["who"] == who and app in {None, one["app"]}]

    orders = [("pause", "done"), ("sync", "denied"), ("resume", "done"), ("sync", "allowed"), ("sync", "done")]
    until(lambda: of(ANA.id, app=None) == orders)
    assert (of(EVE.id, app="*"), of(EVE.id, app="")) == ([("mute", "denied")], [("oncall", "denied")])
    assert office.bot.run("rollback", "shop", good[:7])[0] == 0
    assert office.bot.run("delete", "docs")[0] == 4
    terminal = [one for one in (office.audit("shop")[0]["who"],) if one.startswith("os:")]
    assert of(terminal[0], app="shop") == [("rollback", "allowed"), ("rollback", "done")]
    assert of(terminal[0], app="docs") == [("delete", "denied")]
    shown = json.dumps(office.types(ANA, "audit shop", DEPLOYS).blocks)
    assert f"*rollback* prod/shop: allowed, {good[:7]}" in shown
    assert f"is paused by <@{ANA.id}>" in shown

    office.upstream.commit({"docs/a.yaml": "kind: [broken"})
    until(office.oncall.opened)
    said = office.sees(DEPLOYS, "Sync failed", "docs", "gitops.acknowledge")
    office.presses(ANA, said, "gitops.acknowledge")
    assert office.audit("docs")[0]["arguments"] == "acknowledge gitops-bot:prod:docs"


def test_audit_without_its_newest_lines_is_seen_by_its_head(offices: Offices) -> None:
    """A chain alone cannot tell that its end was cut off; a head that was kept elsewhere can."""
    office = offices()
    office.open()
    office.types(BOB, "pause shop for 1h tea", DEPLOYS)
    assert office.bot.stop() == 0
    code, text = office.bot.run("audit", "--verify")
    head = text.split()[-1]
    assert (code, text.startswith("the audit holds: ")) == (0, True)
    assert office.bot.run("audit", "--verify", "--head", head)[0] == 0
    assert office.bot.run("audit", "--verify", "--head", "nonsense")[0] == 64
    with closing(sqlite3.connect(office.bot.folder / "gitops-bot.db")) as database, database:
        database.execute("DELETE FROM audit WHERE id = (SELECT MAX(id) FROM audit)")
    assert office.bot.run("audit", "--verify")[0] == 0
    code, text = office.bot.run("audit", "--verify", "--head", head)
    assert code == 1
    assert f"the audit does not hold: it did end at {head}" in text
    with closing(sqlite3.connect(office.bot.folder / "gitops-bot.db")) as database, database:
        database.execute("UPDATE audit SET value = replace(value, 'prod/docs', 'prod/shop')")
    code, text = office.bot.run("audit", "--verify")
    assert (code, "is not what was written" in text) == (1, True)


def test_digest_says_what_happened_in_each_channel_and_where_the_audit_ends(offices: Offices) -> None:
    office = offices()
    office.open()
    office.types(BOB, "pause shop for 2h migration", DEPLOYS)
    office.sees(DEPLOYS, "Paused", "shop")
    assert office.bot.stop() == 0
    now = datetime.now(UTC)
    daily = f"default_channel: {DEPLOYS}, digest: {{schedule: '{now.minute} {now.hour} * * *'}}"
    office.bot.configure(lambda text: text.replace(f"default_channel: {DEPLOYS}", daily))
    office.start()
    said = office.sees(DEPLOYS, "Digest", "all apps", "2 syncs converged, 0 failed, in 2 apps", "on average")
    assert "UTC>, when the bot began to watch: 2 syncs" in said.text  # it speaks of no time before that
    assert "shop / prod: paused by <@U0BOB> until <!date^" in json.dumps(said.blocks)
    assert "migration" in json.dumps(said.blocks)
    (anchor,) = set(re.findall(r"audit: it ends at (\d+:[0-9a-f]{64})", json.dumps(said.blocks)))
    assert f"the audit ends at {anchor}" in office.bot.log()
    assert office.bot.run("audit", "--verify", "--head", anchor)[0] == 0
    own = office.sees(PAYMENTS, "Digest", "payments")
    assert "1 sync converged, 0 failed, in 1 app." in own.text
    assert "shop" not in json.dumps(own.blocks)


def test_what_was_held_back_in_quiet_hours_is_summed_up_after_them(offices: Offices) -> None:
    """The bot that starts after the hours tells of what another one did in them."""
    now = datetime.now(UTC)
    quiet = f"{{start: '{now - timedelta(hours=2):%H:%M}', end: '{now + timedelta(hours=1):%H:%M}'}}"
    office = offices(slack=f", quiet: {quiet}")
    office.commit("info")
    office.start()
    until(lambda: office.bot.metric("gitops_bot_app_synced") == 3)
    assert office.slack.messages(DEPLOYS) == ()
    assert office.bot.stop() == 0
    with closing(sqlite3.connect(office.bot.folder / "gitops-bot.db")) as database, database:
        began = (now - timedelta(days=1)).isoformat(timespec="microseconds")
        database.execute("UPDATE about SET value = ? WHERE name = 'began_at'", (began,))
    ended = f"{{start: '{now - timedelta(hours=2):%H:%M}', end: '{now - timedelta(minutes=1):%H:%M}'}}"
    office.bot.configure(lambda text: text.replace(quiet, ended))
    office.start()
    office.sees(DEPLOYS, "Digest", "While it was quiet: 2 syncs converged, 0 failed, in 2 apps")


def test_alert_is_tried_on_request(offices: Offices) -> None:
    office = offices()
    office.open()
    assert "after 3 failures in a row" in office.types(BOB, "oncall", DEPLOYS).text
    assert "on its way" in office.types(BOB, "oncall test", DEPLOYS).text
    (alert,) = until(lambda: [one for one in office.oncall.alerts if one.alias == "gitops-bot:test"])
    office.sees(DEPLOYS, "Page closed: test alert", "has arrived and is closed again: on-call works")
    assert not office.oncall.opened()
    assert "Test alert" in alert.message


@pytest.mark.parametrize("case", ["key", "down", "spoiled"])
def test_alert_that_does_not_arrive_is_said_when_it_is_known(offices: Offices, case: str) -> None:
    """It was said to be on its way, then that on-call could not be told that it is over: call the on-call person."""
    office = offices(**({"OPSGENIE_API_KEY": "canary"} if case == "key" else {}))
    office.open()
    if case == "down":
        office.oncall.faults.add(Fault(kind=FaultKind.REFUSE))
    if case == "spoiled":
        office.oncall.spoiled = 1
    office.types(BOB, "oncall test", DEPLOYS)
    shown = office.sees(DEPLOYS, "The test alert could not be opened and closed", "Nobody would be woken now")
    assert {"key": "OPSGENIE_API_KEY", "down": "answers nothing", "spoiled": "did not make it"}[case] in shown.text
    assert "canary" not in said(shown)
    if case == "key":
        code, text = office.bot.run("check", "--page")
        assert (code, "a test alert could not be opened and closed" in text) == (1, True)


@pytest.mark.door
def test_heartbeat_that_nobody_hears_is_said_in_channel_check_and_health(offices: Offices) -> None:
    office = offices()
    office.bot.configure(lambda text: text.replace("provider: opsgenie", "provider: jsm, heartbeat: gitops-bot"))
    office.oncall.faults.add(Fault(kind=FaultKind.STATUS, status=404), match="GET */ping*")
    office.open()
    code, text = office.bot.run("check")
    assert code == 1
    why = "Jira Service Management has no heartbeats by name (404)"
    assert f"oncall.heartbeat: {why}" in text
    office.sees(DEPLOYS, "Notice: heartbeat", f"The heartbeat does not arrive: {why}")
    health = office.bot.health()
    assert (health["status"], why in health["parts"]["heartbeat"]) == ("degraded", True)


def test_hand_edit_is_undone_and_says_who_made_it(offices: Offices) -> None:
    office = offices()
    office.open()
    (live,) = [one for one in office.kube.cluster.list("configmaps", "default") if one["metadata"]["name"] == "shop"]
    office.kube.cluster.update("configmaps", {**live, "data": {"level": "mine"}}, manager="kubectl-edit")
    office.sees(DEPLOYS, "changed by hand", "data.level", "ConfigMap default/shop: kubectl-edit at <!date^")
    until(lambda: office.level("shop") == "info")


def test_field_that_is_changed_again_and_again_is_said_once_and_counted(offices: Offices) -> None:
    """Each undoing used to be a message of its own for ever, as fast as the other one changed the field."""
    office = offices()
    office.open()
    for number in range(7):
        until(lambda: office.level("shop") == "info")
        office.edits("shop", level=f"mine-{number}")
    until(lambda: office.level("shop") == "info")
    said = office.sees(DEPLOYS, "Changed again and again", "set back 7 times")
    assert "kubectl-edit keeps changing ConfigMap default/shop data.level" in said.text
    assert "gitops-bot/ignore" in json.dumps(said.blocks)

    def told(word: str) -> int:
        return sum(1 for one in office.slack.roots(DEPLOYS) if one.text.startswith(word) and "shop" in one.text)

    assert office.slack.wait_until(lambda: told("Converged") == 1 + 5)  # a fight is told before what is over
    assert told("Changed again and again") == 1
    commit = office.commit("debug")
    office.sees(DEPLOYS, "Converged", "shop", commit[:7])


def test_fight_that_goes_on_is_a_page_of_its_own(offices: Offices) -> None:
    """What Git says did not hold for hours, and whoever was on call never heard of it."""
    office = offices()
    office.bot.configure(lambda text: text.replace("duration: 1h", "duration: 3s"))
    office.open()
    levels = (f"mine-{number}" for number in itertools.count())

    def goes_on() -> bool:
        if office.level("shop") == "info":
            office.edits("shop", level=next(levels))
        return bool(office.oncall.opened())

    until(goes_on)
    (page,) = office.oncall.opened()
    assert (page.alias, page.priority) == ("gitops-bot:prod:shop:fight", "P3")
    assert "kubectl-edit keeps changing ConfigMap default/shop data.level" in page.message
    said = office.sees(DEPLOYS, "Changed again and again", "paged on-call, P3", "gitops.acknowledge")
    assert office.presses(ANA, said, "gitops.acknowledge").text == "You have the page."
    office.sees(DEPLOYS, "Page acknowledged", ANA.id)
