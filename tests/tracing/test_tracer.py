"""What a collector gets of passes and deliveries, and what becomes of them where it is away."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from bot.errors import ClusterUnreachable, DeliveryFailed
from bot.model.record import Consignment, SinkName
from bot.tracing.steps import Recorded
from bot.tracing.tracer import OtlpTracer
from bot.wiring.outward import collector_trouble
from bot.writeback.functions import LambdaTarget
from bot.writeback.hooks import WebhookTarget
from bot.writeback.pipelines import Gate, SpinnakerTarget
from tests.collector import Collector, Seen
from tests.receiver import Receiver
from tests.waiting import until
from tests.writeback.aws import LONG, REGION, Aws
from tests.writeback.spinnaker import Pipeline, Spinnaker
from tests.writeback.test_sink import CONVERGED, NOW

OPERATION = "op_20260301120000_a1b2c3"
BACK = replace(CONVERGED, operation=OPERATION)
ROW = Consignment(id=1, sink=SinkName.WRITEBACK, lane="hook", parcel=BACK, attempts=0, created_at=NOW)

Trace = Callable[..., OtlpTracer]


@pytest.fixture
def trace(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trace]:
    """Build a tracer with variables of the environment; it is closed when the test ends."""
    made: list[OtlpTracer] = []

    def build(**environment: str) -> OtlpTracer:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        made.append(OtlpTracer(collector="http://collector"))
        return made[-1]

    yield build
    for one in made:
        one.close(timeout=timedelta(seconds=0.2))


def deliver(tracer: OtlpTracer, *, error: Exception | None = None) -> str:
    """Deliver something; return the `traceparent` of the try."""
    with tracer.delivering(ROW):
        here = tracer.here()
        if error is not None:
            raise error
    return here


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the log says of spans; none of it by the library itself."""
    assert not [one for one in caplog.records if one.name.startswith("opentelemetry")]
    return [one.getMessage() for one in caplog.records if one.name == "bot.tracing.spans"]


def test_event_that_is_sent_again_is_the_same_event_and_another_request(trace: Trace) -> None:
    with Collector() as collector, Receiver((503, {}, "")) as receiver:
        tracer = trace(**collector.environment())
        target = WebhookTarget(url=receiver.url, secret="hook", tracer=tracer)
        with pytest.raises(DeliveryFailed), tracer.delivering(ROW):
            target.send(BACK)
        with tracer.delivering(replace(ROW, attempts=1)):
            target.send(BACK)
        first, second = receiver.got
        assert first.body == second.body
        assert first.headers["x-gitops-bot-signature"] == second.headers["x-gitops-bot-signature"]
        assert first.headers["traceparent"] != second.headers["traceparent"]
        spans: list[Seen] = until(lambda: found if len(found := collector.spans()) == 2 else [])
        assert [one.traceparent for one in spans] == [first.headers["traceparent"], second.headers["traceparent"]]
        assert [one.facts["gitops_bot.attempt"] for one in spans] == [1, 2]
        assert [one.error for one in spans] == ["webhook answers 503", ""]
        assert {f"00-{one.trace}-{one.parent}-01" for one in spans} == {first.json()["traceparent"]}


def test_function_and_pipeline_get_the_operation_s_place_in_the_trace(trace: Trace) -> None:
    """What they do with it is theirs: Lambda and Spinnaker hand no header on."""
    with Collector() as collector, Aws("shop") as aws, Spinnaker(Pipeline()) as spinnaker:
        tracer = trace(**collector.environment(), **LONG.environment())
        LambdaTarget(function="shop", region=REGION, endpoint_url=aws.url, tracer=tracer).send(BACK)
        gate = Gate(url=spinnaker.url, source="gitops-bot")
        SpinnakerTarget(gate, repository=lambda _: "", tracer=tracer).send(BACK)
        (event,), (run,) = aws.queues["shop"], spinnaker.pipelines[0].runs
        assert event["traceparent"] == run["payload"]["traceparent"] == tracer.origin(OPERATION)


def test_event_is_as_before_where_nobody_keeps_traces() -> None:
    with Receiver() as receiver:
        WebhookTarget(url=receiver.url, secret="hook").send(BACK)
    assert "traceparent" not in receiver.got[0].json()
    assert "traceparent" not in receiver.got[0].headers


def test_bug_is_told_by_its_name_alone(trace: Trace) -> None:
    """The text of an unexpected error may hold anything."""
    with Collector() as collector:
        tracer = trace(**collector.environment())
        with pytest.raises(KeyError):
            deliver(tracer, error=KeyError("hunter2"))
        (span,) = until(collector.spans)
        assert span.error == "KeyError"
        assert b"hunter2" not in collector.got[0].body


def test_step_that_fails_says_why_as_people_read_it(trace: Trace) -> None:
    with trace().passing() as passing:
        with pytest.raises(ClusterUnreachable), passing.step("plan"):
            raise ClusterUnreachable("connection refused", cluster="prod")
        with pytest.raises(ValueError, match="hunter2"), passing.step("plan"):
            raise ValueError("hunter2")
    assert isinstance(passing, Recorded)
    assert [one.trouble for one in passing.steps] == ["connection refused", "ValueError"]


def test_trace_that_the_sampler_drops_is_dropped_everywhere(trace: Trace) -> None:
    """Its events still name it, so that a function that is triggered drops it too."""
    with Collector() as collector:
        tracer = trace(**collector.environment(OTEL_TRACES_SAMPLER="parentbased_always_off"))
        assert deliver(tracer).endswith("-00")
        assert tracer.origin(OPERATION).endswith("-00")
        tracer.close(timeout=timedelta(seconds=5))
        assert collector.spans() == []


def test_share_of_traces_is_the_same_in_each_process(trace: Trace) -> None:
    ratio = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    with Collector() as collector:
        names = [f"op_20260301120000_{number:06x}" for number in range(400)]
        told = [[tracer.origin(one) for one in names] for tracer in (trace(**collector.environment(**ratio)), trace())]
    assert told[0] == told[1]
    assert 60 <= sum(one.endswith("-01") for one in told[0]) <= 140


def test_collector_that_refuses_is_named_once_and_once_when_it_takes_spans_again(
    trace: Trace, caplog: pytest.LogCaptureFixture
) -> None:
    with Collector((401, {}, ""), (401, {}, ""), (401, {}, "")) as collector:
        tracer = trace(**collector.environment(OTEL_EXPORTER_OTLP_HEADERS="authorization=hunter2"))
        for count in range(1, 6):
            deliver(tracer)
            until(lambda count=count: len(collector.got) >= count)  # type: ignore[misc]
        tracer.close(timeout=timedelta(seconds=5))
        assert collector.got[0].headers["authorization"] == "hunter2"
    assert told(caplog) == [
        "spans do not reach the collector at http://collector: it answers 401; they are lost until they do",
        "spans reach the collector at http://collector again; 3 were lost",
    ]
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("status", [404, 413, 429, 500, 503])
def test_collector_that_takes_nothing_is_named_with_what_it_answers(
    trace: Trace, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    """What may be tried again was told as a collector that cannot be reached."""
    with Collector(reply=lambda _: (status, {"Retry-After": "60"}, "no")) as collector:
        tracer = trace(**collector.environment(OTEL_EXPORTER_OTLP_TIMEOUT="1"))
        deliver(tracer)
        until(lambda: collector.got)
        tracer.close(timeout=timedelta(seconds=5))
    assert told(caplog) == [
        f"spans do not reach the collector at http://collector: it answers {status}; they are lost until they do"
    ]


def test_collector_that_takes_spans_in_part_is_named_with_its_reason(
    trace: Trace, caplog: pytest.LogCaptureFixture
) -> None:
    """It answers 200 and drops what it does not like (OTLP, partial success)."""
    partly = ExportTraceServiceResponse()
    partly.partial_success.rejected_spans, partly.partial_success.error_message = 1, "trace too large"
    with Collector((200, {}, partly.SerializeToString().decode())) as collector:
        tracer = trace(**collector.environment())
        for count in (1, 2):
            deliver(tracer)
            until(lambda count=count: len(collector.got) >= count)  # type: ignore[misc]
        tracer.close(timeout=timedelta(seconds=5))
    assert told(caplog) == [
        "spans do not reach the collector at http://collector: it rejects spans: 'trace too large';"
        " they are lost until they do",
        "spans reach the collector at http://collector again; 1 were lost",
    ]


def test_span_is_with_the_collector_within_a_second_or_two(trace: Trace) -> None:
    """The library waits for five, and a process that is killed takes along what it has told of an operation's end."""
    with Collector() as collector:
        tracer = trace(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        tracer.open()
        deliver(tracer)
        until(collector.spans, "the span is there", seconds=4)


def test_collector_that_hangs_holds_no_delivery_and_no_end(trace: Trace, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # it accepts, and says nothing
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        tracer = trace(OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_BSP_SCHEDULE_DELAY="10", OTEL_BSP_MAX_QUEUE_SIZE="512")
        tracer.open()
        began = time.monotonic()
        for _ in range(2000):
            deliver(tracer)
        assert time.monotonic() - began < 5
        began = time.monotonic()
        tracer.close(timeout=timedelta(seconds=0.5))
        assert time.monotonic() - began < 2
    (line,) = [one for one in told(caplog) if one.startswith("more spans")]
    assert line.endswith("takes, the oldest are lost: raise OTEL_BSP_MAX_QUEUE_SIZE")


def test_variable_that_the_library_does_not_take_is_named_and_harms_nothing(
    trace: Trace, caplog: pytest.LogCaptureFixture
) -> None:
    tracer = trace(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_BSP_MAX_QUEUE_SIZE="0")
    assert deliver(tracer) == ""
    assert tracer.origin(OPERATION) == ""
    assert "tracing is off: the variables of OpenTelemetry are wrong: max_queue_size must be" in caplog.text


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("OTEL_TRACES_SAMPLER", "nonsense", "Couldn't recognize sampler nonsense."),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon", "Unable to parse value for OTEL_BSP_SCHEDULE_DELAY as integer."),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization:hunter2",
            "OTEL_EXPORTER_OTLP_HEADERS is no list of name=value, URL encoded",
        ),
    ],
)
def test_variable_that_the_library_takes_otherwise_is_one_line_and_found_by_check(
    trace: Trace, caplog: pytest.LogCaptureFixture, variable: str, value: str, words: str
) -> None:
    """The library itself wrote the value of a header, which is a token, and stack traces."""
    with Collector() as collector:
        tracer = trace(**{**collector.environment(), variable: value})
        tracer.open()
        tracer.close(timeout=timedelta(seconds=5))
        (line,) = told(caplog)
        assert line.startswith(f"a variable of OpenTelemetry is not taken as it is: {words}")
        assert "hunter2" not in line
        assert collector_trouble(os.environ).startswith(words)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OTEL_BSP_MAX_QUEUE_SIZE", "0"), ("OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER", "nobody")],
)
def test_check_names_a_variable_with_which_run_leaves_tracing_off(trace: Trace, variable: str, value: str) -> None:
    with Collector() as collector:
        trace(**{**collector.environment(), variable: value})
        assert "the variables of OpenTelemetry are wrong: " in collector_trouble(os.environ)
