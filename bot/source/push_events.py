"""Push events of the Git hosts: headers and body in, refs and commits out. Nothing is believed unsigned. Pure.

| host | event header | proof | reference |
|---|---|---|---|
| GitHub | `X-GitHub-Event: push`, `delete` | `X-Hub-Signature-256`, HMAC-SHA256 | docs.github.com, Webhook events and payloads |
| GitLab | `X-Gitlab-Event: Push Hook`, `Tag Push Hook` | `webhook-signature` (Standard Webhooks) or `X-Gitlab-Token`, the secret itself | docs.gitlab.com, Webhook events |
| Bitbucket Cloud | `X-Event-Key: repo:push` | `X-Hub-Signature`, HMAC-SHA256 | support.atlassian.com, Event payloads |
| Bitbucket Data Center | `X-Event-Key: repo:refs_changed`, `mirror:repo_synchronized` | `X-Hub-Signature`, HMAC-SHA256 | confluence.atlassian.com, Event payload |
| Gitea, Forgejo | `X-Gitea-Event: push`, `delete` | `X-Gitea-Signature`, HMAC-SHA256 without a prefix | docs.gitea.com, Webhooks |

An event only says that it is time to ask Git: what it names is never deployed by itself, so that a repeated or stale
event does no harm and timestamps are not checked.
"""  # noqa: E501 - a table

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

import orjson

_HEADS: Final = "refs/heads/"
_TAGS: Final = "refs/tags/"
_SIGNATURES: Final = ("x-hub-signature-256", "x-hub-signature", "x-gitea-signature")
_FORM: Final = "application/x-www-form-urlencoded"


class PushRefused(Exception):
    """The event is not signed with our secret; the message is for the sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushEvent:
    """New commits by full name of the ref (`refs/heads/main`, `refs/tags/v1`); "" for one that was deleted.

    The commit of a tag may be that of an annotated tag itself.
    """

    tips: Mapping[str, str]


def read_push(headers: Mapping[str, str], body: bytes, *, secret: str) -> PushEvent | None:
    """Return the refs that moved; None for events that move none (a ping). Raises `PushRefused`."""
    lower = {name.lower(): value for name, value in headers.items()}
    if not secret:
        raise PushRefused("no webhook secret is configured for this repository: set WEBHOOK_SECRET")
    _verify(lower, body, secret)
    if lower.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
        # GitHub's default for a new webhook; the signature is over the form as sent.
        body = parse_qs(body.decode("utf-8", errors="replace")).get("payload", [""])[0].encode()
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    tips = {name: commit for name, commit in _tips(value) if name.startswith((_HEADS, _TAGS))}
    return PushEvent(tips=tips) if tips else None


def _verify(headers: Mapping[str, str], body: bytes, secret: str) -> None:
    if (signatures := headers.get("webhook-signature")) is not None:
        _verify_standard(headers, body, secret, signatures)
        return
    token = headers.get("x-gitlab-token")
    if token is not None:
        if not hmac.compare_digest(token.encode(), secret.encode()):
            raise PushRefused("the token of the webhook is not ours")
        return
    given = next((headers[name] for name in _SIGNATURES if headers.get(name)), "")
    if not given:
        raise PushRefused("the event carries no signature: set the secret of the webhook at the Git host")
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(given.removeprefix("sha256=").encode(), expected.encode()):
        raise PushRefused("the signature of the webhook does not match our secret")


def _verify_standard(headers: Mapping[str, str], body: bytes, secret: str, signatures: str) -> None:
    """Check a signature of the Standard Webhooks specification: one of several may match, while a secret changes."""
    key = secret.encode()
    if secret.startswith("whsec_"):
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error as error:
            raise PushRefused("the webhook secret begins with whsec_ but is no base64") from error
    signed = b".".join([headers.get("webhook-id", "").encode(), headers.get("webhook-timestamp", "").encode(), body])
    expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    if not any(hmac.compare_digest(one.encode(), expected) for one in signatures.split()):
        raise PushRefused("the signature of the webhook does not match our secret")


def _tips(value: Any) -> Iterator[tuple[str, str]]:
    """Yield what moved, by the shape of the payload: the hosts' bodies cannot be confused with each other."""
    match value:
        case {"ref": str(name), "after": str(commit)}:  # GitHub, GitLab, Gitea
            yield name, _commit(commit)
        case {"ref": str(name), "ref_type": "branch" | "tag" as kind}:  # GitHub, Gitea: created or deleted
            if "master_branch" not in value:  # only a creation has it; it comes with a push of its own
                yield (_HEADS if kind == "branch" else _TAGS) + name, ""
        case {"push": {"changes": list(changes)}}:  # Bitbucket Cloud
            for change in changes:
                yield from _cloud_change(change)
        case {"changes": list(changes)}:  # Bitbucket Data Center
            for change in changes:
                match change:
                    case {"ref": {"id": str(name)}, "toHash": str(commit)}:
                        yield name, _commit(commit)
        case _:
            return


def _cloud_change(change: Any) -> Iterator[tuple[str, str]]:
    match change:
        case {"new": {"type": "branch", "name": str(name), "target": {"hash": str(commit)}}}:
            yield f"{_HEADS}{name}", commit
        case {"new": {"type": "tag" | "annotated_tag", "name": str(name), "target": {"hash": str(commit)}}}:
            yield f"{_TAGS}{name}", commit
        case {"new": None, "old": {"type": str(kind), "name": str(name)}}:
            yield (_HEADS if kind == "branch" else _TAGS) + name, ""


def _commit(text: str) -> str:
    return "" if not text.strip("0") else text
