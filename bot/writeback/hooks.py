"""Signed CloudEvents by HTTP, for whoever acts on convergence."""

from __future__ import annotations

import hashlib
import hmac

from bot.model.announcement import WriteBack
from bot.writeback.events import cloud_event
from bot.writeback.wire import ask, connections, post


class WebhookTarget:
    """POSTs a CloudEvent, signed in `X-Gitops-Bot-Signature: sha256=HMAC`."""

    def __init__(self, *, url: str, secret: str) -> None:
        self._url = url
        self._secret = secret
        self._http = connections()

    def send(self, back: WriteBack) -> None:
        body = cloud_event(back)
        signature = hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "X-Gitops-Bot-Signature": f"sha256={signature}",
        }
        post(self._http, self._url, body, headers, "webhook")

    def check(self) -> str:
        """Return "" when anything answers at the address. Sends no event."""
        return "" if ask(self._http, "HEAD", self._url, {}) else f"the webhook {self._url} cannot be reached"
