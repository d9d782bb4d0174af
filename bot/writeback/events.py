"""Signed CloudEvents (1.0, structured JSON) for whoever acts on convergence. An event sent twice keeps its id."""

from __future__ import annotations

import hashlib
import hmac

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from bot.model.announcement import WriteBack
from bot.writeback.wire import ask, connections, post


class WebhookTarget:
    """POSTs a CloudEvent (1.0, structured JSON), signed in `X-Gitops-Bot-Signature: sha256=HMAC`."""

    def __init__(self, *, url: str, secret: str) -> None:
        self._url = url
        self._secret = secret
        self._http = connections()

    def send(self, back: WriteBack) -> None:
        event = CloudEvent(
            attributes={
                "id": back.id,
                "source": f"/gitops-bot/{back.cluster}/{back.app}",
                "type": f"io.gitops-bot.{back.event}.v1",
                "specversion": "1.0",
                "time": back.at,
                "subject": back.commit,
                "datacontenttype": "application/json",
            },
            data={
                "app": back.app,
                "cluster": back.cluster,
                "env": back.env,
                "operation": back.operation,
                "commit": back.commit,
                "event": back.event,
                "description": back.description,
                "url": back.url,
                "digest": back.digest,
                "summary": str(back.summary or ""),
                "fault": back.fault,
            },
        )
        body = JSONFormat().write(event)
        signature = hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "X-Gitops-Bot-Signature": f"sha256={signature}",
        }
        post(self._http, self._url, body, headers, "webhook")

    def check(self) -> str:
        """Return "" when anything answers at the address. Sends no event."""
        return "" if ask(self._http, "HEAD", self._url, {}) else f"the webhook {self._url} cannot be reached"
