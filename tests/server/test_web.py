"""The HTTP server over a real socket: routes, limits, and an end without a trace."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest

from bot.errors import ConfigError
from bot.server.listening import MAX_PUSH_BYTES, WebServer
from bot.server.web import MAX_BODY_BYTES, Answer, Handlers, Web

Reply = tuple[int, str]


def handlers(health: str = "ok") -> Handlers:
    def broken() -> bytes:
        raise RuntimeError("canary")

    return Handlers(
        health=lambda: (health, {"state": health}),
        ready=lambda: True,
        metrics=broken,
        push=lambda repo, headers, body: Answer(202, f"{repo} {len(body)}"),
        oncall=lambda headers, body: Answer(401, "no secret"),
        registry=lambda name, headers, given, body: Answer(202, f"{name} {given} {len(body)}"),
        slack=None,
    )


@pytest.fixture
def server() -> Iterator[WebServer]:
    made = WebServer(host="127.0.0.1", port=0)
    made.serve(Web(handlers()))
    yield made
    made.stop()


def ask(
    server: WebServer, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_each_path_has_its_handler(server: WebServer) -> None:
    status, text = ask(server, "GET", "/healthz")
    assert (status, json.loads(text)) == (200, {"status": "ok", "parts": {"state": "ok"}})
    assert ask(server, "GET", "/readyz") == (200, "ready\n")
    assert ask(server, "POST", "/webhooks/git/fleet", b"{}") == (202, "fleet 2\n")
    assert ask(server, "POST", "/webhooks/registry/quay?secret=s", b"{}") == (202, "quay s 2\n")
    assert ask(server, "POST", "/webhooks/oncall", b"{}") == (401, "no secret\n")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", "/webhooks/git/fleet", 405), ("POST", "/slack/events", 404), ("POST", "/healthz", 405)],
)
def test_what_is_not_there_says_so(server: WebServer, method: str, path: str, status: int) -> None:
    assert ask(server, method, path)[0] == status


def test_bug_in_a_handler_is_500_without_details(server: WebServer) -> None:
    status, text = ask(server, "GET", "/metrics")
    assert status == 500
    assert "canary" not in text


def test_body_that_is_too_large_is_refused(server: WebServer) -> None:
    unread = {"Content-Length": str(MAX_PUSH_BYTES + 1)}
    assert ask(server, "POST", "/webhooks/git/fleet", headers=unread)[0] == 413
    assert ask(server, "POST", "/webhooks/oncall", b" " * (MAX_BODY_BYTES + 1))[0] == 413


def test_push_of_many_commits_is_read(server: WebServer) -> None:
    """GitHub sends up to 25 MB: a limit of one refused the push, and its apps waited for their interval."""
    assert ask(server, "POST", "/webhooks/git/fleet", b" " * 2_000_000) == (202, "fleet 2000000\n")


@pytest.mark.parametrize(("word", "status"), [("ok", 200), ("degraded", 200), ("stuck", 503)])
def test_only_what_a_restart_may_cure_is_unhealthy(word: str, status: int) -> None:
    server = WebServer(host="127.0.0.1", port=0)
    server.serve(Web(handlers(word)))
    try:
        assert ask(server, "GET", "/healthz")[0] == status
    finally:
        server.stop()


def test_request_that_comes_before_the_answers_waits_for_them() -> None:
    """The port is taken before anything begins, and what answers there is loaded after that."""
    server = WebServer(host="127.0.0.1", port=0)
    early = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    early.request("GET", "/readyz")
    server.serve(Web(handlers()))
    try:
        assert early.getresponse().read() == b"ready\n"
    finally:
        early.close()
        server.stop()


def test_held_request_waits_for_the_next_answers_and_a_stop_sends_it_away() -> None:
    server = WebServer(host="127.0.0.1", port=0)
    server.serve(Web(handlers("ok")))
    server.hold()
    waiting = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    waiting.request("GET", "/healthz")
    server.serve(Web(handlers("stuck")))
    assert waiting.getresponse().status == 503
    server.hold()
    waiting.close()
    late = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    late.request("GET", "/healthz")
    server.stop()
    try:
        status = late.getresponse().status
    except (OSError, http.client.HTTPException):
        status = 0  # closed before it was read
    assert status in {0, 503}
    late.close()


def test_hold_returns_when_what_is_being_answered_has_ended() -> None:
    begun, end = threading.Event(), threading.Event()

    def slowly(environ: dict[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
        begun.set()
        end.wait(60)
        respond("200 OK", [])
        return [b"ended"]

    server = WebServer(host="127.0.0.1", port=0)
    server.serve(slowly)
    asking = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    asking.request("GET", "/")
    assert begun.wait(60)
    holding = threading.Thread(target=server.hold)
    holding.start()
    assert holding.is_alive()
    end.set()
    holding.join(60)
    assert asking.getresponse().read() == b"ended"
    asking.close()
    server.stop()


def test_end_with_open_connections_is_quiet_and_frees_the_port() -> None:
    """The listener was closed under the server's select, whose thread then died with a traceback."""
    before = set(threading.enumerate())
    server = WebServer(host="127.0.0.1", port=0)
    server.serve(Web(handlers()))
    port = server.port
    idle = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    idle.request("GET", "/readyz")
    assert idle.getresponse().read() == b"ready\n"
    server.stop()
    server.stop()
    idle.close()
    assert not [one for one in set(threading.enumerate()) - before if one.name == "http"]
    again = WebServer(host="127.0.0.1", port=port)
    again.serve(Web(handlers()))
    again.stop()


def test_host_that_has_no_address_is_said() -> None:
    with pytest.raises(ConfigError, match=r"HTTP cannot be served at no\.such\.invalid:0: .+; end what listens there"):
        WebServer(host="no.such.invalid", port=0)
