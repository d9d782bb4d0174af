"""The HTTP face of the cluster: a request in, a reply or a stream out. Authenticate, authorise, route, answer.

Knows no socket. Every `StatusError` becomes the Status a client expects.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from bot.sandbox.kube import documents, recorded
from bot.sandbox.kube.api import Api
from bot.sandbox.kube.authorization import ANONYMOUS, Attributes, Authorizer, User
from bot.sandbox.kube.errors import (
    StatusError,
    method_not_allowed,
    path_not_found,
    unauthorized,
)
from bot.sandbox.kube.ports import Logs
from bot.sandbox.kube.requests import (
    Asked,
    Reply,
    Request,
    Stream,
    asked,
    error_reply,
    json_reply,
)
from bot.sandbox.kube.resources import Call, Resources
from bot.sandbox.kube.reviews import Reviews
from bot.sandbox.kube.subresources import Subresources

_VERBS: Final = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OUTDATED: Final = {
    ("", "v1", "endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    ("", "v1", "componentstatuses"): "v1 ComponentStatus is deprecated in v1.19+",
}
_HEALTH: Final = frozenset({"/healthz", "/livez", "/readyz"})


class Door:
    """One server's door. Thread-safe. `tokens` say who is who; `logs` is what `kubectl logs` reads."""

    def __init__(self, api: Api, *, tokens: Mapping[str, User], logs: Logs | None = None) -> None:
        self._api = api
        self._tokens = dict(tokens)
        self.authorizer = Authorizer(api.store)
        self._resources = Resources(api, Subresources(api, logs=logs, tokens=self._tokens))
        self._reviews = Reviews(api, self.authorizer, self._tokens)

    def answer(self, request: Request) -> Reply | Stream:
        """Answer one request; never raises `StatusError`."""
        try:
            user = self._impersonated(self._user(request), request)
            wants = asked(request.path)
            if wants is None:
                return self._server(request, user)
            reply = self._resource(request, wants, user)
            outdated = _OUTDATED.get((wants.group, wants.version, wants.plural))
            if outdated and isinstance(reply, Reply):
                return replace(reply, warnings=(*reply.warnings, outdated))
            return reply
        except StatusError as error:
            return error_reply(error)

    # --- who --------------------------------------------------------------------------------------------------

    def _user(self, request: Request) -> User:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":  # kubectl sends no token over plain HTTP, but it does send a URL's password
            try:
                token = base64.b64decode(token).decode().partition(":")[2]
            except ValueError:
                raise unauthorized() from None
        elif scheme.lower() != "bearer":
            return ANONYMOUS
        user = self._tokens.get(token.strip())
        if user is None:
            raise unauthorized()
        return user

    def _impersonated(self, user: User, request: Request) -> User:
        name = request.headers.get("impersonate-user")
        if not name:
            return user
        resource, namespace = "users", ""
        if name.startswith("system:serviceaccount:") and name.count(":") == 3:
            _, _, namespace, account = name.split(":")
            resource, shown = "serviceaccounts", account
        else:
            shown = name
        self.authorizer.require(
            user, Attributes(verb="impersonate", resource=resource, namespace=namespace, name=shown)
        )
        for group in request.groups:
            self.authorizer.require(user, Attributes(verb="impersonate", resource="groups", name=group))
        groups = list(request.groups)
        if resource == "serviceaccounts" and not groups:
            groups += ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
        return User(name=name, groups=(*groups, "system:authenticated"))

    # --- the server itself ------------------------------------------------------------------------------------

    def _server(self, request: Request, user: User) -> Reply:
        path = request.path.rstrip("/") or "/"
        self.authorizer.require(user, Attributes(verb=_VERBS.get(request.method, ""), path=request.path))
        if request.method not in {"GET", "HEAD"}:
            raise method_not_allowed()
        accept = request.headers.get("accept", "")
        if path in _HEALTH:
            return Reply(body=b"ok", kind="text/plain; charset=utf-8")
        if path == "/version":
            return json_reply(recorded.discovery()["version"])
        if path in {"/api", "/apis"} and "as=APIGroupDiscoveryList" in accept.partition(",")[0]:
            kind = f"{documents.AGGREGATED}"
            return Reply(body=json_reply(documents.aggregated(self._api.kinds, path)).body, kind=kind)
        if path.startswith("/openapi/"):
            if path == "/openapi/v2" and "protobuf" in accept:
                return Reply(body=documents.NO_DEFINITIONS, kind=documents.PROTOBUF)
            if "json" not in accept and "*/*" not in accept and accept:
                return Reply(status=406, body=b"Not Acceptable", kind="text/plain")
            text = documents.openapi(self._api.kinds, path)
            if text is None:
                raise path_not_found()
            return Reply(body=text)
        found = documents.discovery(self._api.kinds, path)
        if found is not None:
            return json_reply(found)
        if path == "/":
            return json_reply({"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]})
        raise path_not_found()

    # --- resources --------------------------------------------------------------------------------------------

    def _resource(self, request: Request, wants: Asked, user: User) -> Reply | Stream:
        self.authorizer.require(
            user,
            Attributes(
                verb=self._verb(request, wants),
                group=wants.group,
                resource=wants.plural,
                subresource=wants.subresource,
                namespace=wants.namespace,
                name=wants.name,
            ),
        )
        resource = self._api.kinds.find(wants.group, wants.version, wants.plural)
        if resource is None and not self._api.kinds.builtin(wants.group, wants.version):
            return Reply(status=404, body=b"404 page not found\n", kind="text/plain; charset=utf-8")
        if resource is None or (wants.namespace and not resource.namespaced and wants.plural != "namespaces"):
            raise path_not_found()
        if not resource.namespaced:
            wants = replace(wants, namespace="")
        if self._reviews.reviews(resource) and not wants.subresource:
            return self._reviews.answer(resource, request, wants.namespace, user)
        return self._resources.answer(Call(request=request, wants=wants, resource=resource, user=user))

    def _verb(self, request: Request, wants: Asked) -> str:
        verb = _VERBS.get(request.method, "")
        if wants.name:
            return "watch" if verb == "get" and request.flag("watch") else verb
        return {"get": "watch" if request.flag("watch") else "list", "delete": "deletecollection"}.get(verb, verb)
