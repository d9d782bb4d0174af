"""Whether traces are wanted, and what keeps them from being made: by the standard variables of OpenTelemetry. Pure.

What is wrong is said and never stops the bot: many platforms put these variables into every process.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_NEEDED: Final = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter")


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Tell whether the environment names a collector and does not switch traces off."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return False
    return bool(_first(environment, _ENDPOINTS)[1])


def obstacle(environment: Mapping[str, str]) -> str:
    """Return why traces that are wanted cannot be made, and what to do; "" when nothing is in the way."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter not in {"", "otlp"}:
        return f"OTEL_TRACES_EXPORTER is {exporter}: the bot has otlp and none"
    name, protocol = _first(environment, _PROTOCOLS)
    if protocol not in {"", "http/protobuf"}:
        return f"{name} is {protocol}: set it to http/protobuf, and the endpoint to the collector's port for it (4318)"
    name, endpoint = _first(environment, _ENDPOINTS)
    if not address(endpoint):
        return f"{name} is no URL: write http://collector:4318"
    if not all(map(_is_there, _NEEDED)):
        return f"{name} is set and OpenTelemetry is not installed: pip install 'gitops-bot[tracing]'"
    return ""


def collector(environment: Mapping[str, str]) -> str:
    """Return where the collector is, as it may be said: without login, path and query."""
    return address(_first(environment, _ENDPOINTS)[1])


def address(url: str) -> str:
    """Return scheme, host and port of a URL; "" for what is none."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}{port}" if parts.scheme in {"http", "https"} and parts.hostname else ""


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str]:
    """Return the first of the variables that is set, with its value; the last one and "" where none is."""
    return next(((name, found) for name in names if (found := environment.get(name, "").strip())), (names[-1], ""))


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
