"""Admission webhooks at a URL: asked over HTTPS, in the words of the real server when they refuse or cannot be reached.

Those at a Service are not asked: nothing listens behind a Service of the sandbox. Mutating ones are asked in the order
of their names and once; there is no reinvocation.
Source: k8s.io/apiserver/pkg/admission/plugin/webhook.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError, TimeoutError

from bot.sandbox.kube.dynamic.bound import Misconfigured, conditions_hold, scope_of
from bot.sandbox.kube.dynamic.matching import GROUP, matches
from bot.sandbox.kube.dynamic.review import Review
from bot.sandbox.kube.errors import StatusError, bad_request, forbidden
from bot.sandbox.kube.json_patch import json_patch
from bot.sandbox.kube.objects import new_uid
from bot.sandbox.kube.ports import Body
from bot.sandbox.kube.store import Store

_REVIEW: Final = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
_TIMEOUT_SECONDS: Final = 10  # the API's default


class Unreachable(Exception):
    """A webhook that gave no usable answer; its failurePolicy says what that means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a webhook answered."""

    body: Body | None
    warnings: tuple[str, ...] = ()


class Webhooks:
    """The webhooks of one of the two kinds of configurations. Thread-safe."""

    def __init__(self, store: Store, *, mutating: bool) -> None:
        self._store, self._mutating = store, mutating
        kind = "mutating" if mutating else "validating"
        self._configurations = f"{kind}webhookconfigurations.{GROUP}"

    def ask(self, review: Review, namespace: Body | None) -> Verdict:
        """Ask all that cover a request, and return what they made of its object. Raises `StatusError`."""
        warnings: list[str] = []
        for hook in self._covering(review, namespace):
            try:
                if not conditions_hold(hook.get("matchConditions") or (), scope_of(review, None, namespace)):
                    continue
                verdict = self._asked(hook, review)
            except Misconfigured as error:
                if hook.get("failurePolicy") != "Ignore":
                    raise forbidden(review.resource.group, review.resource.plural, review.name, str(error)) from error
            except Unreachable as error:
                if hook.get("failurePolicy") != "Ignore":
                    message = f'Internal error occurred: failed calling webhook "{hook["name"]}": {error}'
                    raise StatusError(500, "InternalError", message) from error
            else:
                warnings += verdict.warnings
                review = replace(review, body=verdict.body)
        return Verdict(body=review.body, warnings=tuple(warnings))

    def _covering(self, review: Review, namespace: Body | None) -> Iterator[Mapping[str, Any]]:
        for configuration in self._store.list(self._configurations).objects:
            for hook in configuration.get("webhooks") or ():
                at_url = bool((hook.get("clientConfig") or {}).get("url"))
                if at_url and matches(review, hook.get("rules") or (), hook, namespace):
                    yield hook

    def _asked(self, hook: Mapping[str, Any], review: Review) -> Verdict:
        if review.dry_run and hook.get("sideEffects") not in {"None", "NoneOnDryRun"}:
            raise bad_request(f'admission webhook "{hook["name"]}" does not support dry run')
        uid = new_uid()
        objects = {"object": review.body, "oldObject": review.old}
        answer = _post(hook, {**_REVIEW, "request": {"uid": uid, **review.request(), **objects}})
        response = _response(answer, uid, mutating=self._mutating)
        if not response.get("allowed"):
            raise _denied(hook["name"], response.get("status") or {})
        warnings = tuple(str(one) for one in response.get("warnings") or ())
        body = review.body
        if body is not None and response.get("patch"):
            body = _patched(body, response)
        return Verdict(body=body, warnings=warnings)


def _post(hook: Mapping[str, Any], review: Mapping[str, Any]) -> Any:
    """Send a review and return the JSON of the answer. Raises `Unreachable` in the words of Go's HTTP client."""
    client = hook["clientConfig"]
    seconds = hook.get("timeoutSeconds") or _TIMEOUT_SECONDS
    url = f"{client['url']}?timeout={seconds}s"
    bundle = client.get("caBundle")
    trusted = base64.b64decode(bundle).decode() if bundle else None
    pool = urllib3.PoolManager(ca_cert_data=trusted, retries=False, timeout=seconds)
    try:
        answer = pool.request("POST", url, body=orjson.dumps(review), headers={"Content-Type": "application/json"})
    except (HTTPError, OSError) as error:
        raise Unreachable(f'failed to call webhook: Post "{url}": {_worded(error, url)}') from error
    finally:
        pool.clear()
    if answer.status == 404:
        raise Unreachable("failed to call webhook: the server could not find the requested resource")
    if answer.status >= 300:
        text = answer.data.decode(errors="replace").strip()
        shown = f'an error on the server ("{text}") has prevented the request from succeeding'
        raise Unreachable(f"failed to call webhook: {shown}")
    try:
        return orjson.loads(answer.data)
    except orjson.JSONDecodeError as error:
        raise Unreachable(f"failed to call webhook: {error}") from error


def _worded(error: Exception, url: str) -> str:
    if isinstance(error, NewConnectionError):
        where = urllib3.util.parse_url(url)
        return f"dial tcp {where.host}:{where.port or 443}: connect: connection refused"
    if isinstance(error, TimeoutError):
        return "context deadline exceeded"
    if isinstance(error, SSLError):
        return f"tls: failed to verify certificate: {error}"
    return str(error)


def _response(answer: Any, uid: str, *, mutating: bool) -> Mapping[str, Any]:
    """Return the response of a review. Raises `Unreachable` for one that breaks the API's rules."""
    response = answer.get("response") if isinstance(answer, Mapping) else None
    wrong = ""
    if not isinstance(response, Mapping):
        raise Unreachable("received invalid webhook response: webhook response was absent")
    if response.get("uid") != uid:
        wrong = f'expected response.uid="{uid}", got "{response.get("uid", "")}"'
    elif {name: answer.get(name) for name in _REVIEW} != _REVIEW:
        given = f"{answer.get('apiVersion', '')}, Kind={answer.get('kind', '')}"
        wrong = f"expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {given}"
    elif not mutating and (response.get("patch") or response.get("patchType")):
        wrong = f"validating webhook may not return response.{'patch' if response.get('patch') else 'patchType'}"
    elif mutating and bool(response.get("patch")) is not bool(response.get("patchType")):
        has, lacks = ("patch", "patchType") if response.get("patch") else ("patchType", "patch")
        wrong = f"webhook returned response.{has} but not response.{lacks}"
    if wrong:
        raise Unreachable(f"received invalid webhook response: {wrong}")
    return response


def _patched(body: Body, response: Mapping[str, Any]) -> Body:
    try:
        operations = orjson.loads(base64.b64decode(response["patch"]))
        patched: Body = json_patch(body, operations)
    except (binascii.Error, orjson.JSONDecodeError) as error:
        raise StatusError(500, "InternalError", f"Internal error occurred: {error}") from error
    except StatusError as error:
        raise StatusError(500, "InternalError", f"Internal error occurred: {error.message}") from error
    return patched


def _denied(name: str, status: Mapping[str, Any]) -> StatusError:
    """Return the webhook's refusal, with its own code and reason where it gave any."""
    why = status.get("message") or status.get("reason")
    denied = f'admission webhook "{name}" denied the request'
    message = f"{denied}: {why}" if why else f"{denied} without explanation"
    return StatusError(max(int(status.get("code") or 0), 400), str(status.get("reason") or ""), message)
