"""A registry on loopback that speaks the distribution protocol: tags by pages, tokens, digests, and scripted faults."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tests.https import PASSWORD, USER
from tests.receiver import Got, Receiver

TOKEN: Final = "t0ken-canary"

Reply = tuple[int, Mapping[str, str], str]


class WireRegistry(Receiver):
    """`guard` is none, basic or token; `faults` answer the next requests of tags instead of it."""

    def __init__(self, *, guard: str = "none", page: int = 1000, says_digests: bool = True) -> None:
        self.images: dict[str, list[str]] = {}
        self.faults: list[Reply] = []
        self.guard, self.page, self.lasts, self.token = guard, page, 300, TOKEN
        self._says_digests = says_digests
        self.manifests: Reply | None = None  # what is answered in their place
        super().__init__(reply=self._reply)

    @property
    def host(self) -> str:
        """How images name it."""
        return self.url.removeprefix("http://").replace("127.0.0.1", "localhost")

    def push(self, path: str, *tags: str) -> None:
        self.images.setdefault(path, []).extend(tags)

    def digest(self, path: str, tag: str) -> str:
        return f"sha256:{hashlib.sha256(self.manifest(path, tag).encode()).hexdigest()}"

    def manifest(self, path: str, tag: str) -> str:
        return json.dumps({"schemaVersion": 2, "annotations": {"of": f"{path}:{tag}"}})

    def asked(self, end: str) -> int:
        """Return how often something was asked for, by the end of its path."""
        return sum(1 for got in self.got if urlsplit(got.path).path.endswith(end))

    def _reply(self, got: Got) -> Reply:
        split = urlsplit(got.path)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        login = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
        authorization = got.headers.get("authorization", "")
        if split.path == "/token":
            if authorization != login or query.get("service") != "test":
                return 401, {}, "{}"
            return 200, {}, json.dumps({"token": f"{self.token} {query.get('scope', '')}", "expires_in": self.lasts})
        path, _, what = split.path.removeprefix("/v2/").partition("/tags/") if "/tags/" in split.path else ("", "", "")
        if "/manifests/" in split.path:
            path, _, what = split.path.removeprefix("/v2/").partition("/manifests/")
        if what == "list" and self.faults:
            return self.faults.pop(0)
        if self.guard == "basic" and authorization != login:
            return 401, {"WWW-Authenticate": 'Basic realm="test"'}, "{}"
        if self.guard == "token" and authorization != f"Bearer {TOKEN} repository:{path}:pull":
            scope = f'Bearer realm="{self.url}/token",service="test",scope="repository:{path}:pull"'
            return 401, {"WWW-Authenticate": scope}, "{}"
        if path not in self.images:
            return 404, {}, json.dumps({"errors": [{"code": "NAME_UNKNOWN"}]})
        tags = sorted(self.images[path])
        if what != "list" and self.manifests is not None:
            return self.manifests
        if what != "list":
            digest = {"Docker-Content-Digest": self.digest(path, what)} if self._says_digests else {}
            return (200, digest, self.manifest(path, what)) if what in tags else (404, {}, "{}")
        begins = tags.index(query["last"]) + 1 if "last" in query else 0
        part = tags[begins : begins + self.page]
        more = begins + self.page < len(tags)
        link = {"Link": f'</v2/{path}/tags/list?last={part[-1]}&n={self.page}>; rel="next"'} if more else {}
        return 200, link, json.dumps({"name": path, "tags": part})
