"""Where the time of a deployment went, as a collector of traces gets it from the running bot."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Callable

from tests.collector import Collector, Seen, tree
from tests.flow.pushing import push
from tests.flow.story import Story, configmap, deployment
from tests.receiver import Receiver
from tests.waiting import until

Tell = Callable[..., Story]

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def whole(collector: Collector, trace: str, *names: str) -> list[Seen]:
    """Wait until a trace has spans of all the names; return it."""

    def look() -> list[Seen]:
        found = [one for one in collector.spans() if one.trace == trace]
        return found if {one.name for one in found} >= set(names) else []

    found: list[Seen] = until(look, f"a trace has {names}")
    return found


def test_push_is_one_trace_from_the_webhook_to_the_function_it_triggers(tell: Tell) -> None:
    with Collector() as collector, Receiver() as receiver:
        hook = f"{{type: webhook, url: '{receiver.url}/hook', events: [converged], secret_env: HOOK_SECRET}}"
        story = tell(
            app="interval: 1h",
            more=f"writebacks: [{hook}]",
            **collector.environment(HOOK_SECRET="hook", WEBHOOK_SECRET="push"),
        )
        story.upstream.commit({"apps/shop/a.yaml": configmap("info")})
        story.bot.start()
        until(lambda: len(receiver.got) == 1)
        commit = story.upstream.commit(
            {"apps/shop/a.yaml": configmap("debug"), "apps/shop/b.yaml": deployment("nginx:1")}
        )
        url = f"http://127.0.0.1:{story.bot.port}/webhooks/git/fleet"
        assert push(url, commit, "push", Traceparent=CALLER) == 202
        until(lambda: len(receiver.got) == 2)
        event, headers = receiver.got[1].json(), receiver.got[1].headers
        trace = event["traceparent"].split("-")[1]
        spans = whole(collector, trace, "SYNC shop", "deliver writeback", "deliver slack")
        story.sees("Converged", commit[:7])

        (root,) = [one for one in spans if not one.parent]
        (written,) = [one for one in spans if one.name == "deliver writeback"]
        assert event["traceparent"] == root.traceparent
        assert headers["traceparent"] == written.traceparent
        drawn = tree([one for one in spans if one.name != "deliver slack"])
        assert drawn == "\n".join(
            [
                "SYNC shop",
                "  queue",
                "  pass",
                "    pull",
                "    render",
                "    plan",
                "    prepare",
                "    apply",
                "      stage",
                "      stage",
                "    health wait",
                "  deliver writeback",
            ]
        )
        assert root.facts["cicd.pipeline.result"] == "success"
        assert root.facts["vcs.ref.head.revision"] == commit
        assert root.facts["gitops_bot.trigger"] == "webhook"
        assert root.links == (CALLER.split("-")[1],)
        assert (root.facts["gitops_bot.objects.create"], root.facts["gitops_bot.objects.update"]) == (1, 1)
        assert collector.resource()["service.name"] == "gitops-bot"
        assert story.bot.stop() == 0
        assert "Traceback" not in story.bot.log()


def test_plan_that_waits_for_people_is_one_trace_with_the_wait_in_it(tell: Tell) -> None:
    with Collector() as collector:
        story = tell(app="mode: approve, interval: 1s", **collector.environment())
        story.upstream.commit({"apps/shop/a.yaml": configmap("info")})
        story.bot.start()
        asked = story.sees("Waiting for approval", "gitops.approve")
        (row,) = [block for block in asked.blocks if block["type"] == "actions"]
        plan = json.loads(row["elements"][0]["value"])["plan"]
        assert story.bot.stop() == 0
        (first,) = until(lambda: [one for one in collector.spans() if one.name == "pass"])
        assert not [one for one in collector.spans() if not one.parent]  # it is not over
        story.bot.start()
        assert story.bot.run("approve", "shop", plan)[0] == 0
        story.sees("Converged")
        spans = whole(collector, first.trace, "SYNC shop", "approval", "apply")
        (root,) = [one for one in spans if not one.parent]
        (waited,) = [one for one in spans if one.name == "approval"]
        passes = [one for one in spans if one.name == "pass"]
        assert {one.parent for one in [waited, *passes]} == {root.id}
        assert [one.facts["gitops_bot.result"] for one in passes] == ["waiting-approval", "converged"]
        assert root.began <= passes[0].began < waited.began < waited.ended <= passes[1].began < root.ended
        assert root.facts["cicd.pipeline.result"] == "success"


def test_failure_is_told_once_and_its_fix_is_in_the_same_trace(tell: Tell) -> None:
    """Each retry would add to it for as long as the trouble lasts; what people type is told each time."""
    with Collector() as collector:
        story = tell(page_after="{failures: 2, duration: 1h}", **collector.environment())
        story.fails()
        story.bot.start()
        story.sees("Sync failed")
        until(lambda: story.bot.metric("gitops_bot_app_failures") >= 5)
        story.sees("On-call is paged")
        assert story.bot.run("sync", "shop")[0] == 1
        fixed = story.mends()
        story.sees("Converged", fixed[:7])
        (root,) = until(lambda: [one for one in collector.spans() if one.name == "SYNC shop"])

        def over() -> list[Seen]:
            passes = [one for one in collector.spans() if one.name == "pass" and one.trace == root.trace]
            return passes if passes and passes[-1].facts["gitops_bot.result"] == "converged" else []

        passes = until(over)
        assert "settings cannot be applied" in root.error
        assert root.facts["error.type"] == "failed"
        assert "nonsense" in passes[0].events[0]["message"]
        assert "apps/shop/a.yaml" in passes[0].events[0]["where"]
        doors = Counter((one.facts["gitops_bot.result"], one.facts["gitops_bot.trigger"]) for one in passes)
        assert doors[("failed", "cli")] == 1
        assert doors[("failed", "schedule")] <= 2  # the second is the one that called somebody
        (page,) = [one for one in collector.spans() if one.name == "deliver oncall"][:1]
        assert (page.trace, page.parent) == (root.trace, root.id)
        assert [one.trace for one in collector.spans() if not one.parent] == [root.trace]


def test_app_at_rest_leaves_no_span(tell: Tell) -> None:
    with Collector() as collector:
        story = tell(**collector.environment())
        story.upstream.commit({"apps/shop/a.yaml": configmap("info")})
        story.bot.start()
        story.sees("Converged")
        until(lambda: [one for one in collector.spans() if one.name == "deliver slack"])
        passes = story.bot.metric("gitops_bot_pass_seconds_count")
        commit = story.upstream.commit({"README": "nothing of the app"})
        until(lambda: story.bot.metric("gitops_bot_pass_seconds_count") > passes)
        until(lambda: story.bot.status("shop")["revision"] == commit)
        assert story.bot.stop() == 0
        assert [one.name for one in collector.spans()].count("pass") == 1


def test_killed_sync_and_the_one_that_goes_on_are_one_trace(tell: Tell) -> None:
    with Collector() as collector:
        story = tell(app="interval: 1h", **collector.environment())
        slow = deployment("registry.example/api:1").replace("spec:\n", "spec:\n  minReadySeconds: 3\n", 1)
        story.upstream.commit({"apps/shop/a.yaml": configmap("info"), "apps/shop/b.yaml": slow})
        story.bot.start()
        (early,) = until(lambda: [one for one in collector.spans() if one.name == "deliver slack"][:1])
        story.bot.kill()
        story.bot.start()
        story.sees("Converged")
        spans = whole(collector, early.trace, "SYNC shop")
        (root,) = [one for one in spans if not one.parent]
        assert root.id == early.parent
        killed, ended = [one for one in spans if one.name == "pass"]
        assert [one.facts["gitops_bot.result"] for one in (killed, ended)] == ["cut off", "converged"]
        assert killed.error == "cut off: the process ended while it ran; the next pass goes on"
        assert root.began <= killed.began < killed.ended <= ended.began < root.ended
        assert killed.facts["cicd.pipeline.result"] == "error"
        assert killed.facts["gitops_bot.app"] == "prod/shop"


def test_fix_that_is_killed_ends_no_operation_that_has_ended_with_the_failure(tell: Tell) -> None:
    """Its first span was told once more, by the process that went on: two spans with one id."""
    with Collector() as collector:
        story = tell(**collector.environment())
        story.fails()
        story.bot.start()
        story.sees("Sync failed")
        (root,) = until(lambda: [one for one in collector.spans() if not one.parent])
        slow = deployment("registry.example/api:1").replace("spec:\n", "spec:\n  minReadySeconds: 3\n", 1)
        story.upstream.commit({"apps/shop/a.yaml": configmap("info"), "apps/shop/b.yaml": slow})
        path = f"/apis/apps/v1/namespaces/{story.namespace}/deployments"
        until(lambda: story.plane.request("GET", path)["items"])
        story.bot.kill()
        story.bot.start()
        story.sees("Converged")
        passes = [one for one in whole(collector, root.trace, "health wait") if one.name == "pass"]
        assert [one.facts["gitops_bot.result"] for one in passes][-2:] == ["cut off", "converged"]
        assert [one.id for one in collector.spans() if not one.parent] == [root.id]


def test_newer_commit_goes_on_in_the_trace_of_the_sync_that_it_ends(tell: Tell) -> None:
    """They are one message in Slack; the first of them has no end of its own."""
    with Collector() as collector:
        story = tell(**collector.environment())
        slow = deployment("registry.example/api:1").replace("spec:\n", "spec:\n  minReadySeconds: 60\n", 1)
        story.upstream.commit({"apps/shop/a.yaml": configmap("info"), "apps/shop/b.yaml": slow})
        story.bot.start()
        until(lambda: story.plane.request("GET", f"/apis/apps/v1/namespaces/{story.namespace}/deployments")["items"])
        second = story.upstream.commit({"apps/shop/b.yaml": deployment("registry.example/api:1")})
        story.sees("Converged", second[:7])
        (root,) = until(lambda: [one for one in collector.spans() if not one.parent])
        spans = whole(collector, root.trace, "SYNC shop", "pass")
        passes = [one for one in spans if one.name == "pass"]
        assert [one.facts["gitops_bot.result"] for one in passes] == ["superseded", "converged"]
        assert {one.parent for one in passes} == {root.id}
        assert root.began <= passes[0].began
        assert root.facts["vcs.ref.head.revision"] == second


def test_hanging_collector_holds_nobody_and_is_named_once(tell: Tell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # it accepts, and says nothing
        port = hanging.getsockname()[1]
        story = tell(
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://ana:hunter2@127.0.0.1:{port}",
            OTEL_EXPORTER_OTLP_HEADERS="authorization:hunter2",  # it should be =, and the library writes all of it
            OTEL_EXPORTER_OTLP_TIMEOUT="1",
            OTEL_BSP_SCHEDULE_DELAY="50",
        )
        for level in ("info", "debug"):
            commit = story.upstream.commit({"apps/shop/a.yaml": configmap(level)})
            if level == "info":
                story.bot.start()
            story.sees("Converged", commit[:7])
        until(lambda: "spans do not reach the collector" in story.bot.log())
        began = time.monotonic()
        assert story.bot.stop() == 0
        assert time.monotonic() - began < 20
        log = story.bot.log()
        assert log.count("spans do not reach") == 1
        assert f"http://127.0.0.1:{port}: it cannot be reached" in log
        assert "hunter2" not in log
        assert "opentelemetry" not in log
        assert "Traceback" not in log


def test_line_about_a_pass_names_its_trace_and_a_terminal_s_sync_has_one(tell: Tell) -> None:
    with Collector() as collector:
        story = tell(**collector.environment())
        story.upstream.commit({"apps/shop/a.yaml": configmap("info")})
        status, text = story.bot.run("--log-level", "info", "--log-format", "json", "sync", "shop")
        assert status == 0
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        (line,) = [one for one in lines if one["message"].startswith("pass op_")]
        (root,) = [one for one in collector.spans() if not one.parent]
        assert line["trace_id"] == root.trace
        assert (line["app"], line["result"]) == ("prod/shop", "converged")
        assert line["commit"] == root.facts["vcs.ref.head.revision"]
        assert line["operation"] == root.facts["cicd.pipeline.run.id"]
        assert 0 < line["seconds"] < 60
        assert root.facts["gitops_bot.trigger"] == "cli"


def test_check_tries_the_collector(tell: Tell) -> None:
    with Collector((401, {}, "")) as collector:
        story = tell(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        story.upstream.commit({"apps/shop/a.yaml": configmap("info")})
        assert f"tracing: the collector at {collector.url}: it answers 401" in story.bot.run("check")[1]
        (got,) = collector.got
        assert (got.path, got.body) == ("/v1/traces", b"")


def test_run_and_check_say_what_keeps_traces_from_being_made(tell: Tell) -> None:
    story = tell(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4317", OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    story.upstream.commit({"apps/shop/a.yaml": configmap("info")})
    said = "tracing is off: OTEL_EXPORTER_OTLP_PROTOCOL is grpc: set it to http/protobuf"
    assert f"warning: {said}" in story.bot.run("check")[1]
    story.bot.start()
    story.sees("Converged")
    assert said in story.bot.log()
