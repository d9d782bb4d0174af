"""Signed CloudEvents by HTTP, for whoever acts on convergence.

The header `traceparent` (W3C Trace Context) names this try, that of the event its operation: sent again, the event is
the same.
"""

from __future__ import annotations

import hashlib
import hmac

from bot.model.announcement import WriteBack
from bot.ports.tracing import UNTRACED, Tracer
from bot.writeback.events import cloud_event
from bot.writeback.wire import ask, connections, post


class WebhookTarget:
    """POSTs a CloudEvent, signed in `X-Gitops-Bot-Signature: sha256=HMAC`."""

    def __init__(self, *, url: str, secret: str, tracer: Tracer = UNTRACED) -> None:
        self._url = url
        self._secret = secret
        self._tracer = tracer
        self._http = connections()

    def send(self, back: WriteBack) -> None:
        body = cloud_event(back, origin=self._tracer.origin(back.operation))
        signature = hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "X-Gitops-Bot-Signature": f"sha256={signature}",
            **({"traceparent": here} if (here := self._tracer.here()) else {}),
        }
        post(self._http, self._url, body, headers, "webhook")

    def check(self) -> str:
        """Return "" when anything answers at the address. Sends no event."""
        return "" if ask(self._http, "HEAD", self._url, {}) else f"the webhook {self._url} cannot be reached"
