"""The door to OpenTelemetry: spans in, OTLP over HTTP out, in a thread of the library's own.

The library reads the standard variables itself: sampler, headers, certificates, limits, queue. A queue that is full
loses what comes, so that nobody waits for a collector. Its complaints become one line when spans do not arrive and one
when they do again.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import version
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
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
_CHATTY: Final = ("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")
_TRIED_SECONDS: Final = 5.0  # of `check`
_CODE: Final = re.compile(r"code: (\d{3})")


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
        self._ids = _Ids()
        self._provider = TracerProvider(resource=_resource(), id_generator=self._ids, shutdown_on_exit=False)
        self._processor = BatchSpanProcessor(_Edges(OTLPSpanExporter(), collector=collector))
        self._provider.add_span_processor(self._processor)
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


def trouble() -> str:
    """Return what is wrong with the collector, "" when it takes what it is sent: a request without any span.

    Raises `ValueError` for a variable that the library does not take.
    """
    heard = _Heard()
    exporter: SpanExporter = OTLPSpanExporter(timeout=_TRIED_SECONDS)
    heard.listen()
    result = exporter.export(())
    exporter.shutdown()
    return "" if result is SpanExportResult.SUCCESS else heard.why


class _Edges(SpanExporter):
    """Says once that spans do not arrive, and once that they do again."""

    def __init__(self, exporter: SpanExporter, *, collector: str) -> None:
        self._exporter, self._collector = exporter, collector
        self._lost = 0
        self._heard = _Heard()
        self._heard.listen()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            if not self._lost:
                log.warning(
                    "spans do not reach the collector at %s: %s; they are lost until they do",
                    self._collector,
                    self._heard.why,
                )
            self._lost += len(spans)
        elif self._lost:
            log.warning("spans reach the collector at %s again; %d were lost", self._collector, self._lost)
            self._lost = 0
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class _Heard(logging.Handler):
    """Remembers why an export failed, in our words: the library's may hold the whole address with what is secret."""

    why = "it cannot be reached"

    def listen(self) -> None:
        """Hear what the library logs, in place of everybody else."""
        for name in _CHATTY:
            logger = logging.getLogger(name)
            logger.addHandler(self)
            logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        code = _CODE.search(record.getMessage())
        self.why = f"it answers {code[1]}" if code is not None else type(self).why


def _resource() -> Resource:
    found = Resource.create({SERVICE_VERSION: version("gitops-bot")})
    named = not str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    return found if named else found.merge(Resource({SERVICE_NAME: "gitops-bot"}))


def _context(place: Place) -> SpanContext:
    flags = TraceFlags(TraceFlags.SAMPLED if place.sampled else TraceFlags.DEFAULT)
    return SpanContext(place.trace, place.span, is_remote=True, trace_flags=flags)
