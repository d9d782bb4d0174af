"""A server that answers byte for byte what a test says, and a transport that talks to it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.live.spec import ClusterSpec
from bot.live.transport import Transport

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"kind":1}\n'
Talk = Callable[[socket.socket, int], None]


class Listener:
    """A server that answers byte for byte what a test says; `heard` are the requests of all connections in order."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.heard: list[bytes] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []
        self._threads[0].start()

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed
                return
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection, number))
            self._threads.append(thread)
            thread.start()
            number += 1

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection:
            self._talk(connection, number)

    def read(self, connection: socket.socket) -> bytes:
        """Return one request, b"" at the end of the connection."""
        data = b""
        while b"\r\n\r\n" not in data:
            try:
                piece = connection.recv(65536)
            except ConnectionResetError:  # closed with an answer unread
                return b""
            if not piece:
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = next((int(one[16:]) for one in head.split(b"\r\n") if one.startswith(b"Content-Length: ")), 0)
        while len(body) < length:
            body += connection.recv(65536)
        self.heard.append(head + b"\r\n\r\n" + body)
        return self.heard[-1]

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(10)


@contextmanager
def listening(talk: Callable[[Listener, socket.socket, int], None]) -> Iterator[Listener]:
    listener = Listener(lambda connection, number: talk(listener, connection, number))
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def talking_to(
    url: str, folder: Path, *, proxy: str = "", token: str = "canary", returned: Callable[[], None] = lambda: None
) -> Iterator[Transport]:
    cluster = {"server": url, **({"proxy-url": proxy} if proxy else {})}
    kubeconfig = {
        "clusters": [{"name": "one", "cluster": cluster}],
        "users": [{"name": "one", "user": {"token": token}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "current-context": "one",
    }
    file = folder / "kubeconfig"
    file.write_text(json.dumps(kubeconfig), encoding="utf-8")
    transport = Transport(ClusterSpec(name="prod", kubeconfig=str(file)), returned=returned)
    try:
        yield transport
    finally:
        transport.close()


def serve(listener: Listener, connection: socket.socket, _: int) -> None:
    """Answer every request."""
    while listener.read(connection):
        connection.sendall(OK)
