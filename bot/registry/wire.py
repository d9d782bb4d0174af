"""The tags of images, as the registries tell them: the OCI distribution protocol over HTTP.

In go names of images, out come tags and digests. A registry says by itself how it wants to be asked: with nothing, with
a name and a password, or with a token from the address it names (distribution.github.io, "Token Authentication
Specification"). Tags come in pages. Nothing is asked again before the time that a registry gave; an answer is bounded
in bytes, pages and time. Credentials go to the host they are configured for and to the token service it names, by TLS
alone.
The surprising part: a registry on this machine (`localhost:5000`) is asked without TLS, as Docker does it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit

import orjson
import urllib3
from urllib3.util import Retry

from bot.errors import ImageNotFound, Problem, RegistryError, RegistryRefused, RegistryUnreachable
from bot.model.image import DOCKER_HUB, ImageName
from bot.registry.deadline import Deadline, TimedPool

T = TypeVar("T")

_TIMEOUT: Final = urllib3.Timeout(connect=5, read=15)
# A connection that the other side has closed meanwhile is made anew; registry.k8s.io redirects to what is near.
_RETRIES: Final = Retry(total=None, connect=1, read=1, redirect=3, status=0, other=0)
_PAGE: Final = 1000  # tags; what registries allow at most, others answer with fewer
_PAGES: Final = 200  # a registry that pages without end is given up
_ANSWER_BYTES: Final = 5_000_000
_TOKEN_SECONDS: Final = 60.0  # the specification's default, and its least
_TOKEN_MARGIN: Final = 10.0  # seconds before its end that a token is used no more
_BASIC_SECONDS: Final = 300.0  # how long a registry is taken to want name and password still
_WHOLE_SECONDS: Final = 180.0  # for the tags of one image, or a digest, with tokens and all pages
_HOUR: Final = 3600.0  # the longest that a token is kept, and that a registry is left alone
_HUB_API: Final = "registry-1.docker.io"
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")  # anything else would get into commits and messages
_TOKEN: Final = re.compile(r"[ -~]+")  # a header has one line, and an error that refuses it would show it
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_MANIFESTS: Final = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A registry of the configuration: `host` as references have it, and how we log in."""

    name: str
    host: str
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""


class Registries:
    """A `bot.ports.registry.Registry`; whoever has no account is asked as anybody. Safe to use from several threads.

    Each method ends within `patience_seconds`, whatever a registry sends.
    """

    def __init__(self, accounts: Sequence[Account], *, patience_seconds: float = _WHOLE_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self._accounts = {one.host: one for one in accounts}
        self._lock = threading.Lock()
        self._open: dict[str, _Host] = {}  # guarded by _lock

    def tags(self, image: ImageName) -> tuple[str, ...]:
        """Return every tag of an image."""
        host = self._host(image.host)
        return host.in_time(lambda: host.tags(image), self._patience_seconds)

    def digest(self, image: ImageName, tag: str) -> str:
        """Return the digest of what a tag names."""
        host = self._host(image.host)
        return host.in_time(lambda: host.digest(image, tag), self._patience_seconds)

    def check(self, host: str, images: Sequence[ImageName]) -> tuple[Problem, ...]:
        """Ask a registry for the tags of images, without any whether it knows us; return what is wrong."""
        found: list[Problem] = []
        tries: list[Callable[[], object]] = [lambda one=one: self.tags(one) for one in images]  # type: ignore[misc]
        if not tries and host in self._accounts and self._accounts[host].username:
            at = self._host(host)
            tries = [lambda: at.in_time(at.knock, self._patience_seconds)]
        for attempt in tries:
            try:
                attempt()
            except RegistryError as error:
                found.append(Problem(message=str(error)))
        return tuple(dict.fromkeys(found))

    def _host(self, host: str) -> _Host:
        with self._lock:
            if host not in self._open:
                account = self._accounts.get(host) or Account(name=host, host=host)
                self._open[host] = _Host(account)
            return self._open[host]


class _Host:
    """One registry: its connections, its tokens, and until when it wants to be left alone."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._http = TimedPool(timeout=_TIMEOUT, retries=_RETRIES, maxsize=4, ca_certs=account.ca_file or None)
        address = _HUB_API if account.host == DOCKER_HUB else account.host
        is_here = urlsplit(f"//{address}").hostname in _LOOPBACK and not account.ca_file
        self._base = f"{'http' if is_here else 'https'}://{address}/v2/"
        self._lock = threading.Lock()
        self._tokens: dict[str, tuple[str, float]] = {}  # by path: header and end; guarded by _lock
        self._rests_until = 0.0  # by the monotonic clock, as the ends of tokens; guarded by _lock

    def in_time(self, ask: Callable[[], T], seconds: float) -> T:
        """Return what is asked, or say that it took too long."""
        with Deadline(seconds) as deadline:
            try:
                return ask()
            except RegistryUnreachable as error:
                if not deadline.is_over:
                    raise
                raise self._unreachable(f"it has not answered whole within {seconds:.0f} s") from error

    def tags(self, image: ImageName) -> tuple[str, ...]:
        found: list[str] = []
        url = f"{self._base}{quote(image.path)}/tags/list?n={_PAGE}"
        for _ in range(_PAGES):
            answer = self._ask("GET", url, image.path, f"image {image}")
            tags = _object(answer.data).get("tags", 0)  # a page of a proxy, where people log in, has none
            if not isinstance(tags, list | tuple | None):
                raise self._unreachable(f"its answer has no list of tags of {image}")
            found += [one for one in tags or () if isinstance(one, str) and _TAG.fullmatch(one)]
            following = _next(answer.headers)
            if not following:
                return tuple(dict.fromkeys(found))
            before, url = url, _joined(url, following)
            if url == before or not url.startswith(self._base) or len(found) > _PAGE * _PAGES:
                break
        raise self._unreachable(f"the list of tags of {image} has no end")

    def digest(self, image: ImageName, tag: str) -> str:
        url, what = f"{self._base}{quote(image.path)}/manifests/{quote(tag)}", f"image {image}:{tag}"
        answer = self._ask("HEAD", url, image.path, what, accept=_MANIFESTS)
        digest = answer.headers.get("Docker-Content-Digest") or ""
        if re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            return digest
        answer = self._ask("GET", url, image.path, what, accept=_MANIFESTS)  # which Docker Hub counts as a pull
        if _object(answer.data).get("schemaVersion") != 2:
            raise self._unreachable(f"it does not say which digest {image}:{tag} has")
        return f"sha256:{hashlib.sha256(answer.data).hexdigest()}"

    def knock(self) -> None:
        """Ask whether it lets us in."""
        self._ask("GET", self._base, "", "the API of registries")

    # --- asking -----------------------------------------------------------------------------------------------

    def _ask(self, method: str, url: str, path: str, what: str, *, accept: str = "application/json") -> _Answer:
        with self._lock:
            rests_until = self._rests_until
            known, ends = self._tokens.get(path, ("", 0.0))
        now = monotonic()
        if now < rests_until:
            left = rests_until - now
            raise self._unreachable(f"it wants to be left alone for {left:.0f} s more", after=left)
        headers = {"Accept": accept, "User-Agent": "gitops-bot"}
        if known and now < ends:
            headers["Authorization"] = known
        answer = self._send(method, url, headers)
        if answer.status == 401:
            headers["Authorization"] = self._authorization(answer.headers, path)
            answer = self._send(method, url, headers)
        match answer.status:
            case 200:
                return answer
            case 404:
                raise ImageNotFound(
                    f"registry {self._account.host} has no {what}: check its name", host=self._account.host
                )
            case 401 | 403:
                raise self._refused(what)
            case _:
                raise self._failed(answer)

    def _authorization(self, headers: Mapping[str, str], path: str) -> str:
        """Return the header that a registry asks for, and keep it for as long as it holds."""
        challenge = headers.get("WWW-Authenticate") or ""
        words = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if challenge.lower().startswith("basic"):
            if not self._account.username:
                raise self._refused("")
            header, seconds = self._basic(), _BASIC_SECONDS
        elif challenge.lower().startswith("bearer") and words.get("realm"):
            token, seconds = self._token(words, path)
            header = f"Bearer {token}"
        else:
            raise self._refused("")
        with self._lock:
            self._tokens[path] = header, monotonic() + max(seconds - _TOKEN_MARGIN, 0)
        return header

    def _token(self, words: Mapping[str, str], path: str) -> tuple[str, float]:
        try:
            realm = urlsplit(words["realm"])
        except ValueError as error:
            raise self._unreachable("it sends us to a token service without an address") from error
        if realm.scheme != "https" and realm.hostname not in _LOOPBACK:
            raise RegistryRefused(
                f"registry {self._account.host} sends us to a token service without TLS", host=self._account.host
            )
        query = {"service": words["service"]} if words.get("service") else {}
        if path:
            query["scope"] = f"repository:{path}:pull"
        headers = {"User-Agent": "gitops-bot"}
        if self._account.username:
            headers["Authorization"] = self._basic()
        joint = "&" if realm.query else "?"
        answer = self._send("GET", f"{words['realm']}{joint}{urlencode(query)}", headers)
        if answer.status in {400, 401, 403, 404}:
            raise self._refused("")
        if answer.status != 200:
            raise self._failed(answer)
        facts = _object(answer.data)
        token, lasts = facts.get("token") or facts.get("access_token"), facts.get("expires_in")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise self._unreachable("its token service answers without a token")
        return token, min(float(lasts), _HOUR) if isinstance(lasts, int | float) else _TOKEN_SECONDS

    def _basic(self) -> str:
        account = self._account
        return f"Basic {base64.b64encode(f'{account.username}:{account.password}'.encode()).decode()}"  # RFC 7617

    def _send(self, method: str, url: str, headers: Mapping[str, str]) -> _Answer:
        try:
            answer = self._http.request(method, url, headers=dict(headers), preload_content=False)
            try:
                data = answer.read(_ANSWER_BYTES + 1)
                answer.drain_conn() if len(data) <= _ANSWER_BYTES else answer.close()
            finally:
                answer.release_conn()
        except (urllib3.exceptions.HTTPError, ValueError, OSError) as error:  # a redirect to no address, no such CA
            raise self._unreachable(f"it cannot be reached ({_reason(error)})") from error
        if len(data) > _ANSWER_BYTES:
            raise self._unreachable(f"an answer has more than {_ANSWER_BYTES // 1_000_000} MB")
        return _Answer(answer.status, answer.headers, data)

    # --- what goes wrong --------------------------------------------------------------------------------------

    def _failed(self, answer: _Answer) -> RegistryUnreachable:
        """Return what to say of an answer that is none, and leave the registry alone for as long as it wants."""
        after = _seconds(answer.headers.get("Retry-After"))
        if after is not None:
            with self._lock:
                self._rests_until = monotonic() + after
        return self._unreachable(f"it answers {answer.status}", after=after)

    def _unreachable(self, why: str, *, after: float | None = None) -> RegistryUnreachable:
        host = self._account.host
        return RegistryUnreachable(f"registry {host}: {why}", host=host, retry_after_seconds=after)

    def _refused(self, what: str) -> RegistryRefused:
        host = self._account.host
        about = f" for {what}" if what else ""
        if self._account.username:
            message = f"registry {host} does not accept our user and password{about}: check registries of {host}"
        else:
            message = f"registry {host} wants a user and password{about}: name them in registries"
        return RegistryRefused(message, host=host)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    data: bytes


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _next(headers: Mapping[str, str]) -> str:
    """Return the address of the next page (RFC 8288), "" after the last."""
    found = re.search(r'<([^>]+)>\s*;[^,]*\brel="?next"?', headers.get("Link") or "")
    return found[1] if found is not None else ""


def _joined(url: str, following: str) -> str:
    """Return the address of what follows, "" where it is none."""
    try:
        return urljoin(url, following)
    except ValueError:
        return ""


def _seconds(text: str | None) -> float | None:
    """Return a `Retry-After` in seconds, at most an hour; None where there is none that can be read."""
    try:
        return min(float(_RETRIES.parse_retry_after(text)), _HOUR) if text else None
    except urllib3.exceptions.InvalidHeader:
        return None


def _reason(error: Exception) -> str:
    """Return the kind of trouble: its text may quote an address with more in it than people should read."""
    cause = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason else error
    return type(cause).__name__
