"""HTTP of the running bot: health, metrics, Slack in http mode, push events, the on-call service's webhook.

In go requests, out come calls of the handlers given at construction; nothing is decided here but the route, the size
of a body and that an unexpected error is a 500 without details. Bodies are never logged: they carry tokens.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import orjson
from waitress import wasyncore
from waitress.server import create_server
from waitress.trigger import trigger
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

log = logging.getLogger(__name__)

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
MAX_BODY_BYTES: Final = 1_000_000
MAX_PUSH_BYTES: Final = 25_000_000  # GitHub sends no more, and one push may carry 2,048 commits with their files
_THREADS: Final = 8


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """What stands behind each route. `health` returns the status word and its parts; `slack` is None in other modes."""

    health: Callable[[], tuple[str, Mapping[str, str]]]
    ready: Callable[[], bool]
    metrics: Callable[[], bytes]
    push: Callable[[str, Mapping[str, str], bytes], Answer]
    oncall: Callable[[Mapping[str, str], bytes], Answer]
    slack: WsgiApp | None


class Web:
    """A WSGI application."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._routes = Map(
            [
                Rule("/healthz", endpoint="health", methods=["GET"]),
                Rule("/readyz", endpoint="ready", methods=["GET"]),
                Rule("/metrics", endpoint="metrics", methods=["GET"]),
                Rule("/slack/events", endpoint="slack", methods=["POST"]),
                Rule("/webhooks/git/<repo>", endpoint="push", methods=["POST"]),
                Rule("/webhooks/oncall", endpoint="oncall", methods=["POST"]),
            ]
        )

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        try:
            endpoint, values = self._routes.bind_to_environ(environ).match()
            request.max_content_length = MAX_PUSH_BYTES if endpoint == "push" else MAX_BODY_BYTES
            if endpoint == "slack":
                if self._handlers.slack is None:
                    raise NotFound
                return self._handlers.slack(environ, start_response)
            response = self._answer(endpoint, values, request)
        except (NotFound, MethodNotAllowed) as error:
            response = Response(f"{error.name}\n", status=error.code)
        except HTTPException as error:
            response = Response(f"{error.name}\n", status=error.code)
        except Exception:  # a bug: said in the log, not to the caller
            log.exception("unexpected error at %s", request.path)
            response = Response("unexpected error\n", status=500)
        return response(environ, start_response)

    def _answer(self, endpoint: str, values: Mapping[str, str], request: Request) -> Response:
        match endpoint:
            case "health":
                word, parts = self._handlers.health()
                body = orjson.dumps({"status": word, "parts": dict(parts)})
                return Response(body, status=503 if word == "stuck" else 200, mimetype="application/json")
            case "ready":
                ready = self._handlers.ready()
                return Response("ready\n" if ready else "not ready\n", status=200 if ready else 503)
            case "metrics":
                return Response(self._handlers.metrics(), content_type="text/plain; version=0.0.4; charset=utf-8")
            case "push":
                return _text(self._handlers.push(values["repo"], dict(request.headers), request.get_data()))
            case _:
                return _text(self._handlers.oncall(dict(request.headers), request.get_data()))


def _text(answer: Answer) -> Response:
    return Response(f"{answer.text}\n", status=answer.status)


class WebServer:
    """Serves a WSGI application from its own threads. `port` 0 takes a free one."""

    def __init__(self, web: WsgiApp, *, host: str, port: int) -> None:
        self._sockets: dict[int, Any] = {}  # waitress's own: the listener, its trigger and every connection
        self._server: Any = create_server(
            web,
            map=self._sockets,
            host=host,
            port=port,
            threads=_THREADS,
            max_request_body_size=MAX_PUSH_BYTES,
            ident="gitops-bot",
        )
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.effective_port)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Take no more requests. Idempotent.

        The sockets are closed in the server's own thread: closed in another, they would fail its `select`.
        """
        wake: Any = next((one for one in [*self._sockets.values()] if isinstance(one, trigger)), None)
        if wake is not None:
            with suppress(OSError):  # a request that ended just now woke the thread, and it has closed the trigger
                wake.pull_trigger(lambda: wasyncore.close_all(self._sockets, ignore_all=True))
        self._thread.join(5)
