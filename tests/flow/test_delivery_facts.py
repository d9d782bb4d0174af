"""What Slack gets and gives when its wire is bad: nothing lost, nothing twice, the reconciler untouched."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from bot.sandbox.faults import Fault, FaultKind
from bot.sandbox.slack.values import Channel, Message
from tests.flow.story import ANA, DEPLOYS, Story, configmap
from tests.waiting import until

Tell = Callable[..., Story]


def converged(story: Story) -> Message:
    """Start the bot and wait until its first sync is said."""
    commit = story.mends()
    story.bot.start()
    found = story.sees("Converged", commit[:7])
    story.connected()
    return found


def audited(story: Story, verb: str) -> int:
    """Return how often an order stands in the audit as done."""
    code, text = story.bot.run("audit", "--app", "shop")
    assert code == 0
    return sum(1 for line in text.splitlines() if f" {verb} " in line and " done" in line)


@pytest.mark.parametrize(
    ("mode", "fault"),
    [
        ("socket", Fault(kind=FaultKind.REFUSE)),
        ("http", Fault(kind=FaultKind.STATUS, status=500)),
        ("socket", Fault(kind=FaultKind.STATUS, status=200, body="<html>maintenance</html>")),
        ("http", Fault(kind=FaultKind.HANG)),
    ],
    ids=["refused", "500", "html", "hang"],
)
def test_slack_down_from_the_start_hears_all_of_it_in_order_afterwards(tell: Tell, mode: str, fault: Fault) -> None:
    story = tell(mode=mode)
    story.slack.fail("*", fault, times=None)
    story.mends()
    story.bot.start()
    until(lambda: story.bot.metric("gitops_bot_app_synced"))
    assert story.data() == {"level": "info"}
    second = story.mends("debug")
    until(lambda: story.data() == {"level": "debug"})
    assert story.said() == ()
    story.slack.heal()
    story.sees("Converged", second[:7], seconds=120)
    roots = story.slack.roots(DEPLOYS)
    assert len(roots) == 2
    assert all(one.text.startswith("Converged") for one in roots)


def test_trouble_is_told_before_the_news_of_many_apps_and_each_is_told_once(tell: Tell) -> None:
    names = [f"cart{number}" for number in range(8)]
    entry = "  - {{name: {0}, repo: fleet, path: apps/{0}, cluster: prod, interval: 1s}}"
    story = tell(apps="\n".join(entry.format(name) for name in names))
    story.slack.fail("*", Fault(kind=FaultKind.REFUSE), times=None)
    story.upstream.commit({f"apps/{one}/a.yaml": configmap("info").replace("settings", one) for one in names})
    story.fails()
    story.bot.start()
    until(lambda: story.bot.metric("gitops_bot_app_synced") == len(names))
    until(lambda: story.bot.metric("gitops_bot_app_failures") >= 1)
    story.slack.heal()
    for one in names:
        story.sees("Converged", one, seconds=120)
    posts = [call.arguments for call in story.slack.calls("chat.postMessage") if call.outcome == "ok"]
    roots = [one["text"] for one in posts if not one.get("thread_ts")]
    assert any(one.startswith("Sync failed") for one in roots[:2]), roots  # one may have been under way
    assert len(roots) == len(names) + 1
    assert sum(1 for one in roots if one.startswith("Converged")) >= len(names) - 1, roots


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_order_delivered_again_after_a_restart_is_followed_once(tell: Tell, mode: str) -> None:
    story = tell(mode=mode)
    converged(story)
    delivery = story.slack.command(ANA.id, DEPLOYS, "pause shop")
    assert delivery.acknowledged
    story.sees("Paused")
    assert story.bot.stop() == 0
    story.start()
    for attempt in (1, 2):
        assert story.slack.redeliver(delivery, attempt=attempt).acknowledged
    assert story.bot.stop() == 0
    assert audited(story, "pause") == 1
    assert len([one for one in story.said() if one.text.startswith("Paused")]) == 1


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_fifty_commands_at_once_are_all_acknowledged(tell: Tell, mode: str) -> None:
    story = tell(mode=mode)
    converged(story)
    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(lambda _: story.slack.command(ANA.id, DEPLOYS, "status"), range(50)))
    assert all(one.acknowledged for one in found)
    until(lambda: len(story.slack.ephemerals(ANA.id)) == 50)


@pytest.mark.door
@pytest.mark.parametrize("end", ["refresh", "drop_sockets"])
def test_socket_that_ends_during_a_sync_is_replaced_and_the_story_goes_on(tell: Tell, end: str) -> None:
    story = tell()
    converged(story)
    (before,) = story.slack.sockets()
    commit = story.mends("debug")
    getattr(story.slack, end)()
    story.sees("Converged", commit[:7])
    assert story.slack.wait_until(lambda: any(one is not before for one in story.slack.sockets()))
    story.heard(lambda: story.slack.command(ANA.id, DEPLOYS, "pause shop"))
    paused = story.sees("Paused")
    story.heard(lambda: story.slack.click(paused, "gitops.resume", ANA.id))
    story.sees("Resumed")
    assert len(story.slack.roots(DEPLOYS)) == len({one.text for one in story.slack.roots(DEPLOYS)})


def test_throttled_channel_waits_and_the_others_do_not(tell: Tell) -> None:
    story = tell(
        apps="  - {name: ops, repo: fleet, path: apps/shop, cluster: prod, namespace: default, channel: C0OPS}",
    )
    story.slack.set_channel(Channel(id="C0OPS", name="ops"))
    story.slack.fail("chat.postMessage", Fault(kind=FaultKind.THROTTLE, seconds=3600), times=1, channel=DEPLOYS)
    story.mends()
    story.bot.start()
    until(lambda: story.bot.metric("gitops_bot_app_synced") == 2)
    story.seen("C0OPS", ["Converged"])
    tried = [call for call in story.slack.calls("chat.postMessage") if call.arguments["channel"] == DEPLOYS]
    assert len(tried) == 1
    assert story.bot.stop() == 0


@pytest.mark.parametrize(
    ("mode", "reason"), [("socket", "not_in_channel"), ("http", "channel_not_found"), ("http", "is_archived")]
)
def test_channel_that_takes_no_message_has_a_fallback_and_a_hint(tell: Tell, mode: str, reason: str) -> None:
    story = tell(mode=mode, app="interval: 1s, channel: C0SHOP")
    channel = Channel(id="C0SHOP", name="shop", member=reason != "not_in_channel", archived=reason == "is_archived")
    if reason != "channel_not_found":
        story.slack.set_channel(channel)
    commit = story.mends()
    story.bot.start()
    said = story.sees("Converged", commit[:7])
    assert said.channel == DEPLOYS
    hint = "unarchive it" if reason == "is_archived" else "/invite @gitops"
    assert hint in story.bot.log()
    assert hint in story.seen(DEPLOYS, ["<#C0SHOP> takes no messages from me"]).text
    assert story.bot.metric("gitops_bot_delivery_failures_total", 'how="diverted"', 'sink="slack"') == 1


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_deleted_message_is_posted_once_more_and_goes_on_there(tell: Tell, mode: str) -> None:
    story = tell(mode=mode)
    story.fails()
    story.bot.start()
    failed = story.sees("Sync failed")
    story.slack.delete(failed)
    fixed = story.mends()
    found = story.sees("Converged", fixed[:7])
    assert found.ts != failed.ts
    assert len(story.slack.roots(DEPLOYS)) == 1


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_post_whose_answer_is_lost_is_there_at_most_twice(tell: Tell, mode: str) -> None:
    """The operation goes on in the message whose timestamp came back."""
    story = tell(mode=mode)
    story.slack.fail("chat.postMessage", Fault(kind=FaultKind.LOST), times=1)
    commit = story.mends()
    story.bot.start()
    found = story.sees("Converged", commit[:7])
    roots = story.slack.roots(DEPLOYS)
    assert len(roots) <= 2
    assert found.link == roots[-1].link
    assert all(one.thread_ts in {"", found.ts} for one in story.said())


@pytest.mark.door
def test_socket_that_is_open_and_deaf_is_replaced(tell: Tell) -> None:
    story = tell()
    converged(story)
    (deaf,) = story.slack.sockets()
    story.slack.deafen_sockets()

    def looked_deaf() -> bool:
        health = story.bot.health()
        return (health["parts"]["slack"], health["status"]) == ("deaf", "degraded")

    until(looked_deaf)
    assert story.slack.wait_until(lambda: any(one is not deaf for one in story.slack.sockets()), timeout_seconds=120)
    assert story.slack.wait_until(lambda: deaf not in story.slack.sockets(), timeout_seconds=120)
    story.heard(lambda: story.slack.command(ANA.id, DEPLOYS, "pause shop"))
    story.sees("Paused")


def test_every_message_has_a_sentence_and_mentions_nobody_it_should_not(tell: Tell) -> None:
    """An error text may hold quotes, mass mentions and control characters: people read them as text."""
    story = tell()
    nasty = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "<!channel> `$(x)` \\u0007 \\"q\\" &"}\n'
    story.upstream.commit({"apps/shop/a.yaml": nasty + "data: {a: " + "x" * 20_000 + "}\n"})
    story.bot.start()
    failed = story.sees("Sync failed")
    assert "<!channel>" not in f"{failed.text} {failed.blocks}"
    assert len(str(replace(failed, text="").blocks)) < 13_000
    assert all(one.text for one in story.said())


def test_receiver_that_hangs_does_not_hold_sigterm(tell: Tell) -> None:
    """The process waited for its answer, up to a quarter of a minute, after all else had stopped."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/hook"
        hook = f"{{type: webhook, url: '{url}', events: [converged], secret_env: HOOK_SECRET}}"
        story = tell(more=f"writebacks: [{hook}]", HOOK_SECRET="hook")
        story.mends()
        story.bot.start()
        asking, _ = silent.accept()
        with asking:
            began = time.monotonic()
            assert story.bot.stop() == 0
            assert time.monotonic() - began < 10
