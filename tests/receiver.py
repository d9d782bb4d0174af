"""An HTTP server that keeps what it gets and answers as told: the other side of a webhook."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


class Receiver:
    """Answers 204, or first the `answers` in order: status, headers, body; or what `reply` says of each request.

    A status of 0 is no answer: the connection is reset.
    """

    def __init__(
        self,
        *answers: tuple[int, Mapping[str, str], str],
        reply: Callable[[Got], tuple[int, Mapping[str, str], str]] | None = None,
    ) -> None:
        self.got: list[Got] = []
        waiting = list(answers)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                got = Got(method=self.command, path=self.path, headers=headers, body=body)
                receiver.got.append(got)
                status, more, text = waiting.pop(0) if waiting else reply(got) if reply else (204, {}, "")
                if status == 0:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                if self.command != "HEAD":
                    with suppress(ConnectionError):  # who asked has given up
                        self.wfile.write(text.encode())

            do_GET = do_POST
            do_PUT = do_POST
            do_HEAD = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
