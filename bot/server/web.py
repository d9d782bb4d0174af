"""HTTP of the running bot: health, metrics, Slack in http mode, push events, the on-call service's webhook.

In go requests, out come calls of the handlers given at construction; nothing is decided here but the route, the size
of a body and that an unexpected error is a 500 without details. Bodies are never logged: they carry tokens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from bot.server.listening import MAX_PUSH_BYTES, WsgiApp

log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 1_000_000


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
    registry: Callable[[str, Mapping[str, str], str, bytes], Answer]
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
                Rule("/webhooks/registry/<name>", endpoint="registry", methods=["POST"]),
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
            case "registry":
                given = request.args.get("secret", "")
                return _text(self._handlers.registry(values["name"], dict(request.headers), given, request.get_data()))
            case _:
                return _text(self._handlers.oncall(dict(request.headers), request.get_data()))


def _text(answer: Answer) -> Response:
    return Response(f"{answer.text}\n", status=answer.status)
