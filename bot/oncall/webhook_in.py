"""What Opsgenie and JSM tell us: a person acknowledged or closed an alert. Pure but for a constant-time compare."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """`action` is `Acknowledge` or `Close`; `by` is the person as the service names them."""

    action: str
    alias: str
    by: str


def read_webhook(headers: Mapping[str, str], body: bytes, *, secret: str) -> tuple[AlertEvent, ...] | None:
    """Return the events of one call, () for what does not concern us, None when the secret is missing or wrong.

    Outgoing webhooks of both services carry no signature: a header of our own has to do.
    """
    given = next((value for name, value in headers.items() if name.lower() == "x-webhook-secret"), "")
    if not secret or not hmac.compare_digest(given.encode(), secret.encode()):
        return None
    try:
        value = orjson.loads(body)
        action, alert = value["action"], value["alert"]
        alias, by = alert["alias"], alert.get("username") or "someone"
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return ()
    if action not in {"Acknowledge", "Close"} or not isinstance(alias, str) or not isinstance(by, str):
        return ()
    return (AlertEvent(action, alias, "".join(char for char in by if char.isprintable())[:100]),)
