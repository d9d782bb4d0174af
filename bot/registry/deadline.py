"""A time by which whatever is asked over HTTP has ended: connecting, headers and body, with all that is tried again.

A timeout of urllib3 is one of each read: a server that sends a byte every few seconds never meets it. So a thread waits
beside the requests of one asker and shuts down the socket that they hang at, when their time is over. It shuts the
descriptor alone, below TLS, whose state belongs to the thread that reads. A handshake has an end already: Python takes
its timeout for the whole of it.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

_ASKING = threading.local()  # `deadline` of what the thread asks now
_SHUT_EVERY_SECONDS: Final = 0.1  # what is tried again opens another socket


class Deadline:
    """A context in which the thread's requests through a `TimedPool` end in time; `is_over` tells that they had to."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ended, self._over = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._connection: HTTPConnection | None = None  # guarded by _lock, as long as it is shut
        self._thread = threading.Thread(target=self._watch, name="deadline", daemon=True)

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def holds(self, connection: HTTPConnection) -> None:
        """Take note of what is asked by now."""
        with self._lock:
            self._connection = connection

    def lets_go(self, connection: HTTPConnection | None) -> None:
        """Leave alone what goes back to the pool: the next request on it may be another thread's."""
        with self._lock:
            if self._connection is connection:
                self._connection = None

    def __enter__(self) -> Deadline:
        _ASKING.deadline = self
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _ASKING.deadline = None
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        if self._ended.wait(self.seconds):
            return
        self._over.set()
        while True:
            with self._lock, suppress(OSError):  # it is closed already
                sock: socket.socket | None = getattr(self._connection, "sock", None)
                if sock is not None:
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
            if self._ended.wait(_SHUT_EVERY_SECONDS):
                return


class _Timed:
    """What urllib3 does with a connection, where a deadline sees it."""

    def connect(self) -> None:
        _note(self)
        super().connect()  # type: ignore[misc]  # of the connection that this is mixed into

    def request(self, *arguments: Any, **options: Any) -> None:
        _note(self)
        super().request(*arguments, **options)  # type: ignore[misc]  # the same


class _Connection(_Timed, HTTPConnection):
    pass


class _SecureConnection(_Timed, HTTPSConnection):
    pass


class _Returning:
    """What urllib3 does with a connection whose answer is read, a redirect's too, before others may take it."""

    def _put_conn(self, conn: Any) -> None:
        deadline: Deadline | None = getattr(_ASKING, "deadline", None)
        if deadline is not None:
            deadline.lets_go(conn)
        super()._put_conn(conn)  # type: ignore[misc]  # of the pool that this is mixed into


class _Pool(_Returning, urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(_Returning, urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class TimedPool(urllib3.PoolManager):
    """Connections whose requests a `Deadline` ends."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def _note(connection: Any) -> None:
    deadline: Deadline | None = getattr(_ASKING, "deadline", None)
    if deadline is not None:
        deadline.holds(connection)
