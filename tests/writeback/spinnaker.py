"""A Spinnaker, as far as webhook triggers go: Gate's two addresses, and how Echo finds the pipelines that run."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import orjson

from tests.receiver import Got, Receiver

Answer = tuple[int, Mapping[str, str], str]
RESET: Final[Answer] = (0, {}, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A pipeline with one webhook trigger; `runs` are the triggers that it was started by."""

    source: str = "gitops-bot"
    constraints: Mapping[str, str] = field(default_factory=dict)
    runs: list[Any] = field(default_factory=list)


class Spinnaker:
    """Pipelines behind Gate, which wants `headers`, if any. A context manager.

    `fails` are answers that are given first; with `accepts` the event is processed all the same.
    """

    def __init__(self, *pipelines: Pipeline, headers: Mapping[str, str] | None = None) -> None:
        self.pipelines = pipelines
        self.headers = headers or {}
        self.fails: list[Answer] = []
        self.accepts = False
        self._receiver = Receiver(reply=self._answer)
        self.url = self._receiver.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._receiver.close()

    def _answer(self, got: Got) -> Answer:
        if (got.method, got.path) == ("GET", "/health"):
            return 200, {}, '{"status":"UP"}'
        if any(got.headers.get(name) != value for name, value in self.headers.items()):
            return 401, {}, '{"error":"Unauthorized","message":"Unauthorized"}'
        _, webhooks, kind, source = got.path.split("/")
        if (got.method, webhooks, kind) != ("POST", "webhooks", "webhook"):
            return 404, {}, ""
        fails = self.fails.pop(0) if self.fails else None
        event = str(uuid.uuid4())
        if fails is None or self.accepts:
            self._process(source, got.json(), event)
        return fails or (200, {}, orjson.dumps({"eventProcessed": True, "eventId": event}).decode())

    def _process(self, source: str, payload: Mapping[str, Any], event: str) -> None:
        for one in self.pipelines:
            fits = all(
                payload.get(key) is not None and re.search(pattern, str(payload[key]))
                for key, pattern in one.constraints.items()
            )
            if one.source == source and fits:
                trigger = {"type": "webhook", "eventId": event, "payload": payload}
                one.runs.append({**trigger, **{key: payload.get(key) for key in ("parameters", "artifacts")}})
