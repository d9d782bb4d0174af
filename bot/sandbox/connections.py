"""An HTTP server on loopback that knows its open connections, so that its end leaves no thread and no socket behind."""

from __future__ import annotations

import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

_STOP_SECONDS: Final = 10.0


class LoopbackServer(ThreadingHTTPServer):
    """One thread a connection; listens from its making, answers from `start`, until `stop`."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler], *, name: str) -> None:
        self._active: set[socket.socket] = set()
        self._quiet = threading.Condition()
        super().__init__(("127.0.0.1", port), handler)
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


def _hang_up(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is gone already
