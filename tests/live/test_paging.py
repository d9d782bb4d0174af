"""A LIST in pages: what is asked for when, and what happens to a page that does not come."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from bot.live.paging import before_items, token_of
from tests.live.listener import Listener, listening, talking_to
from tests.waiting import until


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


def test_page_after_the_next_is_asked_for_while_the_next_is_on_its_way(tmp_path: Path) -> None:
    """A server makes a page as fast as it is read: with one at a time it waits while we work."""

    def talk(listener: Listener, connection: socket.socket, _: int) -> None:
        while request := listener.read(connection):
            if b"continue=2" in request:
                text = b'{"kind":"PodList","apiVersion":"v1","metadata":{"continue":"3"},"items":[2]}'
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text[:-2]))
                until(lambda: any(b"continue=3" in one for one in listener.heard), "the third page is asked for")
                connection.sendall(text[-2:])
            else:
                connection.sendall(page(3, more=False) if b"continue=3" in request else page(1))

    with listening(talk) as server, talking_to(f"http://127.0.0.1:{server.port}", tmp_path) as transport:
        found = [one.body["items"] for one in transport.pages("/api/v1/pods")]
    assert found == [[1], [2], [3]]
    assert len(server.heard) == 3


def test_nothing_is_read_beyond_a_page_that_is_refused(tmp_path: Path) -> None:
    """The second page breaks off after it told where the third begins; asked again, it is too old."""
    opening = b'{"kind":"PodList","apiVersion":"v1","metadata":{"continue":"3"},"items":['
    gone = b'{"message":"too old"}'

    def talk(listener: Listener, connection: socket.socket, _: int) -> None:
        while request := listener.read(connection):
            if b"continue=2" not in request:
                connection.sendall(page(3, more=False) if b"continue=3" in request else page(1))
            elif sum(b"continue=2" in one for one in listener.heard) == 1:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + opening)
                return
            else:
                connection.sendall(b"HTTP/1.1 410 Gone\r\nContent-Length: %d\r\n\r\n%s" % (len(gone), gone))

    with listening(talk) as server, talking_to(f"http://127.0.0.1:{server.port}", tmp_path) as transport:
        found = [(one.status, one.body.get("items")) for one in transport.pages("/api/v1/pods")]
    assert found == [(200, [1]), (410, None)]


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ('{"kind":"L","metadata":{"continue":"abc"},"items":[{"metadata":{"continue":"no"}', "abc"),
        ('{"kind":"L","metadata":{"continue":"","note":",\\"items\\":[","continue":"abc"},"items":[', "abc"),
        ('{"kind":"L","metadata":{"continue":"abc"}', ""),
        ('{"kind":"L","metadata":{"continue":"abc","items":[', ""),
        ('{"apiVersion":"v1","items":[{"metadata":{"continue":"no"},"items":[', ""),
        ('no JSON,"items":[', ""),
    ],
)
def test_only_what_a_list_says_of_itself_leads_to_the_next_page(text: str, token: str) -> None:
    assert token_of(before_items(text.encode())) == token
