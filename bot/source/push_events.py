"""Push events of the Git hosts: headers and body in, branches and commits out. Nothing is believed unsigned.

GitHub, Bitbucket Cloud, Bitbucket Data Center and Gitea sign the body with HMAC-SHA256; GitLab sends the secret
itself. An event only says that it is time to ask Git: what it names is never deployed by itself.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

_BRANCH: Final = "refs/heads/"
_NO_COMMIT: Final = "0" * 40


class PushRefused(Exception):
    """The event is not signed with our secret; the message is for the sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushEvent:
    """New tips by branch; deleted branches are left out."""

    commits: Mapping[str, str]


def read_push(headers: Mapping[str, str], body: bytes, *, secret: str) -> PushEvent | None:
    """Return the pushed branches; None for events that are no push (a ping). Raises `PushRefused`."""
    lower = {name.lower(): value for name, value in headers.items()}
    if not secret:
        raise PushRefused("no webhook secret is configured for this repository: set WEBHOOK_SECRET")
    _verify(lower, body, secret)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    commits = dict(_commits(value)) if isinstance(value, dict) else {}
    return PushEvent(commits=commits) if commits else None


def _verify(headers: Mapping[str, str], body: bytes, secret: str) -> None:
    token = headers.get("x-gitlab-token")
    if token is not None:
        if not hmac.compare_digest(token.encode(), secret.encode()):
            raise PushRefused("the token of the webhook is not ours")
        return
    given = headers.get("x-hub-signature-256") or headers.get("x-hub-signature") or headers.get("x-gitea-signature")
    if not given:
        raise PushRefused("the event carries no signature: set the secret of the webhook at the Git host")
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(given.removeprefix("sha256=").encode(), expected.encode()):
        raise PushRefused("the signature of the webhook does not match our secret")


def _commits(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    match value:
        case {"ref": str(ref), "after": str(commit)}:  # GitHub, GitLab, Gitea
            if ref.startswith(_BRANCH) and commit != _NO_COMMIT:
                yield ref.removeprefix(_BRANCH), commit
        case {"push": {"changes": list(changes)}}:  # Bitbucket Cloud
            for change in changes:
                match change:
                    case {"new": {"type": "branch", "name": str(name), "target": {"hash": str(commit)}}}:
                        yield name, commit
        case {"changes": list(changes)}:  # Bitbucket Data Center
            for change in changes:
                match change:
                    case {"ref": {"id": str(ref)}, "toHash": str(commit)} if ref.startswith(_BRANCH):
                        if commit != _NO_COMMIT:
                            yield ref.removeprefix(_BRANCH), commit
