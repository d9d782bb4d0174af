"""The dead man's switch: told once a minute that passes complete. When it stops hearing, it wakes somebody."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import urllib3

from bot.oncall.hosts import HOSTS

log = logging.getLogger(__name__)

_TIMEOUT: Final = urllib3.Timeout(connect=5, read=10)
_MISSES: Final = 5  # minutes without an answer before people hear of it; a refusal is said at once


class Heartbeat:
    """Pings an Opsgenie heartbeat by name, or GETs a URL (JSM has no heartbeats by API).

    `tell` hears once that it does not arrive, until it has arrived again; `trouble` is why, "" while it arrives.
    """

    def __init__(
        self, name: str, *, host: str, provider: str, key: str, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self._name, self._provider, self._tell = name, provider, tell
        self._is_url = name.startswith(("http://", "https://"))
        self._url = name if self._is_url else f"{host or HOSTS[provider]}/v2/heartbeats/{quote(name, safe='')}/ping"
        self._headers = {} if self._is_url else {"Authorization": f"GenieKey {key}"}
        self._http = urllib3.PoolManager(timeout=_TIMEOUT, retries=False)
        self._missed = 0
        self.trouble = ""

    def beat(self) -> None:
        """Ping once. A missed one is made up for by the next minute's."""
        refused, why = self._ping()
        self._missed = self._missed + 1 if why else 0
        if why:
            log.warning("the heartbeat does not arrive: %s", why)
        if not why or refused or self._missed >= _MISSES:
            before, self.trouble = self.trouble, why
            if why and not before:
                self._tell(why)

    def check(self) -> str:
        """Ping once; return why it did not arrive, with what to do, "" when it did."""
        return self._ping()[1]

    def _ping(self) -> tuple[bool, str]:
        """Return whether the ping was refused for good, and why it did not arrive, "" when it did."""
        where = "its URL" if self._is_url else f"the heartbeat {self._name}"
        try:
            answer = self._http.request("GET", self._url, headers=self._headers)
        except urllib3.exceptions.HTTPError as error:
            return False, f"{where} cannot be reached: {type(error).__name__}"
        if answer.status < 300:
            return False, ""
        if self._is_url:
            return 400 <= answer.status < 500, f"{where} answers {answer.status}: correct oncall.heartbeat"
        if answer.status == 404 and self._provider == "jsm":
            return True, (
                "Jira Service Management has no heartbeats by name (404): give oncall.heartbeat the URL to ping of a "
                "dead man's switch"
            )
        fixes = {401: "correct OPSGENIE_API_KEY", 403: "correct OPSGENIE_API_KEY", 404: "create it, or name another"}
        fix = fixes.get(answer.status, "")
        return bool(fix), f"{where} answers {answer.status}" + (f": {fix}" if fix else "")
