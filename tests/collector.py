"""An OTLP collector: what was exported over HTTP, read by the protocol's own definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from tests.receiver import Receiver


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One span; ids are hex digits, times nanoseconds, `error` the description of its status."""

    name: str
    trace: str
    id: str
    parent: str
    began: int
    ended: int
    facts: Mapping[str, Any]
    error: str
    events: tuple[Mapping[str, Any], ...]
    links: tuple[str, ...]  # traces

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace}-{self.id}-01"


class Collector(Receiver):
    """Answers 200, or first what a `Receiver` answers."""

    def spans(self) -> list[Seen]:
        """Return all spans so far, the earliest first."""
        found: list[Seen] = []
        for got in list(self.got):
            request = ExportTraceServiceRequest.FromString(got.body)
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    found += [
                        Seen(
                            name=span.name,
                            trace=span.trace_id.hex(),
                            id=span.span_id.hex(),
                            parent=span.parent_span_id.hex(),
                            began=span.start_time_unix_nano,
                            ended=span.end_time_unix_nano,
                            facts=_facts(span.attributes),
                            error=span.status.message,
                            events=tuple(_facts(event.attributes) for event in span.events),
                            links=tuple(link.trace_id.hex() for link in span.links),
                        )
                        for span in scope.spans
                    ]
        return sorted(found, key=lambda one: (one.began, one.parent))

    def resource(self) -> Mapping[str, Any]:
        """Return what the newest export says of the process."""
        request = ExportTraceServiceRequest.FromString(self.got[-1].body)
        return _facts(request.resource_spans[0].resource.attributes)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables of a process that exports here, at once."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "50", **more}


def tree(spans: list[Seen]) -> str:
    """Draw spans as lines, each below the one it lies in, in the order in which they began."""
    known = {one.id for one in spans}

    def lines(parent: str, depth: int) -> list[str]:
        found = [one for one in spans if one.parent == parent or (not depth and one.parent not in known | {""})]
        return [line for one in found for line in ("  " * depth + one.name, *lines(one.id, depth + 1))]

    return "\n".join(lines("", 0))


def _facts(pairs: Any) -> Mapping[str, Any]:
    def value(pair: KeyValue) -> Any:
        return getattr(pair.value, str(pair.value.WhichOneof("value")))

    return {pair.key: value(pair) for pair in pairs}
