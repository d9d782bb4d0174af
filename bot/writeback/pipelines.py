"""Pipelines of Spinnaker, started through Gate by webhook triggers.

Sources: `WebhookController` of Gate; `WebhooksController`, `WebhookEventHandler` and `ArtifactMatcher` of Echo. Gate
hands the body on to Echo, which starts each pipeline whose trigger has the source and whose payload constraints fit,
and says `{"eventProcessed": true, "eventId": …}` whether there is one or not. The surprising part: Echo gives each
delivery an id of its own and knows none of ours, so that what is sent twice starts a pipeline twice; `id` in the
payload tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import orjson

from bot.errors import DeliveryFailed
from bot.model.announcement import WriteBack
from bot.ports.tracing import UNTRACED, Tracer
from bot.writeback.events import facts
from bot.writeback.hosts import authorization
from bot.writeback.wire import connections, post, read

_PARAMETERS: Final = ("app", "cluster", "env", "event", "commit")  # of the facts, those a pipeline may declare
_NO_GATE: Final = "does not answer as Gate does: write the address of Gate, not of Deck"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The API of a Spinnaker. `secret` is sent in the payload; `token` in `header`, "" is `Authorization`."""

    url: str
    source: str
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    header: str = ""

    @property
    def site(self) -> str:
        return self.url.rstrip("/")

    @property
    def credentials(self) -> Mapping[str, str]:
        if not self.token:
            return {}
        return {self.header: self.token} if self.header else authorization(self.token)


class SpinnakerTarget:
    """Posts an event to the triggers of a source. `repository` says where the app's files are, "" to name none."""

    def __init__(self, gate: Gate, *, repository: Callable[[WriteBack], str], tracer: Tracer = UNTRACED) -> None:
        self._gate = gate
        self._repository = repository
        self._tracer = tracer
        self._http = connections()

    def send(self, back: WriteBack) -> None:
        gate = self._gate
        address = f"{gate.site}/webhooks/webhook/{quote(gate.source, safe='')}"
        headers = {**gate.credentials, "Content-Type": "application/json"}
        answer = post(self._http, address, orjson.dumps(self._payload(back)), headers, "spinnaker")
        if not _says(answer, "eventProcessed", True):
            raise DeliveryFailed(f"spinnaker: {gate.site} {_NO_GATE}", retry_after_seconds=None)

    def check(self) -> str:
        """Return what is wrong with the connection, "" when Gate says that it is up. Starts nothing."""
        gate = self._gate
        try:
            said = read(self._http, f"{gate.site}/health", gate.credentials, "spinnaker")
        except DeliveryFailed as error:
            return str(error)
        return "" if isinstance(said, dict) and said.get("status") == "UP" else f"spinnaker: {gate.site} {_NO_GATE}"

    def _payload(self, back: WriteBack) -> dict[str, Any]:
        known = facts(back)
        address = self._repository(back)
        artifact = {"type": "git/repo", "name": address, "reference": address, "version": back.commit}
        secret = {"secret": self._gate.secret} if self._gate.secret else {}
        origin = self._tracer.origin(back.operation)
        return {
            **known,
            **secret,
            **({"traceparent": origin} if origin else {}),
            "id": back.id,
            "time": back.at.isoformat(),
            "parameters": {name: known[name] for name in _PARAMETERS},
            "artifacts": [artifact] if address else [],
        }


def _says(answer: bytes, key: str, value: object) -> bool:
    try:
        said = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return False
    return isinstance(said, dict) and said.get(key) == value
