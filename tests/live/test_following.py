"""A watch that ends goes on where it was: after the last event or bookmark, with no LIST in between."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.errors import ClusterRefused
from bot.live.feeds import Change, Feed
from bot.live.streams import Streams
from bot.model.resource import KindInfo
from tests.live.listener import Listener, listening, talking_to
from tests.waiting import until

CONFIG_MAP = KindInfo(group="", version="v1", kind="ConfigMap", plural="configmaps", namespaced=True)
BEGUN = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDED = b"0\r\n\r\n"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}"


def event(kind: str, version: str, **metadata: str) -> bytes:
    """Return an event of a watch as a chunk."""
    body: dict[str, Any] = {"type": kind, "object": {"metadata": {"resourceVersion": version, **metadata}}}
    line = json.dumps(body).encode() + b"\n"
    return b"%x\r\n%s\r\n" % (len(line), line)


@dataclass(frozen=True)
class Following:
    """A feed that is followed, what the server was asked in turn ("list", or a watch's version), and what changed."""

    feed: Feed
    asked: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


@contextmanager
def following(
    tmp_path: Path,
    answer: Callable[[str], bytes],
    *,
    lists: Sequence[str] = ("5",),
    cut: Collection[str] = (),
    silent_seconds: float = 150.0,
) -> Iterator[Following]:
    """Follow a feed of a server whose LISTs have these versions in turn, the last one for ever.

    `answer` returns what a watch from a version on gets; the connections of some are `cut` after it.
    """
    asked: list[str] = []

    def talk(listener: Listener, connection: socket.socket, _: int) -> None:
        while request := listener.read(connection):
            if b"watch=1" not in request:
                version = lists[min(asked.count("list"), len(lists) - 1)]
                asked.append("list")
                body = b'{"metadata":{"resourceVersion":"%s"},"items":[]}' % version.encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                continue
            found = re.search(rb"resourceVersion=(\d+)", request)
            assert found is not None
            asked.append(found[1].decode())
            connection.sendall(answer(asked[-1]))
            if asked[-1] in cut:
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
            unserved=lambda: None,
            tells_first=False,
        )
        streams = Streams(transport, silent_seconds=silent_seconds)
        try:
            feed.list()
            streams.follow(feed)
            yield Following(feed, asked, changes)
        finally:
            streams.close()


def test_watch_goes_on_after_a_bookmark_and_after_the_last_event(tmp_path: Path) -> None:
    """The server ends the first watch, after a bookmark; the second is cut off in the middle."""
    answers = {
        "5": BEGUN + event("BOOKMARK", "9") + ENDED,
        "9": BEGUN + event("ADDED", "10", namespace="shop", name="a", uid="1"),
        "10": BEGUN + event("ADDED", "11", namespace="shop", name="b", uid="2"),
    }
    with following(tmp_path, answers.__getitem__, cut={"9"}) as one:
        until(lambda: one.feed.get("shop", "b"), "the last object is seen")
        assert one.asked == ["list", "5", "9", "10"]
        assert [change.id.name for change in one.changes] == ["a", "b"]
        assert one.feed.error is None


def test_watch_that_ends_at_once_is_begun_again_with_growing_pauses(tmp_path: Path) -> None:
    """It was begun again without a pause: thousands of requests a minute."""
    begun: list[float] = []

    def answer(_: str) -> bytes:
        begun.append(time.monotonic())
        return BEGUN + ENDED

    with following(tmp_path, answer):
        until(lambda: len(begun) >= 4, "it is begun again")
        assert begun[3] - begun[0] >= 0.1 + 0.2 + 0.4


def test_watch_that_is_refused_is_said_and_asked_for_again_after_a_list(tmp_path: Path) -> None:
    with following(tmp_path, lambda _: FORBIDDEN) as one:
        until(lambda: one.asked.count("list") >= 3, "it is asked for again")
        until(lambda: isinstance(one.feed.error, ClusterRefused), "the reason is known")
        assert one.asked[:4] == ["list", "5", "list", "5"]


def test_silent_watch_begins_with_a_list(tmp_path: Path) -> None:
    """A server that was set back to a backup of its store tells a watch from what is the future for it nothing."""
    with following(tmp_path, lambda _: BEGUN, lists=("5", "3"), silent_seconds=0.5) as one:
        until(lambda: one.asked[:4] == ["list", "5", "list", "3"], "it begins where the server is now")


def test_answer_to_a_write_that_comes_after_the_end_of_the_object_brings_it_not_back(tmp_path: Path) -> None:
    told = event("ADDED", "6", namespace="shop", name="a", uid="1") + event(
        "DELETED", "7", namespace="shop", name="a", uid="1"
    )
    with following(tmp_path, lambda _: BEGUN + told) as one:
        until(lambda: [change.after for change in one.changes][1:] == [None], "its end is seen")
        metadata = {"namespace": "shop", "name": "a", "uid": "1"}
        one.feed.wrote({"metadata": {**metadata, "resourceVersion": "6"}})
        assert one.feed.get("shop", "a") is None
        one.feed.wrote({"metadata": {**metadata, "uid": "2", "resourceVersion": "8"}})
        assert one.feed.get("shop", "a") is not None
