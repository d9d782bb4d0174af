"""Whoever may do everything on an API server of the tests, the sandbox or the real one."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from typing import Any, Final

_MEDIA_TYPES: Final = {
    "json": "application/json",
    "merge": "application/merge-patch+json",
    "json-patch": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
_TRIES_WHEN_THROTTLED: Final = 30


class Administrator:
    """A server at `url`, with the `token` of its administrator; `ca_file` is "" where it speaks plain HTTP."""

    url: str
    token: str
    ca_file: str

    def request(
        self, method: str, path: str, *, body: Any = None, raw: bool = False, kind: str = "json", accept: str = "*/*"
    ) -> Any:
        """Send one request as administrator; raises `urllib.error.HTTPError`.

        A kind whose CRD has just changed is answered with 429 for a moment: its storage is made anew.
        """
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Accept": accept,
                "Content-Type": _MEDIA_TYPES[kind],
            },
        )
        context = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None
        for _ in range(_TRIES_WHEN_THROTTLED):
            try:
                with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                    text = answer.read().decode()
            except urllib.error.HTTPError as error:
                if error.code != 429 or "Retry-After" not in error.headers:
                    raise
                time.sleep(float(error.headers["Retry-After"]))
            else:
                return text if raw else json.loads(text)
        raise TimeoutError(f"{method} {path}: 429, {_TRIES_WHEN_THROTTLED} times")
