"""The dead man's switch: told once a minute that passes complete. When it stops hearing, it wakes somebody."""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import quote

import urllib3

from bot.oncall.hosts import HOSTS

log = logging.getLogger(__name__)

_TIMEOUT: Final = urllib3.Timeout(connect=5, read=10)


class Heartbeat:
    """Pings an Opsgenie heartbeat by name, or GETs a URL (JSM has no heartbeats by API)."""

    def __init__(self, name: str, *, host: str, provider: str, key: str) -> None:
        self._is_url = name.startswith(("http://", "https://"))
        self._url = name if self._is_url else f"{host or HOSTS[provider]}/v2/heartbeats/{quote(name, safe='')}/ping"
        self._headers = {} if self._is_url else {"Authorization": f"GenieKey {key}"}
        self._http = urllib3.PoolManager(timeout=_TIMEOUT, retries=False)

    def beat(self) -> None:
        """Ping once. A missed one is logged: the next minute brings another."""
        try:
            answer = self._http.request("GET", self._url, headers=self._headers)
        except urllib3.exceptions.HTTPError as error:
            log.warning("the heartbeat did not arrive: %s", type(error).__name__)
            return
        if answer.status >= 300:
            log.warning("the heartbeat is answered with %d", answer.status)
