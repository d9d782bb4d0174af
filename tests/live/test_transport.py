"""Where requests go by what the kubeconfig says, and what becomes of them when connections fail."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bot.errors import ClusterRefused, ClusterUnreachable
from bot.live.credentials import load
from bot.live.spec import ClusterSpec
from bot.live.transport import APPLY, Transport
from bot.live.warned import warnings_in
from bot.sandbox.kube import KubeSandbox
from tests.live.listener import OK, Listener, listening, serve, talking_to


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


def test_each_warning_of_an_answer_is_kept(tmp_path: Path) -> None:
    """The server sends one header for each; of headers with one name the last had won."""

    def talk(listener: Listener, connection: socket.socket, _: int) -> None:
        listener.read(connection)
        said = b'Warning: 299 - "a \\"b\\", c"\r\nContent-Length: 2\r\nWarning: 299 - "d"\r\n'
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + said + b"\r\n{}")

    with listening(talk) as listener, talking_to(f"http://127.0.0.1:{listener.port}", tmp_path) as one:
        assert warnings_in(one.request("GET", "/version").warning) == ('a "b", c', "d")


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


def test_end_of_an_outage_is_told_once(tmp_path: Path) -> None:
    """A server that begins refuses much before it is ready: that is no end."""
    answers = iter(
        (b"200 OK", b"503 Service Unavailable", b"403 Forbidden", b"200 OK", b"200 OK", b"503 Later", b"200 OK")
    )
    told: list[int] = []

    def talk(listener: Listener, connection: socket.socket, _: int) -> None:
        while listener.read(connection):
            connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\n{}" % next(answers))

    with (
        listening(talk) as listener,
        talking_to(f"http://127.0.0.1:{listener.port}", tmp_path, returned=lambda: told.append(1)) as one,
    ):
        heard = []
        for path in ("/a", "/b", "/c", "/d", "/e", "/f", "/g"):
            with suppress(ClusterUnreachable):
                one.request("GET", path)
            heard.append(len(told))
    assert heard == [0, 0, 0, 1, 1, 1, 2]


def test_watch_that_begins_ends_an_outage(tmp_path: Path) -> None:
    told: list[int] = []

    def talk(listener: Listener, connection: socket.socket, number: int) -> None:
        listener.read(connection)
        if number:
            connection.sendall(OK)

    with (
        listening(talk) as listener,
        talking_to(f"http://127.0.0.1:{listener.port}", tmp_path, returned=lambda: told.append(1)) as one,
    ):
        with pytest.raises(ClusterUnreachable):
            one.request("GET", "/version")
        assert not told
        one.stream("/api/v1/pods", query={"watch": "1"}).close()
    assert told == [1]


@pytest.mark.parametrize(
    ("file", "context", "said"),
    [
        ("kubeconfig", "staging", "kubeconfig has no context 'staging'; it has 'one'; check"),
        ("kubecfg", "", "there is no file .*kubecfg; check"),
        (".", "", "is a folder, not a kubeconfig; check"),
    ],
)
def test_kubeconfig_that_cannot_be_used_says_what_it_lacks(tmp_path: Path, file: str, context: str, said: str) -> None:
    """A context that is not there was `StopIteration`, a file that is not there `No configuration found`."""
    with talking_to("http://127.0.0.1:1", tmp_path):
        transport = Transport(ClusterSpec(name="prod", kubeconfig=str(tmp_path / file), context=context))
        with pytest.raises(ClusterRefused, match=said):
            transport.request("GET", "/version")


def test_kubeconfig_that_can_be_read_once_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`KUBECONFIG=<(vault read …)` was empty when the package came to read what we could not."""
    reads, writes = os.pipe()
    user = {"username": "ana", "password": "canary"}  # which only the package knows
    value = {
        "clusters": [{"name": "one", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "one", "user": user}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
        "current-context": "one",
    }
    os.write(writes, json.dumps(value).encode())
    os.close(writes)
    monkeypatch.setenv("KUBECONFIG", f"/dev/fd/{reads}")
    try:
        assert load(ClusterSpec(name="prod")).url == "http://127.0.0.1:1"
    finally:
        os.close(reads)


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
