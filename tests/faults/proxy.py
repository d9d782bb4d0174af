"""A proxy before the real API server that lets scripted requests go wrong, and knows every request it has seen."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bot.sandbox.faults import Answer, Fault, FaultKind, Faults, reset, serve
from tests.contract.servers import Server

_READ_SECONDS: Final = 60.0
_HOP: Final = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length", "host", "authorization"})


class Proxy:
    """Listens on loopback, in plain HTTP without `tls`, and speaks to the API server as its administrator."""

    def __init__(self, upstream: Server, folder: Path, *, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.faults = Faults()
        self.seen: list[str] = []  # method and path of each request, in order
        self.before: Callable[[str], None] = lambda _: None  # called with each request before it is acted upon
        self.flowing = threading.Event()  # while it is not set, what watches tell is held back
        self.flowing.set()
        self.farewell = b""  # the last line of a watch that `end_watches` ends
        self._lock = threading.Lock()
        self._watches: set[http.client.HTTPConnection] = set()  # guarded by _lock
        self._clients: set[socket.socket] = set()  # guarded by _lock
        self._upstream = upstream
        self._server = ThreadingHTTPServer(("127.0.0.1", port), type("_Bound", (_Handler,), {"proxy": self}))
        self._server.daemon_threads = True
        self.port = self._server.server_port
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self.kubeconfig = str(folder / "proxy.kubeconfig")
        Path(self.kubeconfig).write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [
                        {"name": "test", "cluster": {"server": f"http://127.0.0.1:{self._server.server_port}"}}
                    ],
                    "users": [{"name": "test", "user": {}}],
                    "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                    "current-context": "test",
                }
            )
        )

    def note(self, request: str) -> None:
        with self._lock:
            self.seen.append(request)
        self.before(request)

    def connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self._upstream.url)
        host, port = str(parts.hostname), parts.port or 443
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=_READ_SECONDS)
        context = ssl.create_default_context(cafile=self._upstream.ca_file)
        return http.client.HTTPSConnection(host, port, timeout=_READ_SECONDS, context=context)

    def end_watches(self, farewell: bytes = b"") -> None:
        """End all watches; what was held back of them is lost."""
        with self._lock:
            ended, self._watches, self.farewell = self._watches, set(), farewell
        for one in ended:
            with suppress(OSError):  # it has ended by itself meanwhile
                if one.sock is not None:
                    one.sock.shutdown(socket.SHUT_RDWR)
        self.flowing.set()

    def begun(self, watch: http.client.HTTPConnection) -> None:
        with self._lock:
            self._watches.add(watch)

    def goes_on(self, watch: http.client.HTTPConnection) -> bool:
        with self._lock:
            return watch in self._watches

    @property
    def authorization(self) -> str:
        return f"Bearer {self._upstream.token}"

    def met(self, client: socket.socket) -> None:
        with self._lock:
            self._clients.add(client)

    def parted(self, client: socket.socket) -> None:
        with self._lock:
            self._clients.discard(client)

    def close(self) -> None:
        self.faults.heal()
        self.end_watches()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        with self._lock:
            left = tuple(self._clients)
        for client in left:
            with suppress(OSError):  # it has left meanwhile
                client.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def setup(self) -> None:
        super().setup()
        self.proxy.met(self.connection)

    def finish(self) -> None:
        self.proxy.parted(self.connection)
        super().finish()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = f"{self.command} {self.path.partition('?')[0]}"
        self.proxy.note(request)
        fault = self.proxy.faults.strike(f"{self.command} {self.path}")
        watch = "watch=" in self.path
        if fault is not None and watch and fault.kind in {FaultKind.LOST, FaultKind.DELAY}:
            self._stream(body, cut=True)  # a watch that begins and is lost
        elif fault is None and watch:
            self._stream(body, cut=False)
        else:
            serve(self, lambda: self._answer(body), fault, self.proxy.faults)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward

    def _ask(self, body: bytes) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        connection = self.proxy.connect()
        connection.request(
            self.command, self.path, body=body or None, headers={**headers, "Authorization": self.proxy.authorization}
        )
        return connection, connection.getresponse()

    def _answer(self, body: bytes) -> Answer:
        connection, response = self._ask(body)
        try:
            kept = {name: value for name, value in response.getheaders() if name.lower() == "retry-after"}
            kind = response.getheader("Content-Type") or "application/json"
            return Answer(status=response.status, body=response.read(), kind=kind, headers=kept)
        finally:
            connection.close()

    def _stream(self, body: bytes, *, cut: bool) -> None:
        connection, response = self._ask(body)
        try:
            self.send_response(response.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if cut:
                reset(self)
                return
            self.proxy.begun(connection)
            while chunk := response.read1(65536):
                self.proxy.flowing.wait()
                if not self.proxy.goes_on(connection):
                    break
                self._send(chunk)
            if self.proxy.farewell and not self.proxy.goes_on(connection):
                self._send(self.proxy.farewell)
            self.wfile.write(b"0\r\n\r\n")
        except (OSError, http.client.HTTPException):
            self.close_connection = True  # the client or the server has left
        finally:
            connection.close()

    def _send(self, chunk: bytes) -> None:
        self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the tests read `seen`."""


def status(code: int, reason: str, message: str) -> Fault:
    """Return an answer of the API server itself."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "code": code,
    }
    return Fault(kind=FaultKind.STATUS, status=code, body=json.dumps(body))
