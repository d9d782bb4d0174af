"""Requests to one API server over a pool of connections.

In go method, path and JSON values; out come status and JSON. Trouble of the server as a whole raises a `ClusterError`,
what it says of one object is a value. The calls are raw, at a third of what the generated client costs. Credentials are
loaded at the first request, so that a bot starts without its cluster.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import orjson
import urllib3

from bot.errors import ClusterRefused, ClusterThrottled, ClusterUnreachable
from bot.live import credentials
from bot.live.gate import Gate
from bot.live.pace import Pace
from bot.live.spec import ClusterSpec

log = logging.getLogger(__name__)

CONNECTIONS: Final = 32  # 16 in flight reach the server's limit; the rest is for LISTs
CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 30.0  # a slow admission webhook may take 30
_RETRY_AFTER_DEFAULT: Final = 1.0
_TRIES_WHEN_THROTTLED: Final = 3
_LONGEST_REST_SECONDS: Final = 5.0  # a thread rests no longer than that; the pass backs off instead


@dataclass(frozen=True, slots=True)
class Reply:
    """Status and JSON of one answer; `body` is {} when there was none."""

    status: int
    body: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def reason(self) -> str:
        return str(self.body.get("reason") or "")

    @property
    def is_misshapen(self) -> bool:
        """True when the object does not fit its schema: server-side apply says so with 500 and no reason."""
        return self.status == 500 and self.message.startswith("failed to create typed patch object")

    @property
    def message(self) -> str:
        return str(self.body.get("message") or f"the server answers {self.status}")


class Transport:
    """Safe to use from several threads. `close` frees every connection."""

    def __init__(self, spec: ClusterSpec) -> None:
        self.spec = spec
        self._lock = threading.Lock()
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._prefix = ""
        self._gate = Gate()
        self._pace = Pace(spec.qps)
        self._access: credentials.Access | None = None

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
        headers = self.headers(accept, content_type if text is not None else "", user)
        for again in range(_TRIES_WHEN_THROTTLED, 0, -1):
            if rest := self._pace.wait_seconds(time.monotonic()):
                time.sleep(rest)
            with self._gate.one():
                try:
                    answer = pool.request(
                        method,
                        self._url(path, query),
                        body=text,
                        headers=headers,
                        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
                        retries=False,
                    )
                except (urllib3.exceptions.HTTPError, OSError) as error:
                    raise self.unreachable(error) from error
            self._gate.answered(throttled=answer.status == 429)
            seconds = _retry_after(answer.headers.get("Retry-After"))
            if answer.status != 429 or again == 1 or seconds > _LONGEST_REST_SECONDS:
                break
            time.sleep(seconds)  # the server took nothing of it: the same request is sent again
        reply = Reply(answer.status, _json(answer.data))
        self._raise_for_all(reply, seconds)
        return reply

    def text(self, path: str, *, query: Mapping[str, str]) -> str:
        """Return a plain text answer, "" when the server refuses. Raises `ClusterUnreachable`."""
        pool = self._connected()
        try:
            answer = pool.request(
                "GET",
                self._url(path, query),
                headers=self.headers("*/*", ""),
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
                retries=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self.unreachable(error) from error
        return str(answer.data.decode(errors="replace")) if answer.status == 200 else ""

    def access(self) -> credentials.Access:
        """Return where to send watches. The same object until the credentials are loaded anew."""
        self._connected()
        with self._lock:
            assert self._access is not None  # set with the pool
            return self._access

    def close(self) -> None:
        """Close the connections; the next request loads the credentials anew."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def _raise_for_all(self, reply: Reply, retry_after_seconds: float) -> None:
        where = f"cluster {self.spec.name}"
        if reply.status == 401:
            self.close()  # the next request loads the credentials anew: tokens rotate
            raise ClusterRefused(
                f"{where}: the API server does not accept our credentials (401); renew those of "
                f"{self.spec.kubeconfig or 'the kubeconfig'}",
                cluster=self.spec.name,
            )
        if reply.status == 429:
            raise ClusterThrottled(
                f"{where}: the API server is overloaded and asks to wait (429)",
                cluster=self.spec.name,
                retry_after_seconds=retry_after_seconds,
            )
        if reply.status >= 500 and reply.reason not in {"InternalError", "Timeout"} and not reply.is_misshapen:
            raise ClusterUnreachable(f"{where}: the API server answers {reply.status}", cluster=self.spec.name)

    def unreachable(self, error: Exception) -> ClusterUnreachable:
        reason = _why(error)
        return ClusterUnreachable(
            f"cluster {self.spec.name}: the API server cannot be reached: {reason}", cluster=self.spec.name
        )

    def _url(self, path: str, query: Mapping[str, str] | None) -> str:
        return f"{self._prefix}{path}?{urlencode(query)}" if query else f"{self._prefix}{path}"

    def headers(self, accept: str = "application/json", content_type: str = "", user: str = "") -> dict[str, str]:
        headers = {"Accept": accept, "User-Agent": "gitops-bot"}
        if content_type:
            headers["Content-Type"] = content_type
        if user:
            headers["Impersonate-User"] = user
        if self._access is not None and (token := self._access.authorization()):
            headers["Authorization"] = token
        return headers

    def _connected(self) -> urllib3.HTTPConnectionPool:
        with self._lock:
            if self._pool is None:
                self._pool = self._load()
            return self._pool

    def _load(self) -> urllib3.HTTPConnectionPool:
        try:
            access = self._access = credentials.load(self.spec)
        except Exception as error:  # parsers and plugins raise what they like
            raise ClusterRefused(
                f"cluster {self.spec.name}: its kubeconfig cannot be used: {_why(error)}; "
                "check `kubeconfig`, `context` and the user in it",
                cluster=self.spec.name,
            ) from error
        url = urllib3.util.parse_url(access.url)
        self._prefix = (url.path or "").rstrip("/")
        if access.tls is None:
            return urllib3.HTTPConnectionPool(url.host or "", url.port or 80, maxsize=CONNECTIONS)
        return urllib3.HTTPSConnectionPool(
            url.host or "",
            url.port or 443,
            maxsize=CONNECTIONS,
            ssl_context=access.tls,
            server_hostname=access.server_name,
        )


def _retry_after(header: str | None) -> float:
    return float(header) if header and header.isdigit() else _RETRY_AFTER_DEFAULT


def _json(data: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(data) if data else {}
    except orjson.JSONDecodeError:
        return {"message": data[:200].decode(errors="replace")}
    return value if isinstance(value, dict) else {}


def _why(error: Exception) -> str:
    text = str(getattr(error, "reason", None) or error)
    text = text.rpartition(">: ")[2] or text
    return json.dumps(text)[1:-1][:200]
