"""The alert calls of Opsgenie and JSM on loopback, with their limits, their asynchronous answers, and faults.

What is kept: alerts by alias (unique among open ones), notes, closes. `fail` scripts what the next calls meet. The
surprising part, as in the real service: 202 promises nothing, the request's status does.
"""

from __future__ import annotations

import itertools
import json
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

MESSAGE_LIMIT: Final = 130  # characters, Opsgenie alert API
ALIAS_LIMIT: Final = 512
BASES: Final = {"opsgenie": "", "jsm": "/jsm/ops/integration"}


@dataclass(slots=True, kw_only=True)
class Alert:
    """One alert; `count` counts creates that met it while it was open."""

    alias: str
    message: str
    priority: str
    team: str
    key: str
    open: bool = True
    acknowledged: bool = False
    count: int = 1
    notes: list[str] = field(default_factory=list)


class OncallService:
    """`keys` are accepted API keys. Start it, then point `oncall.host` at `url`."""

    def __init__(self, *, flavour: str = "opsgenie", keys: frozenset[str] = frozenset({"oncall-key"})) -> None:
        self.base = BASES[flavour]
        self.flavour = flavour
        self.keys = keys
        self.alerts: list[Alert] = []
        self.calls: list[tuple[str, str]] = []
        self.beats = 0
        self.changed = threading.Condition()
        self._faults: list[tuple[int, str]] = []
        self._requests: dict[str, bool] = {}
        self._numbers = itertools.count(1)
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                service._handle(self, b"")

            def do_POST(self) -> None:
                service._handle(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))

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
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fail(self, *, times: int, status: int, body: str = "<html>Bad Gateway</html>") -> None:
        """Answer the next `times` calls with a status instead of acting on them."""
        with self.changed:
            self._faults += [(status, body)] * times

    def opened(self) -> list[Alert]:
        """Return the alerts that are open."""
        with self.changed:
            return [alert for alert in self.alerts if alert.open]

    def _handle(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        url = urllib.parse.urlsplit(handler.path)
        path = urllib.parse.unquote(url.path.removeprefix(self.base))
        with self.changed:
            self.calls.append((handler.command, path))
            if self._faults:
                status, text = self._faults.pop(0)
                kind = "text/html"
            else:
                key = (handler.headers.get("Authorization") or "").removeprefix("GenieKey ")
                status, answer = self._act(handler.command, path, key, body)
                text, kind = json.dumps(answer), "application/json"
            self.changed.notify_all()
        data = text.encode()
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

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
            case ("GET", ["v2", "heartbeats", _, "ping"]) if self.flavour == "opsgenie":
                self.beats += 1
                return 202, {"result": "PONG", "took": 0.001, "requestId": "none"}
            case _:
                return 404, {"message": "Not found", "took": 0.001, "requestId": "none"}

    def _create(self, said: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
        message, alias = str(said.get("message") or ""), str(said.get("alias") or "")
        if not message or len(message) > MESSAGE_LIMIT or len(alias) > ALIAS_LIMIT:
            return 422, {"message": "Request body is not processable", "took": 0.001, "requestId": "none"}
        known = self._open(alias)
        if known is not None:
            known.count += 1
        else:
            team = next((str(one.get("name")) for one in said.get("responders") or () if one), "")
            priority = str(said.get("priority") or "P3")
            self.alerts.append(Alert(alias=alias, message=message, priority=priority, team=team, key=key))
        return self._accepted(ok=True)

    def _change(self, alias: str, act: str, said: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        alert = self._open(alias)
        if alert is None:
            return self._accepted(ok=False)
        if note := said.get("note"):
            alert.notes.append(str(note))
        alert.open = act != "close"
        alert.acknowledged = alert.acknowledged or act == "acknowledge"
        return self._accepted(ok=True)

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
