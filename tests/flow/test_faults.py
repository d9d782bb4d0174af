"""What goes wrong around the bot, and what people see of it: nothing lost, nothing twice."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.faults import Fault, FaultKind
from tests.controlplane.plane import ControlPlane
from tests.flow.pushing import push
from tests.flow.story import ANA, DEPLOYS, Story, configmap, deployment
from tests.receiver import Receiver
from tests.waiting import until

pytestmark = pytest.mark.cluster

Make = Callable[..., Story]


@pytest.fixture
def make(tmp_path: Path, control_plane: ControlPlane, kube_namespace: str) -> Iterator[Make]:
    made: list[Story] = []

    def build(**options: Any) -> Story:
        made.append(Story(tmp_path, control_plane, kube_namespace, **options))
        return made[-1]

    yield build
    for one in made:
        one.close()


def test_slack_down_at_start_hears_everything_later_in_order_and_once(make: Make) -> None:
    story = make()
    story.slack.fail("*", Fault(kind=FaultKind.STATUS, status=503), times=None)
    first = story.upstream.commit({"apps/shop/a.yaml": configmap("info")})
    story.bot.start()
    until(lambda: story.bot.status("shop")["sync"] == "synced")
    assert story.data() == {"level": "info"}
    assert story.said() == ()
    story.slack.heal()
    story.sees("Converged", first[:7], seconds=90)
    roots = [message for message in story.said() if not message.thread_ts]
    assert len(roots) == 1
    assert len(story.said()) == 2


def test_killed_while_waiting_goes_on_in_the_same_message(make: Make) -> None:
    story = make()
    story.upstream.commit({"apps/shop/b.yaml": deployment("gitops-bot.test/never-ready:1")})
    story.bot.start()
    story.sees("Syncing", "shop")
    story.bot.kill()
    fixed = story.upstream.commit({"apps/shop/b.yaml": deployment("nginx:1")})
    story.bot.start()
    story.sees("Converged", fixed[:7])
    roots = [message for message in story.said() if not message.thread_ts]
    assert len(roots) == 1


def test_newer_commit_ends_the_health_wait(make: Make) -> None:
    story = make()
    story.upstream.commit({"apps/shop/b.yaml": deployment("gitops-bot.test/never-ready:1")})
    story.bot.start()
    story.sees("Syncing", "shop")
    fixed = story.upstream.commit({"apps/shop/b.yaml": deployment("nginx:1")})
    story.sees("Converged", fixed[:7])
    assert all("Sync failed" not in message.text for message in story.said())


def test_crash_loop_without_a_commit_is_said_and_its_end_too(make: Make) -> None:
    story = make()
    commit = story.upstream.commit({"apps/shop/b.yaml": deployment("nginx:1")})
    story.bot.start()
    story.sees("Converged", commit[:7])
    (pod,) = story.plane.request("GET", story.path("pods"))["items"]
    name = pod["metadata"]["name"]
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    container = {"name": "main", "image": "nginx:1", "imageID": "", "ready": False, "restartCount": 9, "state": waiting}
    status = {"status": {"containerStatuses": [container]}}
    story.plane.request("PATCH", story.path(f"pods/{name}/status"), body=status, kind="merge")
    degraded = story.sees("Degraded", "CrashLoopBackOff", name)
    assert "No commit" in degraded.text
    story.plane.request("DELETE", story.path(f"pods/{name}"))
    story.sees("Recovered", "shop")


def test_command_delivered_three_times_runs_once(make: Make) -> None:
    story = make()
    story.upstream.commit({"apps/shop/a.yaml": configmap("info")})
    story.bot.start()
    assert story.slack.wait_until(lambda: bool(story.slack.sockets()))
    story.sees("Converged")
    delivery = story.slack.command(ANA.id, DEPLOYS, "pause shop")
    for attempt in (1, 2):
        assert story.slack.redeliver(delivery, attempt=attempt).acknowledged
    story.sees("Paused")
    assert story.bot.stop() == 0  # all of it was followed by then
    assert [one.text for one in story.slack.ephemerals(ANA.id) if "already" in one.text] == []
    code, text = story.bot.run("audit", "--app", "shop", "--output", "json")
    assert code == 0
    verbs = [json.loads(line)["verb"] for line in text.splitlines()]
    assert verbs.count("pause") == 1


def test_push_starts_a_pass_and_the_webhook_hears_of_its_end(make: Make) -> None:
    with Receiver() as receiver:
        hook = f"{{type: webhook, url: '{receiver.url}/hook', events: [converged], secret_env: HOOK_SECRET}}"
        story = make(
            app="interval: 1h",
            more=f"writebacks: [{hook}]",
            HOOK_SECRET="hook",
            WEBHOOK_SECRET="push",
        )
        story.upstream.commit({"apps/shop/a.yaml": configmap("info")})
        story.bot.start()
        until(lambda: len(receiver.got) == 1)
        second = story.upstream.commit({"apps/shop/a.yaml": configmap("debug")})
        url = f"http://127.0.0.1:{story.bot.port}/webhooks/git/fleet"
        assert push(url, second, "wrong") == 401
        assert push(url, second, "push") == 202
        until(lambda: story.data() == {"level": "debug"})
        until(lambda: len(receiver.got) == 2)
        got = receiver.got[1]
        event = got.json()
        assert (event["specversion"], event["subject"], event["data"]["app"]) == ("1.0", second, "shop")
        expected = "sha256=" + hmac.new(b"hook", got.body, hashlib.sha256).hexdigest()
        assert got.headers["x-gitops-bot-signature"] == expected


def test_second_push_event_of_a_commit_leaves_its_sync_alone(make: Make) -> None:
    """It ended the health wait; the pass after it found nothing to do, and no history told of the commit."""
    story = make(app="interval: 1h", WEBHOOK_SECRET="push")
    story.upstream.commit({"apps/shop/a.yaml": configmap("info")})
    story.bot.start()
    story.sees("Converged")
    slow = deployment("registry.example/api:1").replace("spec:\n", "spec:\n  minReadySeconds: 5\n", 1)
    commit = story.upstream.commit({"apps/shop/b.yaml": slow})
    url = f"http://127.0.0.1:{story.bot.port}/webhooks/git/fleet"
    assert push(url, commit, "push") == 202
    deployments = f"/apis/apps/v1/namespaces/{story.namespace}/deployments"
    until(lambda: story.plane.request("GET", deployments)["items"], "the sync waits for health")
    assert push(url, commit, "push") == 202
    done = story.sees("Converged", commit[:7])
    assert "1 created" in json.dumps(done.blocks)
    code, text = story.bot.run("history", "shop", "--output", "json")
    assert code == 0
    entries = json.loads(text)["entries"]
    assert [one["result"] for one in entries if one["revision"] == commit] == ["converged"]
    assert "superseded" not in story.bot.log()


def test_same_words_work_in_http_mode(make: Make) -> None:
    story = make(mode="http")
    story.upstream.commit({"apps/shop/a.yaml": configmap("info")})
    story.bot.start()
    converged = story.sees("Converged")
    assert "Paused" in story.types(ANA, "pause shop for 2h stocktaking").text
    paused = story.sees("Paused", "stocktaking")
    assert story.slack.click(paused, "gitops.resume", ANA.id).acknowledged
    story.sees("Resumed", "shop")
    assert "shop / prod  synced at" in story.types(ANA, "status").text
    assert "nothing to change" in story.types(ANA, "plan shop").text
    assert "unknown app" in story.types(ANA, "sync shpo").text
    assert "has the page" not in converged.text


def test_check_names_what_is_wrong_with_each_neighbour(make: Make) -> None:
    story = make(
        more="writebacks: [{type: webhook, url: 'http://127.0.0.1:9/hook', secret_env: HOOK_SECRET}]",
        HOOK_SECRET="canary-hook",
        OPSGENIE_API_KEY="canary-key",
        SLACK_APP_TOKEN="xapp-canary",
    )
    code, text = story.bot.run("check")
    assert code == 1
    assert "has no commit yet" in text
    assert "SLACK_APP_TOKEN (invalid_auth)" in text
    assert "writebacks[0]" in text
    assert "OPSGENIE_API_KEY" in text
    assert "canary" not in text
