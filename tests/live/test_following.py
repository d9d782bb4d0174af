"""A watch that ends goes on where it was: after the last event or bookmark, with no LIST in between."""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.live.feeds import Change, Feed
from bot.live.streams import Streams
from bot.model.resource import KindInfo
from tests.live.listener import Listener, listening, talking_to
from tests.waiting import until

CONFIG_MAP = KindInfo(group="", version="v1", kind="ConfigMap", plural="configmaps", namespaced=True)
BEGUN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDED = b"0\r\n\r\n"


def event(kind: str, version: str, **metadata: str) -> bytes:
    """Return an event of a watch as a chunk."""
    body: dict[str, Any] = {"type": kind, "object": {"metadata": {"resourceVersion": version, **metadata}}}
    line = json.dumps(body).encode() + b"\n"
    return b"%x\r\n%s\r\n" % (len(line), line)


def test_watch_goes_on_after_a_bookmark_and_after_the_last_event(tmp_path: Path) -> None:
    """The server ends the first watch, after a bookmark; the second is cut off in the middle."""
    answers = {
        "5": event("BOOKMARK", "9") + ENDED,
        "9": event("ADDED", "10", namespace="shop", name="a", uid="1"),
        "10": event("ADDED", "11", namespace="shop", name="b", uid="2"),
    }
    asked: list[str] = []

    def talk(listener: Listener, connection: socket.socket, _: int) -> None:
        while request := listener.read(connection):
            if b"watch=1" not in request:
                asked.append("list")
                body = b'{"metadata":{"resourceVersion":"5"},"items":[]}'
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                continue
            found = re.search(rb"resourceVersion=(\d+)", request)
            assert found is not None
            asked.append(found[1].decode())
            connection.sendall(BEGUN + answers[asked[-1]])
            if asked[-1] == "9":
                return

    changes: list[Change] = []
    with listening(talk) as server, talking_to(f"http://127.0.0.1:{server.port}", tmp_path) as transport:
        feed = Feed(
            transport,
            CONFIG_MAP,
            "shop",
            key=b"k" * 32,
            clock=lambda: datetime.now(tz=UTC),
            keeps=lambda *_: False,
            changed=changes.append,
            tells_first=False,
        )
        streams = Streams(transport)
        try:
            feed.list()
            streams.follow(feed)
            until(lambda: feed.get("shop", "b"), "the last object is seen")
            assert asked == ["list", "5", "9", "10"]
            assert [change.id.name for change in changes] == ["a", "b"]
            assert feed.error is None
        finally:
            streams.close()
