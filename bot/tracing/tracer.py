"""A `bot.ports.tracing.Tracer` for a collector. OpenTelemetry is loaded when the first span is told, or by `open`."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.errors import DeliveryFailed
from bot.model.record import Consignment
from bot.ports.tracing import Passed, PassTrace
from bot.tracing import ids, telling
from bot.tracing.ids import Place
from bot.tracing.steps import Recorded

if TYPE_CHECKING:  # nobody pays for the library before there is anything to tell
    from bot.tracing.spans import Spans

log = logging.getLogger(__name__)

_operation: ContextVar[str] = ContextVar("operation", default="")  # of the pass that runs here
_delivery: ContextVar[Place | None] = ContextVar("delivery", default=None)  # the one that runs here


@contextmanager
def _harmless() -> Iterator[None]:
    """The boundary for bugs of telling: what was done is done, whoever hears of it."""
    try:
        yield
    except Exception:
        log.exception("a span could not be told: unexpected error")


class OtlpTracer:
    """Tells the collector at `collector`, which is an address to speak of: the library reads the variables itself."""

    def __init__(self, *, collector: str) -> None:
        self._collector = collector
        self._opening = threading.Lock()
        self._spans: Spans | None = None  # guarded by _opening until it is there
        self._over = False

    def open(self) -> None:
        self._opened()

    def close(self, *, timeout: timedelta) -> None:
        with self._opening:
            self._over, spans, self._spans = True, self._spans, None
        if spans is not None and not spans.close(timeout=timeout):
            log.warning("the last spans did not reach the collector at %s in time", self._collector)

    def current(self) -> str:
        operation = _operation.get()
        return f"{ids.trace_of(operation):032x}" if operation else ""

    @contextmanager
    def passing(self) -> Iterator[PassTrace]:
        token = _operation.set("")
        try:
            yield Recorded(name=_operation, tell=self._passed)
        finally:
            _operation.reset(token)

    @contextmanager
    def delivering(self, consignment: Consignment) -> Iterator[None]:
        operation = telling.operation_of(consignment)
        spans = self._opened() if operation else None
        if spans is None:
            yield
            return
        trace = ids.trace_of(operation)
        root, began = Place(trace, ids.root_of(operation), spans.keeps(trace)), time.time_ns()
        place = Place(trace, secrets.randbits(64) or 1, root.sampled)
        token, error = _delivery.set(place), ""
        try:
            yield
        except DeliveryFailed as failed:
            error = str(failed)
            raise
        except BaseException as bug:
            error = type(bug).__name__
            raise
        finally:
            _delivery.reset(token)
            with _harmless():
                span = telling.delivered(consignment, id=place.span, began=began, now=time.time_ns(), error=error)
                spans.tell(span, trace=trace, parent=root)

    def here(self) -> str:
        return str(_delivery.get() or "")

    def origin(self, operation: str) -> str:
        spans = self._opened() if operation else None
        if spans is None:
            return ""
        trace = ids.trace_of(operation)
        return str(Place(trace, ids.root_of(operation), spans.keeps(trace)))

    def _passed(self, recorded: Recorded, passed: Passed) -> None:
        spans = self._opened()
        if spans is None:
            return
        now, trace = time.time_ns(), ids.trace_of(recorded.operation)
        with _harmless():
            root = Place(trace, ids.root_of(recorded.operation), spans.keeps(trace))
            for span in telling.parts(passed, recorded.steps, began=recorded.began, now=now):
                spans.tell(span, trace=trace, parent=root)
            if passed.closes:
                spans.tell(telling.root(passed, now=now), trace=trace, parent=None)

    def _opened(self) -> Spans | None:
        if self._spans is not None or self._over:
            return self._spans
        with self._opening:
            if self._spans is None and not self._over:
                self._spans = self._built()
                self._over = self._spans is None
        return self._spans

    def _built(self) -> Spans | None:
        from bot.tracing.spans import Spans

        try:
            spans = Spans(collector=self._collector)
        except (ValueError, OSError, RuntimeError) as error:
            log.error("tracing is off: the variables of OpenTelemetry are wrong: %s", error)
            return None
        log.info("traces go to %s", self._collector)
        return spans
