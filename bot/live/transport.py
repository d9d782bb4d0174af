"""Requests to one API server over a pool of connections.

In go method, path and JSON values; out come status and JSON. Trouble of the server as a whole raises a `ClusterError`,
what it says of one object is a value. Credentials are loaded at the first request, so that a bot starts without its
cluster. Answers are asked for as they are: compressing them costs both sides more than a network of today does.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import orjson

from bot.errors import ApiUnavailable, ClusterRefused, ClusterThrottled, ClusterUnreachable
from bot.live import credentials
from bot.live.gate import Gate
from bot.live.pace import Pace
from bot.live.paging import Ahead, token_of
from bot.live.spec import ClusterSpec
from bot.live.wire import Answer, Pool, Wire

log = logging.getLogger(__name__)

PAGE: Final = 1000  # objects of one LIST answer: some 3 MB of ConfigMaps as text, and some 15 MB as objects
APPLY: Final = "application/apply-patch+yaml"
_RETRY_AFTER_DEFAULT: Final = 1.0
_TRIES_WHEN_THROTTLED: Final = 3
_UNCONVERTED: Final = "conversion webhook for"
_MISSHAPEN: Final = ("failed to create typed patch object", "failed to convert new object")
_LONGEST_REST_SECONDS: Final = 5.0  # a thread rests no longer than that; the pass backs off instead


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and JSON of one answer; `body` is {} when there was none, `warning` the header of that name."""

    status: int
    body: Mapping[str, Any]
    warning: bytes = b""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def reason(self) -> str:
        return str(self.body.get("reason") or "")

    @property
    def is_misshapen(self) -> bool:
        """True when the object does not fit its type: server-side apply says so with 500 and no reason.

        Either by its schema, or where a value cannot be read: a quantity, a time, base64 (apimachinery, managedfields).
        """
        return self.status == 500 and self.message.startswith(_MISSHAPEN)

    @property
    def is_proxied(self) -> bool:
        """True when the aggregator says that what serves this API group is away: kube-aggregator, handler_proxy.go."""
        return self.status == 503 and self.message.startswith(("service unavailable", "error trying to reach service"))

    @property
    def is_unserved(self) -> bool:
        """True when nothing is served at the path: what is served answers for an absent object with a Status."""
        return self.status == 404 and self.body.get("kind") != "Status"

    @property
    def is_unconverted(self) -> bool:
        """True when the webhook that converts objects between versions fails: 500, or 429 where they are cached."""
        return self.status in {429, 500} and _UNCONVERTED in self.message

    @property
    def message(self) -> str:
        return str(self.body.get("message") or f"the server answers {self.status}")


class Transport:
    """Safe to use from several threads. `close` frees every connection.

    `returned` hears, once for each outage, that a request or a watch has succeeded again; in a thread that must not be
    kept.
    """

    def __init__(self, spec: ClusterSpec, *, returned: Callable[[], None] = lambda: None) -> None:
        self.spec, self._returned = spec, returned
        self.gate = Gate()
        self._lock = threading.Lock()
        self._pool: Pool | None = None  # guarded by _lock
        self._is_away = False  # since the newest answer that was none; it ends under _lock
        self._pace = Pace(spec.qps)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        text: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        user: str = "",
    ) -> Reply:
        """Send one request, as `user` if one is given (impersonation); `text` is a body that is JSON already.

        Raises `ClusterUnreachable`, `ClusterThrottled`, `ClusterRefused` (401).
        """
        pool = self._connected()
        if text is None and body is not None:
            text = orjson.dumps(body)
        request = self._request(
            pool, method, path, query, text=text, content_type=content_type, accept=accept, user=user
        )
        repeatable = method == "GET" or content_type == APPLY  # the same apply twice is the apply once
        for again in range(_TRIES_WHEN_THROTTLED, 0, -1):
            if rest := self._pace.wait_seconds(time.monotonic()):
                time.sleep(rest)
            answer = self._ask(pool, request, repeatable=repeatable)
            throttled = _is_throttled(answer)
            seconds = _retry_after(answer) if throttled else 0.0
            if not throttled or again == 1 or seconds > _LONGEST_REST_SECONDS:
                break
            time.sleep(seconds)  # the server took nothing of it: the same request is sent again
        reply = Reply(answer.status, _json(answer.data), answer.header(b"warning"))
        if not reply.ok:
            self._raise_for_all(reply, path, seconds)
        return reply

    def pages(self, path: str, *, size: int = PAGE) -> Generator[Reply]:
        """Yield the answers to a LIST in pages of `size` objects; the last may be a refusal. Raises as `request`.

        The next page is asked for before one is read, or handed out at the latest: the server makes it meanwhile.
        """
        first = {"limit": str(size)}
        reply = self.request("GET", path, query=first)
        asked: deque[tuple[Ahead, Mapping[str, str]]] = deque()

        def ask(token: str) -> None:
            if token:
                query = {**first, "continue": token}
                asked.append((self._ahead(path, query), query))

        try:
            ask(token_of(reply.body))
            while asked:
                yield reply
                page, query = asked.popleft()
                ask(token := page.token())
                answer = page.answer()
                if answer is not None and answer.status == 200:
                    reply = Reply(answer.status, _json(answer.data))
                else:
                    reply = self.request("GET", path, query=query)  # which knows what to do about what went wrong
                if not reply.ok:
                    break
                if not token:
                    ask(token_of(reply.body))
            yield reply
        finally:
            for page, _ in asked:
                page.close()

    def _ahead(self, path: str, query: Mapping[str, str]) -> Ahead:
        pool = self._connected()
        if rest := self._pace.wait_seconds(time.monotonic()):
            time.sleep(rest)
        return Ahead(pool, self._request(pool, "GET", path, query))

    def text(self, path: str, *, query: Mapping[str, str]) -> str:
        """Return a plain text answer, "" when the server refuses. Raises `ClusterUnreachable`."""
        pool = self._connected()
        answer = self._ask(pool, self._request(pool, "GET", path, query, accept="*/*"), repeatable=True)
        return answer.data.decode(errors="replace") if answer.status == 200 else ""

    def stream(self, path: str, *, query: Mapping[str, str]) -> Wire:
        """Begin a GET whose answer does not end, over a connection of its own: its head has come. Raises `OSError`."""
        pool = self._connected()
        wire = Wire(pool.access)
        try:
            wire.send(self._request(pool, "GET", path, query))
            wire.head()
        except BaseException:
            wire.close()
            raise
        self._answered(wire.status)
        return wire

    def close(self) -> None:
        """Close the connections; the next request loads the credentials anew."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()

    def _ask(self, pool: Pool, request: bytes, *, repeatable: bool) -> Answer:
        self.gate.enter()
        entered = time.monotonic()
        try:
            answer = pool.ask(request, repeatable=repeatable)
        except BaseException as error:
            self.gate.leave()
            if isinstance(error, OSError):
                raise self.unreachable(error) from error
            raise
        now = time.monotonic()
        self.gate.answered(now - entered, throttled=_is_throttled(answer), now=now)
        self._answered(answer.status)
        return answer

    def _answered(self, status: int) -> None:
        """End an outage with the first success: a server that begins refuses much before it is ready."""
        if not self._is_away or not 200 <= status < 300:
            return
        with self._lock:
            ends, self._is_away = self._is_away, False
        if ends:
            self._returned()

    def _request(
        self,
        pool: Pool,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        *,
        text: bytes | None = None,
        content_type: str = "",
        accept: str = "application/json",
        user: str = "",
    ) -> bytes:
        """Return the bytes of a request."""
        content_type = content_type if text is not None else ""
        before, lines = _head(pool.access.url, pool.access.authorization(), accept, content_type, user)
        target = f"{before}{path}?{_encoded(tuple(query.items()))}" if query else f"{before}{path}"
        if not lines or "\r" in target or "\n" in target:
            raise ClusterRefused(
                f"cluster {self.spec.name}: its token, the account to write as, or a name holds a line break",
                cluster=self.spec.name,
            )
        size = f"Content-Length: {len(text or b'')}\r\n" if text is not None or method != "GET" else ""
        return f"{method} {target} HTTP/1.1\r\n{lines}{size}\r\n".encode() + (text or b"")

    def _raise_for_all(self, reply: Reply, path: str, retry_after_seconds: float) -> None:
        where = f"cluster {self.spec.name}"
        if reply.status == 401:
            self.close()  # the next request loads the credentials anew: tokens rotate
            raise ClusterRefused(
                f"{where}: the API server does not accept our credentials (401); renew those of "
                f"{self.spec.kubeconfig or 'the kubeconfig'}",
                cluster=self.spec.name,
            )
        if path.startswith("/apis/") and (reply.is_proxied or reply.is_unconverted):
            group = path.split("/")[2]
            what = api_is_away(group) if reply.is_proxied else reply.message
            raise ApiUnavailable(f"{where}: {what}", cluster=self.spec.name, group=group)
        if reply.status == 429:
            raise ClusterThrottled(
                f"{where}: the API server is overloaded and asks to wait (429)",
                cluster=self.spec.name,
                retry_after_seconds=retry_after_seconds,
            )
        if reply.status >= 500 and reply.reason not in {"InternalError", "Timeout"} and not reply.is_misshapen:
            self._is_away = True
            raise ClusterUnreachable(f"{where}: the API server answers {reply.status}", cluster=self.spec.name)

    def unreachable(self, error: Exception) -> ClusterUnreachable:
        """Note that the server is away, and return what says so."""
        self._is_away = True
        reason = _why(error)
        return ClusterUnreachable(
            f"cluster {self.spec.name}: the API server cannot be reached: {reason}", cluster=self.spec.name
        )

    def _connected(self) -> Pool:
        with self._lock:
            if self._pool is None:
                self._pool = Pool(self._load())
            return self._pool

    def _load(self) -> credentials.Access:
        try:
            return credentials.load(self.spec)
        except Exception as error:  # parsers and plugins raise what they like
            raise ClusterRefused(
                f"cluster {self.spec.name}: its kubeconfig cannot be used: {_why(error)}; "
                "check `kubeconfig`, `context` and the user in it",
                cluster=self.spec.name,
            ) from error


def api_is_away(group: str) -> str:
    """Say it with what names the reason."""
    return f"the API group {group} is not available (`kubectl get apiservices` names the reason)"


@lru_cache(maxsize=64)
def _head(url: str, token: str, accept: str, content_type: str, user: str) -> tuple[str, str]:
    """Return what paths begin with and the lines that requests of one sort share; "" where one holds a line break."""
    parts = urlsplit(url)
    lines = [f"Host: {parts.netloc}", "User-Agent: gitops-bot", f"Accept: {accept}"]
    if token:
        lines.append(f"Authorization: {token}")
    if user:
        lines.append(f"Impersonate-User: {user}")
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    whole = not any("\r" in line or "\n" in line for line in lines)
    return parts.path, "".join(f"{line}\r\n" for line in lines) if whole else ""


@lru_cache(maxsize=128)
def _encoded(query: tuple[tuple[str, str], ...]) -> str:
    """Remember queries: most requests have one of a few."""
    return urlencode(query)


def _is_throttled(answer: Answer) -> bool:
    """Tell whether the server has too much to do; one that cannot convert what it caches says 429 too."""
    return answer.status == 429 and _UNCONVERTED.encode() not in answer.data


def _retry_after(answer: Answer) -> float:
    header = answer.header(b"retry-after")
    return float(header) if header.isdigit() else _RETRY_AFTER_DEFAULT


def _json(data: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(data) if data else {}
    except orjson.JSONDecodeError:
        return {"message": data[:200].decode(errors="replace")}
    return value if isinstance(value, dict) else {}


def _why(error: Exception) -> str:
    return json.dumps(str(error) or type(error).__name__)[1:-1][:200]
