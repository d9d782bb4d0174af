"""The alert calls of Opsgenie and JSM on loopback, with their limits, their asynchronous answers, and faults.

What is kept: alerts by alias (unique among open ones) with what happened to them. People act by `acknowledge` and
`close`, which call the bot's outgoing webhook when `webhook_url` is set. The surprising part, as in the real service:
202 promises nothing, the request's status does. Faults: `bot.sandbox.faults`.
"""

from __future__ import annotations

import itertools
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from bot.sandbox import faults
from bot.sandbox.connections import body_of
from bot.sandbox.faults import Fault, FaultKind, Faults
from bot.sandbox.oncall.alerts import Alert, Entry

MESSAGE_LIMIT: Final = 130  # characters, Opsgenie alert API
ALIAS_LIMIT: Final = 512
PRIORITIES: Final = ("P1", "P2", "P3", "P4", "P5")
BASES: Final = {"opsgenie": "", "jsm": "/jsm/ops/integration"}
_WEBHOOK_SECONDS: Final = 5.0
_THROTTLED: Final = b'{"message": "You are making too many requests!", "took": 0.001, "requestId": "none"}'


class OncallService:
    """`keys` are accepted API keys. Start it, then point `oncall.host` at `url`."""

    def __init__(
        self,
        *,
        flavour: str = "opsgenie",
        keys: frozenset[str] = frozenset({"oncall-key"}),
        webhook_url: str = "",
        webhook_secret: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.base = BASES[flavour]
        self.flavour = flavour
        self.keys = keys
        self.webhook_url = webhook_url
        self.faults = Faults()
        self.alerts: list[Alert] = []
        self.calls: list[tuple[str, str]] = []
        self.beats = 0
        self.spoiled = 0  # so many alerts more are taken and then not made
        self.changed = threading.Condition()
        self._webhook_secret = webhook_secret
        self._clock = clock
        self._requests: dict[str, bool] = {}
        self._numbers = itertools.count(1)
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                service._handle(self, b"")

            def do_POST(self) -> None:
                body = body_of(self)
                if body is not None:
                    service._handle(self, body)

            def do_PUT(self) -> None:
                self.do_POST()

            def do_DELETE(self) -> None:
                service._handle(self, b"")

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing: the calls are kept."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox-oncall")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{self.base}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; requests that hang are let go."""
        self.faults.heal()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fail(self, *, times: int, status: int, body: str = "<html>Bad Gateway</html>") -> None:
        """Answer the next `times` calls with a status instead of acting on them."""
        self.faults.add(Fault(kind=FaultKind.STATUS, status=status, body=body), times=times)

    def opened(self) -> list[Alert]:
        """Return the alerts that are open."""
        with self.changed:
            return [alert for alert in self.alerts if alert.open]

    # What people do

    def acknowledge(self, number: int, by: str) -> bool:
        """Acknowledge an open alert as a person; False when it is not open (any more)."""
        return self._by_hand(number, "Acknowledge", by)

    def close(self, number: int, by: str) -> bool:
        """Close an open alert as a person; False when it is not open (any more)."""
        return self._by_hand(number, "Close", by)

    def _by_hand(self, number: int, action: str, by: str) -> bool:
        with self.changed:
            alert = next((one for one in self.alerts if one.number == number and one.open), None)
            if alert is None:
                return False
            self._settle(alert, action.lower(), by)
            self.changed.notify_all()
        self._tell(alert, action, by)
        return True

    def _tell(self, alert: Alert, action: str, by: str) -> None:
        """Call the outgoing webhook; what it answers becomes part of the alert's log when it is no 2xx."""
        if not self.webhook_url:
            return
        body = {
            "action": action,
            "alert": {"alertId": f"alert-{alert.number}", "tinyId": str(alert.number), "alias": alert.alias}
            | {"message": alert.message, "username": by, "priority": alert.priority},
            "source": {"name": "", "type": "web"},
            "integrationName": "gitops-bot",
            "integrationType": "Webhook",
        }
        headers = {"Content-Type": "application/json", "X-Webhook-Secret": self._webhook_secret}
        request = urllib.request.Request(self.webhook_url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=_WEBHOOK_SECONDS):
                return
        except urllib.error.HTTPError as error:
            failure = str(error)
            error.close()
        except OSError as error:
            failure = str(error)
        with self.changed:
            self._log(alert, "webhook", f"the outgoing webhook failed: {failure}")
            self.changed.notify_all()

    # The wire

    def _handle(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        url = urllib.parse.urlsplit(handler.path)
        if url.path == faults.PATH:
            faults.send(handler, self.faults.answer(handler.command, body))
            return
        path = urllib.parse.unquote(url.path.removeprefix(self.base))

        def act() -> faults.Answer:
            key = (handler.headers.get("Authorization") or "").removeprefix("GenieKey ")
            with self.changed:
                status, answer = self._act(handler.command, path, key, body)
                self.changed.notify_all()
            return faults.Answer(status=status, body=json.dumps(answer).encode())

        with self.changed:
            self.calls.append((handler.command, path))
        fault = self.faults.strike(f"{handler.command} {handler.path}")
        faults.serve(handler, act, fault, self.faults, throttled=_THROTTLED, rest="X-RateLimit-Period-In-Sec")

    def _act(self, method: str, path: str, key: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if key not in self.keys:
            return 401, {"message": "Could not authenticate", "took": 0.001, "requestId": "none"}
        try:
            said: dict[str, Any] = json.loads(body) if body else {}
        except json.JSONDecodeError:
            return 400, {"message": "Request body is not processable", "took": 0.001, "requestId": "none"}
        match (method, path.strip("/").split("/")):
            case ("POST", ["v2", "alerts"]):
                return self._create(said, key)
            case ("GET", ["v2", "alerts", "requests", id]):
                return self._status(id)
            case ("POST", ["v2", "alerts", alias, ("close" | "notes" | "acknowledge") as act]):
                return self._change(alias, act, said)
            case ("PUT", ["v2", "alerts", alias, "priority"]):
                return self._raise(alias, str(said.get("priority") or ""))
            case ("GET", ["v2", "heartbeats", _, "ping"]) if self.flavour == "opsgenie":
                self.beats += 1
                return 202, {"result": "PONG", "took": 0.001, "requestId": "none"}
            case _:
                return 404, {"message": "Not found", "took": 0.001, "requestId": "none"}

    def _create(self, said: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
        message, alias = str(said.get("message") or ""), str(said.get("alias") or "")
        if not message or len(message) > MESSAGE_LIMIT or len(alias) > ALIAS_LIMIT:
            return 422, {"message": "Request body is not processable", "took": 0.001, "requestId": "none"}
        if self.spoiled:
            self.spoiled -= 1
            return self._accepted(ok=False)
        known = self._open(alias)
        if known is not None:
            known.count += 1
            self._log(known, "alert", f"created again, {known.count} times now")
        else:
            alert = Alert(
                number=len(self.alerts) + 1,
                alias=alias,
                message=message,
                priority=str(said.get("priority") or "P3"),
                team=next((str(one.get("name")) for one in said.get("responders") or () if one), ""),
                key=key,
                at=self._clock(),
                description=str(said.get("description") or ""),
                tags=tuple(str(tag) for tag in said.get("tags") or ()),
            )
            self.alerts.append(alert)
            self._log(alert, "alert", f"created by {said.get('source') or 'the API'}")
        return self._accepted(ok=True)

    def _change(self, alias: str, act: str, said: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        alert = self._open(alias)
        if alert is None:
            return self._accepted(ok=False)
        by = str(said.get("user") or said.get("source") or "the API")
        if note := said.get("note"):
            alert.notes.append(str(note))
            self._log(alert, by, str(note))
        if act != "notes":
            self._settle(alert, act, by)
        return self._accepted(ok=True)

    def _raise(self, alias: str, priority: str) -> tuple[int, dict[str, Any]]:
        if priority not in PRIORITIES:
            return 422, {"message": "Request body is not processable", "took": 0.001, "requestId": "none"}
        alert = self._open(alias)
        if alert is not None:
            alert.priority = priority
            self._log(alert, "the API", f"priority {priority}")
        return self._accepted(ok=alert is not None)

    def _settle(self, alert: Alert, act: str, by: str) -> None:
        alert.open = act != "close"
        alert.acknowledged = alert.acknowledged or act == "acknowledge"
        if act == "acknowledge":
            alert.acknowledged_by = by
        self._log(alert, by, "closed" if act == "close" else "acknowledged")

    def _log(self, alert: Alert, by: str, text: str) -> None:
        alert.log.append(Entry(at=self._clock(), by=by, text=text))

    def _accepted(self, *, ok: bool) -> tuple[int, dict[str, Any]]:
        id = f"request-{next(self._numbers)}"
        self._requests[id] = ok
        return 202, {"result": "Request will be processed", "took": 0.001, "requestId": id}

    def _status(self, id: str) -> tuple[int, dict[str, Any]]:
        if id not in self._requests:
            return 404, {"message": "Request not found", "took": 0.001, "requestId": id}
        ok = self._requests[id]
        data = {"success": ok, "isSuccess": ok, "action": "Create", "status": "done" if ok else "Alert does not exist"}
        return 200, {"data": data, "took": 0.001, "requestId": id}

    def _open(self, alias: str) -> Alert | None:
        return next((alert for alert in self.alerts if alert.open and alert.alias == alias), None)
