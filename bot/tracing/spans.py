"""The door to OpenTelemetry: spans in, OTLP over HTTP out, in a thread of the library's own.

The library reads the standard variables itself: sampler, headers, certificates, limits, queue. A queue that is full
loses what is in it longest, so that nobody waits for a collector. Its own complaints reach no log: they come with stack
traces, and with what a header holds. What they are about is one line when spans do not arrive and one when they do
again, and one for each variable that it does not take.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from importlib.metadata import version
from typing import Final

import requests
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from bot.tracing.ids import Place
from bot.tracing.telling import Kind, Span

log = logging.getLogger(__name__)

_KINDS: Final = {Kind.INTERNAL: SpanKind.INTERNAL, Kind.SERVER: SpanKind.SERVER, Kind.CLIENT: SpanKind.CLIENT}
_DELAY: Final = "OTEL_BSP_SCHEDULE_DELAY"
_DELAY_MILLISECONDS: Final = 1000  # the library's 5 s are a first span that a process which is killed takes along
_TRIED_SECONDS: Final = 5.0  # of `check`
_FULL_EVERY_SECONDS: Final = 3600.0  # a collector that is too slow is so for long
_SESSIONS: Final = (  # who logs in by one of these brings an HTTP session along, and none of ours hears the answers
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER",
)


class _Ids(RandomIdGenerator):
    """Ids that were given for the next span of this thread; drawn ones otherwise."""

    def __init__(self) -> None:
        self._given = threading.local()

    @contextmanager
    def given(self, trace: int, span: int) -> Iterator[None]:
        self._given.trace, self._given.span = trace, span
        try:
            yield
        finally:
            self._given.trace = self._given.span = 0

    def generate_trace_id(self) -> int:
        trace: int = getattr(self._given, "trace", 0)
        return trace or super().generate_trace_id()

    def generate_span_id(self) -> int:
        span: int = getattr(self._given, "span", 0)
        return span or super().generate_span_id()

    def is_trace_id_random(self) -> bool:
        return False  # it is made of the operation's name


class Spans:
    """What makes spans and sends them. Raises `ValueError` for a variable that the library does not take."""

    def __init__(self, *, collector: str) -> None:
        heard = _Heard(collector=collector)
        self._ids = _Ids()
        self._provider = TracerProvider(resource=_resource(), id_generator=self._ids, shutdown_on_exit=False)
        exporter = _Edges(OTLPSpanExporter(session=heard.session()), heard=heard, collector=collector)
        delay = None if os.environ.get(_DELAY) else _DELAY_MILLISECONDS
        self._processor = BatchSpanProcessor(exporter, schedule_delay_millis=delay)
        self._provider.add_span_processor(self._processor)
        heard.begun()
        self._tracer = self._provider.get_tracer("gitops-bot", version("gitops-bot"))

    def keeps(self, trace: int) -> bool:
        """Tell whether the sampler keeps a trace: by its id, so that each process says the same."""
        return self._provider.sampler.should_sample(None, trace, "SYNC").decision is Decision.RECORD_AND_SAMPLE

    def tell(self, span: Span, *, trace: int, parent: Place | None) -> None:
        """Hand a span over with all that lies in it; blocks on nobody."""
        context = set_span_in_context(NonRecordingSpan(_context(parent))) if parent is not None else None
        with self._ids.given(trace, span.id):
            made = self._tracer.start_span(
                span.name,
                context,
                kind=_KINDS[span.kind],
                attributes=dict(span.facts),
                links=[Link(_context(one)) for one in span.links],
                start_time=span.began,
            )
        if span.error:
            made.set_status(Status(StatusCode.ERROR, span.error))
        for event in span.events:
            made.add_event("trouble", dict(event), timestamp=span.ended)
        place = Place(trace, made.get_span_context().span_id, made.get_span_context().trace_flags.sampled)
        for one in span.within:
            self.tell(one, trace=trace, parent=place)
        made.end(span.ended)

    def close(self, *, timeout: timedelta) -> bool:
        """Send what is left; False when that takes longer than `timeout`, and is left to its thread."""
        last = threading.Thread(target=self._processor.shutdown, name="last spans", daemon=True)
        last.start()
        last.join(timeout.total_seconds())
        return not last.is_alive()


def trouble(*, collector: str) -> str:
    """Return what is wrong with the variables or the collector, which gets a request without spans; "" for nothing.

    Raises `ValueError` for a variable that the library does not take.
    """
    heard = _Heard(collector=collector)
    TracerProvider(resource=_resource(), shutdown_on_exit=False)
    exporter: SpanExporter = OTLPSpanExporter(timeout=_TRIED_SECONDS, session=heard.session())
    processor = BatchSpanProcessor(exporter)
    wrong = tuple(heard.complaints)
    if exporter.export(()) is not SpanExportResult.SUCCESS:
        wrong = (*wrong, f"the collector at {collector}: {heard.why}")
    processor.shutdown()  # type: ignore[no-untyped-call]  # the library leaves it so
    return "; ".join(wrong)


class _Edges(SpanExporter):
    """Says once that spans do not arrive, and once that they do again."""

    def __init__(self, exporter: SpanExporter, *, heard: _Heard, collector: str) -> None:
        self._exporter, self._heard, self._collector = exporter, heard, collector
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._heard.again()
        result = self._exporter.export(spans)
        lost = self._heard.rejected if result is SpanExportResult.SUCCESS else len(spans)
        if lost and not self._lost:
            log.warning(
                "spans do not reach the collector at %s: %s; they are lost until they do",
                self._collector,
                self._heard.why,
            )
        elif self._lost and not lost:
            log.warning("spans reach the collector at %s again; %d were lost", self._collector, self._lost)
        self._lost = self._lost + lost if lost else 0
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class _Heard(logging.Handler):
    """Hears what the library logs, in place of everybody else, and what the collector answers.

    `complaints` are about variables, in the library's words without what is secret. `why` is why spans do not arrive,
    in ours, for the library's may hold the whole address with a login in it.
    """

    def __init__(self, *, collector: str) -> None:
        super().__init__(logging.WARNING)
        self.complaints: list[str] = []
        self._collector, self._has_begun = collector, False
        self._full_at = -_FULL_EVERY_SECONDS
        self.again()
        library = logging.getLogger("opentelemetry")
        library.handlers = [self]
        library.propagate = False

    def again(self) -> None:
        """Expect the answer to another request."""
        self.why, self.rejected = "it cannot be reached", 0

    def session(self) -> requests.Session | None:
        """Return an HTTP session whose answers are heard; None where the environment has another one made."""
        if any(os.environ.get(name) for name in _SESSIONS):
            return None
        session = requests.Session()
        session.hooks["response"].append(self._answered)
        return session

    def begun(self) -> None:
        """Say what is wrong with the variables; what comes from now on is about spans that are lost."""
        self._has_begun = True
        for one in self.complaints:
            log.warning("a variable of OpenTelemetry is not taken as it is: %s", one)

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if not self._has_begun:
            # The template alone: what it is about is a header, which holds a token.
            secret = record.name == "opentelemetry.util.re"
            text = "OTEL_EXPORTER_OTLP_HEADERS is no list of name=value, URL encoded" if secret else message
            self.complaints += [text] if text not in self.complaints else []
        elif message.startswith("Queue full") and time.monotonic() - self._full_at >= _FULL_EVERY_SECONDS:
            self._full_at = time.monotonic()
            log.warning(
                "more spans than the collector at %s takes, the oldest are lost: raise OTEL_BSP_MAX_QUEUE_SIZE",
                self._collector,
            )

    def _answered(self, answer: requests.Response, *_: object, **__: object) -> None:
        self.why = f"it answers {answer.status_code}"
        if answer.status_code != requests.codes.ok:
            return
        with suppress(DecodeError):  # who answers in another way has taken them
            partly = ExportTraceServiceResponse.FromString(answer.content).partial_success
            self.rejected = partly.rejected_spans
            self.why = f"it rejects spans: {partly.error_message[:200]!r}"


def _resource() -> Resource:
    found = Resource.create({SERVICE_VERSION: version("gitops-bot")})
    named = not str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    return found if named else found.merge(Resource({SERVICE_NAME: "gitops-bot"}))


def _context(place: Place) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if place.sampled else TraceFlags.DEFAULT)
    return SpanContext(place.trace, place.span, is_remote=True, trace_flags=flags)
