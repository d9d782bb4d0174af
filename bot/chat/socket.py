"""Slack's way in by Socket Mode: a connection of ours, opened again for as long as the bot runs.

The SDK's connect raises while Slack is down, and a socket may stay open and deaf, which the SDK does not notice: both
are handled by one thread that looks every few seconds whether the connection is there and still hears pongs.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Final

from slack_bolt import App
from slack_bolt.adapter.socket_mode.websocket_client import SocketModeHandler
from slack_sdk.errors import SlackClientError

log = logging.getLogger(__name__)

_LOOK_EVERY_SECONDS: Final = 2.0
_LONGEST_PAUSE_SECONDS: Final = 30.0  # after an outage people type again at once
_PING_SECONDS: Final = 10
_DEAF_AFTER_SECONDS: Final = 25.0  # two pings without an answer: another socket is opened
_FAREWELL_SECONDS: Final = 1.0  # a close frame each way, and what was heard before it
_UNANSWERED_SECONDS: Final = 12.0  # one ping without an answer: health says so


class SocketDoor:
    """Start it once, stop it once."""

    def __init__(self, app: App, *, app_token: str, api_url: str) -> None:
        self._app, self._app_token, self._api_url = app, app_token, api_url
        self._handler: Any = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="slack socket", daemon=True)
        self._state = "connecting"
        self._since = 0.0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10)

    def state(self) -> str:
        """Return `connected`, `connecting`, `disconnected`, or `deaf` when a ping is not answered."""
        return "deaf" if self._state == "connected" and self._silent() > _UNANSWERED_SECONDS else self._state

    def _keep(self) -> None:
        pause = 1.0
        while not self._stopping.is_set():
            try:
                self._connect()
                pause = 1.0
                self._watch()
            except (SlackClientError, OSError, ValueError) as error:
                self._state = "disconnected"
                log.warning("Slack's socket cannot be opened, tried again in %.0f s: %s", pause, type(error).__name__)
                self._stopping.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            finally:
                self._close()

    def _connect(self) -> None:
        self._state = "connecting"
        self._app.client.base_url = self._api_url
        self._handler = SocketModeHandler(
            self._app,
            self._app_token,
            web_client=self._app.client,
            ping_interval=_PING_SECONDS,
        )
        self._handler.connect()
        self._since = time.time()
        self._state = "connected"

    def _watch(self) -> None:
        gone = 0  # looks in a row; at one alone the SDK may be between two connections, or about to open the first
        while not self._stopping.wait(_LOOK_EVERY_SECONDS):
            gone = 0 if self._handler.client.is_connected() else gone + 1
            if gone > 1 or self._silent() > _DEAF_AFTER_SECONDS:
                log.warning("Slack's socket is gone or deaf; opening another")
                return

    def _silent(self) -> float:
        """Return for how many seconds pings have gone unanswered, as websocket-client counts them, 0 for none."""
        session = getattr(getattr(self._handler, "client", None), "current_session", None)
        pinged, ponged = getattr(session, "last_ping_tm", 0.0), getattr(session, "last_pong_tm", 0.0)
        # Each connection counts anew: the pong may be one of the connection before.
        return time.time() - max(ponged, self._since) if pinged and pinged > ponged else 0.0

    def _close(self) -> None:
        """Say goodbye, and wait no longer than that takes.

        The SDK closes the socket at once and then waits up to ten seconds for its own reader, which sleeps on it.
        """
        handler, self._handler = self._handler, None
        if handler is not None:
            farewell = threading.Thread(target=handler.close, name="slack farewell", daemon=True)
            farewell.start()
            farewell.join(_FAREWELL_SECONDS)
