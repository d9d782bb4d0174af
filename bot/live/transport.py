"""Requests to one API server over a pool of connections.

In go method, path and JSON values; out come status and JSON. Trouble of the server as a whole raises a `ClusterError`,
what it says of one object is a value. Credentials come from the `kubernetes` package, which knows kubeconfigs and
credential plugins; the calls are raw, at a third of its cost. They are loaded at the first request, so that a bot
starts without its cluster.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import orjson
import urllib3

from bot.errors import ClusterRefused, ClusterThrottled, ClusterUnreachable
from bot.live.spec import ClusterSpec

log = logging.getLogger(__name__)

CONNECTIONS: Final = 32  # 16 in flight reach the server's limit; the rest is for watches
CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 30.0  # a slow admission webhook may take 30
_RETRY_AFTER_DEFAULT: Final = 1.0


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
        self._credentials: Callable[[], str] = lambda: ""

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        user: str = "",
    ) -> Reply:
        """Send one request, as `user` if one is given (impersonation).

        Raises `ClusterUnreachable`, `ClusterThrottled`, `ClusterRefused` (401)."""
        pool = self._connected()
        try:
            answer = pool.request(
                method,
                self._url(path, query),
                body=orjson.dumps(body) if body is not None else None,
                headers=self._headers(accept, content_type if body is not None else "", user),
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
                retries=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error
        reply = Reply(answer.status, _json(answer.data))
        self._raise_for_all(reply, answer.headers.get("Retry-After"))
        return reply

    def text(self, path: str, *, query: Mapping[str, str]) -> str:
        """Return a plain text answer, "" when the server refuses. Raises `ClusterUnreachable`."""
        pool = self._connected()
        try:
            answer = pool.request(
                "GET",
                self._url(path, query),
                headers=self._headers("*/*", ""),
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
                retries=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error
        return str(answer.data.decode(errors="replace")) if answer.status == 200 else ""

    @contextmanager
    def stream(self, path: str, *, query: Mapping[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
        """Open a watch; the caller reads lines and may end it from another thread by `shutdown()`."""
        pool = self._connected()
        try:
            answer = pool.request(
                "GET",
                self._url(path, query),
                headers=self._headers("application/json", ""),
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=float(query["timeoutSeconds"]) + READ_SECONDS),
                retries=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error
        try:
            if answer.status != 200:
                reply = Reply(answer.status, _json(answer.read()))
                self._raise_for_all(reply, answer.headers.get("Retry-After"))
                raise ClusterRefused(f"cluster {self.spec.name}: {reply.message}", cluster=self.spec.name)
            yield answer
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error) from error
        finally:
            answer.close()

    def close(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def _raise_for_all(self, reply: Reply, retry_after: str | None) -> None:
        where = f"cluster {self.spec.name}"
        if reply.status == 401:
            self.close()  # the next request loads the credentials anew: tokens rotate
            raise ClusterRefused(
                f"{where}: the API server does not accept our credentials (401); renew those of "
                f"{self.spec.kubeconfig or 'the kubeconfig'}",
                cluster=self.spec.name,
            )
        if reply.status == 429:
            seconds = float(retry_after) if retry_after and retry_after.isdigit() else _RETRY_AFTER_DEFAULT
            raise ClusterThrottled(
                f"{where}: the API server is overloaded and asks to wait (429)",
                cluster=self.spec.name,
                retry_after_seconds=seconds,
            )
        if reply.status >= 500 and reply.reason not in {"InternalError", "Timeout"} and not reply.is_misshapen:
            raise ClusterUnreachable(f"{where}: the API server answers {reply.status}", cluster=self.spec.name)

    def _unreachable(self, error: Exception) -> ClusterUnreachable:
        reason = _why(error)
        return ClusterUnreachable(
            f"cluster {self.spec.name}: the API server cannot be reached: {reason}", cluster=self.spec.name
        )

    def _url(self, path: str, query: Mapping[str, str] | None) -> str:
        return f"{self._prefix}{path}?{urlencode(query)}" if query else f"{self._prefix}{path}"

    def _headers(self, accept: str, content_type: str, user: str = "") -> dict[str, str]:
        headers = {"Accept": accept, "User-Agent": "gitops-bot"}
        if content_type:
            headers["Content-Type"] = content_type
        if user:
            headers["Impersonate-User"] = user
        if token := self._credentials():
            headers["Authorization"] = token
        return headers

    def _connected(self) -> urllib3.HTTPConnectionPool:
        with self._lock:
            if self._pool is None:
                self._pool = self._load()
            return self._pool

    def _load(self) -> urllib3.HTTPConnectionPool:
        from kubernetes import config  # imported late: it takes a second
        from kubernetes.client.configuration import Configuration

        settings = Configuration()
        try:
            if self.spec.in_cluster:
                config.load_incluster_config(  # type: ignore[no-untyped-call]
                    client_configuration=settings
                )
            else:
                config.load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=self.spec.kubeconfig or None,
                    context=self.spec.context or None,
                    client_configuration=settings,
                    persist_config=False,
                )
        except Exception as error:  # the package raises what its parsers and plugins raise
            raise ClusterRefused(
                f"cluster {self.spec.name}: its kubeconfig cannot be used: {_why(error)}; "
                "check `kubeconfig`, `context` and the user in it",
                cluster=self.spec.name,
            ) from error
        self._credentials = lambda: settings.get_api_key_with_prefix("BearerToken") or ""
        url = urllib3.util.parse_url(settings.host)
        self._prefix = (url.path or "").rstrip("/")
        if url.scheme != "https":
            return urllib3.HTTPConnectionPool(url.host or "", url.port or 80, maxsize=CONNECTIONS)
        return urllib3.HTTPSConnectionPool(
            url.host or "",
            url.port or 443,
            maxsize=CONNECTIONS,
            cert_reqs="CERT_REQUIRED" if settings.verify_ssl else "CERT_NONE",
            ca_certs=settings.ssl_ca_cert,
            cert_file=settings.cert_file,
            key_file=settings.key_file,
            server_hostname=getattr(settings, "tls_server_name", None),
        )


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
