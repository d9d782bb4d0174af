"""The HTTP server: one thread a connection, keep-alive, chunked watches, faults, and an end that leaves nothing.

The request line and the headers are read here by hand: the standard library parses them as an e-mail, which costs
more than the rest of a request together.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Mapping
from http.client import responses
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from bot.sandbox import faults
from bot.sandbox.connections import LoopbackServer
from bot.sandbox.faults import Answer, FaultKind, Faults
from bot.sandbox.kube.door import Door
from bot.sandbox.kube.errors import StatusError, bad_request, too_many_requests
from bot.sandbox.kube.requests import Reply, Request, Stream, error_reply

_IDLE_SECONDS: Final = 300.0
_LINE_BYTES: Final = 65_536
_BODY_BYTES: Final = 3 * 1024 * 1024  # the real server's limit of a request


class KubeServer(LoopbackServer):
    """The door on a port."""

    def __init__(self, port: int, door: Door, planned: Faults) -> None:
        self.door, self.faults = door, planned
        self.stopping = False
        self._closers: set[Callable[[], None]] = set()
        super().__init__(port, _Handler, name="sandbox-kube")

    def stop(self) -> None:
        """Refuse connections from now on and end those that are open, watches as well."""
        self.stopping = True
        super().stop()

    def ending(self) -> None:
        for close in self._closers:
            close()

    def streaming(self, close: Callable[[], None]) -> None:
        """Remember how to end a watch."""
        with self._quiet:
            self._closers.add(close)

    def streamed(self, close: Callable[[], None]) -> None:
        with self._quiet:
            self._closers.discard(close)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1
    server: KubeServer

    def handle_one_request(self) -> None:
        line = self.rfile.readline(_LINE_BYTES + 1)
        parts = line.split()
        if len(parts) != 3:
            self.close_connection = True
            return
        self.requestline = line.decode("latin-1").strip()
        self.command, self.path = parts[0].decode("latin-1"), parts[1].decode("latin-1")
        self.request_version = parts[2].decode("latin-1")
        headers, groups = self._headers()
        self.close_connection = headers.get("connection", "").lower() == "close" or parts[2] == b"HTTP/1.0"
        body = self._body(headers)
        if body is None:
            self._reply(error_reply(StatusError(413, "RequestEntityTooLarge", "request body too large")))
            self.close_connection = True
        else:
            self._serve(headers, groups, body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: events and the audit of the bot tell what happened."""

    def _headers(self) -> tuple[dict[str, str], tuple[str, ...]]:
        headers: dict[str, str] = {}
        groups = []
        while (line := self.rfile.readline(_LINE_BYTES)) not in {b"\r\n", b"\n", b""}:
            name, _, value = line.decode("latin-1").partition(":")
            name, value = name.strip().lower(), value.strip()
            if name == "impersonate-group":
                groups.append(value)
            headers[name] = value
        return headers, tuple(groups)

    def _body(self, headers: Mapping[str, str]) -> bytes | None:
        """Return the body, None when it is longer than the server reads."""
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        if headers.get("transfer-encoding", "").lower() == "chunked":
            chunks = []
            while length := int(self.rfile.readline(_LINE_BYTES).split(b";")[0], 16):
                chunks.append(self.rfile.read(length))
                self.rfile.readline(_LINE_BYTES)
            self.rfile.readline(_LINE_BYTES)
            return b"".join(chunks)
        length = int(headers.get("content-length") or 0)
        return self.rfile.read(length) if length <= _BODY_BYTES else None

    def _serve(self, headers: Mapping[str, str], groups: tuple[str, ...], body: bytes) -> None:
        path, _, query = self.path.partition("?")
        if path == faults.PATH:
            faults.send(self, self.server.faults.answer(self.command, body))
            return
        request = Request(
            method=self.command,
            path=unquote(path) if "%" in path else path,
            query=dict(parse_qsl(query, keep_blank_values=True)) if query else {},
            headers=headers,
            body=body,
            groups=groups,
        )
        fault = self.server.faults.strike(f"{self.command} {self.path}")
        if fault is None:
            self._reply(self.server.door.answer(request))
        elif fault.kind is FaultKind.DELAY:
            self.server.faults.wait(fault.seconds)  # before it is acted upon: a watch that is late begins late
            self._reply(self.server.door.answer(request))
        elif fault.kind is FaultKind.THROTTLE:
            self._reply(
                error_reply(too_many_requests("too many requests, please try again later.", int(fault.seconds)))
            )
        elif fault.kind is FaultKind.ERROR:
            self._reply(error_reply(bad_request(fault.error)))
        else:
            faults.serve(self, lambda: self._acted(request), fault, self.server.faults)

    def _acted(self, request: Request) -> Answer:
        reply = self.server.door.answer(request)
        if isinstance(reply, Stream):
            reply.close()
            return Answer(status=200)
        return Answer(status=reply.status, body=reply.body, kind=reply.kind)

    def _reply(self, reply: Reply | Stream) -> None:
        if isinstance(reply, Stream):
            self._stream(reply)
            return
        head = [
            f"HTTP/1.1 {reply.status} {responses.get(reply.status, '')}",
            f"Content-Type: {reply.kind}",
            f"Content-Length: {len(reply.body)}",
            "Cache-Control: no-cache, private",
            *(f"{name}: {value}" for name, value in reply.headers.items()),
            *(f'Warning: 299 - "{_quoted(text)}"' for text in reply.warnings),
        ]
        self.wfile.write("\r\n".join((*head, "\r\n")).encode("latin-1", "replace"))
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def _stream(self, stream: Stream) -> None:
        self.server.streaming(stream.close)
        try:
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
                b"Cache-Control: no-cache, private\r\n\r\n"
            )
            self.wfile.flush()
            for chunk in stream.chunks:
                if self.server.stopping or (not chunk and self._gone()):
                    self.close_connection = True
                    return
                if chunk:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        finally:
            stream.close()
            self.server.streamed(stream.close)

    def _gone(self) -> bool:
        """Whether the client has hung up; what it sends during a watch is nothing."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
