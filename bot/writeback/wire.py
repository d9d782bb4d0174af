"""Requests to the hosts of write-backs: what their status means for the delivery. The outbox has the retries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
import urllib3

from bot.errors import DeliveryFailed

_TIMEOUT: Final = urllib3.Timeout(connect=5, read=15)
_RETRY_SECONDS: Final = 5.0


def connections() -> urllib3.PoolManager:
    """Return a pool of connections of one target."""
    return urllib3.PoolManager(timeout=_TIMEOUT, retries=False)


def post(
    http: urllib3.PoolManager,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    what: str,
    *,
    arrived: Callable[[int, str], bool] = lambda status, text: False,
) -> bytes:
    """Send one body and return the answer's.

    Raises `DeliveryFailed` unless the answer is 2xx or `arrived` says that it means the same.
    """
    answer = _answer(http, "POST", url, headers, what, body=body)
    if not arrived(answer.status, answer.data.decode(errors="replace")):
        _accepted(answer, what)
    return answer.data


def read(http: urllib3.PoolManager, url: str, headers: Mapping[str, str], what: str) -> Any:
    """Return the JSON at an address; None where nothing is. Raises `DeliveryFailed`."""
    answer = _answer(http, "GET", url, {**headers, "Accept": "application/json"}, what)
    if answer.status == 404:
        return None
    _accepted(answer, what)
    try:
        return orjson.loads(answer.data)
    except orjson.JSONDecodeError as error:
        raise DeliveryFailed(f"{what} answers no JSON: check its URL", retry_after_seconds=None) from error


def ask(http: urllib3.PoolManager, method: str, url: str, headers: Mapping[str, str]) -> int:
    """Return the status of an answer; 0 when there is none."""
    try:
        return http.request(method, url, headers=dict(headers)).status
    except urllib3.exceptions.HTTPError:
        return 0


def _answer(
    http: urllib3.PoolManager, method: str, url: str, headers: Mapping[str, str], what: str, body: bytes | None = None
) -> urllib3.BaseHTTPResponse:
    try:
        return http.request(method, url, body=body, headers=dict(headers))
    except urllib3.exceptions.HTTPError as error:
        raise DeliveryFailed(
            f"{what} cannot be reached: {type(error).__name__}", retry_after_seconds=_RETRY_SECONDS
        ) from error


def _accepted(answer: urllib3.BaseHTTPResponse, what: str) -> None:
    """Raise `DeliveryFailed` unless the answer is 2xx: with a time to try again where that may help."""
    if 200 <= answer.status < 300:
        return
    if answer.status in {408, 429} or answer.status >= 500:
        after = answer.headers.get("Retry-After") or ""
        seconds = float(after) if after.isdecimal() else _RETRY_SECONDS
        raise DeliveryFailed(f"{what} answers {answer.status}", retry_after_seconds=seconds)
    raise DeliveryFailed(f"{what} answers {answer.status}: check its URL and token", retry_after_seconds=None)
