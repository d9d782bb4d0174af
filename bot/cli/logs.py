"""Log lines as JSON, one object a line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

import orjson


class JsonFormatter(logging.Formatter):
    """Writes time (RFC 3339 UTC), level, logger, message, facts and trace of a pass, and the traceback of a bug."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if trace := getattr(record, "trace_id", ""):
            line["trace_id"] = trace
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line).decode()


def carry_traces(current: Callable[[], str]) -> None:
    """Have each line that is written in a pass carry its trace, as `current` returns it."""

    def marked(record: logging.LogRecord) -> bool:
        record.trace_id = current()
        return True

    for handler in logging.getLogger().handlers:
        handler.addFilter(marked)
