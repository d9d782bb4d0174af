"""When traces are made, and what is said where they are wanted and cannot be."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bot.ports.tracing import UNTRACED
from bot.tracing import switch
from bot.wiring import build_tracer, untraced

HERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "gitops-bot"}, False),
        (HERE, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({**HERE, "OTEL_SDK_DISABLED": "true"}, False),
        ({**HERE, "OTEL_SDK_DISABLED": "false"}, True),
        ({**HERE, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**HERE, "OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_standard_variables_switch_traces_on_and_off(environment: dict[str, str], wanted: bool) -> None:
    assert switch.is_wanted(environment) is wanted
    assert (build_tracer(environment) is UNTRACED) is not wanted
    assert untraced(environment) == ""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"OTEL_TRACES_EXPORTER": "console"}, "OTEL_TRACES_EXPORTER is console: the bot has otlp and none"),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is grpc: set it to http/protobuf, "
            "and the endpoint to the collector's port for it (4318)",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
            "OTEL_EXPORTER_OTLP_ENDPOINT is no URL: write http://collector:4318",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:port"},
            "OTEL_EXPORTER_OTLP_ENDPOINT is no URL: write http://collector:4318",
        ),
    ],
)
def test_what_is_in_the_way_of_traces_is_one_sentence(more: dict[str, str], said: str) -> None:
    environment = {**HERE, **more}
    assert untraced(environment) == said
    assert build_tracer(environment) is UNTRACED


def test_address_of_the_collector_is_said_without_what_is_secret() -> None:
    endpoint = "https://ana:hunter2@otlp.example.com:443/token/v1/traces?key=hunter2"
    assert switch.collector({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint}) == "https://otlp.example.com:443"


def test_bot_without_the_extra_says_what_to_install() -> None:
    """The packages are hidden from a process, as they are where nobody has installed them."""
    program = (
        f"import sys; sys.modules['opentelemetry'] = None\nfrom bot.wiring import untraced\nprint(untraced({HERE!r}))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == (
        "OTEL_EXPORTER_OTLP_ENDPOINT is set and OpenTelemetry is not installed: pip install 'gitops-bot[tracing]'"
    )


def test_bot_that_is_not_traced_loads_nothing_of_it() -> None:
    program = (
        "import sys, bot.cli.commands, bot.cli.serve, bot.cli.doors\n"
        "from bot.wiring import build_tracer, untraced\n"
        "build_tracer({}), untraced({})\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'google.protobuf', 'bot.tracing'))])"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == "['bot.tracing', 'bot.tracing.switch']"
