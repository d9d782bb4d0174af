"""HTTP/1.1 over one kept connection, and a pool of such connections: bytes in, status and bytes out.

httptools (the llhttp of Node.js) reads the answers; a request costs a third of the CPU that urllib3 needs. Never
follows redirects, never decompresses (nothing is asked for compressed), never decides what an answer means.

The surprising part: a server may close a kept connection at any moment. A request that found it closed before a byte
of the answer is sent once more over a fresh connection where sending it twice does no harm.
"""

from __future__ import annotations

import base64
import select
import socket
import ssl
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

import httptools

from bot.live.credentials import Access

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 30.0  # a slow admission webhook may take 30
_CHUNK_BYTES: Final = 1 << 16
_IDLE_CONNECTIONS: Final = 64


class WireError(OSError):
    """The connection failed, or what came over it is no HTTP."""


class ClosedEarlyError(WireError):
    """The server closed the connection before it answered."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[bytes, bytes]  # named as they came
    data: bytes

    def header(self, name: bytes) -> bytes:
        """Return the value of a header, named in lower case; b"" when there is none."""
        return _header(self.headers, name)


class Wire:
    """One connection, for one request at a time. Raises `OSError` (`WireError`, `TimeoutError`, TLS) everywhere."""

    def __init__(self, access: Access) -> None:
        self.used = False  # it has carried a request: the server may close it at will
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self._started = self._has_head = self._complete = False
        self._keeps = True
        self._parser = httptools.HttpResponseParser(self)
        self._socket = _connect(access)
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    # --- one request ------------------------------------------------------------------------------------------

    def ask(self, request: bytes) -> Answer:
        """Send a request and read its answer to the end."""
        self.send(request)
        return self.answer()

    def answer(self) -> Answer:
        """Read the answer to what was sent, to its end."""
        while not self._complete:
            self._feed(self._receive())
        return Answer(self.status, self.headers, b"".join(self._parts))

    def send(self, request: bytes) -> None:
        self._reset()
        try:
            sent = self._socket.send(request)  # all of it but for large ones; `sendall` of TLS costs more
            if sent < len(request):
                self._socket.sendall(memoryview(request)[sent:])
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
            raise ClosedEarlyError("the connection was closed") from error

    def head(self) -> int:
        """Read the answer up to its body and return the status."""
        while not self._has_head:
            self._feed(self._receive())
        return self.status

    def opening(self, mark: bytes, limit_bytes: int) -> bytes:
        """Read the body until `mark` has come, its end, or so many bytes; `answer` returns all of it still."""
        while True:
            opening = b"".join(self._parts)
            if mark in opening or self._complete or len(opening) >= limit_bytes:
                return opening
            self._feed(self._receive())

    @property
    def is_complete(self) -> bool:
        """True when the answer has ended."""
        return self._complete

    def taken(self) -> list[bytes]:
        """Return the pieces of the body that came since it was last asked."""
        parts, self._parts = self._parts, []
        return parts

    def remainder(self, limit_bytes: int) -> bytes:
        """Read the body to its end, or so many bytes of it."""
        while not self._complete and sum(map(len, self._parts)) < limit_bytes:
            self._feed(self._receive())
        return b"".join(self.taken())[:limit_bytes]

    # --- without waiting --------------------------------------------------------------------------------------

    def fileno(self) -> int:
        return self._socket.fileno()

    def stop_waiting(self) -> None:
        """From now on `advance` reads what is there and returns."""
        self._socket.setblocking(False)

    def advance(self) -> None:
        """Read what is there. Raises `ClosedEarlyError` at the end of the connection."""
        while not self._complete:
            try:
                self._feed(self._receive())
            except (BlockingIOError, ssl.SSLWantReadError):
                return

    # --- the connection ---------------------------------------------------------------------------------------

    @property
    def is_reusable(self) -> bool:
        """True when it may carry another request: nothing has come that nobody asked for, an end above all."""
        return self._complete and self._keeps and not self._poll.poll(0)

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> bytes:
        """Return bytes, b"" at the end where that ends the answer."""
        try:
            data = self._socket.recv(_CHUNK_BYTES)
        except (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
            if self._started:
                raise WireError("the connection was closed in the middle of an answer") from error
            raise ClosedEarlyError("the connection was closed") from error
        if data or (self._has_head and self._ends_with_connection):
            return data
        if self._started:
            raise WireError("the connection was closed in the middle of an answer")
        raise ClosedEarlyError("the connection was closed")

    def _feed(self, data: bytes) -> None:
        if not data:
            self._complete, self._keeps = True, False
            return
        self._started = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise WireError(f"the answer is no HTTP: {error}") from error

    def _reset(self) -> None:
        self.status, self.headers, self._parts = 0, {}, []
        self._started = self._has_head = self._complete = False
        self._keeps = True
        self._parser = httptools.HttpResponseParser(self)

    @property
    def _ends_with_connection(self) -> bool:
        return not (_header(self.headers, b"content-length") or _header(self.headers, b"transfer-encoding"))

    # --- called by the parser ---------------------------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        held = self.headers.get(name)
        self.headers[name] = value if held is None else held + b", " + value  # RFC 9110, 5.3

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._has_head = self.status >= 200  # 1xx: the answer is still to come

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)

    def on_message_complete(self) -> None:
        self._complete = self._has_head
        self._keeps = self._parser.should_keep_alive()  # known only now: the parser forgets it at once
        if not self._complete:
            self.headers = {}


class Pool:
    """Connections to one server as one user. Safe to use from several threads."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._idle: deque[Wire] = deque()
        self._closed = False

    def ask(self, request: bytes, *, repeatable: bool) -> Answer:
        """Send a request over a free connection. Raises `OSError`; a `repeatable` one is sent again where it must."""
        wire = self._free()
        try:
            answer = wire.ask(request)
        except ClosedEarlyError:
            wire.close()
            if not (wire.used and repeatable):
                raise
            wire = Wire(self.access)
            answer = self._first(wire, request)
        except BaseException:
            wire.close()
            raise
        self._keep(wire)
        return answer

    def begin(self, request: bytes) -> Wire:
        """Send a request over a free connection, and leave the answer to `end`. Raises `OSError`."""
        wire = self._free()
        try:
            wire.send(request)
        except BaseException:
            wire.close()
            raise
        return wire

    def end(self, wire: Wire) -> Answer:
        """Read the answer to what was begun. Raises `OSError`, whether or not sending it again does no harm."""
        try:
            answer = wire.answer()
        except BaseException:
            wire.close()
            raise
        self._keep(wire)
        return answer

    def _keep(self, wire: Wire) -> None:
        wire.used = True
        if len(self._idle) >= _IDLE_CONNECTIONS:
            wire.close()
        else:
            self._idle.append(wire)
        if self._closed:
            self.close()

    def _first(self, wire: Wire, request: bytes) -> Answer:
        try:
            return wire.ask(request)
        except BaseException:
            wire.close()
            raise

    def _free(self) -> Wire:
        for wire in self._taken():
            if wire.is_reusable:
                return wire
            wire.close()
        return Wire(self.access)

    def _taken(self) -> Iterator[Wire]:
        while True:
            try:
                yield self._idle.pop()  # the one used last is the least likely to be stale
            except IndexError:
                return

    def close(self) -> None:
        """Close what is idle now, and the others when they come back."""
        self._closed = True
        for wire in self._taken():
            wire.close()


def _header(headers: Mapping[bytes, bytes], name: bytes) -> bytes:
    """Look one up where it is needed: that is seldom, and lowering all their names is a tenth of the reading."""
    return next((value for one, value in headers.items() if one.lower() == name), b"")


def _connect(access: Access) -> socket.socket:
    """Return a connected socket, through the proxy and with TLS where `access` says so."""
    url = urlsplit(access.url)
    host, port = url.hostname or "", url.port or (443 if access.tls is not None else 80)
    proxy = urlsplit(access.proxy) if access.proxy else None
    plain = socket.create_connection(
        (proxy.hostname or "", proxy.port or 80) if proxy is not None else (host, port), timeout=CONNECT_SECONDS
    )
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if proxy is not None:
            _tunnel(plain, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", proxy.username, proxy.password)
        made = plain
        if access.tls is not None:
            made = access.tls.wrap_socket(plain, server_hostname=access.server_name or host)
        made.settimeout(READ_SECONDS)
    except BaseException:
        plain.close()
        raise
    return made


def _tunnel(plain: socket.socket, target: str, user: str | None, password: str | None) -> None:
    """Ask an HTTP proxy for a connection to the target (CONNECT, RFC 9110)."""
    given = f"{unquote(user)}:{unquote(password or '')}" if user else ""
    credentials = f"Proxy-Authorization: Basic {base64.b64encode(given.encode()).decode()}\r\n" if given else ""
    plain.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{credentials}\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        # Byte by byte: what follows the head is for TLS.
        byte = plain.recv(1)
        if not byte:
            raise WireError("the proxy closed the connection")
        answer += byte
        if len(answer) > _CHUNK_BYTES:
            raise WireError("the proxy does not speak HTTP")
    status = answer.split(b" ", 2)[1:2]
    if status != [b"200"]:
        said = answer.split(b"\r\n", 1)[0].decode(errors="replace")
        raise WireError(f"the proxy refuses the connection: {said}")
