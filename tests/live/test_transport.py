"""Where requests go by what the kubeconfig says, and what becomes of them when connections fail."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.errors import ClusterRefused, ClusterUnreachable
from bot.live.spec import ClusterSpec
from bot.live.transport import APPLY, Transport
from bot.sandbox.kube import KubeSandbox
from tests.waiting import until

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
            piece = connection.recv(65536)
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
def talking_to(url: str, folder: Path, *, proxy: str = "", token: str = "canary") -> Iterator[Transport]:
    cluster = {"server": url, **({"proxy-url": proxy} if proxy else {})}
    kubeconfig = {
        "clusters": [{"name": "one", "cluster": cluster}],
        "users": [{"name": "one", "user": {"token": token}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "current-context": "one",
    }
    file = folder / "kubeconfig"
    file.write_text(json.dumps(kubeconfig), encoding="utf-8")
    transport = Transport(ClusterSpec(name="prod", kubeconfig=str(file)))
    try:
        yield transport
    finally:
        transport.close()


def serve(listener: Listener, connection: socket.socket, _: int) -> None:
    """Answer every request."""
    while listener.read(connection):
        connection.sendall(OK)


def serve_one_then_close(listener: Listener, connection: socket.socket, _: int) -> None:
    """Answer one request of each connection, and end it when the next one has come."""
    listener.read(connection)
    connection.sendall(OK)
    listener.read(connection)


def test_password_in_the_server_address_stays_out_of_requests(tmp_path: Path) -> None:
    """Every watch failed: the client refused an address with a password beside a header with a token."""
    with listening(serve) as listener, talking_to(f"http://ana:secret@127.0.0.1:{listener.port}", tmp_path) as one:
        one.stream("/api/v1/pods", query={"watch": "1"}).close()
        assert b"\r\nAuthorization: Bearer canary\r\n" in listener.heard[0]
        assert f"\r\nHost: 127.0.0.1:{listener.port}\r\n".encode() in listener.heard[0]
        assert b"secret" not in listener.heard[0]


def test_connection_is_kept_for_the_next_request(tmp_path: Path) -> None:
    numbers: list[int] = []

    def talk(listener: Listener, connection: socket.socket, number: int) -> None:
        numbers.append(number)
        serve(listener, connection, number)

    with listening(talk) as listener, talking_to(f"http://127.0.0.1:{listener.port}/base/", tmp_path) as one:
        assert one.request("GET", "/version").body == {"kind": 1}
        assert one.request("PATCH", "/x", query={"force": "true"}, text=b"{}", user="ana").ok
    assert numbers == [0]
    assert listener.heard[0].startswith(b"GET /base/version HTTP/1.1\r\n")
    assert listener.heard[1].startswith(b"PATCH /base/x?force=true HTTP/1.1\r\n")
    assert b"\r\nImpersonate-User: ana\r\n" in listener.heard[1]


def test_chunked_answer_after_an_interim_one_is_read_whole(tmp_path: Path) -> None:
    def talk(listener: Listener, connection: socket.socket, _: int) -> None:
        while listener.read(connection):
            connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\n")
            connection.sendall(b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n')

    with listening(talk) as listener, talking_to(f"http://127.0.0.1:{listener.port}", tmp_path) as one:
        for _ in range(2):
            reply = one.request("GET", "/version")
            assert (reply.status, reply.body) == (201, {"a": 1})


def test_answer_may_end_with_its_connection(tmp_path: Path) -> None:
    def talk(listener: Listener, connection: socket.socket, _: int) -> None:
        listener.read(connection)
        connection.sendall(b'HTTP/1.0 200 OK\r\n\r\n{"a":1}')

    with listening(talk) as listener, talking_to(f"http://127.0.0.1:{listener.port}", tmp_path) as one:
        assert one.request("GET", "/version").body == {"a": 1}
        assert one.request("GET", "/version").body == {"a": 1}


def test_request_that_met_a_closed_connection_is_sent_again_where_that_does_no_harm(tmp_path: Path) -> None:
    with listening(serve_one_then_close) as listener:
        url = f"http://127.0.0.1:{listener.port}"
        with talking_to(url, tmp_path) as one:
            assert one.request("GET", "/first").ok
            assert one.request("GET", "/second").ok
            assert one.request("PATCH", "/third", text=b"{}", content_type=APPLY).ok
        assert [heard.split(b" ")[1] for heard in listener.heard] == [
            b"/first",
            b"/second",
            b"/second",
            b"/third",
            b"/third",
        ]


def test_request_that_may_have_done_its_work_is_not_sent_again(tmp_path: Path) -> None:
    with listening(serve_one_then_close) as listener:
        with talking_to(f"http://127.0.0.1:{listener.port}", tmp_path) as one:
            assert one.request("GET", "/first").ok
            with pytest.raises(ClusterUnreachable, match="the connection was closed"):
                one.request("POST", "/second", body={})
        assert len(listener.heard) == 2


def test_new_connection_that_is_closed_at_once_is_no_answer(tmp_path: Path) -> None:
    with (
        listening(lambda listener, connection, _: (listener.read(connection), None)[1]) as listener,
        talking_to(f"http://127.0.0.1:{listener.port}", tmp_path) as one,
        pytest.raises(ClusterUnreachable, match="the API server cannot be reached: the connection was closed"),
    ):
        one.request("GET", "/version")
    assert len(listener.heard) == 1


def test_answer_that_breaks_off_is_no_answer(tmp_path: Path) -> None:
    def talk(listener: Listener, connection: socket.socket, _: int) -> None:
        listener.read(connection)
        connection.sendall(OK[:-4])

    with listening(talk) as listener, talking_to(f"http://127.0.0.1:{listener.port}", tmp_path) as one:
        with pytest.raises(ClusterUnreachable, match="in the middle of an answer"):
            one.request("GET", "/version")
        assert len(listener.heard) == 1


def test_server_that_speaks_something_else_is_unreachable(tmp_path: Path) -> None:
    def talk(listener: Listener, connection: socket.socket, _: int) -> None:
        listener.read(connection)
        connection.sendall(b"220 mail.example.com ESMTP\r\n")

    with (
        listening(talk) as listener,
        talking_to(f"http://127.0.0.1:{listener.port}", tmp_path) as one,
        pytest.raises(ClusterUnreachable, match="the answer is no HTTP"),
    ):
        one.request("GET", "/version")


@pytest.mark.parametrize("what", [{"user": "ana\r\nX-Remote-User: admin"}, {"query": {}, "path": "/x\nX: y"}])
def test_line_break_never_begins_a_header(what: dict[str, Any], tmp_path: Path) -> None:
    with listening(serve) as listener, talking_to(f"http://127.0.0.1:{listener.port}", tmp_path) as one:
        with pytest.raises(ClusterRefused, match="line break"):
            one.request(**{"method": "GET", "path": "/version", **what})
        assert listener.heard == []


def test_throttled_request_is_sent_again_when_the_server_says(tmp_path: Path) -> None:
    busy = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"

    def talk(listener: Listener, connection: socket.socket, _: int) -> None:
        listener.read(connection)
        connection.sendall(busy)
        serve(listener, connection, 0)

    with listening(talk) as listener:
        with talking_to(f"http://127.0.0.1:{listener.port}", tmp_path) as one:
            assert one.request("POST", "/x", body={}).ok
            assert one.gate.limit < 16
        assert len(listener.heard) == 2


def page(number: int, *, more: bool = True) -> bytes:
    body = json.dumps({"items": [number], "metadata": {"continue": str(number + 1) if more else ""}}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def test_next_page_is_asked_for_before_one_is_handed_out(tmp_path: Path) -> None:
    def talk(listener: Listener, connection: socket.socket, _: int) -> None:
        listener.read(connection)
        connection.sendall(page(1))
        while listener.read(connection):  # and never answers
            pass

    with listening(talk) as server, talking_to(f"http://127.0.0.1:{server.port}", tmp_path) as transport:
        pages = transport.pages("/api/v1/pods")
        assert next(pages).body["items"] == [1]
        until(lambda: len(server.heard) == 2, "the second page is asked for")
        pages.close()  # who reads no further leaves no connection behind


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"])
def test_page_that_did_not_come_is_asked_for_again(answer: bytes, tmp_path: Path) -> None:
    def talk(listener: Listener, connection: socket.socket, _: int) -> None:
        while listener.read(connection):
            if len(listener.heard) == 2:
                connection.sendall(answer)
                return
            connection.sendall(page(1) if len(listener.heard) == 1 else page(2, more=False))

    with listening(talk) as server, talking_to(f"http://127.0.0.1:{server.port}", tmp_path) as transport:
        found = [one.body["items"] for one in transport.pages("/api/v1/pods")]
    assert found == [[1], [2]]
    assert [b"continue=2" in one for one in server.heard] == [False, True, True]


def test_requests_go_through_the_proxy_that_the_kubeconfig_names(tmp_path: Path) -> None:
    def proxy(listener: Listener, connection: socket.socket, number: int) -> None:
        listener.read(connection)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        serve(listener, connection, number)

    with listening(proxy) as listener:
        through = f"http://ana:s%40cret@127.0.0.1:{listener.port}"
        with talking_to("http://api.internal:6443", tmp_path, proxy=through) as one:
            assert one.request("GET", "/version").ok
        connect = listener.heard[0].split(b"\r\n")
        assert connect[0] == b"CONNECT api.internal:6443 HTTP/1.1"
        assert b"Proxy-Authorization: Basic YW5hOnNAY3JldA==" in connect
        assert b"\r\nHost: api.internal:6443\r\n" in listener.heard[1]


def test_proxy_that_refuses_is_said(tmp_path: Path) -> None:
    def proxy(listener: Listener, connection: socket.socket, _: int) -> None:
        listener.read(connection)
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

    with (
        listening(proxy) as listener,
        talking_to("http://api.internal:6443", tmp_path, proxy=f"http://127.0.0.1:{listener.port}") as one,
        pytest.raises(ClusterUnreachable, match=r"the proxy refuses the connection: HTTP/1\.1 407"),
    ):
        one.request("GET", "/version")


def test_certificate_that_nobody_vouches_for_is_said(tmp_path: Path) -> None:
    sandbox = KubeSandbox(token="canary", controllers=False)
    sandbox.start()
    try:
        with (
            talking_to(sandbox.url.replace("http:", "https:"), tmp_path) as one,
            pytest.raises(ClusterUnreachable, match=r"(?i)ssl"),
        ):
            one.request("GET", "/version")
    finally:
        sandbox.stop()
