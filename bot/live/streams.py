"""All watches of one cluster in one thread; the public face is synchronous.

A watch that ends goes on where it was, one that ends at once after a pause; one that fell too far behind (410), or that
was silent, begins with a new LIST; while the server does not answer it is tried again with growing pauses, and more
rarely while it refuses. What waits for an answer (a LIST, a connection) runs in a few threads
beside it, so that it does not hold back the events of other kinds; the watches themselves are read without waiting.
"""

from __future__ import annotations

import heapq
import logging
import random
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Final

import orjson

from bot.errors import ClusterError, ClusterRefused, ClusterUnreachable
from bot.live.feeds import Feed
from bot.live.transport import Transport
from bot.live.wire import ClosedEarlyError, Wire

log = logging.getLogger(__name__)

_WATCH_SECONDS: Final = (300, 600)  # the server ends a watch after this; drawn so that watches do not end together
_SILENT_SECONDS: Final = 150.0  # bookmarks come every minute: a stream without two of them is dead
_LOOKS: Final = 10  # at the clock, while streams are silent
_BEGINNERS: Final = 4  # LISTs that are parsed, and connections that are made, while events go on
_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 10.0
_REFUSED_PAUSE_SECONDS: Final = 60.0  # rights may be granted, and kinds installed
_SHORT_SECONDS: Final = 1.0  # a watch that ends as soon as that would be begun again and again
_ERROR_LIMIT_BYTES: Final = 65536


@dataclass(eq=False, slots=True)
class _Stream:
    """The watch of one feed. Touched by the loop; by a beginner while it begins."""

    feed: Feed
    wire: Wire | None = None  # while it follows
    pause_seconds: float = _FIRST_PAUSE_SECONDS
    began_at: float = 0.0  # monotonic
    heard_at: float = 0.0  # monotonic
    rest: list[bytes] = field(default_factory=list)  # of a line that has not ended
    left: bool = False


class Streams:
    """Starts its thread with the first feed. `close` ends it."""

    def __init__(self, transport: Transport, *, silent_seconds: float = _SILENT_SECONDS) -> None:
        self._transport, self._silent_seconds = transport, silent_seconds
        self._beginners = ThreadPoolExecutor(max_workers=_BEGINNERS, thread_name_prefix="watch begins")
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None  # guarded by _lock
        self._ended = False  # guarded by _lock
        self._todo: SimpleQueue[Callable[[], None]] = SimpleQueue()  # for the loop
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        # The rest is touched in the loop only.
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._streams: dict[Feed, _Stream] = {}
        self._due: list[tuple[float, int, _Stream]] = []  # a heap: when to begin again
        self._number = 0
        self._looked_at = 0.0  # for silent streams

    def follow(self, feed: Feed) -> None:
        """Keep a feed current from its last version on. Returns at once."""
        with self._lock:
            if self._ended:
                return
            if self._thread is None:
                name = f"watch {self._transport.spec.name}"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()
        self._tell(lambda: self._start(feed))

    def leave(self, feed: Feed) -> None:
        """Stop to follow a feed. Idempotent."""
        self._tell(lambda: self._stop(feed))

    def close(self) -> None:
        self._tell(self._end)
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(10)
        else:
            self._end()
        self._beginners.shutdown(wait=False, cancel_futures=True)

    def _tell(self, what: Callable[[], None]) -> bool:
        """Let the loop do something soon; False when it has ended."""
        with self._lock:
            if self._ended:
                return False
            self._todo.put(what)
            with suppress(BlockingIOError):  # it rings already
                self._bell.send(b"!")
            return True

    # --- in the loop ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ended:
            for key, _ in self._selector.select(self._patience_seconds()):
                if key.data is None:
                    self._listen()
                else:
                    self._read(key.data)
            self._look_at_the_clock()

    def _end(self) -> None:
        """Let go of everything; what beginners bring from now on they close themselves. Idempotent."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        while not self._todo.empty():
            self._todo.get()()  # takes over watches that have just begun
        for feed in tuple(self._streams):
            self._stop(feed)
        for one in (self._selector, self._bell, self._ear):
            one.close()

    def _patience_seconds(self) -> float:
        return max(self._due[0][0] - time.monotonic(), 0.0) if self._due else self._silent_seconds / _LOOKS

    def _listen(self) -> None:
        self._ear.recv(4096)
        while not self._ended and not self._todo.empty():
            self._todo.get()()

    def _start(self, feed: Feed) -> None:
        if feed not in self._streams:
            self._streams[feed] = _Stream(feed)
            self._begin(self._streams[feed])

    def _stop(self, feed: Feed) -> None:
        stream = self._streams.pop(feed, None)
        if stream is not None:
            stream.left = True
            self._hang_up(stream)

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            stream = heapq.heappop(self._due)[2]
            if not stream.left:
                self._begin(stream)
        if now - self._looked_at < self._silent_seconds / _LOOKS:
            return
        self._looked_at = now
        for stream in self._streams.values():
            if stream.wire is not None and now - stream.heard_at > self._silent_seconds:
                # A server that was set back to a backup has nothing to tell of until it comes to the version of before.
                self._restart(stream.feed, TimeoutError("the watch fell silent"))
                self._again(stream)

    def _begin(self, stream: _Stream) -> None:
        if not self._ended:
            self._beginners.submit(self._connect, stream)

    def _hang_up(self, stream: _Stream) -> None:
        if stream.wire is not None:
            self._selector.unregister(stream.wire)
            stream.wire.close()
            stream.wire, stream.rest = None, []

    def _again(self, stream: _Stream) -> None:
        """Begin anew after a pause."""
        self._hang_up(stream)
        is_refused = isinstance(stream.feed.error, ClusterRefused)
        seconds = stream.pause_seconds * random.uniform(0.5, 1)
        log.debug("watch of %s: tried again in %.1f s: %s", stream.feed.path, seconds, stream.feed.error)
        longest = _REFUSED_PAUSE_SECONDS if is_refused else _LONGEST_PAUSE_SECONDS
        stream.pause_seconds = min(stream.pause_seconds * 2, longest)
        self._number += 1
        heapq.heappush(self._due, (time.monotonic() + seconds, self._number, stream))

    def _attend(self, stream: _Stream, wire: Wire) -> None:
        """Take over a watch that has begun."""
        if stream.left:
            wire.close()
            return
        wire.stop_waiting()
        self._selector.register(wire, selectors.EVENT_READ, stream)
        stream.wire, stream.began_at = wire, time.monotonic()
        stream.feed.error = None
        self._read(stream)  # what came with the head

    def _read(self, stream: _Stream) -> None:
        wire, feed = stream.wire, stream.feed
        if wire is None:  # left meanwhile
            return
        stream.heard_at = time.monotonic()
        try:
            try:
                wire.advance()
            finally:  # what came before a connection broke is learned, and not asked for again
                goes_on = self._learn(stream, wire)
        except ClosedEarlyError:
            goes_on = False
        except OSError as error:
            feed.error = self._transport.unreachable(error)
            self._again(stream)
            return
        except Exception as error:  # an answer nobody expects must not end the watch for good
            log.exception("watch of %s: unexpected error", feed.path)
            self._restart(feed, error)
            self._again(stream)
            return
        if wire.is_complete or not goes_on:  # the server ends each watch some time
            self._over(stream)

    def _over(self, stream: _Stream) -> None:
        """Go on where a watch has ended."""
        if time.monotonic() - stream.began_at < _SHORT_SECONDS:
            self._again(stream)
            return
        self._hang_up(stream)
        stream.pause_seconds = _FIRST_PAUSE_SECONDS
        self._begin(stream)

    def _learn(self, stream: _Stream, wire: Wire) -> bool:
        """Take the events that are whole; False when a LIST has to come first."""
        for line in _lines(wire.taken(), stream.rest):
            if not stream.feed.take(orjson.loads(line)):
                stream.feed.version = ""
                return False
        return True

    def _restart(self, feed: Feed, error: Exception) -> None:
        feed.version = ""
        feed.error = self._transport.unreachable(error)

    # --- in a thread beside it --------------------------------------------------------------------------------

    def _connect(self, stream: _Stream) -> None:
        """LIST if that has to come first, ask for the watch, and hand it to the loop."""
        feed = stream.feed
        try:
            if not feed.version:
                feed.list()
            if feed.version:  # else the kind is not served any more; it may come back
                wire = self._ask(feed)
                if wire is not None:
                    if not self._tell(lambda: self._attend(stream, wire)):
                        wire.close()
                    return
        except ClusterError as error:
            feed.error = error
        except OSError as error:
            feed.error = self._transport.unreachable(error)
        except Exception as error:
            log.exception("watch of %s: unexpected error", feed.path)
            self._restart(feed, error)
        self._tell(lambda: self._again(stream) if not stream.left else None)

    def _ask(self, feed: Feed) -> Wire | None:
        """Return the watch of a feed; None when it fell behind. Raises `OSError`, `ClusterError`."""
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": feed.version,
            "timeoutSeconds": str(random.randint(*_WATCH_SECONDS)),
        }
        wire = self._transport.stream(feed.path, query=query)
        if wire.status == 200:
            return wire
        try:
            feed.version = ""  # a LIST tells what is wrong, or that it is over
            if wire.status == 410:
                return None
            text = wire.remainder(_ERROR_LIMIT_BYTES).decode(errors="replace")
        finally:
            wire.close()
        if wire.status == 401:
            self._transport.close()  # credentials rotate
        name = self._transport.spec.name
        problem = ClusterRefused if wire.status in {403, 405} else ClusterUnreachable
        raise problem(
            f"cluster {name}: {feed.info.kind} objects cannot be watched ({wire.status}): {text[:200]}", cluster=name
        )


def _lines(parts: list[bytes], rest: list[bytes]) -> Iterator[bytes]:
    """Yield the lines that end in these parts of a stream; `rest` keeps what comes after the last of them."""
    for part in parts:
        first, *others = part.split(b"\n")
        rest.append(first)
        for piece in others:
            if line := b"".join(rest):
                yield line
            rest[:] = [piece]
