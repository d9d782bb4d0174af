"""The port of the running bot, and the threads that serve a WSGI application at it.

The port is taken when a `WebServer` is made; from then on requests wait to be answered, which begins with `serve`. They
wait again from `hold` to the next `serve`, so that no push and no probe is refused while what answers is exchanged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from waitress import wasyncore
from waitress.server import create_server
from waitress.trigger import trigger

from bot.errors import ConfigError, Problem

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
MAX_PUSH_BYTES: Final = 25_000_000  # GitHub sends no more, and one push may carry 2,048 commits with their files
_THREADS: Final = 8
_LEAVE_SECONDS: Final = 5.0


class WebServer:
    """Serves from its own threads. `port` 0 takes a free one. Raises `ConfigError` where the port cannot be had."""

    def __init__(self, *, host: str, port: int) -> None:
        self.address = (host, port)  # as it was asked for
        self._turn = threading.Condition()
        self._web: WsgiApp | None = None  # guarded by _turn, as what follows; None: requests wait
        self._answering = 0
        self._sockets: dict[int, Any] = {}  # waitress's own: the listener, its trigger and every connection
        try:
            self._server: Any = create_server(
                self._answer,
                map=self._sockets,
                host=host,
                port=port,
                threads=_THREADS,
                max_request_body_size=MAX_PUSH_BYTES,
                ident="gitops-bot",
            )
        except (OSError, ValueError) as error:  # waitress has a ValueError for a host that has no address
            why = error.strerror if isinstance(error, OSError) else str(error)
            fix = "end what listens there, or choose others with `server.host` and `server.port` (PORT wins)"
            text = f"server: HTTP cannot be served at {host}:{port}: {why}; {fix}"
            raise ConfigError([Problem(message=text)]) from error
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.effective_port)

    def serve(self, web: WsgiApp) -> None:
        """Let requests be answered by `web`, those that wait first."""
        with self._turn:
            self._web = web
            self._turn.notify_all()
        if not self._thread.is_alive():
            self._thread.start()

    def hold(self) -> None:
        """Let requests wait for the next `serve`; those that are being answered have ended when this returns."""
        with self._turn:
            self._web = None
            self._turn.wait_for(lambda: not self._answering, timeout=_LEAVE_SECONDS)

    def stop(self) -> None:
        """Take no more requests; those that wait are told so. Idempotent.

        The sockets are closed in the server's own thread: closed in another, they would fail its `select`.
        """
        with self._turn:
            self._web = _leaving
            self._turn.notify_all()
        wake: Any = next((one for one in [*self._sockets.values()] if isinstance(one, trigger)), None)
        if wake is not None:
            with suppress(OSError):  # a request that ended just now woke the thread, and it has closed the trigger
                wake.pull_trigger(lambda: wasyncore.close_all(self._sockets, ignore_all=True))
        self._thread.join(_LEAVE_SECONDS)

    def _answer(self, environ: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
        with self._turn:
            self._turn.wait_for(lambda: self._web is not None)
            web = self._web
            assert web is not None
            self._answering += 1
        try:
            return web(environ, respond)
        finally:
            with self._turn:
                self._answering -= 1
                self._turn.notify_all()


def _leaving(_: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
    respond("503 Service Unavailable", [("Content-Type", "text/plain")])
    return [b"the bot is stopping\n"]
