"""The workspace's HTTP server: the Web API, uploads, response URLs and the websocket door, with faults.

One thread per connection. `stop` waits until each of them has ended, so that nothing outlives the workspace.
"""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

from bot.sandbox import faults
from bot.sandbox.connections import LoopbackServer, body_of
from bot.sandbox.faults import FaultKind
from bot.sandbox.slack import limits
from bot.sandbox.slack.sockets import SocketConnection, handshake
from bot.sandbox.slack.state import State
from bot.sandbox.slack.values import Call
from bot.sandbox.slack.webapi import WebApi, blocks_of

_IDLE_SECONDS = 60.0


class SlackServer(LoopbackServer):
    """`attached` is called with each new websocket, in the thread that then serves it."""

    def __init__(self, port: int, api: WebApi, *, attached: Callable[[SocketConnection], None]) -> None:
        self.api = api
        self.attached = attached
        super().__init__(port, _Handler, name="sandbox-slack")

    @property
    def state(self) -> State:
        return self.api.state

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    server: SlackServer

    def do_GET(self) -> None:
        if self.path.startswith("/link/"):
            self._websocket()
        else:
            self._handle(b"")

    def do_POST(self) -> None:
        body = body_of(self)
        if body is not None:
            self._handle(body)

    def do_DELETE(self) -> None:
        self._handle(b"")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the calls are kept in the workspace."""

    def _handle(self, body: bytes) -> None:
        url = urllib.parse.urlsplit(self.path)
        if url.path == faults.PATH:
            faults.send(self, self.server.state.faults.answer(self.command, body))
        elif url.path.startswith("/api/"):
            self._api(url.path.removeprefix("/api/"), url.query, body)
        elif url.path.startswith("/upload/v1/"):
            self._upload(url.path.removeprefix("/upload/v1/"), body)
        elif url.path.startswith("/response/"):
            self._response(url.path.removeprefix("/response/"), body)
        else:
            faults.send(self, _plain(404, "not found"))

    def _api(self, method: str, query: str, body: bytes) -> None:
        arguments = _arguments(self.headers.get("Content-Type") or "", query, body)
        token = str(arguments.pop("token", "") or "") or _bearer(self.headers.get("Authorization") or "")
        channel = str(arguments.get("channel") or arguments.get("channel_id") or "")

        def act() -> faults.Answer:
            wait = self._throttled(method, channel)
            if wait:
                self._note(method, arguments, "ratelimited")
                limited = _json({"ok": False, "error": "ratelimited"})
                return faults.Answer(status=429, body=limited, headers={"Retry-After": str(wait)})
            answer = self.server.api.call(method, arguments, token, self.server.url)
            self._note(method, arguments, "ok" if answer["ok"] else str(answer["error"]))
            headers = {"X-OAuth-Scopes": ",".join(sorted(self.server.state.scopes))}
            return faults.Answer(
                status=200, body=_json(answer), kind="application/json; charset=utf-8", headers=headers
            )

        self._with_faults(method, channel, arguments, act)

    def _throttled(self, method: str, channel: str) -> int:
        """Return the seconds a post must wait when the workspace enforces Slack's pace, or 0."""
        state = self.server.state
        if method != "chat.postMessage" or state.post_interval is None:
            return 0
        last = state.last_posts.get(channel)
        early = last is not None and state.clock() - last < state.post_interval
        return max(1, round(state.post_interval.total_seconds())) if early else 0

    def _upload(self, id: str, body: bytes) -> None:
        def act() -> faults.Answer:
            state = self.server.state
            with state.changed:
                file = state.files.get(id)
                if file is None:
                    return _plain(404, "not found")
                state.files[id] = replace(file, content=body)
            self._note("upload", {"file": id, "length": len(body)}, "ok")
            return _plain(200, f"OK - {len(body)}")

        self._with_faults("upload", "", {"file": id}, act)

    def _response(self, id: str, body: bytes) -> None:
        def act() -> faults.Answer:
            try:
                said = json.loads(body)
            except ValueError:
                return _plain(400, "invalid_payload")
            wrong = _unsayable(said)
            if wrong:
                self._note("response_url", said, wrong)
                return _plain(400, wrong)
            outcome = self.server.state.respond(
                id,
                text=str(said.get("text") or ""),
                blocks=blocks_of(said),
                replace_it=bool(said.get("replace_original")),
                delete_it=bool(said.get("delete_original")),
                public=said.get("response_type") == "in_channel",
            )
            self._note("response_url", said, outcome)
            return _plain(200 if outcome == "ok" else 404, outcome)

        self._with_faults("response_url", "", {}, act)

    def _with_faults(
        self, method: str, channel: str, arguments: Mapping[str, Any], act: Callable[[], faults.Answer]
    ) -> None:
        """Act, or meet what is planned for this request; a fault's request line ends in the channel it names."""
        request = f"{self.command} {urllib.parse.urlsplit(self.path).path}?channel={channel}"
        plan = self.server.state.faults
        fault = plan.strike(request)
        if fault is not None and fault.kind not in {FaultKind.LOST, FaultKind.DELAY}:
            self._note(method, arguments, fault.kind.value)
        limited = _json({"ok": False, "error": "ratelimited"})
        faults.serve(self, act, fault, plan, throttled=limited, refused=_refusal)

    def _websocket(self) -> None:
        state = self.server.state
        ticket = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).get("ticket", [""])[0]
        key = self.headers.get("Sec-WebSocket-Key") or ""
        with state.changed:
            welcome = bool(key) and ticket in state.tickets
            state.tickets.discard(ticket)
        self.close_connection = True
        if not welcome:
            faults.send(self, _plain(404, "unknown ticket"))
            return
        self.connection.settimeout(None)
        self.connection.sendall(handshake(key))
        self.server.attached(SocketConnection(self.connection, self.rfile.read1, number=next(state.numbers)))

    def _note(self, method: str, arguments: Mapping[str, Any], outcome: str) -> None:
        state = self.server.state
        state.note(Call(method=method, arguments=dict(arguments), at=state.clock(), outcome=outcome))


def _arguments(kind: str, query: str, body: bytes) -> dict[str, Any]:
    """Return what a request says, from its query and its form or JSON body."""
    found: dict[str, Any] = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
    if kind.startswith("application/json"):
        said = json.loads(body or b"{}")
        found.update(said if isinstance(said, dict) else {})
    else:
        found.update(urllib.parse.parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    return found


def _unsayable(said: Mapping[str, Any]) -> str:
    """Return Slack's word for why an answer to a response_url cannot be shown, "" when it can."""
    if limits.complaints(blocks_of(said)):
        return "invalid_blocks"
    return "" if said.get("text") or said.get("blocks") or said.get("delete_original") else "no_text"


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _plain(status: int, text: str) -> faults.Answer:
    return faults.Answer(status=status, body=text.encode(), kind="text/plain")


def _refusal(error: str) -> faults.Answer:
    return faults.Answer(status=200, body=_json({"ok": False, "error": error}))


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()
