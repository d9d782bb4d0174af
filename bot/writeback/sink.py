"""Tells the world of convergence: commit statuses at the Git hosts and signed CloudEvents, from the outbox.

An attempt that seemed to fail may have arrived: a status is set again to the same value, an event keeps its id.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import quote, urlsplit

import orjson
import urllib3
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from bot.errors import DeliveryFailed
from bot.model.announcement import Verdict, WriteBack
from bot.model.record import Consignment, SinkName

_TIMEOUT: Final = urllib3.Timeout(connect=5, read=15)
_RETRY_SECONDS: Final = 5.0
_APIS: Final = {
    "github": "https://api.github.com",
    "gitlab": "https://gitlab.com/api/v4",
    "bitbucket": "https://api.bitbucket.org",
}
_DESCRIPTION_LIMIT: Final = 140  # characters at GitHub; the others allow more
_KEY_LIMIT: Final = 40  # characters of a build key at Bitbucket Cloud
_STATES: Final[Mapping[str, Mapping[Verdict, str]]] = {
    "github": {Verdict.PENDING: "pending", Verdict.SUCCESS: "success", Verdict.FAILURE: "failure"},
    "gitlab": {Verdict.PENDING: "running", Verdict.SUCCESS: "success", Verdict.FAILURE: "failed"},
    "bitbucket": {Verdict.PENDING: "INPROGRESS", Verdict.SUCCESS: "SUCCESSFUL", Verdict.FAILURE: "FAILED"},
}


class Target(Protocol):
    def send(self, back: WriteBack) -> None:
        """Send one write-back. Raises `DeliveryFailed`."""


class WriteBackSink:
    """A `bot.ports.Sink`; `targets` are in the order of the configuration."""

    name = SinkName.WRITEBACK

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = tuple(targets)

    def deliver(self, consignment: Consignment) -> float:
        back = consignment.parcel
        assert isinstance(back, WriteBack)  # the sink's rows hold nothing else
        if back.target >= len(self._targets):
            raise DeliveryFailed("the write-back is no longer in the configuration", retry_after_seconds=None)
        self._targets[back.target].send(back)
        return 0.0


class CommitStatusTarget:
    """Sets the status of a commit at one repository of a Git host."""

    def __init__(self, *, host: str, api_url: str, repo_url: str, token: str) -> None:
        self._host = host
        self._repo = _path_of(repo_url)
        self._api = (api_url or _APIS.get(host, "")).rstrip("/")
        self._token = token
        self._http = urllib3.PoolManager(timeout=_TIMEOUT, retries=False)

    def send(self, back: WriteBack) -> None:
        context = f"gitops-bot/{back.cluster}/{back.app}"
        url, body = self._request(back, context)
        headers = {**self._credentials(), "Content-Type": "application/json"}
        _post(self._http, url, orjson.dumps(body), headers, self._host, arrived=_set_already)

    def _credentials(self) -> Mapping[str, str]:
        """Return the header each host wants. Atlassian's API tokens belong to an account: `e-mail:token`."""
        match self._host:
            case "gitlab":
                return {"PRIVATE-TOKEN": self._token}
            case "gitea":
                return {"Authorization": f"token {self._token}"}
            case "bitbucket" if ":" in self._token:
                return urllib3.make_headers(basic_auth=self._token)
            case _:
                return {"Authorization": f"Bearer {self._token}"}

    def _request(self, back: WriteBack, context: str) -> tuple[str, dict[str, Any]]:
        text = back.description[:_DESCRIPTION_LIMIT]
        link = back.url or f"{self._api}/{self._repo}"
        match self._host:
            case "github" | "gitea":
                root = f"{self._api}/repos" if self._host == "github" else f"{self._api}/api/v1/repos"
                state = _STATES["github"][back.verdict]
                body = {"state": state, "context": context, "description": text, "target_url": link}
                return f"{root}/{self._repo}/statuses/{back.commit}", body
            case "gitlab":
                body = {
                    "state": _STATES["gitlab"][back.verdict],
                    "name": context,
                    "description": text,
                    "target_url": link,
                }
                return f"{self._api}/projects/{quote(self._repo, safe='')}/statuses/{back.commit}", body
            case _:
                key = (
                    context if len(context) <= _KEY_LIMIT else hashlib.sha256(context.encode()).hexdigest()[:_KEY_LIMIT]
                )
                body = {
                    "state": _STATES["bitbucket"][back.verdict],
                    "key": key,
                    "name": context,
                    "description": text,
                    "url": link,
                }
                if self._host == "bitbucket":
                    return f"{self._api}/2.0/repositories/{self._repo}/commit/{back.commit}/statuses/build", body
                project, _, repo = self._repo.rpartition("/")
                path = f"rest/api/latest/projects/{quote(project)}/repos/{quote(repo)}/commits/{back.commit}/builds"
                return f"{self._api}/{path}", body


class WebhookTarget:
    """POSTs a CloudEvent (1.0, structured JSON), signed in `X-Gitops-Bot-Signature: sha256=HMAC`."""

    def __init__(self, *, url: str, secret: str) -> None:
        self._url = url
        self._secret = secret
        self._http = urllib3.PoolManager(timeout=_TIMEOUT, retries=False)

    def send(self, back: WriteBack) -> None:
        event = CloudEvent(
            attributes={
                "id": back.id,
                "source": f"/gitops-bot/{back.cluster}/{back.app}",
                "type": f"io.gitops-bot.{back.event}.v1",
                "specversion": "1.0",
                "time": back.at,
                "subject": back.commit,
                "datacontenttype": "application/json",
            },
            data={
                "app": back.app,
                "cluster": back.cluster,
                "env": back.env,
                "operation": back.operation,
                "commit": back.commit,
                "event": back.event,
                "description": back.description,
                "url": back.url,
                "digest": back.digest,
                "summary": str(back.summary or ""),
            },
        )
        body = JSONFormat().write(event)
        signature = hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "X-Gitops-Bot-Signature": f"sha256={signature}",
        }
        _post(self._http, self._url, body, headers, "webhook")


def _path_of(repo_url: str) -> str:
    """Return `owner/name` of a clone URL; Bitbucket Data Center has `scm/` before it, and maybe a context path."""
    path = urlsplit(repo_url).path if "://" in repo_url else repo_url.rpartition(":")[2]
    before, scm, after = f"/{path.strip('/')}".partition("/scm/")
    return (after if scm else before).strip("/").removesuffix(".git")


def _set_already(status: int, text: str) -> bool:
    """GitLab refuses to set a status to what it is: the attempt before had arrived, and only its answer was lost."""
    return status == 400 and "Cannot transition status" in text


def _post(
    http: urllib3.PoolManager,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    what: str,
    *,
    arrived: Callable[[int, str], bool] = lambda status, text: False,
) -> None:
    try:
        answer = http.request("POST", url, body=body, headers=dict(headers))
    except urllib3.exceptions.HTTPError as error:
        raise DeliveryFailed(
            f"{what} cannot be reached: {type(error).__name__}", retry_after_seconds=_RETRY_SECONDS
        ) from error
    if 200 <= answer.status < 300 or arrived(answer.status, answer.data.decode(errors="replace")):
        return
    if answer.status in {408, 429} or answer.status >= 500:
        after = answer.headers.get("Retry-After") or ""
        seconds = float(after) if after.isdigit() else _RETRY_SECONDS
        raise DeliveryFailed(f"{what} answers {answer.status}", retry_after_seconds=seconds)
    raise DeliveryFailed(f"{what} answers {answer.status}: check its URL and token", retry_after_seconds=None)
