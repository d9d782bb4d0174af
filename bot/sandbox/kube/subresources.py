"""The doors below an object that do more than show a part of it: scale, logs, eviction, binding, tokens, finalize."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from bot.sandbox.kube.api import Api
from bot.sandbox.kube.authorization import User, service_account
from bot.sandbox.kube.deletes import Delete, delete_of
from bot.sandbox.kube.dialing import STREAMS, container_of, unanswered_proxy, unanswered_stream
from bot.sandbox.kube.errors import Cause, StatusError, too_many_requests
from bot.sandbox.kube.objects import private, stamp
from bot.sandbox.kube.orders import Target, Write
from bot.sandbox.kube.ports import Body, Logs
from bot.sandbox.kube.requests import Reply, Request, json_reply
from bot.sandbox.kube.scale import scale
from bot.sandbox.kube.selectors import selector_of

_TOKEN_SECONDS: Final = 3_600
_SUCCESS: Final = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


class Subresources:
    """Thread-safe. Tokens that are handed out here are added to `tokens`, by which the door knows people."""

    def __init__(self, api: Api, *, logs: Logs | None, tokens: dict[str, User]) -> None:
        self._api, self._logs, self._tokens = api, logs, tokens

    def special(self, target: Target) -> bool:
        return target.subresource not in {"status", "approval", "ephemeralcontainers", "resize"}

    def answer(self, target: Target, request: Request, write: Write) -> Reply:
        """Answer a request to one of these doors. Raises `StatusError`."""
        match target.subresource:
            case "scale":
                return scale(self._api.writer, target, self._there(target), request, write)
            case "log":
                return self._log(target, request)
            case "eviction":
                return self._evict(target, request, write)
            case "binding":
                return self._bind(target, request)
            case "token":
                return self._token(target, request)
            case "finalize":
                return self._finalize(target, request)
            case stream if stream in STREAMS:
                pod = self._there(target)
                node = self._api.get("nodes", "", pod["spec"].get("nodeName", ""))
                raise unanswered_stream(pod, node, stream, request)
            case "proxy":
                raise unanswered_proxy(self._there(target))
            case other:
                raise StatusError(501, "NotImplemented", f"the sandbox has no {target.resource.plural}/{other}")

    def _there(self, target: Target) -> Body:
        there = self._api.store.get(target.resource.key, target.namespace, target.name)
        if there is None:
            raise target.missing()
        return there

    # --- pods -------------------------------------------------------------------------------------------------

    def _log(self, target: Target, request: Request) -> Reply:
        pod, query = self._there(target), request.query
        container = container_of(pod, query.get("container", ""))
        lines = list(self._logs(pod, container, previous=request.flag("previous"))) if self._logs else []
        if since := query.get("sinceSeconds"):
            earliest = self._api.now() - timedelta(seconds=int(since))
            lines = [one for one in lines if one[0] >= earliest]
        if tail := query.get("tailLines"):
            lines = lines[-int(tail) :] if int(tail) else []
        stamped = request.flag("timestamps")
        text = "".join(f"{_precise(when)} {line}\n" if stamped else f"{line}\n" for when, line in lines)
        if limit := query.get("limitBytes"):
            text = text[: int(limit)]
        return Reply(body=text.encode(), kind="text/plain")

    def _evict(self, target: Target, request: Request, write: Write) -> Reply:
        """Delete a Pod unless a disruption budget needs it."""
        pod = self._there(target)
        labels = pod["metadata"].get("labels") or {}
        for budget in self._api.list("poddisruptionbudgets.policy", target.namespace):
            selected = budget["spec"].get("selector")
            if selected is None or not selector_of(selected).matches(labels):
                continue
            if (budget.get("status") or {}).get("disruptionsAllowed", 0) <= 0:
                message = "Cannot evict pod as it would violate the pod's disruption budget."
                error = too_many_requests(message, 0)
                name = budget["metadata"]["name"]
                needed = (budget.get("status") or {}).get("desiredHealthy", 0)
                healthy = (budget.get("status") or {}).get("currentHealthy", 0)
                text = f"The disruption budget {name} needs {needed} healthy pods and has {healthy} currently"
                error.causes = (Cause(reason="DisruptionBudget", message=text),)
                raise error
        body = request.document() or {}
        options = delete_of(body.get("deleteOptions") or {}, request.query, write.user)
        self._api.deleter.delete(target.resource, target.namespace, target.name, options)
        return json_reply(_SUCCESS, status=201)

    def _bind(self, target: Target, request: Request) -> Reply:
        self._there(target)
        self._api.bind(target, ((request.document() or {}).get("target") or {}).get("name", ""))
        return json_reply(_SUCCESS, status=201)

    # --- others -----------------------------------------------------------------------------------------------

    def _token(self, target: Target, request: Request) -> Reply:
        """Hand out a token of a service account (TokenRequest)."""
        account = self._there(target)
        asked = request.document() or {}
        seconds = (asked.get("spec") or {}).get("expirationSeconds") or _TOKEN_SECONDS
        token = secrets.token_urlsafe(32)
        self._tokens[token] = service_account(target.namespace, target.name, account["metadata"]["uid"])
        status = {"token": token, "expirationTimestamp": stamp(self._api.now() + timedelta(seconds=seconds))}
        metadata = {"name": target.name, "namespace": target.namespace, "creationTimestamp": stamp(self._api.now())}
        spec = {
            "audiences": ["https://kubernetes.default.svc"],
            **(asked.get("spec") or {}),
            "expirationSeconds": seconds,
        }
        body = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"}
        return json_reply({**body, "metadata": metadata, "spec": spec, "status": status}, status=201)

    def _finalize(self, target: Target, request: Request) -> Reply:
        """Take finalizers off the spec of a Namespace; without any left it goes."""
        namespace = self._there(target)
        wanted = ((request.document() or {}).get("spec") or {}).get("finalizers") or []
        changed: dict[str, Any] = {**private(namespace), "spec": {"finalizers": wanted} if wanted else {}}
        kept = self._api.store.replace("namespaces", namespace, changed)
        if not wanted and "deletionTimestamp" in kept["metadata"]:
            self._api.deleter.delete(target.resource, "", target.name, Delete())
        return json_reply(kept)


def _precise(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
