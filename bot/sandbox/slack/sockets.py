"""The server's end of Socket Mode: RFC 6455 over a socket that an HTTP handler hands over.

Frames are built and read with websocket-client's own pieces, masked from the client, plain from here. One thread
reads (the HTTP handler's), any thread may send. A deaf connection stays open and neither answers nor hears, which
is how real ones die behind a load balancer.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any

from websocket import ABNF, WebSocketException, frame_buffer

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_CLOSE_GOING_AWAY = struct.pack("!H", 1001)


def handshake(key: str) -> bytes:
    """Return the answer that turns an HTTP connection into a websocket."""
    accept = base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode()).digest()).decode()
    lines = (
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
    )
    return "\r\n".join((*lines, "", "")).encode()


class SocketConnection:
    """One websocket; `serve` runs until either side ends it."""

    def __init__(self, sock: socket.socket, read: Callable[[int], bytes], *, number: int) -> None:
        self.number = number
        self.pings = 0
        self.pongs = 0
        self._sock = sock
        self._frames = frame_buffer(_until_end(read), True)
        self._sending = threading.Lock()
        self._deaf = threading.Event()
        self._closed = threading.Event()

    @property
    def open(self) -> bool:
        return not self._closed.is_set()

    def serve(self, heard: Callable[[Mapping[str, Any]], None], *, ping_seconds: float) -> None:
        """Read until the end, handing JSON messages to `heard`; pings the client every `ping_seconds` meanwhile."""
        pinger = threading.Thread(target=self._keep_pinging, args=(ping_seconds,), name="sandbox-slack-ping")
        pinger.start()
        try:
            while self._serve_one(heard):
                pass
        except (OSError, WebSocketException):
            pass  # the other side went away, which is an ordinary end
        finally:
            self.cut()
            pinger.join()

    def send(self, message: Mapping[str, Any]) -> bool:
        """Send JSON; False when the connection is gone. A deaf connection swallows it."""
        return self._frame(ABNF.OPCODE_TEXT, json.dumps(message).encode())

    def deafen(self) -> None:
        """Stay open, but answer and deliver nothing from now on."""
        self._deaf.set()

    def close(self) -> None:
        """End it politely, as Slack does after a refresh."""
        self._frame(ABNF.OPCODE_CLOSE, _CLOSE_GOING_AWAY)
        self.cut()

    def cut(self) -> None:
        """End it at once. Idempotent."""
        self._closed.set()
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # already gone

    def _serve_one(self, heard: Callable[[Mapping[str, Any]], None]) -> bool:
        frame = self._frames.recv_frame()
        if self._deaf.is_set():
            return True
        if frame.opcode == ABNF.OPCODE_CLOSE:
            self._frame(ABNF.OPCODE_CLOSE, _bytes(frame.data))
            return False
        if frame.opcode == ABNF.OPCODE_PING:
            self.pings += 1
            self._frame(ABNF.OPCODE_PONG, _bytes(frame.data))
        elif frame.opcode == ABNF.OPCODE_PONG:
            self.pongs += 1
        elif frame.opcode == ABNF.OPCODE_TEXT:
            message = json.loads(frame.data)
            if isinstance(message, Mapping):
                heard(message)
        return True

    def _keep_pinging(self, seconds: float) -> None:
        while not self._closed.wait(seconds):
            self._frame(ABNF.OPCODE_PING, b"Ping from sandbox")

    def _frame(self, opcode: int, data: bytes) -> bool:
        if self._closed.is_set():
            return False
        if self._deaf.is_set():
            return True
        try:
            with self._sending:
                self._sock.sendall(ABNF(1, 0, 0, 0, opcode, 0, data).format())
        except OSError:
            self.cut()
            return False
        return True


def _bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


def _until_end(read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Make the end of a stream an error: the frame reader would ask an empty stream for ever."""

    def read_some(count: int) -> bytes:
        data = read(count)
        if not data:
            raise ConnectionResetError("the client closed the connection")
        return data

    return read_some
