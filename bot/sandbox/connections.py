"""HTTP servers on loopback, and the ports they listen on.

A server knows its open connections, so that its end leaves no thread and no socket behind.
"""

from __future__ import annotations

import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

LOOPBACK: Final = "127.0.0.1"
_STOP_SECONDS: Final = 10.0


class ReservedPort:
    """A port that nobody else is given until `close`; a server may listen on it meanwhile, as often as it wants.

    One that is only asked for and let go may be another's by the time its server has started. Linux: a socket that is
    bound and silent keeps a port out of what `bind` to 0 finds, and stands in the way of none that sets SO_REUSEADDR,
    as servers do. Port 0 is any.
    """

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((LOOPBACK, port))
        self.number = int(self._socket.getsockname()[1])

    def is_served(self) -> bool:
        """Tell whether somebody takes connections on it."""
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self.number)) == 0

    def close(self) -> None:
        """Give it away. Idempotent."""
        self._socket.close()


class LoopbackServer(ThreadingHTTPServer):
    """One thread a connection; listens from its making, answers from `start`, until `stop`."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler], *, name: str) -> None:
        self._active: set[socket.socket] = set()
        self._quiet = threading.Condition()
        super().__init__((LOOPBACK, port), handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name=name, daemon=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections from now on, end those that are open and wait for their threads."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()
        with self._quiet:
            self.ending()
            for sock in self._active:
                _hang_up(sock)
            self._quiet.wait_for(lambda: not self._active, timeout=_STOP_SECONDS)

    def ending(self) -> None:
        """Called when no connection comes any more and before the open ones end: wake what waits in them."""

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._quiet:
            self._active.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._quiet:
            self._active.discard(request)
            self._quiet.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up in the middle is ordinary; anything else is a bug of the sandbox and loud."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def body_of(request: BaseHTTPRequestHandler) -> bytes | None:
    """Read a request's body; None when whoever sends it hangs up in the middle, which is no request."""
    length = int(request.headers.get("Content-Length") or 0)
    body = request.rfile.read(length)
    return body if len(body) == length else None


def _hang_up(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is gone already
