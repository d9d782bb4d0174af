"""`docs/tracing.md` shows a function that goes on with a trace, and how to name the trace of an operation."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from bot.tracing import ids
from bot.writeback.events import cloud_event
from tests.collector import Collector
from tests.writeback.test_sink import CONVERGED

PAGE: Final = (Path(__file__).parents[2] / "docs/tracing.md").read_text(encoding="utf-8")
OPERATION: Final = "op_20260301120000_a1b2c3"

# What the runtime of a function does around it.
AROUND: Final = """
import json, sys
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
{function}
handler(json.loads(sys.stdin.read()), None)
"""


def test_function_of_the_page_goes_on_with_the_trace() -> None:
    (function,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    root = ids.Place(ids.trace_of(OPERATION), ids.root_of(OPERATION), sampled=True)
    with Collector() as collector:
        done = subprocess.run(
            [sys.executable, "-c", AROUND.format(function=function)],
            input=cloud_event(CONVERGED, origin=str(root)),
            capture_output=True,
            check=True,
            timeout=60,
            env={**os.environ, **collector.environment()},
        )
        (span,) = collector.spans()
    assert done.stdout.decode().startswith("testing shop at ")
    assert (span.name, f"00-{span.trace}-{span.parent}-01") == ("smoke test", str(root))


def test_trace_of_an_operation_is_what_the_page_s_command_prints() -> None:
    (command,) = re.findall(r"`(printf .*?)`", PAGE)
    said = subprocess.run(["sh", "-c", command.replace("op_…", OPERATION)], capture_output=True, check=True, timeout=60)
    assert said.stdout.decode().strip() == f"{ids.trace_of(OPERATION):032x}"
