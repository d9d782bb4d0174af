"""Scripted misfortune, the same for every stand-in: what goes wrong, for which requests, how often.

A request is named by its first line, `PATCH /apis/apps/v1/namespaces/shop/deployments/web?dryRun=All`, and chosen by
a shell pattern over all of it or over what precedes the `?`. A stand-in asks `strike` before it looks at a request;
tests and the demo plan faults in the same process or over HTTP, at `/_faults` of each stand-in:

    POST /_faults    {"kind": "status", "status": 503, "match": "PATCH *", "times": 3}    201, the fault as planned
    GET /_faults     200, the list of planned faults
    DELETE /_faults  204, forgets all and lets go of requests that hang

`kind` is required, all else optional; without `times` a fault stays until it is healed. The path itself is never
struck. Thread-safe.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

PATH: Final = "/_faults"
_LINGER_RESET: Final = struct.pack("ii", 1, 0)  # close() sends RST instead of FIN


class FaultKind(Enum):
    """What goes wrong: before the request was acted upon, but for LOST and DELAY."""

    REFUSE = "refuse"  # the connection ends without an answer
    RESET = "reset"  # the same with a TCP reset
    LOST = "lost"  # acted upon, then reset: the client cannot know
    HANG = "hang"  # no answer until the faults are healed; then the connection ends
    DELAY = "delay"  # acted upon, and answered after `seconds`
    STATUS = "status"  # an HTTP status with `body`
    THROTTLE = "throttle"  # 429 with the seconds in `Retry-After`, or in the header that the service has for them
    ERROR = "error"  # 200 with the word `error`, where the service says so (Slack)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One misfortune; `body` is sent as HTML, as proxies do, unless it is JSON."""

    kind: FaultKind
    seconds: float = 0
    status: int = 500
    body: str = "<html><body>Bad Gateway</body></html>"
    error: str = "internal_error"


@dataclass(slots=True, kw_only=True)
class _Planned:
    """A fault, whom it strikes, and how often it still will (None: until healed)."""

    fault: Fault
    match: str
    left: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a stand-in sends for one request."""

    status: int
    body: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Faults:
    """The plan of one stand-in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[_Planned] = []
        self._healed = threading.Event()

    def add(self, fault: Fault, *, match: str = "*", times: int | None = None) -> None:
        """Plan `fault` for the next `times` requests that match; the oldest plan that matches strikes."""
        with self._lock:
            self._planned.append(_Planned(fault=fault, match=match, left=times))

    def strike(self, request: str) -> Fault | None:
        """Return what hits this request, and use it up."""
        with self._lock:
            for planned in self._planned:
                if fnmatchcase(request, planned.match) or fnmatchcase(request.partition("?")[0], planned.match):
                    if planned.left is not None:
                        planned.left -= 1
                        if planned.left <= 0:
                            self._planned.remove(planned)
                    return planned.fault
            return None

    def heal(self) -> None:
        """Forget all plans and let go of requests that hang or wait."""
        with self._lock:
            self._planned.clear()
            self._healed.set()
            self._healed = threading.Event()

    def wait(self, seconds: float | None = None) -> None:
        """Block until `heal`, or for `seconds`."""
        with self._lock:
            healed = self._healed
        healed.wait(seconds)

    def planned(self) -> tuple[Mapping[str, Any], ...]:
        """Return the plans as the HTTP interface shows them."""
        with self._lock:
            return tuple(
                {
                    "kind": one.fault.kind.value,
                    "match": one.match,
                    "times": one.left,
                    "seconds": one.fault.seconds,
                    "status": one.fault.status,
                    "body": one.fault.body,
                    "error": one.fault.error,
                }
                for one in self._planned
            )

    def answer(self, method: str, body: bytes) -> Answer:
        """Serve one request for `/_faults`."""
        if method == "GET":
            return Answer(status=200, body=json.dumps(self.planned()).encode())
        if method == "DELETE":
            self.heal()
            return Answer(status=204)
        if method != "POST":
            return Answer(status=405, headers={"Allow": "GET, POST, DELETE"})
        try:
            said = json.loads(body)
            self.add(_fault(said), match=str(said.get("match", "*")), times=_times(said.get("times")))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return Answer(status=400, body=json.dumps({"message": f"no fault: {error}"}).encode())
        return Answer(status=201, body=json.dumps(self.planned()[-1]).encode())


def serve(
    handler: BaseHTTPRequestHandler,
    act: Callable[[], Answer],
    fault: Fault | None,
    faults: Faults,
    *,
    throttled: bytes = b"",
    rest: str = "Retry-After",
    refused: Callable[[str], Answer] | None = None,
) -> None:
    """Answer one request by `act`, or as the fault that struck it wants.

    `throttled` is the service's own body of a 429, `rest` its header with the seconds to wait, `refused` what it
    answers for an error word of its own.
    """
    if fault is None:
        send(handler, act())
    elif fault.kind is FaultKind.LOST:
        act()
        reset(handler)
    elif fault.kind is FaultKind.DELAY:
        answer = act()
        faults.wait(fault.seconds)
        send(handler, answer)
    elif fault.kind is FaultKind.ERROR and refused is not None:
        send(handler, refused(fault.error))
    else:
        suffer(handler, fault, faults, throttled=throttled, rest=rest)


def suffer(
    handler: BaseHTTPRequestHandler,
    fault: Fault,
    faults: Faults,
    *,
    throttled: bytes = b"",
    rest: str = "Retry-After",
) -> None:
    """Let a request that is not acted upon go wrong."""
    match fault.kind:
        case FaultKind.HANG:
            faults.wait()
            handler.close_connection = True
        case FaultKind.STATUS:
            kind = "application/json" if fault.body.startswith("{") else "text/html"
            send(handler, Answer(status=fault.status, body=fault.body.encode(), kind=kind))
        case FaultKind.THROTTLE:
            send(handler, Answer(status=429, body=throttled, headers={rest: f"{fault.seconds:g}"}))
        case FaultKind.RESET:
            reset(handler)
        case _:
            handler.close_connection = True


def reset(handler: BaseHTTPRequestHandler) -> None:
    """End the connection with a TCP reset."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
    handler.close_connection = True
    handler.connection.close()


def send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    """Write one answer; the connection stays open."""
    handler.send_response(answer.status)
    handler.send_header("Content-Type", answer.kind)
    handler.send_header("Content-Length", str(len(answer.body)))
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(answer.body)


def _fault(said: Mapping[str, Any]) -> Fault:
    unknown = set(said) - {"kind", "match", "times", "seconds", "status", "body", "error"}
    if unknown:
        raise ValueError(f"unknown key {', '.join(sorted(unknown))}")
    given = {key: kind(said[key]) for key, kind in _FIELDS.items() if said.get(key) is not None}
    return Fault(kind=FaultKind(said["kind"]), **given)


_FIELDS: Final[Mapping[str, Callable[[Any], Any]]] = {"seconds": float, "status": int, "body": str, "error": str}


def _times(value: Any) -> int | None:
    if value is None:
        return None
    times = int(value)
    if times < 1:
        raise ValueError("times must be at least 1")
    return times
