"""All watches of one cluster in one event loop in one thread; the public face is synchronous.

A watch that ends goes on where it was; one that fell too far behind (410) begins with a new LIST; while the server does
not answer it is tried again with growing pauses. LISTs run in threads of their own, so that a large one does not hold
back the events of other kinds.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import aiohttp
import orjson

from bot.errors import ClusterError, ClusterUnreachable
from bot.live.credentials import Access
from bot.live.feeds import Feed
from bot.live.transport import CONNECT_SECONDS, Transport

log = logging.getLogger(__name__)

_WATCH_SECONDS: Final = (300, 600)  # the server ends a watch after this; drawn so that watches do not end together
_SILENT_SECONDS: Final = 150.0  # bookmarks come every minute: a stream without two of them is dead
_LISTERS: Final = 4  # LISTs that are parsed while events go on
_CLOSING_SECONDS: Final = 0.05
_FIRST_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 10.0


class Streams:
    """Starts its thread with the first feed. `close` ends it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._listers = ThreadPoolExecutor(max_workers=_LISTERS, thread_name_prefix="list")
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None  # guarded by _lock
        self._thread: threading.Thread | None = None
        self._tasks: dict[Feed, asyncio.Task[None]] = {}  # touched in the loop only
        self._session: aiohttp.ClientSession | None = None
        self._access: Access | None = None

    def follow(self, feed: Feed) -> None:
        """Keep a feed current from its last version on. Returns at once."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                name = f"watch {self._transport.spec.name}"
                self._thread = threading.Thread(target=self._run, args=(self._loop,), name=name, daemon=True)
                self._thread.start()
            self._loop.call_soon_threadsafe(self._start, feed)

    def leave(self, feed: Feed) -> None:
        """Stop to follow a feed. Idempotent."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._cancel, feed)

    def close(self) -> None:
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join(10)
        self._listers.shutdown(wait=False, cancel_futures=True)

    # --- in the loop ------------------------------------------------------------------------------------------

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            loop.run_until_complete(self._end())
        finally:
            loop.close()

    def _start(self, feed: Feed) -> None:
        if feed not in self._tasks:
            self._tasks[feed] = asyncio.get_running_loop().create_task(self._follow(feed))

    def _cancel(self, feed: Feed) -> None:
        task = self._tasks.pop(feed, None)
        if task is not None:
            task.cancel()

    async def _end(self) -> None:
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(_CLOSING_SECONDS)  # sockets are closed in the rounds after their connections

    async def _follow(self, feed: Feed) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                if not feed.version:
                    await self._in_thread(feed.list)
                if feed.version:
                    await self._watch(feed)
                    pause = _FIRST_PAUSE_SECONDS
                    continue
                # The kind is not served any more; it may come back.
            except ClusterError as error:
                feed.error = error
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                feed.error = self._transport.unreachable(error)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # an answer nobody expects must not end the watch for good
                log.exception("watch of %s: unexpected error", feed.path)
                feed.version = ""
                feed.error = self._transport.unreachable(error)
            log.debug("watch of %s: tried again in %.1f s: %s", feed.path, pause, feed.error)
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _in_thread(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._listers, work)

    async def _watch(self, feed: Feed) -> None:
        """Follow events until the server ends the watch. Leaves `feed.version` at "" when a LIST must come first."""
        access = await asyncio.get_running_loop().run_in_executor(self._listers, self._transport.access)
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": feed.version,
            "timeoutSeconds": str(random.randint(*_WATCH_SECONDS)),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=_SILENT_SECONDS)
        session = await self._connected(access)
        url, headers = f"{access.url}{feed.path}", self._transport.headers()
        async with session.get(
            url, params=query, headers=headers, timeout=timeout, server_hostname=access.server_name
        ) as answer:
            if answer.status == 410:
                feed.version = ""
                return
            if answer.status != 200:
                text = (await answer.content.read(65536)).decode(errors="replace")
                feed.version = ""  # a LIST tells what is wrong, or that it is over
                if answer.status == 401:
                    self._transport.close()  # credentials rotate
                raise ClusterUnreachable(
                    f"cluster {self._transport.spec.name}: {feed.info.kind} objects cannot be watched "
                    f"({answer.status}): {text[:200]}",
                    cluster=self._transport.spec.name,
                )
            feed.error = None
            transport = answer.connection.transport if answer.connection is not None else None
            try:
                async for line in _lines(answer.content):
                    if not feed.take(orjson.loads(line)):
                        feed.version = ""
                        return
            except asyncio.CancelledError:
                if transport is not None:
                    transport.abort()  # a polite end waits for the server, and we are leaving
                raise

    async def _connected(self, access: Access) -> aiohttp.ClientSession:
        if self._access is not access or self._session is None:
            if self._session is not None:
                await self._session.close()
            connector = aiohttp.TCPConnector(ssl=access.tls or True, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True)
            self._access = access
        return self._session


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield the lines of a stream, however long."""
    parts: list[Any] = []
    async for chunk in content.iter_any():
        first, *rest = chunk.split(b"\n")
        parts.append(first)
        for piece in rest:
            if line := b"".join(parts):
                yield line
            parts = [piece]
