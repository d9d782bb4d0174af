"""Requests to one API server over a pool of connections.

In go method, path and JSON values; out come status and JSON. Trouble of the server as a whole raises a `ClusterError`,
what it says of one object is a value. Credentials come from the `kubernetes` package, which knows kubeconfigs and
credential plugins; the calls are raw, at a third of its cost. They are loaded at the first request, so that a bot
starts without its cluster.
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import orjson
import urllib3

from bot.errors import ClusterRefused, ClusterThrottled, ClusterUnreachable
from bot.live.spec import ClusterSpec

log = logging.getLogger(__name__)

IN_FLIGHT: Final = 16  # more gains nothing at the API server, one at a time doubles its cost
CONNECTIONS: Final = 32  # 16 in flight reach the server's limit; the rest is for LISTs
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the API server is and how to talk to it: for the event loop of the watches, which has its own client."""

    url: str  # without a slash at the end
    tls: ssl.SSLContext | None  # None for http
    headers: Callable[[], dict[str, str]]
    server_name: str | None = None  # in the certificate, where it is not the host of the URL


class Transport:
    """Safe to use from several threads. `close` frees every connection."""

    def __init__(self, spec: ClusterSpec) -> None:
        self.spec = spec
        self._lock = threading.Lock()
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._prefix = ""
        self._credentials: Callable[[], str] = lambda: ""
        self._endpoint: Endpoint | None = None

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
        try:
            answer = pool.request(
                method,
                self._url(path, query),
                body=text,
                headers=self._headers(accept, content_type if text is not None else "", user),
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
                retries=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self.unreachable(error) from error
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
            raise self.unreachable(error) from error
        return str(answer.data.decode(errors="replace")) if answer.status == 200 else ""

    def endpoint(self) -> Endpoint:
        """Return where to send watches. The same object until the credentials are loaded anew."""
        self._connected()
        with self._lock:
            assert self._endpoint is not None  # set with the pool
            return self._endpoint

    def close(self) -> None:
        """Close the connections; the next request loads the credentials anew."""
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

    def unreachable(self, error: Exception) -> ClusterUnreachable:
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
        tls = _tls(settings) if url.scheme == "https" else None
        server_name = getattr(settings, "tls_server_name", None)
        self._endpoint = Endpoint(
            url=url._replace(auth=None).url.rstrip("/"),  # a password in it would meet our own header
            tls=tls,
            headers=lambda: self._headers("application/json", ""),
            server_name=server_name,
        )
        if tls is None:
            return urllib3.HTTPConnectionPool(url.host or "", url.port or 80, maxsize=CONNECTIONS)
        return urllib3.HTTPSConnectionPool(
            url.host or "",
            url.port or 443,
            maxsize=CONNECTIONS,
            ssl_context=tls,
            server_hostname=server_name,
        )


def _tls(settings: Any) -> ssl.SSLContext:
    """Return what a kubeconfig says of TLS, for both clients."""
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # CAs of clusters often lack what RFC 5280 asks for
    if not settings.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context


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
